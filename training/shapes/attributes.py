# SPDX-License-Identifier: GPL-3.0-or-later
"""What a caption can say about a shape, and how each kind of object is described."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from .colours import COLOURS
from .synonyms import PART_NOUNS

if TYPE_CHECKING:
    from .builder import ShapeBuilder

SAME = "same"
"""As a default colour: this part takes the main colour unless a caption names another."""

ADJECTIVES: dict[str, tuple[str, ...]] = {
    "tall": ("tall", "high", "towering"),
    "short": ("short", "low", "squat"),
    "wide": ("wide", "broad", "spacious"),
    "slim": ("slim", "thin", "slender", "narrow"),
    "chunky": ("chunky", "thick", "fat", "stocky"),
    "small": ("small", "tiny", "little", "mini"),
}
"""Every adjective that changes proportions, with the words for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeAttributes:
    """Everything a caption may mention."""

    kind: str
    main_colour: str
    """A key of `COLOURS`; recorded even where a caption leaves it out."""
    second_part: str | None = None
    """Name of one further part with a colour of its own."""
    second_colour: str | None = None
    adjective: str | None = None
    """A key of `ADJECTIVES`."""

    def to_json(self) -> str:
        """Return the attributes as one line of JSON."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> ShapeAttributes:
        """Read what `to_json` wrote."""
        return ShapeAttributes(**json.loads(text))


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a kind: its name, the words for it, and its colours when none is asked for."""

    name: str
    nouns: tuple[str, ...]
    """Words for it, with article where it takes one ("a stem", "wheels"); () = never mentioned."""
    defaults: tuple[str, ...]
    """Likely colours, likeliest first; keys of `COLOURS`, or `SAME`."""


def named_part(name: str, *defaults: str) -> Part:
    """Return a part that captions may color, with the words that scenes use for it."""
    return Part(name, PART_NOUNS[name], defaults)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of object: the words for it, its parts and the function that builds it."""

    name: str
    nouns: tuple[str, ...]
    build: Callable[[ShapeBuilder], None]
    natural: tuple[str, ...]
    """Main colours that a bare noun may stand for, likeliest first."""
    parts: tuple[Part, ...] = ()
    """All parts but the main one, which is called "main"."""
    adjectives: tuple[str, ...] = tuple(ADJECTIVES)
    """Adjectives that make a visible difference to this kind."""
    styles: tuple[Callable[[ShapeBuilder], None], ...] = ()
    """Further ways to build it, which scenes draw as often as `build`; the data sets of single
    objects, on which pack 0.2.0 was trained, know `build` alone."""

    @property
    def nameable_parts(self) -> tuple[Part, ...]:
        """The parts that captions may give a colour."""
        return tuple(part for part in self.parts if part.nouns)


def held_out_colours(kind: Kind) -> tuple[str, ...]:
    """Return the one or two colours that never occur with this kind in training.

    Chosen by hash among the colours that are not natural for the kind, so that the choice stays
    the same when kinds are added, and so that a bare noun always has its usual colours.
    """

    def rank(colour: str) -> str:
        return hashlib.sha256(f"{kind.name}/{colour}".encode()).hexdigest()

    ranked = sorted((c for c in COLOURS if c not in kind.natural), key=rank)
    # Two colours of sixteen for three kinds in five and one for the others: one pair in ten.
    return tuple(ranked[: 2 if int(rank("count"), 16) % 5 < 3 else 1])
