# SPDX-License-Identifier: GPL-3.0-or-later
"""Triangles from a field at 128 samples per axis: the cells crossed against all cells."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...core.geometry.marching_cubes import marching_cubes
from ..baselines import diffusers_models
from ..baselines.table_cubes import table_marching_cubes
from ..fields import read_field
from ..options import Options
from ..rows import Row, ratio_row
from ..timing import in_turn
from .field import grid_of

_GOAL = 20.0
_RESOLUTION = 128
_DIFFUSERS, _TABLES = "diffusers MeshDecoder", "torch tables over all cells"
_TOLERANCE = 1e-5

Mesher = Callable[[Tensor], tuple[Tensor, Tensor]]


def rows(options: Options) -> list[Row]:
    """Compare with both on the same field, -1 beyond the box as Shap-E has it."""
    table: list[Row] = []
    with torch.inference_mode():
        for name in options.shapes:
            values = grid_of(read_field(name), _RESOLUTION).values
            table += _rows_of(name, torch.nn.functional.pad(values, (1,) * 6, value=-1.0), options)
    return table


def _rows_of(name: str, field: Tensor, options: Options) -> list[Row]:
    ways: dict[str, Mesher] = {"ours": _ours, _TABLES: table_marching_cubes}
    missing = diffusers_models.why_missing()
    if not missing:
        ways[_DIFFUSERS] = _mesh_decoder()
    metric = f"marching cubes, {name}"
    meshes = {way: mesher(field) for way, mesher in ways.items()}
    timings = in_turn(
        {way: lambda mesher=mesher: mesher(field) for way, mesher in ways.items()},
        runs=options.runs,
        warm_up=False,
    )
    table = [
        ratio_row(
            metric,
            timings["ours"],
            timings[way],
            baseline=way,
            goal=_GOAL,
            note=f"{len(meshes['ours'][1])} triangles",
        )
        for way in (_DIFFUSERS, _TABLES)
        if way in timings
    ]
    if missing:
        table.append(Row(metric=metric, baseline=_DIFFUSERS, goal=_GOAL, note=missing))
    differing = sum(not is_same_mesh(meshes["ours"], meshes[way]) for way in meshes)
    return [
        *table,
        Row(
            metric=f"{metric}: meshes that differ",
            baseline="both",
            value=differing,
            unit="",
            goal=0,
            at_most=True,
        ),
    ]


def _ours(field: Tensor) -> tuple[Tensor, Tensor]:
    return marching_cubes(field, border="open")


def _mesh_decoder() -> Mesher:
    from diffusers.pipelines.shap_e.renderer import MeshDecoder

    decoder = diffusers_models.fill_tables(MeshDecoder())
    low, size = torch.full((3,), -1.0), torch.full((3,), 2.0)

    def run(field: Tensor) -> tuple[Tensor, Tensor]:
        mesh = decoder(field, low, size)
        return mesh.verts, mesh.faces

    return run


def is_same_mesh(ours: tuple[Tensor, Tensor], theirs: tuple[Tensor, Tensor]) -> bool:
    """Whether two meshes have the same vertices in order, and the same triangles in any order."""
    if ours[0].shape != theirs[0].shape or ours[1].shape != theirs[1].shape:
        return False
    is_near = bool((ours[0] - theirs[0]).abs().max() <= _TOLERANCE)
    return is_near and np.array_equal(_in_order(ours[1]), _in_order(theirs[1]))


def _in_order(faces: Tensor) -> NDArray[np.int64]:
    """Return triangles in a fixed order, each from its smallest vertex on, winding kept."""
    rows = faces.long().numpy()
    first = rows.argmin(axis=1)[:, None]
    turned = np.take_along_axis(rows, (first + np.arange(3)) % 3, axis=1)
    return turned[np.lexsort(turned.T)]
