# SPDX-License-Identifier: GPL-3.0-or-later
"""The same latent three times, side by side: as Shap-E is usually taken to Blender, and ours.

The usual way is a dense grid of 128 samples, marching cubes as Shap-E has it, a color for each
vertex, a PLY file and Blender's own import of it; once as it comes, once reduced to our number of
triangles by Blender's Decimate modifier, which keeps the colors of the vertices.
Usage: python -m maquette.benchmarks.compare_pictures [--prompt castle] [--triangles 5000]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ..cli import blend_export
from ..cli.render import Shot, render_picture
from ..core import pipeline
from ..core.config import GenerationRequest, SurfaceConfig
from ..core.geometry.orient import place
from ..core.mesh import GenerationResult
from ..weights_fetch import pack_directory

if TYPE_CHECKING:
    import bpy

    from ..core.decoder.stf import SignedDistanceField

FOLDER = Path(__file__).parents[1] / "docs" / "images"

PROMPTS = {
    "mushroom": "a red mushroom with a white stem",
    "castle": "a stone castle with blue roofs",
    "chair": "a wooden chair",
}

_RESOLUTION = 128
_TILE, _LABEL = 330, 30
_MOST_BYTES = 300_000


def main() -> None:
    """Write a picture for each prompt."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompt", choices=PROMPTS, action="append")
    parser.add_argument("--triangles", type=int, default=5_000)
    parser.add_argument("--output", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name in arguments.prompt or PROMPTS:
        path = arguments.output / f"compare-{name}.png"
        sheet = compare(PROMPTS[name], arguments.triangles)
        sheet.save(path, optimize=True)
        if path.stat().st_size > _MOST_BYTES:
            # Dithered, else the backdrop would come out in bands.
            sheet.convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(path, optimize=True)
        sys.stdout.write(f"{path}: {path.stat().st_size / 1000:.0f} kB\n")


def compare(prompt: str, triangles: int) -> Image.Image:
    """Return the pictures side by side, each with a line below."""
    surface = SurfaceConfig(triangles=triangles, normal_map=True)
    request = GenerationRequest(prompt=prompt, surface=surface, texture_size=1024, device="cpu")
    result = _generate(request)
    usual = usual_mesh(field_of(request))
    shot = Shot(size=_TILE, samples=16, fill=0.86)
    tiles, counts = [], []
    with tempfile.TemporaryDirectory() as scratch, blend_export.muffled():
        ply = Path(scratch) / "usual.ply"
        write_ply(ply, *usual)
        for number, make in enumerate(
            (
                lambda: import_ply(ply),
                lambda: decimated(import_ply(ply), len(result.mesh.faces)),
                lambda: blend_export.open_scene(result),
            )
        ):
            subject, path = make(), Path(scratch) / f"{number}.png"
            counts.append(len(subject.data.polygons))
            render_picture(subject, path, shot)
            tiles.append(Image.open(path).convert("RGB"))
    return _side_by_side(
        tiles,
        (
            f"the usual way: {counts[0]:,} triangles",
            f"the same, decimated: {counts[1]:,} triangles",
            f"Maquette: {counts[2]:,} triangles",
        ),
    )


def _generate(request: GenerationRequest) -> GenerationResult:
    (result,) = pipeline.generate(
        request,
        pack_directory("starter", None),
        on_progress=lambda stage, fraction: None,
        cancel=threading.Event(),
    )
    return result


def field_of(request: GenerationRequest) -> SignedDistanceField:
    """Return the field that a generation makes its mesh of."""
    import torch

    from ..core.resident import open_pack
    from ..core.sampling import sample_latent

    models = open_pack(pack_directory("starter", None), torch.device("cpu"), torch.float32)
    with torch.inference_mode():
        latent = sample_latent(
            models.prior(request),
            models.condition(request).tokens,
            models.sampler(request),
            request.seed,
            on_step=lambda done, total: None,
        )
        return models.decoder.field(latent)


def usual_mesh(
    field: SignedDistanceField,
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
    """Return vertices in metres, triangles and sRGB colors of the vertices."""
    import torch

    from ..core.geometry.extract import extract_mesh

    with torch.inference_mode():
        vertices, faces = extract_mesh(
            field.signed_distance,
            _RESOLUTION,
            device=torch.device("cpu"),
            method="dense",
            border="openai",
        )
        colors = field.color(torch.from_numpy(vertices)).numpy()
    placed, _ = place(vertices, 1.0)
    return placed, faces, colors


def write_ply(
    path: Path,
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    colors: NDArray[np.float32],
) -> None:
    """Write what Shap-E and diffusers write: positions, colors as bytes, triangles."""
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"element vertex {len(vertices)}",
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {channel}" for channel in ("red", "green", "blue")),
        f"element face {len(faces)}",
        "property list uchar int vertex_index",
        "end_header\n",
    ]
    points = np.empty(len(vertices), dtype=[("place", "<f4", 3), ("color", "u1", 3)])
    points["place"], points["color"] = vertices, np.round(colors.clip(0, 1) * 255)
    triangles = np.empty(len(faces), dtype=[("count", "u1"), ("corners", "<i4", 3)])
    triangles["count"], triangles["corners"] = 3, faces
    path.write_bytes("\n".join(header).encode() + points.tobytes() + triangles.tobytes())


def import_ply(path: Path) -> bpy.types.Object:
    """Put a PLY file into a fresh scene and show its colors, as a user would."""
    import bpy

    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    bpy.ops.wm.ply_import(filepath=str(path), forward_axis="Y", up_axis="Z")
    subject = bpy.context.view_layer.objects.active
    material = bpy.data.materials.new("Colors")
    material.use_nodes = True
    nodes = material.node_tree.nodes
    shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    source = nodes.new("ShaderNodeVertexColor")
    source.layer_name = subject.data.color_attributes[0].name
    material.node_tree.links.new(source.outputs["Color"], shader.inputs["Base Color"])
    subject.data.materials.clear()
    subject.data.materials.append(material)
    return subject


def decimated(subject: bpy.types.Object, triangles: int) -> bpy.types.Object:
    """Apply Blender's Decimate modifier to an object."""
    import bpy

    modifier = subject.modifiers.new("Decimate", "DECIMATE")
    modifier.ratio = triangles / len(subject.data.polygons)
    bpy.context.view_layer.objects.active = subject
    bpy.ops.object.modifier_apply(modifier=modifier.name)
    return subject


def _side_by_side(tiles: list[Image.Image], labels: tuple[str, ...]) -> Image.Image:
    sheet = Image.new("RGB", (_TILE * len(tiles), _TILE + _LABEL), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (tile, label) in enumerate(zip(tiles, labels, strict=True)):
        sheet.paste(tile, (number * _TILE, 0))
        draw.text((number * _TILE + 8, _TILE + 9), label, fill="black")
    return sheet


if __name__ == "__main__":
    main()
