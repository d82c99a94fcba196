# SPDX-License-Identifier: GPL-3.0-or-later
"""Results as files, written by Blender: one scene each, .blend or an exchange format.

The only module of the command line, with render.py, that imports bpy, and only when called.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ..core.mesh import GenerationResult
from ..core.three_mf import PrintObject, write_three_mf
from .destination import COMPANIONS, SUFFIXES, require_writable
from .errors import MissingPackageError, OutputError, output_error, writing
from .export_check import is_complete

if TYPE_CHECKING:
    import bpy

ORIGIN = (0.0, 0.0, 0.0)
MILLIMETRES = 1000.0
"""In a metre."""
_WRITE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS)


def require_bpy() -> None:
    """Find out early, and without the time it takes to load, whether Blender's module is there.

    Raises:
        MissingPackageError: it is not.
    """
    if importlib.util.find_spec("bpy") is None:
        raise MissingPackageError(
            "bpy", "pip install bpy, on Python 3.11 for Blender up to 5.0 and on 3.13 from 5.1"
        )


@contextmanager
def muffled() -> Iterator[None]:
    """Keep Blender's messages away from both streams, at the level of file descriptors.

    They come from C as well as from Python, and standard output belongs to our own answer.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    try:
        with open(os.devnull, "w") as sink, redirect_stdout(sink), redirect_stderr(sink):
            os.dup2(sink.fileno(), 1)
            os.dup2(sink.fileno(), 2)
            try:
                yield
            finally:
                sink.flush()
    finally:
        for descriptor, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, descriptor)
            os.close(copy)


def open_scene(result: GenerationResult, *, with_levels: bool = False) -> bpy.types.Object:
    """Put a result into a fresh, otherwise empty scene and return its object.

    Args:
        result: what the pipeline yielded.
        with_levels: whether its levels of detail and its collision mesh go with it, hidden.
    """
    import bpy

    from ..operators import levels, mesh_build

    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    added = mesh_build.add_object(bpy.context, result, location=ORIGIN)
    if with_levels:
        levels.attach(added, result, list(levels.build_meshes(result)))
        bpy.context.view_layer.update()
        levels.hide(bpy.context.view_layer, added)
    return added


def write_file(result: GenerationResult, path: Path) -> None:
    """Write the open scene, which holds this result, and what belongs beside it.

    Args:
        result: what the scene was made from.
        path: a name that is free, in a folder of its own; the suffix chooses the format.

    Raises:
        OutputError: the disk refused, or took only a part.
    """
    try:
        with writing(path):
            _WRITERS[SUFFIXES[path.suffix]](path, result)
    except RuntimeError as error:
        # How every operator of Blender fails; the text is its report, or a whole traceback, and
        # may blame something else when the disk is full.
        require_writable(path.parent)
        raise _output_error(path, str(error)) from error
    require_whole(path, len(result.mesh.faces))


def require_whole(path: Path, num_faces: int) -> None:
    """Make sure that a file and its companions hold all that they should.

    Raises:
        OutputError: the disk took only a part, which Blender may not have noticed.
    """
    beside = COMPANIONS.get(SUFFIXES[path.suffix], ())
    companions = [path.with_name(path.stem + end) for end in beside]
    with writing(path):
        files = [path, *(each for each in companions if each.exists())]
        is_whole = all(is_complete(each, num_faces) for each in files)
    if not is_whole:
        require_writable(path.parent)
        raise OutputError(
            path, "the disk took only a part, make room or choose another place with -o"
        )


def _output_error(path: Path, report: str) -> OutputError:
    for code in _WRITE_ERRORS:
        if os.strerror(code) in report:
            return output_error(path, OSError(code, os.strerror(code)))
    lines = report.strip().splitlines() or ["Blender does not say why"]
    last = lines[-1].removeprefix("Error: ").rstrip(".")
    return OutputError(path, last.replace(str(path), path.name))


def _write_blend(path: Path, result: GenerationResult) -> None:
    import bpy

    bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=True, copy=True, check_existing=False)


def _write_glb(path: Path, result: GenerationResult) -> None:
    import bpy

    from ..operators import levels

    owners = [each for each in bpy.context.scene.objects if each.parent is None]
    with levels.shown_for_export(bpy.context.view_layer, owners):
        bpy.ops.export_scene.gltf(
            filepath=str(path),
            export_format="GLB",
            # Viewers multiply the texture with the colours of the vertices.
            export_vertex_color="NONE" if result.mesh.texture else "MATERIAL",
            export_all_vertex_colors=False,
            export_extras=True,
            export_animations=False,
        )


def _write_obj(path: Path, result: GenerationResult) -> None:
    import bpy

    _lay_textures_beside(path, result)
    bpy.ops.wm.obj_export(
        filepath=str(path),
        path_mode="STRIP",
        export_colors=result.mesh.texture is None,
        export_pbr_extensions=False,
    )


def _write_ply(path: Path, result: GenerationResult) -> None:
    import bpy

    # sRGB: what MeshLab and the like expect of colours in bytes.
    # Without UVs, which would part the vertices along seams for a texture that PLY has not.
    bpy.ops.wm.ply_export(
        filepath=str(path), export_colors="SRGB", export_normals=True, export_uv=False
    )


def _write_usd(path: Path, result: GenerationResult) -> None:
    import bpy

    _lay_textures_beside(path, result)
    options: dict[str, object] = {"export_textures_mode": "KEEP"}
    if "export_textures_mode" not in bpy.ops.wm.usd_export.get_rna_type().properties:
        options = {"export_textures": False}  # Blender 4.2's name for it.
    bpy.ops.wm.usd_export(filepath=str(path), relative_paths=True, **options)


def _write_stl(path: Path, result: GenerationResult) -> None:
    import bpy

    # The format has no unit, and slicers take it for millimetres.
    bpy.ops.wm.stl_export(filepath=str(path), global_scale=MILLIMETRES)


def _write_3mf(path: Path, result: GenerationResult) -> None:
    mesh = result.mesh
    each = PrintObject(
        name=result.name,
        vertices=mesh.vertices * MILLIMETRES,
        faces=mesh.faces,
        vertex_colors=mesh.vertex_colors,
    )
    write_three_mf(path, [each])


_WRITERS: dict[str, Callable[[Path, GenerationResult], None]] = {
    "blend": _write_blend,
    "glb": _write_glb,
    "obj": _write_obj,
    "ply": _write_ply,
    "usd": _write_usd,
    "stl": _write_stl,
    "3mf": _write_3mf,
}


def _lay_textures_beside(path: Path, result: GenerationResult) -> None:
    """Save the images that a format can name next to the file and let the scene's point to them.

    Exporters of formats that cannot hold an image would name a file that is not there.
    """
    import bpy

    from ..operators.materials import use_of

    if result.mesh.texture is None:
        return
    for image in list(bpy.data.images):
        end = f"-{use_of(image, bpy.data.materials)}.png"
        if end not in COMPANIONS[SUFFIXES[path.suffix]]:
            continue
        target = path.with_name(path.stem + end)
        image.file_format = "PNG"
        image.save(filepath=str(target))
        image.unpack(method="REMOVE")
        image.source = "FILE"
        image.filepath = str(target)


def end_process(code: int) -> NoReturn:
    """End the process without Blender's destructors, which are not to be trusted.

    Those of 4.2 crash after a glTF export; one of 4.5 now and then destroys a condition variable
    that a thread of its own still waits for, and then waits for ever.
    """
    import bpy

    sys.stdout.flush()
    sys.stderr.flush()
    shutil.rmtree(bpy.app.tempdir, ignore_errors=True)
    os._exit(code)
