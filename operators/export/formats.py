# SPDX-License-Identifier: GPL-3.0-or-later
"""The formats of the export row, and Blender's exporter for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import bpy
from bpy.app.translations import pgettext_rpt as rpt_

from ...core.three_mf import PrintObject, write_three_mf
from .. import mesh_arrays
from ..assets.metadata import images_of

Results = list[bpy.types.Object]


@dataclass(frozen=True, slots=True)
class Format:
    """One button of the export row."""

    label: str
    suffix: str
    operator: str
    """Of Blender, such as export_scene.gltf; empty where we write the file ourselves."""
    write: Callable[[Path, Results], object]
    addon: str = ""
    """Name of the add-on that brings the operator, for when it is switched off."""
    textures: Literal["OWN", "EMBEDDED", "BESIDE"] = "OWN"
    """Whether the exporter takes them from Blender, or from files that it puts in or names."""


def _has_textures(results: Results) -> bool:
    return any(images_of(each) for each in results)


def _write_gltf(path: Path, results: Results) -> None:
    bpy.ops.export_scene.gltf(
        filepath=str(path),
        export_format="GLB",
        use_selection=True,
        # Viewers multiply the texture with the colors of the vertices.
        export_vertex_color="NONE" if _has_textures(results) else "MATERIAL",
        export_all_vertex_colors=False,
        export_extras=True,
        export_animations=False,
    )


def _write_fbx(path: Path, results: Results) -> None:
    bpy.ops.export_scene.fbx(
        filepath=str(path),
        use_selection=True,
        object_types={"MESH"},
        path_mode="COPY",
        embed_textures=True,
        bake_anim=False,
    )


def _write_usd(path: Path, results: Results) -> None:
    options: dict[str, object] = {"export_textures_mode": "KEEP"}
    if "export_textures_mode" not in bpy.ops.wm.usd_export.get_rna_type().properties:
        options = {"export_textures": False}  # Blender 4.2's name for it.
    bpy.ops.wm.usd_export(
        filepath=str(path), selected_objects_only=True, relative_paths=True, **options
    )


def _write_obj(path: Path, results: Results) -> None:
    bpy.ops.wm.obj_export(
        filepath=str(path),
        export_selected_objects=True,
        path_mode="RELATIVE",
        export_colors=not _has_textures(results),
        export_pbr_extensions=False,
    )


def _write_stl(path: Path, results: Results) -> None:
    # The format has no unit, and slicers take it for millimeters.
    scale = mesh_arrays.millimetres_per_unit(bpy.context.scene)
    bpy.ops.wm.stl_export(filepath=str(path), export_selected_objects=True, global_scale=scale)


def _write_stl_in_units(path: Path, results: Results) -> None:
    bpy.ops.wm.stl_export(filepath=str(path), export_selected_objects=True)


def _write_3mf(path: Path, results: Results) -> None:
    depsgraph = bpy.context.evaluated_depsgraph_get()
    scale = mesh_arrays.millimetres_per_unit(bpy.context.scene)
    objects = []
    for each in results:
        mesh = mesh_arrays.read(each, depsgraph)
        if len(mesh.faces):
            colors = mesh_arrays.vertex_colors(each, depsgraph)
            objects.append(
                PrintObject(
                    name=each.name,
                    vertices=mesh.vertices * scale,
                    faces=mesh.faces,
                    vertex_colors=colors,
                )
            )
    if not objects:
        raise RuntimeError(rpt_("there are no faces"))
    write_three_mf(path, objects)


FORMATS = {
    "GLTF": Format("glTF", ".glb", "export_scene.gltf", _write_gltf, "glTF 2.0 format"),
    "FBX": Format("FBX", ".fbx", "export_scene.fbx", _write_fbx, "FBX format", "EMBEDDED"),
    "USD": Format("USD", ".usdc", "wm.usd_export", _write_usd, "", "BESIDE"),
    "OBJ": Format("OBJ", ".obj", "wm.obj_export", _write_obj, "", "BESIDE"),
    "STL": Format("STL", ".stl", "wm.stl_export", _write_stl),
    "3MF": Format("3MF", ".3mf", "", _write_3mf),
}
STL_IN_UNITS = Format("STL", ".stl", "wm.stl_export", _write_stl_in_units)


def hindrance(chosen: Format) -> str:
    """Return why a format cannot be written right now, or an empty string."""
    module, _, name = chosen.operator.partition(".")
    if not name or name in dir(getattr(bpy.ops, module)):
        return ""
    text = rpt_("The add-on {addon} is off: enable it in Preferences, Add-ons")
    return text.format(addon=chosen.addon or chosen.label)
