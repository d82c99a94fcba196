# SPDX-License-Identifier: GPL-3.0-or-later
"""The surface of a field as it was asked for: without specks, symmetric, within its budget."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..config import SurfaceConfig
from ..interrupt import Check
from .cleanup import remove_specks
from .extract import extract_mesh
from .grid import GridValues
from .health import inspect_mesh
from .simplify import simplify
from .symmetry import Side, cut_half, fold, larger_side, mirror_half

Report = Callable[[str, float], None]
"""Called with the stage and the fraction of the meshing done."""

StageTimer = Callable[[str], AbstractContextManager[None]]

_LARGEST_KEPT = 128
"""Nodes per axis up to which the grid is kept: 10 MB, and the next size that is usual takes 80."""

_Mesh = tuple[NDArray[np.float32], NDArray[np.int32]]


class Field(Protocol):
    """What is meshed: callables over points [P, 3] in the box [-1, 1]^3."""

    def signed_distance(self, points: Tensor) -> Tensor:
        """Return the distance, positive inside, in (-1, 1), [P]."""

    def color(self, points: Tensor) -> Tensor:
        """Return sRGB colours in [0, 1], [P, 3]."""


@runtime_checkable
class DraftedField(Field, Protocol):
    """A field that can also be asked roughly."""

    @property
    def draft_distance(self) -> Callable[[Tensor], Tensor] | None:
        """The distance, roughly and cheaper; None where exactly is as cheap."""


class _FoldedField:
    """A field with the same on both sides of x = 0."""

    def __init__(self, field: Field, side: Side) -> None:
        self._field, self._side = field, side

    def signed_distance(self, points: Tensor) -> Tensor:
        return self._field.signed_distance(fold(points, self._side))

    def color(self, points: Tensor) -> Tensor:
        return self._field.color(fold(points, self._side))


@dataclass(frozen=True, slots=True)
class Surface:
    """A closed mesh in the field's box, and the field that it is the surface of."""

    field: Field
    vertices: NDArray[np.float32]  # [V, 3]
    faces: NDArray[np.int32]  # [F, 3]
    fine_vertices: NDArray[np.float32]
    """Those of all triangles that the grid gave."""
    num_fine: int
    """How many triangles the grid gave."""
    num_half: int = 0
    """How many of the vertices are those of the half that was mirrored; 0 if none was."""
    grid: GridValues | None = None
    """The field at the nodes of the grid, as far as it is known; None where it was mirrored or
    is large."""

    @property
    def is_simplified(self) -> bool:
        """Whether the budget took triangles away."""
        return len(self.faces) < self.num_fine

    @property
    def reduction(self) -> float:
        """How many times fewer triangles there are than the grid gave."""
        return self.num_fine / len(self.faces)


@dataclass(slots=True)
class SurfaceMaker:
    """One pass from field to surface."""

    config: SurfaceConfig
    resolution: int
    min_share: float
    """Loose parts below this share of the largest are dropped."""
    device: torch.device
    stage: StageTimer
    check: Check
    report: Report
    notes: list[str]
    """Sentences for the user are added here."""

    def make(self, field: Field) -> Surface:
        """Return the surface of a field.

        Raises:
            EmptySurfaceError: the field has none.
            NonFiniteError: the field returned NaN or infinity.
        """
        grids: list[GridValues] = []
        with self.stage("surface"):
            fine = extract_mesh(
                field.signed_distance,
                self.resolution,
                device=self.device,
                draft=field.draft_distance if isinstance(field, DraftedField) else None,
                check=self.check,
                on_progress=lambda fraction: self.report("Finding the surface", 0.4 * fraction),
                on_grid=grids.append if self.resolution <= _LARGEST_KEPT else None,
            )
            self.check()
            vertices, faces, num_specks = remove_specks(*fine, self.min_share)
            self._note_specks(num_specks)
            fine = vertices, faces
        if self.config.symmetry == "x" and (made := self._mirrored(field, fine)) is not None:
            return made
        vertices, faces = self._within(fine, self.config.triangles)
        grid = grids[0] if grids else None
        return Surface(field, vertices, faces, fine[0], len(fine[1]), grid=grid)

    def _mirrored(self, field: Field, mesh: _Mesh) -> Surface | None:
        """Return the symmetric surface; None if its halves do not join."""
        with self.stage("surface"):
            self.check()
            side = larger_side(*mesh)
            half = cut_half(*mesh, self.resolution, side)
            # What hung together through the other half may be crumbs now.
            half = remove_specks(*half, self.min_share)[:2]
            self.check()
            fine = mirror_half(*half)
            is_sound = inspect_mesh(*fine).is_sound
        if not is_sound:
            self.notes.append("The object was not made symmetric because its halves do not join")
            return None
        half = self._within(half, self.config.triangles // 2)
        folded = _FoldedField(field, side)
        return Surface(folded, *mirror_half(*half), fine[0], len(fine[1]), len(half[0]))

    def _within(self, mesh: _Mesh, budget: int) -> _Mesh:
        if not budget or len(mesh[1]) <= budget:
            return mesh
        with self.stage("surface"):
            made = simplify(
                *mesh,
                budget,
                check=self.check,
                on_progress=lambda share: self.report("Simplifying", 0.4 + 0.1 * share),
            )
        if made.note:
            self.notes.append(made.note)
        return made.vertices, made.faces

    def _note_specks(self, count: int) -> None:
        if count == 1:
            self.notes.append("1 loose speck was removed")
        elif count:
            self.notes.append(f"{count} loose specks were removed")
