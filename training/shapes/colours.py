# SPDX-License-Identifier: GPL-3.0-or-later
"""The sixteen colour values that captions can ask for, and the words for them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Colour:
    """One colour value: how it looks and what people call it."""

    srgb: tuple[float, float, float]
    """Centre of its variation, sRGB in [0, 1]."""
    words: tuple[str, ...]
    """Adjectives that mean it, the plain one first."""
    substances: tuple[str, ...] = ()
    """Nouns for `made of ...`; only materials have them."""
    grain: float = 0.012
    """How far single pieces differ from one another in brightness."""

    @property
    def is_material(self) -> bool:
        """True for wood, gold, metal and stone."""
        return bool(self.substances)


COLOURS: dict[str, Colour] = {
    "red": Colour(srgb=(0.82, 0.12, 0.12), words=("red", "crimson", "scarlet", "ruby")),
    "orange": Colour(srgb=(0.95, 0.47, 0.08), words=("orange", "tangerine", "amber")),
    "yellow": Colour(srgb=(0.99, 0.86, 0.20), words=("yellow", "lemon", "canary")),
    "green": Colour(srgb=(0.20, 0.60, 0.22), words=("green", "emerald", "lime", "olive")),
    "blue": Colour(srgb=(0.15, 0.32, 0.82), words=("blue", "navy", "cobalt", "azure")),
    "purple": Colour(srgb=(0.50, 0.20, 0.68), words=("purple", "violet", "lilac", "lavender")),
    "pink": Colour(srgb=(0.97, 0.52, 0.70), words=("pink", "rosy", "magenta", "salmon")),
    "brown": Colour(srgb=(0.37, 0.21, 0.11), words=("brown", "chocolate", "chestnut")),
    "black": Colour(srgb=(0.08, 0.08, 0.09), words=("black", "ebony", "onyx")),
    "white": Colour(srgb=(0.94, 0.94, 0.92), words=("white", "ivory", "snowy")),
    "grey": Colour(srgb=(0.42, 0.42, 0.44), words=("grey", "gray", "charcoal", "slate")),
    "cyan": Colour(srgb=(0.18, 0.77, 0.80), words=("cyan", "turquoise", "teal", "aqua")),
    "wooden": Colour(
        srgb=(0.67, 0.44, 0.25),
        words=("wooden", "wood", "timber"),
        substances=("wood", "timber", "oak"),
        grain=0.035,
    ),
    "golden": Colour(
        srgb=(0.86, 0.64, 0.16), words=("golden", "gold", "gilded"), substances=("gold", "brass")
    ),
    "metal": Colour(
        srgb=(0.66, 0.73, 0.82),
        words=("metal", "metallic", "steel", "silver"),
        substances=("metal", "steel", "iron"),
    ),
    "stone": Colour(
        srgb=(0.64, 0.59, 0.48),
        words=("stone", "rocky", "sandstone"),
        substances=("stone", "rock", "sandstone"),
        grain=0.03,
    ),
}
