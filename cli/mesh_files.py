# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes out of files, read by Blender: what is visible in them, as it stands in the world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import blend_export
from .errors import UsageError

MILLIMETRES = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "in": 25.4}
"""By unit."""


@dataclass(frozen=True, slots=True)
class NamedMesh:
    """One object of a file."""

    name: str
    vertices: NDArray[np.float64]
    """Positions in units of the file, Z up, [V, 3]."""
    faces: NDArray[np.int32]
    """Vertex indices, counter-clockwise seen from outside, [F, 3]."""
    millimetres_per_unit: float


def read_meshes(path: Path, unit: str | None = None) -> list[NamedMesh]:
    """Return the visible meshes of a file.

    Args:
        path: a file with one of the suffixes of SUFFIXES.
        unit: one of MILLIMETRES; None asks a .blend's scene, takes STL for millimetres, as slicers
            do, and anything else for metres.

    Raises:
        UsageError: it is not there, or cannot be read.
        MissingPackageError: Blender's module is not there.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"cannot read {path.suffix or path}: use one of {' '.join(SUFFIXES)}")
    if not path.is_file():
        raise UsageError(f"cannot read {path}: there is no such file")
    blend_export.require_bpy()
    with blend_export.muffled():
        try:
            _READERS[suffix](str(path.resolve()))
        except RuntimeError as error:
            # How every operator of Blender fails.
            raise UsageError(f"cannot read {path}: is it whole, and what its name says?") from error
        return _visible(suffix, unit)


def _visible(suffix: str, unit: str | None) -> list[NamedMesh]:
    import bpy

    from ..operators import mesh_arrays

    scene = bpy.context.scene
    if unit is not None:
        scale = MILLIMETRES[unit]
    elif suffix == ".blend":
        scale = mesh_arrays.millimetres_per_unit(scene)
    else:
        scale = MILLIMETRES["mm" if suffix == ".stl" else "m"]
    depsgraph = bpy.context.evaluated_depsgraph_get()
    found = []
    for each in sorted(scene.objects, key=lambda each: each.name):
        if each.type == "MESH" and each.visible_get():
            mesh = mesh_arrays.read(each, depsgraph)
            found.append(NamedMesh(each.name, mesh.vertices, mesh.faces, scale))
    return found


def _read_blend(path: str) -> None:
    import bpy

    # Whoever checks a file does not mean to run what is in it.
    bpy.ops.wm.open_mainfile(filepath=path, load_ui=False, use_scripts=False)


def _importer(operator: str) -> Callable[[str], None]:
    def read(path: str) -> None:
        import bpy

        bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
        module, _, name = operator.partition(".")
        getattr(getattr(bpy.ops, module), name)(filepath=path)

    return read


_READERS: dict[str, Callable[[str], None]] = {
    ".blend": _read_blend,
    ".glb": _importer("import_scene.gltf"),
    ".gltf": _importer("import_scene.gltf"),
    ".stl": _importer("wm.stl_import"),
    ".obj": _importer("wm.obj_import"),
    ".ply": _importer("wm.ply_import"),
}
SUFFIXES = tuple(_READERS)
