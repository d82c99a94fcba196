# SPDX-License-Identifier: GPL-3.0-or-later
"""From a field to a triangle mesh."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import EmptySurfaceError
from ..interrupt import Check, ignore
from .drafts import DraftedEvaluator
from .grid import (
    GridValues,
    Method,
    NodeEvaluator,
    OnFraction,
    SignedDistance,
    default_chunk_size,
    evaluate_dense,
    ignore_fraction,
)
from .marching_cubes import Border, Crossing, linear_crossing, marching_cubes
from .refine import field_crossing
from .sparse_grid import evaluate_quick, evaluate_sparse

_EVALUATE = {"sparse": evaluate_sparse, "dense": evaluate_dense, "quick": evaluate_quick}


def extract_mesh(
    signed_distance: SignedDistance,
    resolution: int,
    *,
    device: torch.device,
    method: Method = "sparse",
    draft: SignedDistance | None = None,
    border: Border = "closed",
    refine_steps: int = 0,
    chunk_size: int | None = None,
    check: Check = ignore,
    on_progress: OnFraction = ignore_fraction,
    on_grid: Callable[[GridValues], None] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the closed surface of a field over [-1, 1]^3.

    Args:
        signed_distance: the field, points [P, 3] to [P], positive inside, in (-1, 1).
        resolution: grid nodes per axis.
        device: where the field takes its points and the surface is extracted.
        method: `sparse` asks the field near its surface only; `dense` everywhere. The meshes
            are the same. `quick` asks least and may miss a thin part that touches no other:
            for previews.
        draft: the field roughly and cheaper, for `sparse`; where it will not do, or all over if
            it is too rough, the field itself is asked. The mesh is the same.
        border: how surfaces end at the box; `openai` also shrinks as Shap-E's code does.
        refine_steps: further queries per vertex that move it onto the true zero.
        chunk_size: points per query of the field.
        check: called before each query; may raise to stop.
        on_progress: called with the fraction done.
        on_grid: called with what the field was found to be.
    Returns:
        Vertices in [-1, 1]^3, float32 [V, 3], within 4e-6 where the box cuts the surface; faces
        counter-clockwise seen from outside, int32 [F, 3].
    Raises:
        EmptySurfaceError: no node of the grid is inside.
        NonFiniteError: the field returned NaN or infinity.
    """
    chunk_size = chunk_size or default_chunk_size(device)
    if draft is not None:
        draft, _ = _beside(draft, device)
    signed_distance, device = _beside(signed_distance, device)
    grid = evaluate_grid(
        signed_distance,
        resolution,
        device=device,
        method=method,
        draft=draft,
        chunk_size=chunk_size,
        check=check,
        on_progress=on_progress,
    )
    crossing: Crossing = linear_crossing
    if refine_steps:
        crossing = field_crossing(
            signed_distance, steps=refine_steps, chunk_size=chunk_size, check=check
        )
    vertices, faces = marching_cubes(grid.values, border=border, crossing=crossing, check=check)
    if not len(faces):
        raise EmptySurfaceError(float(grid.values.max()))
    if on_grid is not None:
        on_grid(grid)
    return vertices.cpu().numpy(), faces.cpu().numpy()


def _beside(
    signed_distance: SignedDistance, device: torch.device
) -> tuple[SignedDistance, torch.device]:
    """Return the device that keeps the grid, and the field as it is asked from there.

    Only CUDA and the CPU have every operation on integers that the grid needs; the others
    evaluate the field, which is nearly all of the work, for a grid on the CPU.
    """
    if device.type in ("cpu", "cuda"):
        return signed_distance, device

    def moved(points: Tensor) -> Tensor:
        return signed_distance(points.to(device)).to(points.device)

    return moved, torch.device("cpu")


def evaluate_grid(
    signed_distance: SignedDistance,
    resolution: int,
    *,
    device: torch.device,
    method: Method = "sparse",
    draft: SignedDistance | None = None,
    chunk_size: int | None = None,
    check: Check = ignore,
    on_progress: OnFraction = ignore_fraction,
) -> GridValues:
    """Evaluate a field at the nodes of the grid; arguments as for `extract_mesh`."""
    if draft is not None and method == "sparse":
        evaluator: NodeEvaluator = DraftedEvaluator(
            draft, signed_distance, resolution, device, chunk_size=chunk_size, check=check
        )
    else:
        evaluator = NodeEvaluator(
            signed_distance, resolution, device, chunk_size=chunk_size, check=check
        )
    done = 0.0

    def report(fraction: float) -> None:
        # A repeated descent would otherwise count backwards.
        nonlocal done
        done = max(done, fraction)
        on_progress(done)

    return _EVALUATE[method](evaluator, report)
