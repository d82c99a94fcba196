# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of object the generator knows, and what it keeps from training: pairs of a kind with a
color, and pairs of two kinds."""

from __future__ import annotations

import hashlib

from . import (
    animals,
    buildings,
    creatures,
    food,
    furniture,
    household,
    nature,
    outdoors,
    reptiles,
    rooms,
    snacks,
    tools,
    traffic,
    treasures,
    vehicles,
)
from .attributes import Kind, held_out_colours
from .colours import COLOURS

FIRST_KINDS: dict[str, Kind] = {
    kind.name: kind
    for family in (furniture, household, tools, nature, food, creatures, vehicles, buildings)
    for kind in family.KINDS
}
"""The 51 kinds of the data sets of single objects, on which pack 0.2.0 was trained."""

KINDS: dict[str, Kind] = FIRST_KINDS | {
    kind.name: kind
    for family in (rooms, treasures, traffic, animals, reptiles, snacks, outdoors)
    for kind in family.KINDS
}
"""Those and all that came later: the kinds of scenes."""

_HELD_OUT = {(kind.name, colour) for kind in KINDS.values() for colour in held_out_colours(kind)}


def is_held_out(kind: str, colour: str) -> bool:
    """Return True if training never shows this kind with this main colour."""
    return (kind, colour) in _HELD_OUT


def known_combinations() -> tuple[tuple[str, str], ...]:
    """Return every (kind, main colour) pair that training shows."""
    return tuple(
        (kind, colour) for kind in KINDS for colour in COLOURS if not is_held_out(kind, colour)
    )


def held_out_combinations() -> tuple[tuple[str, str], ...]:
    """Return every (kind, main colour) pair kept out of training, in the order of the kinds."""
    return tuple(
        (kind, colour) for kind in KINDS for colour in COLOURS if is_held_out(kind, colour)
    )


def is_held_out_pair(first: str, second: str) -> bool:
    """Return True if training never shows these two kinds in one scene, whatever their order.

    Chosen by hash, so that the choice stays the same when kinds are added: one pair in ten.
    """
    names = "/".join(sorted((first, second)))
    return hashlib.sha256(f"pair/{names}".encode()).digest()[0] % 10 == 0
