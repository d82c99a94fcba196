# SPDX-License-Identifier: GPL-3.0-or-later
"""Which model pack a scene uses: one of those that are known, and of the user's own.

Own packs come and go with the folders on a machine, so the scene keeps the name and not a place in
a list. One that is not there stands for the default until it comes back.
"""

from __future__ import annotations

from zlib import crc32

from .. import weights_fetch
from ..core import config

DEFAULT = config.GenerationRequest(prompt="any").pack
_FIRST_OWN = 1000

# Blender keeps no strings of its own for items that a function returns.
_items: dict[tuple[str, ...], tuple[tuple[str, str, str, int], ...]] = {}


def items(_settings, _context):
    """Return every pack as an item of an enum."""
    known = tuple(weights_fetch.PACKS)
    if known not in _items:
        _items[known] = tuple(
            (info.id, info.title, info.summary, _number(info.id, place))
            for place, info in enumerate(weights_fetch.PACKS.values())
        )
    return _items[known]


def read(settings) -> int:
    """Return the number of the chosen pack; for `get` of the property."""
    numbers = {pack_id: number for pack_id, _, _, number in items(settings, None)}
    return numbers.get(settings.pack_name, numbers[DEFAULT])


def write(settings, number: int) -> None:
    """Choose a pack by its number; for `set` of the property."""
    names = {each: pack_id for pack_id, _, _, each in items(settings, None)}
    settings.pack_name = names[number]


def _number(pack_id: str, place: int) -> int:
    """Return a number that stays the pack's own, whatever others there are."""
    is_own = weights_fetch.PACKS[pack_id].own
    return _FIRST_OWN + crc32(pack_id.encode()) % 2**30 if is_own else place
