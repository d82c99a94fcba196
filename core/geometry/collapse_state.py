# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pass of collapsing edges knows of a mesh, and the edges that it is about to collapse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .quadrics import Floats, Ints


@dataclass(frozen=True, slots=True)
class Groups:
    """Faces that belong together, whose borders are to stay where they are."""

    of_face: Ints  # numbered from 0, [F]
    directions: Floats
    """Directions that no face of a group may come to look away from, [N, D, 3]; zeros for any."""


@dataclass(slots=True)
class CollapsingMesh:
    """What a round starts from and leaves behind."""

    vertices: Floats  # [V, 3]
    quadrics: Floats  # [V, 10]
    faces: Ints  # [F, 3]
    groups: Groups | None
    refused: Ints  # keys of edges that may not collapse as things are, sorted
    on_border: NDArray[np.bool_]  # [V]


@dataclass(frozen=True, slots=True)
class Collapses:
    """Edges that are to become points."""

    kept: Ints  # the end that stays, [N]
    lost: Ints  # the end that goes
    places: Floats  # where the kept end moves, [N, 3]
    num_faces: Ints  # faces at the edge, which go with it: two, or one on the border
    keys: Ints

    def take(self, which: NDArray[np.bool_] | Ints) -> Collapses:
        """Return some of them."""
        return Collapses(
            self.kept[which],
            self.lost[which],
            self.places[which],
            self.num_faces[which],
            self.keys[which],
        )
