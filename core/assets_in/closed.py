# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether triangles enclose a volume, and where its distances are worth knowing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..asset import Surface
from .cloud import sample_places

_WELD = 1e-6
"""In the box's units: corners nearer than about this are one, since files repeat them at seams."""


def is_closed(surface: Surface) -> bool:
    """Tell whether every edge is run through as often one way as the other.

    Then a ray leaves the surface as often as it enters it, wherever it starts, also where parts
    overlap or more than two faces meet. Faces without area do not count.
    """
    places = np.rint(surface.vertices / _WELD).astype(np.int64)
    _, welded = np.unique(places, axis=0, return_inverse=True)
    faces = welded.reshape(-1)[surface.faces]
    is_flat = (faces == np.roll(faces, 1, axis=1)).any(axis=1)
    faces = faces[~is_flat]
    if not len(faces):
        return False
    starts, ends = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    low, high = np.minimum(starts, ends), np.maximum(starts, ends)
    _, edges = np.unique(low * (high.max() + 1) + high, return_inverse=True)
    balance = np.bincount(edges, weights=np.where(starts < ends, 1.0, -1.0))
    return bool((balance == 0).all())


def signed_volume(surface: Surface) -> float:
    """Return the volume inside, in the box's units; negative where faces are inside out."""
    a, b, c = np.moveaxis(surface.corners.astype(np.float64), 1, 0)
    return float(np.einsum("fk,fk->", a, np.cross(b, c)) / 6)


def query_points(
    surface: Surface, num_near: int, num_uniform: int, seed: int = 0
) -> NDArray[np.float32]:
    """Draw where distances are asked for: near the surface first, then anywhere in the box.

    The first half of the near ones is 0.01 off the surface, the other half 0.05, standard
    deviations of each coordinate; what would leave the box [-1, 1]^3 is moved to its side.

    Returns:
        [num_near + num_uniform, 3].
    """
    rng = np.random.default_rng([seed, 1])
    places = sample_places(surface, num_near, rng)
    spread = np.where(rng.permutation(num_near) < num_near // 2, 0.01, 0.05)
    near = places.at(surface.corners) + spread[:, None] * rng.standard_normal((num_near, 3))
    uniform = rng.uniform(-1, 1, (num_uniform, 3))
    points: NDArray[np.float32] = np.concatenate([near, uniform]).clip(-1, 1).astype(np.float32)
    return points
