# SPDX-License-Identifier: GPL-3.0-or-later
"""What a print check says: numbers, problems as data, and the faces that they are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Severity = Literal["error", "warning", "note"]
Kind = Literal[
    "empty",
    "open",
    "crowded",
    "one-sided",
    "winding",
    "inside out",
    "flat",
    "doubled",
    "split",
    "thin",
    "floating",
    "specks",
    "too large",
    "size",
    "off bed",
    "overhang",
]
SEVERITIES: dict[Kind, Severity] = {
    "thin": "warning",
    "floating": "warning",
    "specks": "warning",
    "too large": "warning",
    "size": "warning",
    "doubled": "warning",
    "split": "note",
    "off bed": "note",
    "overhang": "note",
}
"""What is not listed is an error: a slicer may refuse it or print something else."""


class TriangleMesh(Protocol):
    """What is checked, such as a `MeshData`."""

    @property
    def vertices(self) -> NDArray[np.floating[Any]]:
        """Positions, Z up, [V, 3]."""

    @property
    def faces(self) -> NDArray[np.int32]:
        """Vertex indices, counter-clockwise seen from outside, [F, 3]."""


@dataclass(frozen=True, slots=True)
class Triangles:
    """A mesh that is nothing but triangles."""

    vertices: NDArray[np.floating[Any]]
    faces: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that keeps a mesh from printing well."""

    kind: Kind
    count: int = 0
    """How many there are, where that means something."""
    value: float = 0.0
    """A share of the surface in [0, 1], or millimetres."""

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return SEVERITIES.get(self.kind, "error")


@dataclass(frozen=True, slots=True)
class RepairPlan:
    """What is to be done with the faces of a mesh, [F] each."""

    turned_faces: NDArray[np.bool_]
    """To be turned over."""
    surplus_faces: NDArray[np.bool_]
    """To be taken away, since they have no area or are there twice."""
    speck_faces: NDArray[np.bool_]
    """To be taken away, since they belong to floating parts too small to be meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintReport:
    """What was found; face indices are those of the mesh that was given."""

    problems: tuple[Problem, ...]
    size_mm: tuple[float, float, float]
    scale: float
    """By how much the mesh has to grow to have the size that was asked for."""
    volume_cm3: float
    is_closed: bool
    """No edge has only one face."""
    is_manifold: bool
    """No edge has more than two."""
    is_oriented: bool
    """Every face is seen from outside."""
    num_parts: int
    """Loose parts, cavities among them."""
    floating_faces: tuple[NDArray[np.int64], ...]
    """Of each part that hangs on nothing, specks included, largest first."""
    min_wall_mm: float
    """What all but a thousandth of the surface has at least; infinite beyond what is measured."""
    thin_share: float
    """Of the surface, in [0, 1]."""
    thin_faces: NDArray[np.int64]
    overhang_share: float
    """Of the surface, in [0, 1]: flatter than 45 degrees, facing down, not on the bed."""
    open_vertices: NDArray[np.int64]
    """Ends of open edges."""
    plan: RepairPlan
    """What a repair would do."""

    @property
    def is_printable(self) -> bool:
        """Whether there is nothing but notes."""
        return all(each.severity == "note" for each in self.problems)
