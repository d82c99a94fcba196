# SPDX-License-Identifier: GPL-3.0-or-later
"""The health of a generated mesh: closed, sound, in how many pieces, how thick."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.geometry.health import inspect_mesh
from ..core.geometry.thickness import measure_thickness
from ..core.interrupt import Check, ignore
from ..core.mesh import MeshData

THIN_LIMIT = 0.02
"""Of the longest side: thinner walls break off a print of a hand's size."""
MEASURED_LIMIT = 0.5
"""Of the longest side: what is thicker is counted as that thick."""

_NUM_SAMPLES = 800
"""Points of the surface: the share of thin walls of one mesh has a standard error below 2 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshFacts:
    """What a slicer would say about a mesh."""

    num_triangles: int
    num_parts: int
    is_closed: bool
    is_sound: bool
    """Closed, manifold, facing outward, without faces that mean nothing."""
    thickness: float
    """Median over the surface, as a share of the longest side, at most `MEASURED_LIMIT`."""
    thin_share: float
    """Of the surface, thinner than `THIN_LIMIT` of the longest side, in [0, 1]."""


def mesh_facts(mesh: MeshData, check: Check = ignore) -> MeshFacts:
    """Look a mesh over.

    Args:
        mesh: with at least one triangle.
        check: called between pieces of work; raises to stop.
    """
    health = inspect_mesh(mesh.vertices, mesh.faces)
    check()
    used = mesh.vertices[mesh.faces.ravel()]
    longest = float(np.ptp(used, axis=0).max())
    thickness = measure_thickness(
        mesh.vertices,
        mesh.faces,
        limit=MEASURED_LIMIT * longest,
        num_samples=_NUM_SAMPLES,
        check=check,
    )
    return MeshFacts(
        num_triangles=health.num_faces,
        num_parts=health.num_parts,
        is_closed=health.is_closed,
        is_sound=health.is_sound,
        thickness=min(thickness.quantile(0.5) / longest, MEASURED_LIMIT),
        thin_share=thickness.share_below(THIN_LIMIT * longest),
    )
