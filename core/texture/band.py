# SPDX-License-Identifier: GPL-3.0-or-later
"""A field near its surface, kept on a grid, so that looking again costs no query.

A texture has several hundred thousand texels, and to follow the field from each would take some
ten queries a texel. The nodes around the surface are a third as many as the texels, and what lies
between them is as smooth as the surface that was extracted at this resolution.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..errors import NonFiniteError
from ..interrupt import Check, ignore

MAX_RESOLUTION = 128
"""Nodes per axis beyond which there is memory to lose and no shape to gain."""

_LAYERS = 1
"""Cells around those of the surface that are kept too: where it has just been simplified, a texel
is hardly ever in another cell than the surface, and gradients look one node farther."""
_FAR_LAYERS = 2
"""The same where much was simplified, and texels have a way to go."""

_SATURATED = 8.0
"""Largest atanh of the field that float32 values resolve."""

_NEWTON_STEPS = 4
_STEP = (-1.0, 1.0)
"""Limits of one step, in cells."""
_REACH = 2.5
"""Farthest that a point is moved, in cells."""
_ON_SURFACE = 0.01
"""Distance in cells below which a point need not move."""
_ARRIVED = 0.1
"""Distance in cells below which a point counts as arrived."""


_ON_GRID = 1e-3
"""Distance in cells within which a vertex counts as lying on an edge of the grid."""


class KnownNodes(Protocol):
    """A field at the nodes of a grid over [-1, 1]^3."""

    @property
    def values(self) -> Tensor:
        """The signed distance, float32 [R, R, R], nodes [x, y, z]."""

    @property
    def is_exact(self) -> Tensor:
        """Which values are the field's own, bool [R, R, R]."""


class SurfaceBand:
    """Distance and gradient of a field at the nodes of a grid, NaN away from the surface."""

    def __init__(self, distance: Tensor) -> None:
        """Keep the unsquashed distance, positive inside, float32 [R, R, R], nodes [x, y, z]."""
        self.cell = 2.0 / (len(distance) - 1)
        volume = torch.stack([distance, *_differences(distance, self.cell)])
        self._volume = volume[None]

    def project(self, points: Tensor) -> Tensor:
        """Return the places on the surface nearest to points, [P, 3].

        Newton's method along the gradient. A point that does not arrive, or would go farther than
        a few cells, stays where it is.
        """
        places, _ = self._arrive(points)
        return places.T.to(points.device)

    def settle(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `project` does, and the `normals` there, both [P, 3]."""
        places, gradient = self._arrive(points)
        return places.T.to(points.device), _against(gradient).to(points.device)

    def _arrive(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return where points [P, 3] end up, and the gradient there, both [3, P]."""
        start = _by_axis(points.to(self._volume.device))
        moved = start.clone()
        values = self._look_up(moved)  # distance and gradient there, [4, P]
        at_start = values[1:].clone()
        active = self._is_off(values).nonzero()[:, 0]
        for _ in range(_NEWTON_STEPS):
            if not len(active):
                break
            found, places = values[:, active], moved[:, active]
            slope = _squared(found[1:]).clamp(min=1e-12).sqrt()
            length = (found[0] / slope).clamp(*(each * self.cell for each in _STEP))
            places -= found[1:] * (length / slope)
            found = self._look_up(places)
            moved[:, active], values[:, active] = places, found
            active = active[self._is_off(found)]
        arrived = values[0].square() <= (_ARRIVED * self.cell) ** 2 * _squared(values[1:])
        arrived &= _squared(moved - start) <= (_REACH * self.cell) ** 2
        return torch.where(arrived, moved, start), torch.where(arrived, values[1:], at_start)

    def normals(self, points: Tensor) -> Tensor:
        """Return outward unit normals at points [P, 3]; NaN away from the surface, [P, 3]."""
        gradient = self._look_up(_by_axis(points.to(self._volume.device)))[1:]
        return _against(gradient).to(points.device)

    def _is_off(self, values: Tensor) -> Tensor:
        """Whether places, by what `_look_up` found there, have to move to lie on the surface."""
        # A comparison with NaN is false: what left the band stays, without having arrived.
        limit = (_ON_SURFACE * self.cell) ** 2 * _squared(values[1:])
        return values[0].square() > limit

    def _look_up(self, points: Tensor) -> Tensor:
        """Interpolate distance and gradient between the nodes, [4, P] at points [3, P]."""
        # grid_sample counts the last axis of the volume first.
        places = points.flip(0).T.contiguous()[None, None, None]
        values = F.grid_sample(self._volume, places, padding_mode="border", align_corners=True)
        return values.view(4, -1)


def _by_axis(points: Tensor) -> Tensor:
    """Return points [P, 3] as float32 [3, P]: sums over axes are then several times as fast."""
    return points.to(torch.float32).T.contiguous()


def _against(gradient: Tensor) -> Tensor:
    """Return unit vectors against a gradient [3, P]: outward, as inside is positive, [P, 3]."""
    normals: Tensor = (-gradient / _squared(gradient).sqrt()).T
    return normals


def _squared(vectors: Tensor) -> Tensor:
    """Return the squared lengths of vectors [3, P], [P]."""
    x, y, z = vectors.unbind()
    return x * x + y * y + z * z


def sample_band(
    signed_distance: Callable[[Tensor], Tensor],
    vertices: NDArray[np.float32],
    resolution: int,
    *,
    device: torch.device,
    is_far: bool = True,
    known: KnownNodes | None = None,
    chunk_size: int | None = None,
    check: Check = ignore,
) -> SurfaceBand:
    """Evaluate a field at the nodes around its surface.

    Args:
        signed_distance: the field, points [P, 3] to [P], positive inside, in (-1, 1).
        vertices: the surface before its triangles became fewer, [V, 3] in [-1, 1]^3.
        resolution: nodes per axis, no more than the surface was extracted at.
        device: where the field takes its points.
        is_far: whether what will be asked about lies farther off than a fraction of a cell.
        known: what the field was found to be at some nodes; those are not asked again.
        chunk_size: points per query of the field.
        check: called before each query; may raise to stop.
    Raises:
        NonFiniteError: the field returned NaN or infinity.
    """
    check()
    resolution = min(resolution, MAX_RESOLUTION)
    near = _nodes_near(vertices, resolution, _FAR_LAYERS if is_far else _LAYERS).reshape(-1)
    distance = torch.full((resolution**3,), torch.nan)
    if known is not None and len(known.values) == resolution:
        is_known = known.is_exact.cpu().view(-1) & torch.from_numpy(near)
        distance[is_known] = known.values.cpu().view(-1)[is_known]
        near &= ~is_known.numpy()
    nodes = torch.from_numpy(np.flatnonzero(near))
    axis = torch.linspace(-1.0, 1.0, resolution)
    if chunk_size is None:
        chunk_size = 8192 * torch.get_num_threads() if device.type == "cpu" else 262144
    for chunk in torch.split(nodes, chunk_size):
        check()
        with torch.no_grad():
            values = signed_distance(axis[_places(chunk, resolution)].to(device))
        distance[chunk] = values.float().cpu()
        if not bool(distance[chunk].isfinite().all()):
            raise NonFiniteError("the signed distance")
    distance = distance.atanh_().clamp_(-_SATURATED, _SATURATED)
    kept_on = device if device.type == "cuda" else torch.device("cpu")
    return SurfaceBand(distance.view((resolution,) * 3).to(kept_on))


def _places(nodes: Tensor, resolution: int) -> Tensor:
    """Turn flat indices [N] into [x, y, z], [N, 3]."""
    line = nodes // resolution
    return torch.stack([line // resolution, line % resolution, nodes % resolution], dim=1)


def _nodes_near(vertices: NDArray[np.float32], resolution: int, layers: int) -> NDArray[np.bool_]:
    """Return which nodes belong to the cells around vertices or to layers around those, [R, R, R].

    A vertex that lies on an edge or a face of the grid is in all the cells there.
    """
    places = (vertices + 1.0) / 2.0 * (resolution - 1)
    low, high = (
        np.floor(places + shift).astype(np.int64).clip(0, resolution - 2)
        for shift in (-_ON_GRID, _ON_GRID)
    )
    near = np.zeros((resolution,) * 3, dtype=bool)
    for x in (low[:, 0], high[:, 0]):
        for y in (low[:, 1], high[:, 1]):
            for z in (low[:, 2], high[:, 2]):
                near[x, y, z] = True
    for axis in range(3):
        # The last node of a cell is one on, so that the band reaches one farther up than down.
        near = _spread(_spread(near, axis, layers + 1, up=True), axis, layers, up=False)
    return near


def _spread(near: NDArray[np.bool_], axis: int, steps: int, *, up: bool) -> NDArray[np.bool_]:
    """Mark also what lies up to so many steps above or below along an axis, [R, R, R]."""
    spread = near.copy()
    before = (slice(None),) * axis
    for step in range(1, steps + 1):
        lower, upper = (*before, slice(None, -step)), (*before, slice(step, None))
        target, source = (upper, lower) if up else (lower, upper)
        spread[target] |= near[source]
    return spread


def _differences(distance: Tensor, cell: float) -> list[Tensor]:
    """Return the central differences of a volume along its axes; one-sided at its faces."""
    found = []
    for axis in range(3):
        first, last = distance.narrow(axis, 0, 1), distance.narrow(axis, -1, 1)
        before = 2 * first - distance.narrow(axis, 1, 1)
        after = 2 * last - distance.narrow(axis, -2, 1)
        padded = torch.cat([before, distance, after], dim=axis)
        size = distance.shape[axis]
        found.append((padded.narrow(axis, 2, size) - padded.narrow(axis, 0, size)) / (2 * cell))
    return found
