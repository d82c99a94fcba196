# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Asset Browser shows of a result, and where: this file or a library's own .blend."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bpy

from .. import mesh_build
from ..variants import gallery

MAX_TAGS = 12
_WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*")
_FILLERS = frozenset(
    "a an and at by for from in into is it its of off on onto or over some that the their this to "
    "under upon very with without".split()
)
_NOT_IN_NAMES = re.compile(r'[<>:"/\\|?*\x00-\x1f]+')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")
"""Names that Windows keeps for itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What the user says about an asset; empty texts are taken from the prompt."""

    catalog_id: str = ""
    author: str = ""
    license: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()


def tags_of(prompt: str) -> tuple[str, ...]:
    """Return the words of a prompt that are worth searching for, in any script, each once."""
    words = (word.casefold() for word in _WORD.findall(prompt))
    return tuple(dict.fromkeys(word for word in words if word not in _FILLERS))[:MAX_TAGS]


def file_name(name: str) -> str:
    """Return an object's name as a file name that every system takes, without suffix."""
    safe = _NOT_IN_NAMES.sub("-", name).strip(" .-")
    if _RESERVED.match(safe):
        safe = f"_{safe}"
    return safe or "Maquette"


def mark(subject: bpy.types.Object, metadata: Metadata) -> None:
    """Make an object an asset, or change what is said about one."""
    prompt = str(subject.get(f"{mesh_build.RECORD_KEY}_prompt", ""))
    subject.asset_mark()
    data = subject.asset_data
    data.description = metadata.description or prompt
    data.author, data.license = metadata.author, metadata.license
    if metadata.catalog_id:
        data.catalog_id = metadata.catalog_id
    for tag in list(data.tags) if metadata.tags else ():
        data.tags.remove(tag)
    for tag in metadata.tags or tags_of(prompt):
        data.tags.new(tag, skip_if_exists=True)
    for key in ("", "_prompt", "_seed", "_pack", "_pack_hash", "_version"):
        if (value := subject.get(f"{mesh_build.RECORD_KEY}{key}")) is not None:
            data[f"{mesh_build.RECORD_KEY}{key}"] = value


def write(subject: bpy.types.Object, path: Path, metadata: Metadata) -> None:
    """Write an object as an asset into a .blend file of its own, with its textures.

    The object in this file stays as it is; what is written stands at the origin, without parent.

    Raises:
        OSError: the file is already there.
        RuntimeError: Blender could not write it.
    """
    if path.exists():
        raise FileExistsError(path)
    with _copy(subject) as copy, _packed(subject):
        mark(copy, metadata)
        bpy.data.libraries.write(
            str(path), {copy}, path_remap="RELATIVE_ALL", fake_user=True, compress=True
        )


@contextmanager
def _copy(subject: bpy.types.Object) -> Iterator[bpy.types.Object]:
    """Lend a copy that bears the object's name and is taken out of its surroundings."""
    name = subject.name
    turned = subject.matrix_world.copy()
    turned.translation = (0.0, 0.0, 0.0)
    copy = subject.copy()
    is_ours = subject.library is None
    try:
        if is_ours:
            subject.name = "Maquette Original"
        copy.name = name
        copy.parent = None
        copy.matrix_parent_inverse.identity()
        copy.matrix_basis = turned
        copy.constraints.clear()
        copy.animation_data_clear()
        copy.hide_viewport = copy.hide_render = copy.hide_select = False
        copy.pop(gallery.PLACE_KEY, None)
        _copy_preview(subject, copy)
        yield copy
    finally:
        bpy.data.objects.remove(copy)
        if is_ours:
            subject.name = name


def _copy_preview(source: bpy.types.Object, target: bpy.types.Object) -> None:
    """Give the copy the picture; Blender 4.2 leaves it out."""
    if source.preview is None or target.preview is not None:
        return
    preview = target.preview_ensure()
    preview.image_size = source.preview.image_size
    preview.image_pixels.foreach_set(source.preview.image_pixels[:])
    preview.icon_size = source.preview.icon_size
    preview.icon_pixels.foreach_set(source.preview.icon_pixels[:])


@contextmanager
def _packed(subject: bpy.types.Object) -> Iterator[None]:
    """Pack the textures that lie in files, as long as it lasts."""
    packed = []
    for image in images_of(subject):
        if image.packed_file is None and image.has_data:
            # What was painted and not saved stays packed: the file does not have it.
            if image.filepath and not image.is_dirty:
                packed.append(image)
            image.pack()
    try:
        yield
    finally:
        for image in packed:
            image.unpack(method="REMOVE")


def images_of(subject: bpy.types.Object) -> list[bpy.types.Image]:
    """Return the images of an object's materials, each once."""
    trees = [each.material.node_tree for each in subject.material_slots if each.material]
    nodes = [node for tree in trees if tree for node in tree.nodes]
    images = [node.image for node in nodes if node.type == "TEX_IMAGE" and node.image]
    return list(dict.fromkeys(images))
