# SPDX-License-Identifier: GPL-3.0-or-later
"""Fewer triangles for the same surface: an exact budget, and a mesh as sound as before.

The package fast-simplification (MIT, after Sven Forstmann's implementation) does the bulk where
it is installed, ten times as fast; it may tear thin parts or leave a few faces too many, so its
meshes are inspected, and what is left to do is done by `collapse`, which cannot break a mesh.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..interrupt import Check, ignore
from .collapse import collapse_edges
from .grid import OnFraction, ignore_fraction
from .health import MeshHealth, inspect_mesh

_AGGRESSIVENESS = 4.0
"""How fast the package raises what an edge may cost; its own 7 gives more error, see the docs."""

_HEADROOM = 1.02
"""Faces left by the package over the budget: the last ones go where they cost least."""

_ATTEMPTS = 2
"""Times that the package is asked, each with twice the faces, before `collapse` does it all."""

_SHARE_WORTH_IT = 0.98
"""Smallest reductions are not worth a call of the package."""


@dataclass(frozen=True, slots=True)
class Simplified:
    """A mesh within its budget, if that was possible."""

    vertices: NDArray[np.float32]  # [V, 3]
    faces: NDArray[np.int32]  # [F, 3]
    note: str = ""
    """Why there are more faces than asked for, as a sentence for the user."""


def simplify(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    num_faces: int,
    *,
    check: Check = ignore,
    on_progress: OnFraction = ignore_fraction,
) -> Simplified:
    """Return a mesh with the number of faces asked for, or one less where parity demands it.

    Closed meshes stay closed, manifold and oriented, with the same parts and handles. Open ones
    keep their borders, whose vertices only slide along them. A mesh that is within the budget
    comes back as it is.

    Args:
        vertices: positions, [V, 3].
        faces: counter-clockwise seen from outside, [F, 3].
        num_faces: how many to keep at most.
        check: called between pieces of work; may raise to stop.
        on_progress: called with the fraction done.
    """
    check()
    if len(faces) <= num_faces:
        return Simplified(vertices, faces)
    before = inspect_mesh(vertices, faces)
    if not (before.is_manifold and before.is_oriented):
        return Simplified(vertices, faces, _note(len(faces), "the surface touches itself"))
    check()
    mesh = _simplify_fast(vertices, faces, num_faces, before, check)
    on_progress(0.5)
    left = collapse_edges(
        *mesh, num_faces, check=check, on_progress=lambda share: on_progress(0.5 + 0.5 * share)
    )
    check()
    if not _is_as_sound(inspect_mesh(*left), before):
        # Only rounding to single precision can do that; what came before it was inspected.
        left = mesh
    note = "" if len(left[1]) <= num_faces else _note(len(left[1]), "fewer would tear the surface")
    return Simplified(*left, note)


def has_fast_simplification() -> bool:
    """Tell whether the package is installed, without loading it."""
    return importlib.util.find_spec("fast_simplification") is not None


def _simplify_fast(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    num_faces: int,
    before: MeshHealth,
    check: Check,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return what the package makes of a mesh, or the mesh itself where that is no good."""
    target = int(num_faces * _HEADROOM) + 8
    if not has_fast_simplification():
        return vertices, faces
    import fast_simplification

    for _ in range(_ATTEMPTS):
        if target >= _SHARE_WORTH_IT * len(faces):
            break
        # One call that cannot be stopped: about a second for 800 000 faces.
        places, corners = fast_simplification.simplify(
            vertices.astype(np.float64), faces, target_count=target, agg=_AGGRESSIVENESS
        )
        check()
        mesh = places.astype(np.float32), corners.astype(np.int32)
        enough = len(corners) >= num_faces
        if enough and _is_as_sound(inspect_mesh(*mesh), before):
            return mesh
        check()
        target *= 2
    return vertices, faces


def _is_as_sound(after: MeshHealth, before: MeshHealth) -> bool:
    is_surface = after.is_manifold and after.is_oriented and after.is_clean
    is_surface &= after.num_border_chords <= before.num_border_chords
    same_shape = (after.num_parts, after.euler_number) == (before.num_parts, before.euler_number)
    return is_surface and same_shape and after.is_closed == before.is_closed


def _note(num_faces: int, reason: str) -> str:
    return f"{num_faces} triangles were kept because {reason}"
