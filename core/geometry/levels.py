# SPDX-License-Identifier: GPL-3.0-or-later
"""Levels of detail: coarser meshes on the texture of the finest one.

Every island of the texture is the surface seen from one direction, so that a place on it is an
affine function of the position in space. Coarser meshes take it from there: as edges collapse
within islands and along their borders only, each face of a level lies where the texture was
painted for it, whatever became of its corners.

Levels of a symmetric mesh are symmetric: one half is made coarser, held by the islands of both, and
mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..interrupt import Check, ignore
from .collapse import collapse_groups
from .collapse_state import Groups
from .health import inspect_mesh
from .simplify import simplify
from .symmetry import mirror_half

_WORTH_IT = 0.75
"""Share of the triangles of the level before that a level may have; 0.5 is what is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A closed mesh and, if there is a texture, where its faces lie on it."""

    vertices: NDArray[np.float32]  # [V, 3]
    faces: NDArray[np.int32]  # [F, 3]
    islands: NDArray[np.int32] | None = None  # of each face, [F]
    maps: NDArray[np.float64] | None = None
    """From positions (x, y, z, 1) to UVs, for each island, [N, 4, 2]."""
    num_half: int = 0
    """How many of the vertices are those of the half that was mirrored, see `mirror_half`; 0 if
    none was."""

    @property
    def corner_uvs(self) -> NDArray[np.float32] | None:
        """UV of each face corner, [F, 3, 2]."""
        if self.islands is None or self.maps is None:
            return None
        corners = self.vertices[self.faces].astype(np.float64)
        affine = self.maps[self.islands]
        uvs = np.einsum("fci,fij->fcj", corners, affine[:, :3]) + affine[:, None, 3]
        clipped: NDArray[np.float32] = uvs.clip(0.0, 1.0).astype(np.float32)
        return clipped


def finest_level(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    islands: NDArray[np.int32] | None,
    corner_uvs: NDArray[np.float32] | None,
    num_half: int = 0,
) -> Level:
    """Return a mesh as the level that others are made from.

    Args:
        vertices: positions, [V, 3].
        faces: counter-clockwise seen from outside, closed, [F, 3].
        islands: of each face, each laid flat along one direction, [F]; None without texture.
        corner_uvs: UV of each face corner, [F, 3, 2]; None without texture.
        num_half: of a mesh from `mirror_half`, the vertices of its half; 0 for any other.
    """
    level = Level(vertices=vertices, faces=faces, num_half=num_half)
    if islands is None or corner_uvs is None:
        return level
    return replace(level, islands=islands, maps=_fit_maps(vertices[faces], islands, corner_uvs))


def coarser_levels(
    finest: Level, count: int, *, check: Check = ignore
) -> tuple[tuple[Level, ...], str]:
    """Return levels with a half, a quarter, ... of the triangles, finest first, and a note.

    Fewer than asked for, with a note for the user, where the borders of islands or the shape
    itself do not allow more.

    Args:
        finest: what they are levels of; each is made from the one before.
        count: how many to make.
        check: called between pieces of work; may raise to stop.
    """
    made: list[Level] = []
    level = finest
    for number in range(count):
        check()
        coarser = _halved(level, len(finest.faces) >> (number + 1), check)
        if len(coarser.faces) > _WORTH_IT * len(level.faces):
            reason = "because fewer triangles would tear the surface"
            return tuple(made), f"{len(made)} of {count} levels of detail were made {reason}"
        made.append(coarser)
        level = coarser
    return tuple(made), ""


def _halved(level: Level, num_faces: int, check: Check) -> Level:
    """Return a level with so many faces, or the level itself where that is not to be had."""
    made = (
        _mirrored(level, num_faces, check) if level.num_half else _reduced(level, num_faces, check)
    )
    check()
    # Rounding can make a face flat: then it is left at what there is.
    return made if inspect_mesh(made.vertices, made.faces).is_sound else level


def _reduced(level: Level, num_faces: int, check: Check) -> Level:
    if level.islands is None:
        made = simplify(level.vertices, level.faces, num_faces, check=check)
        return Level(vertices=made.vertices, faces=made.faces)
    groups = Groups(level.islands.astype(np.int64), _directions(level)[:, None])
    vertices, faces, islands = collapse_groups(
        level.vertices, level.faces, groups, num_faces, check=check
    )
    return replace(level, vertices=vertices, faces=faces, islands=islands.astype(np.int32))


def _mirrored(level: Level, num_faces: int, check: Check) -> Level:
    """Do the same to one half; the other follows, on islands of its own."""
    half = level.vertices[: level.num_half], level.faces[: len(level.faces) // 2]
    if level.islands is None:
        made = simplify(*half, num_faces // 2, check=check)
        vertices, faces = mirror_half(made.vertices, made.faces)
        return Level(vertices=vertices, faces=faces, num_half=len(made.vertices))
    # A face stays on its island, and its image on the one that that lies on.
    pairs, groups = np.unique(level.islands.reshape(2, -1), axis=1, return_inverse=True)
    own, image = _directions(level)[pairs]
    directions = np.stack([own, image * (-1.0, 1.0, 1.0)], axis=1)
    vertices, faces, groups = collapse_groups(
        *half, Groups(groups.reshape(-1), directions), num_faces // 2, check=check
    )
    num_half = len(vertices)
    vertices, faces = mirror_half(vertices, faces)
    islands = pairs[:, groups].reshape(-1)
    return replace(level, vertices=vertices, faces=faces, islands=islands, num_half=num_half)


def _directions(level: Level) -> NDArray[np.float64]:
    """Return from where each island is seen, [N, 3]."""
    assert level.maps is not None
    right, up = level.maps[:, :3, 0], level.maps[:, :3, 1]
    seen = np.cross(right, up)
    length = np.linalg.norm(seen, axis=1, keepdims=True)
    directions: NDArray[np.float64] = seen / np.where(length > 1e-12, length, np.inf)
    return directions


def _fit_maps(
    corners: NDArray[np.float32], islands: NDArray[np.int32], corner_uvs: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the affine maps from positions, [F, 3, 3], to UVs, [F, 3, 2], of all islands.

    By least squares; of those that fit a flat island the one that does not depend on height.
    """
    count = int(islands.max(initial=-1)) + 1
    island = np.repeat(islands, 3)
    places = corners.reshape(-1, 3).astype(np.float64)
    uvs = corner_uvs.reshape(-1, 2).astype(np.float64)
    size = np.maximum(np.bincount(island, minlength=count), 1)[:, None]

    def sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([np.bincount(island, each, count) for each in values.T], axis=1)

    middle, uv_middle = sums(places) / size, sums(uvs) / size
    off, uv_off = places - middle[island], uvs - uv_middle[island]
    square = sums((off[:, :, None] * off[:, None]).reshape(-1, 9)).reshape(-1, 3, 3)
    mixed = sums((off[:, :, None] * uv_off[:, None]).reshape(-1, 6)).reshape(-1, 3, 2)
    slopes = np.linalg.pinv(square, rcond=1e-9, hermitian=True) @ mixed
    shift = uv_middle - np.einsum("ni,nij->nj", middle, slopes)
    return np.concatenate([slopes, shift[:, None]], axis=1)
