# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes as a 3MF file, which says that its numbers are millimetres; Blender cannot write one.

After the 3MF core specification 1.3 and its materials extension 1.2.1 (3mf.io): a zip with one XML
model. The same meshes give the same bytes.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from .pixels import encode_srgb
from .version import VERSION

MODEL = "3D/3dmodel.model"
_CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
_MATERIALS = "http://schemas.microsoft.com/3dmanufacturing/material/2015/02"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_RELATION = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"
_DATE = (1980, 1, 1, 0, 0, 0)  # The earliest that a zip can tell.

_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_CONTENT_TYPES = (
    f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels"'
    ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="model"'
    ' ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/>'
    "</Types>"
)
_RELATIONS = (
    f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Target="/{MODEL}" Id="model" Type="{_RELATION}"/>'
    "</Relationships>"
)
_VERTEX = '<vertex x="%.9g" y="%.9g" z="%.9g"/>'
_TRIANGLE = '<triangle v1="%d" v2="%d" v3="%d"/>'
_COLORED = '<triangle v1="%d" v2="%d" v3="%d" pid="%d" p1="%d" p2="%d" p3="%d"/>'
_ROWS_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintObject:
    """One mesh of a file."""

    name: str
    vertices: NDArray[np.floating[Any]]
    """Positions in millimetres, Z up, [V, 3]."""
    faces: NDArray[np.int32]
    """Vertex indices, counter-clockwise seen from outside, [F, 3]."""
    vertex_colors: NDArray[np.float32] | None = None
    """Linear Rec.709 RGB in [0, 1], [V, 3]."""


def write_three_mf(target: Path | BinaryIO, objects: Sequence[PrintObject]) -> None:
    """Write meshes as they stand to each other, in the corner of the bed.

    Args:
        target: a file, which is replaced, or one open for writing.
        objects: at least one, each with faces.

    Raises:
        OSError: the disk refused.
        ValueError: there is nothing to write.
    """
    if not objects or not all(len(each.faces) for each in objects):
        raise ValueError("a 3MF file needs objects with faces")
    model = "".join(_model(objects)).encode()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in (
            ("[Content_Types].xml", _CONTENT_TYPES.encode()),
            ("_rels/.rels", _RELATIONS.encode()),
            (MODEL, model),
        ):
            package.writestr(_entry(name), content, compresslevel=6)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=_DATE)
    entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, 0
    return entry


def _model(objects: Sequence[PrintObject]) -> list[str]:
    """Return the model in pieces: colors and meshes first, then what is to be printed."""
    pieces = [
        f'{_XML}<model unit="millimeter" xml:lang="en-US" xmlns="{_CORE}" xmlns:m="{_MATERIALS}">'
        f'<metadata name="Application">Maquette {VERSION}</metadata><resources>'
    ]
    items = []
    # Slicers expect everything where all coordinates are positive.
    low = np.min([each.vertices.min(axis=0) for each in objects], axis=0)
    x, y, z = (-low + 0.0).tolist()  # Never -0.
    move = f"1 0 0 0 1 0 0 0 1 {x:.9g} {y:.9g} {z:.9g}"
    for number, each in enumerate(objects):
        color_id, object_id = 2 * number + 1, 2 * number + 2
        pieces += _resources(each, color_id, object_id)
        items.append(f'<item objectid="{object_id}" transform="{move}"/>')
    return [*pieces, "</resources><build>", *items, "</build></model>"]


def _resources(each: PrintObject, color_id: int, object_id: int) -> list[str]:
    head = f'<object id="{object_id}" type="model" name={quoteattr(_printable(each.name))}'
    vertices = ["<mesh><vertices>", *_rows(_VERTEX, each.vertices), "</vertices><triangles>"]
    if each.vertex_colors is None:
        return [head, ">", *vertices, *_rows(_TRIANGLE, each.faces), _END]
    colors, of_vertex = _palette(each.vertex_colors)
    group = [f'<m:colorgroup id="{color_id}">', *_rows('<m:color color="#%06X"/>', colors[:, None])]
    corners = of_vertex[each.faces]
    table = np.column_stack([each.faces, np.full(len(each.faces), color_id), corners])
    rows = _rows(_COLORED, table)
    default = f' pid="{color_id}" pindex="0">'
    return [*group, "</m:colorgroup>", head, default, *vertices, *rows, _END]


_END = "</triangles></mesh></object>"


def _palette(linear: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the different colors as 0xRRGGBB in sRGB, and which one each vertex has."""
    srgb = np.rint(encode_srgb(np.clip(linear, 0.0, 1.0)) * 255.0).astype(np.int64)
    packed = srgb[:, 0] << 16 | srgb[:, 1] << 8 | srgb[:, 2]
    colors, of_vertex = np.unique(packed, return_inverse=True)
    return colors, of_vertex


def _rows(template: str, table: NDArray[np.generic]) -> list[str]:
    """Return one element for each row."""
    # One formatting of many rows takes a third of the time of one each.
    return [
        (template * len(rows)) % tuple(rows.ravel().tolist())
        for rows in np.array_split(table, len(table) // _ROWS_AT_ONCE + 1)
        if len(rows)
    ]


def _printable(name: str) -> str:
    """Leave out what XML cannot hold."""
    return "".join(letter for letter in name if letter.isprintable())
