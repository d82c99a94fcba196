# SPDX-License-Identifier: GPL-3.0-or-later
"""Results into a file: nothing else is exported, and nothing in the scene is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import bpy
import numpy as np
from bpy.app.translations import pgettext_rpt as rpt_

from .. import levels
from ..assets.metadata import images_of
from ..materials import use_of
from . import usd_occlusion
from .formats import Format, Results

PNG_MAGIC = b"\x89PNG"


def export(
    context, path: Path, chosen: Format, results: Results, *, with_levels: bool = False
) -> None:
    """Write results into one file, with their textures in or next to it.

    Args:
        context: its view layer holds the results.
        path: the file.
        chosen: its format.
        results: what to write.
        with_levels: also write their LODs and collision meshes, named as game engines know them.

    Raises:
        OSError: a file beside it would be replaced, or cannot be written.
        RuntimeError: Blender's exporter failed.
    """
    occlusion: dict[str, str] = {}
    with ExitStack() as stack:
        selected = results
        if with_levels:
            stack.enter_context(levels.shown_for_export(context.view_layer, results))
            selected = [*results, *(child for each in results for child in levels.of(each))]
        stack.enter_context(_only_selected(context, selected))
        if chosen.textures == "BESIDE":
            with_occlusion = chosen.label == "USD" and usd_occlusion.is_possible()
            targets = _targets(path, results, with_occlusion=with_occlusion)
            occlusion = _occlusion_by_color(targets, results)
            stack.enter_context(_textures_in(targets, results))
        elif chosen.textures == "EMBEDDED":
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="maquette-")))
            stack.enter_context(_textures_in(_targets(folder / path.name, results), results))
        chosen.write(path, results)
    if occlusion and path.is_file():
        usd_occlusion.add(path, occlusion)
    if not path.is_file() or not path.stat().st_size:
        raise OSError(rpt_("nothing was written"))


@contextmanager
def _only_selected(context, results: Results) -> Iterator[None]:
    """Select these objects alone, as long as it lasts: exporters ask the selection."""
    layer = context.view_layer
    before, active = list(layer.objects.selected), layer.objects.active
    for each in before:
        each.select_set(False)
    for each in results:
        each.select_set(True)
    layer.objects.active = results[0]
    try:
        yield
    finally:
        for each in layer.objects:
            each.select_set(each in before)
        layer.objects.active = active


@contextmanager
def _textures_in(targets: dict[bpy.types.Image, Path], results: Results) -> Iterator[None]:
    """Save textures as files and let the materials use those, as long as it lasts.

    Exporters of formats that name their textures would otherwise name files that are not there.
    """
    stand_ins = []
    try:
        for image, target in targets.items():
            _save(image, target)
            stand_in = bpy.data.images.load(str(target))
            stand_in.colorspace_settings.name = image.colorspace_settings.name
            stand_ins.append((image, stand_in))
            _swap(results, image, stand_in)
        yield
    finally:
        for image, stand_in in stand_ins:
            _swap(results, stand_in, image)
            bpy.data.images.remove(stand_in)


def _save(image: bpy.types.Image, target: Path) -> None:
    """Write an image as PNG without changing it, as Image.save does before Blender 4.5."""
    packed = image.packed_file.data if image.packed_file and not image.is_dirty else b""
    if packed.startswith(PNG_MAGIC):
        target.write_bytes(packed)
        return
    values = np.empty(len(image.pixels), dtype=np.float32)
    image.pixels.foreach_get(values)
    copy = bpy.data.images.new("", *image.size, alpha=True, float_buffer=image.is_float)
    try:
        copy.colorspace_settings.name = image.colorspace_settings.name
        copy.pixels.foreach_set(values)
        copy.filepath_raw, copy.file_format = str(target), "PNG"
        copy.save()
    finally:
        bpy.data.images.remove(copy)


def _targets(
    path: Path, results: Results, *, with_occlusion: bool = False
) -> dict[bpy.types.Image, Path]:
    """Return where each texture goes; replaces only what belongs to a file that is replaced.

    Of the formats whose textures are files of their own, only USD can name one for occlusion.

    Raises:
        FileExistsError: there is such a file, and it belongs to something else.
    """
    materials = [slot.material for each in results for slot in each.material_slots if slot.material]
    targets: dict[bpy.types.Image, Path] = {}
    counts: Counter[str] = Counter()
    for image in dict.fromkeys(image for each in results for image in images_of(each)):
        use = use_of(image, materials)
        if use != "occlusion" or with_occlusion:
            counts[use] += 1
            name = use if counts[use] == 1 else f"{use}-{counts[use]}"
            targets[image] = path.with_name(f"{path.stem}-{name}.png")
    if not path.exists():
        for target in (*targets.values(), path.with_suffix(".mtl")):
            if target.exists() and (target.suffix == ".png" or path.suffix == ".obj"):
                raise FileExistsError(rpt_("{file} is already there").format(file=target.name))
    return targets


def _occlusion_by_color(targets: dict[bpy.types.Image, Path], results: Results) -> dict[str, str]:
    """Return the names of files with occlusion by those with the base color of the same result."""
    found = {}
    for each in results:
        materials = [slot.material for slot in each.material_slots if slot.material]
        names = {
            use_of(image, materials): targets[image].name
            for image in images_of(each)
            if image in targets
        }
        if {"base-color", "occlusion"} <= set(names):
            found[names["base-color"]] = names["occlusion"]
    return found


def _swap(results: Results, old: bpy.types.Image, new: bpy.types.Image) -> None:
    for each in results:
        for slot in each.material_slots:
            tree = slot.material.node_tree if slot.material else None
            for node in tree.nodes if tree else ():
                if node.type == "TEX_IMAGE" and node.image == old:
                    node.image = new
