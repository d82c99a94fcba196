# SPDX-License-Identifier: GPL-3.0-or-later
"""UV islands and a base color of 1024 texels square on about 20,000 triangles."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.decoder.stf import SignedDistanceField
from ...core.device import choose_color_dtype
from ...core.geometry.extract import extract_mesh
from ...core.mesh import TextureData
from ...core.texture.bake import bake_texture
from ...core.texture.unwrap import unwrap
from ..baselines import xatlas_bake
from ..fields import read_field
from ..options import Options
from ..rows import Row, ratio_row
from ..timing import Timing, in_turn

SIZE = 1024
_TRIANGLES = 20_000
_GOAL = 3.0
XATLAS = "xatlas, fp32 texels"

_RESOLUTIONS = {"blob": 72, "chair": 96, "torus": 82}
"""Samples per axis at which a shape has about so many triangles."""

_CPU = torch.device("cpu")

Mesh = tuple[NDArray[np.float32], NDArray[np.int32]]


def rows(options: Options) -> list[Row]:
    """Compare on each shape, and on all of them together."""
    if missing := why_missing():
        return [Row(metric=_metric("all shapes"), baseline=XATLAS, goal=_GOAL, note=missing)]
    names = options.shapes
    table, totals = [], []
    for name in names:
        found = textures(name, options)
        totals.append(found)
        note = f"{len(mesh_of(name)[1])} triangles"
        table.append(
            ratio_row(_metric(name), found["ours"], found[XATLAS], baseline=XATLAS, note=note)
        )
    ours, theirs = (_sum([each[side] for each in totals]) for side in ("ours", XATLAS))
    if len(names) == 1:
        return [replace(table[0], goal=_GOAL)]
    title = _metric("all shapes")
    return [*table, ratio_row(title, ours, theirs, baseline=XATLAS, goal=_GOAL)]


def why_missing() -> str:
    """Return why there is no baseline on this machine; empty where there is."""
    names = ("xatlas", "scipy")
    absent = [name for name in names if importlib.util.find_spec(name) is None]
    return f"{' and '.join(absent)} not installed" if absent else ""


def _metric(name: str) -> str:
    return f"UV and {SIZE}² texture, {name}"


@cache
def textures(name: str, options: Options) -> dict[str, Timing]:
    """Time both ways on one shape; both encode the picture as PNG."""
    vertices, faces = mesh_of(name)
    exact = read_field(name)
    field = read_field(name, color_dtype=choose_color_dtype(_CPU, "auto"))
    ways: dict[str, Callable[[], object]] = {
        "ours": lambda: texture_of(field, vertices, faces),
        XATLAS: lambda: xatlas_bake.texture_of(exact, vertices, faces, SIZE),
    }
    if why_missing():
        del ways[XATLAS]
    with torch.inference_mode():
        return in_turn(ways, runs=1 if options.is_quick else 2, warm_up=False)


@cache
def mesh_of(name: str) -> Mesh:
    """Return the mesh of a fitted field."""
    field = read_field(name)
    return extract_mesh(field.signed_distance, _RESOLUTIONS[name], device=_CPU)


def texture_of(
    field: SignedDistanceField, vertices: NDArray[np.float32], faces: NDArray[np.int32]
) -> TextureData:
    """Return the texture as a generation makes it."""
    islands = unwrap(vertices, faces, SIZE)
    return bake_texture(field.color, vertices, faces, islands, SIZE, device=_CPU)


def _sum(timings: list[Timing]) -> Timing:
    total = timings[0]
    for timing in timings[1:]:
        total = total.plus(timing)
    return total
