# SPDX-License-Identifier: GPL-3.0-or-later
"""How the parts of an object hold together: cavities, overlapping parts, and what floats.

A part whose faces face inward is a cavity where it lies in material, and inside out elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..interrupt import Check, ignore
from ..topology import connected_components
from .parts import Edges, find_contacts, find_parts, find_within
from .rays import Floats, Ints
from .winding import six_volumes

SPECK_SHARE = 0.02
"""Of the area of what stands: floating parts below are remains that nobody wants."""
BED_SLACK_MM = 0.2
"""One layer: what begins that much higher still sticks to the bed."""
CONTACT_MM = 0.01


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands and what does not."""

    num_parts: int
    floating: tuple[Ints, ...]
    """Faces of each group of parts that hangs on nothing, largest first; specks come last."""
    num_specks: int
    is_speck: NDArray[np.bool_]
    """[F]."""
    is_turned: NDArray[np.bool_]
    """Faces of parts that are inside out, [F]."""
    num_turned: int
    """How many parts are."""
    bed: float
    """Lowest z of what stands."""
    slack: float = BED_SLACK_MM


def find_standing(
    points: Floats, faces: NDArray[np.int32], areas: Floats, edges: Edges, check: Check = ignore
) -> Standing:
    """Find out how the parts of an object hold together.

    The largest group of parts stands; others do if their lowest points are at the same height.

    Args:
        points: positions in millimetres, [V, 3].
        faces: wound alike within each part, [F, 3].
        areas: [F].
        edges: of those faces.
        check: called between pieces of work; raises to stop.
    """
    count, part = find_parts(len(points), faces)
    is_whole = np.ones(count, dtype=bool)
    of_vertex = np.zeros(len(points), dtype=np.int64)
    of_vertex[faces] = part[:, None]
    is_whole[of_vertex[edges.open_ends[:, 0]]] = False
    check()
    signs = _signs(points, faces, part, count)
    check()
    within, contacts = np.empty((2, 0, 2), dtype=np.int64)
    if count > 1:
        within = find_within(points, faces, part, areas, check)
        within = within[is_whole[within[:, 1]]]  # Nothing lies inside of what is open.
        contacts = find_contacts(points, faces, part, CONTACT_MM, check)
    is_turned, in_material = _nesting(signs, within)
    held = within[in_material[within[:, 0]]]
    num_groups, group_of_part = connected_components(count, np.concatenate([held, contacts]))
    group = group_of_part[part]
    lowest = np.full(num_groups, np.inf)
    np.minimum.at(lowest, group, points[faces][:, :, 2].min(axis=1))
    sizes = np.bincount(group, areas, minlength=num_groups)
    standing = int(sizes.argmax())
    floats = np.abs(lowest - lowest[standing]) > BED_SLACK_MM
    is_speck = floats & (sizes < SPECK_SHARE * sizes[standing])
    largest_first = np.argsort(-sizes, kind="stable")
    ordered = [each for each in largest_first if floats[each]]
    return Standing(
        num_parts=count,
        floating=tuple(np.flatnonzero(group == each) for each in ordered),
        num_specks=int(is_speck.sum()),
        is_speck=is_speck[group],
        is_turned=is_turned[part],
        num_turned=int(is_turned.sum()),
        bed=float(lowest[standing]),
    )


def _signs(points: Floats, faces: NDArray[np.int32], part: Ints, count: int) -> Ints:
    """Return 1 for each part whose faces face outward and -1 for others, [P]."""
    # From the middle of each part, which is fair to open ones.
    middles = (
        np.stack(
            [
                np.bincount(part, points[faces].mean(axis=1)[:, axis], minlength=count)
                for axis in range(3)
            ],
            axis=1,
        )
        / np.bincount(part, minlength=count).clip(1)[:, None]
    )
    corners = points[faces] - middles[part][:, None]
    volumes = six_volumes(corners.reshape(-1, 3), np.arange(3 * len(faces)).reshape(-1, 3))
    return np.where(np.bincount(part, volumes, minlength=count) < 0, -1, 1)


def _nesting(signs: Ints, within: Ints) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Find parts that are inside out, and parts that lie in material, from outside inward.

    Args:
        signs: 1 where a part faces outward, else -1, [P].
        within: pairs of parts, what is inside first, [N, 2].
    """
    signs = signs.copy()
    is_turned, in_material = np.zeros((2, len(signs)), dtype=bool)
    depth = np.bincount(within[:, 0], minlength=len(signs))
    lone = (depth == 0) & ~np.isin(np.arange(len(signs)), within[:, 1])
    is_turned[lone] = signs[lone] < 0
    order = np.argsort(depth, kind="stable")
    for each in order[~lone[order]]:  # At most as many as are looked into.
        around = within[within[:, 0] == each, 1]
        in_material[each] = signs[around].sum() > 0
        if signs[each] < 0 and not in_material[each]:
            # An outermost part was turned together with what is in it.
            turned = within[within[:, 1] == each, 0] if depth[each] == 0 else []
            for other in (each, *turned):
                signs[other], is_turned[other] = -signs[other], not is_turned[other]
    return is_turned, in_material
