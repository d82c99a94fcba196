# SPDX-License-Identifier: GPL-3.0-or-later
"""What panels say about a result's mesh and would be too slow to find out while they draw."""

from __future__ import annotations

import bpy
import numpy as np

CLOSED_KEY = "maquette_closed"
"""Custom property of a result: how many edges its mesh had when Maquette made it, as a negative
number where it was open. With another number of edges it has been edited, and nobody knows."""


def is_closed(mesh: bpy.types.Mesh) -> bool:
    """Tell whether every edge has two faces; a few milliseconds at 100,000 triangles."""
    edges = np.empty(len(mesh.loops), dtype=np.int32)
    mesh.attributes[".corner_edge"].data.foreach_get("value", edges)
    return bool((np.bincount(edges, minlength=len(mesh.edges)) == 2).all())


def write(owner: bpy.types.Object) -> None:
    """Keep the facts on a result."""
    count = len(owner.data.edges)
    owner[CLOSED_KEY] = count if is_closed(owner.data) else -count
