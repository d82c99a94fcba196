# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an exported file is whole: some of Blender's exporters do not notice a full disk."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from ..core.three_mf import MODEL

_ZSTD_SEEK_FOOTER = struct.Struct("<IBI")
"""Number of frames, flags and magic at the end of a seekable Zstandard file."""
_ZSTD_SEEK_MAGIC = 0x8F92EAB1
_PLY_BYTES = {"char": 1, "uchar": 1, "short": 2, "ushort": 2, "int": 4, "uint": 4, "float": 4}
_MTL_ENDINGS = (b"illum ", b"map_Kd ", b"map_Bump ")
_USD_MAGIC = b"PXR-USDC"
_USD_SECTION_BYTES = 32
"""Of an entry in the table of contents: a name of 16 bytes, start and size."""


def is_complete(path: Path, num_faces: int) -> bool:
    """Tell whether a file holds everything that its format says it should.

    Args:
        path: a file that was just exported or stands beside one; .blend compressed.
        num_faces: triangles of the mesh.
    """
    if not path.is_file() or not path.stat().st_size:
        return False
    check = _CHECKS.get(path.suffix)
    return check(path) if check is not None else _HOLDS_FACES[path.suffix](path, num_faces)


def _is_complete_blend(path: Path) -> bool:
    """A table of frames comes last, whose compressed sizes add up to what stands before it."""
    content = path.read_bytes()
    if len(content) < _ZSTD_SEEK_FOOTER.size:
        return False
    table_end = len(content) - _ZSTD_SEEK_FOOTER.size
    num_frames, _, magic = _ZSTD_SEEK_FOOTER.unpack_from(content, table_end)
    table_start = table_end - 8 * num_frames  # Compressed and full size of each frame.
    if magic != _ZSTD_SEEK_MAGIC or table_start < 8:
        return False
    sizes = struct.iter_unpack("<II", content[table_start:table_end])
    frames = sum(int(compressed) for compressed, _ in sizes)
    return frames == int(table_start) - 8  # The table has a header of 8 bytes of its own.


def _is_complete_glb(path: Path) -> bool:
    """The header tells the length of the whole file."""
    with path.open("rb") as file:
        header = file.read(12)
    if len(header) < 12 or header[:4] != b"glTF":
        return False
    return bool(struct.unpack("<I", header[8:])[0] == path.stat().st_size)


def _is_complete_obj(path: Path, num_faces: int) -> bool:
    """Faces come last, one a line."""
    content = path.read_bytes()
    return content.endswith(b"\n") and content.count(b"\nf ") == num_faces


def _is_complete_mtl(path: Path) -> bool:
    """The textures come last or, without one, the kind of illumination."""
    last, newline, rest = path.read_bytes().rpartition(b"\n")
    return bool(newline) and not rest and last.rpartition(b"\n")[2].startswith(_MTL_ENDINGS)


def _is_complete_png(path: Path) -> bool:
    """An empty chunk named IEND comes last."""
    return path.read_bytes().endswith(b"\0\0\0\0IEND\xaeB`\x82")


def _is_complete_ply(path: Path, num_faces: int) -> bool:
    """The header tells the size of a vertex; a triangle is a count byte and three indices."""
    with path.open("rb") as file:
        header = file.read(4096)
    head, found, _ = header.partition(b"end_header\n")
    if not found:
        return False
    vertices, vertex_bytes = 0, 0
    for line in head.decode("ascii", "replace").splitlines():
        match line.split():
            case ["element", "vertex", count]:
                vertices = int(count)
            case ["property", kind, _] if kind in _PLY_BYTES:
                vertex_bytes += _PLY_BYTES[kind]
    size = len(head) + len(found) + vertices * vertex_bytes + num_faces * (1 + 3 * 4)
    return size == path.stat().st_size


def _is_complete_stl(path: Path, num_faces: int) -> bool:
    """A header of 80 bytes and the number of triangles; each takes 50 bytes."""
    with path.open("rb") as file:
        header = file.read(84)
    is_counted = header[80:] == struct.pack("<I", num_faces)
    return is_counted and path.stat().st_size == 84 + 50 * num_faces


def _is_complete_3mf(path: Path, num_faces: int) -> bool:
    """A zip, whose directory comes last, with a sum over each file."""
    try:
        with zipfile.ZipFile(path) as package:
            return (
                package.testzip() is None and package.read(MODEL).count(b"<triangle ") == num_faces
            )
    except (zipfile.BadZipFile, KeyError, EOFError, zlib.error):
        return False


def _is_complete_usd(path: Path) -> bool:
    """The header points to a table of contents, which is the end of the file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(24)
        if len(header) < 24 or not header.startswith(_USD_MAGIC):
            return False
        (contents,) = struct.unpack("<q", header[16:24])
        file.seek(max(contents, 0))
        count = file.read(8)
    if contents <= 0 or len(count) < 8:
        return False
    return bool(contents + 8 + struct.unpack("<Q", count)[0] * _USD_SECTION_BYTES == size)


_CHECKS: dict[str, Callable[[Path], bool]] = {
    ".blend": _is_complete_blend,
    ".glb": _is_complete_glb,
    ".mtl": _is_complete_mtl,
    ".png": _is_complete_png,
    ".usd": _is_complete_usd,
    ".usdc": _is_complete_usd,
}
_HOLDS_FACES: dict[str, Callable[[Path, int], bool]] = {
    ".obj": _is_complete_obj,
    ".ply": _is_complete_ply,
    ".stl": _is_complete_stl,
    ".3mf": _is_complete_3mf,
}
