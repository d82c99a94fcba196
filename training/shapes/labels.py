# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a generated scene: the truth that captions tell in words and judges are asked for.

Every field takes its values from the tuple named beside it, in whose order outputs of networks may
be numbered. An empty string stands for "nothing".
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from .synonyms import ADJECTIVE_WORDS, COLOR_WORDS, KIND_NOUNS, PART_NOUNS, RELATION_WORDS

KIND_NAMES: tuple[str, ...] = tuple(KIND_NOUNS)
COLOR_NAMES: tuple[str, ...] = tuple(COLOR_WORDS)
"""Twelve colors, then four materials that are color values too."""
PART_NAMES: tuple[str, ...] = tuple(PART_NOUNS)
MATERIALS: tuple[str, ...] = ("", "wooden", "golden", "metal", "stone")
ADJECTIVES: tuple[str, ...] = ("", *ADJECTIVE_WORDS)
RELATIONS: tuple[str, ...] = ("", *RELATION_WORDS)
"""The first object is on, next to or under the second; "" if there is no second."""
COUNTS: tuple[int, ...] = (1, 2, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectLabels:
    """One object, or two or three that are alike."""

    kind: str
    """One of `KIND_NAMES`."""
    color: str
    """Of the main part, one of `COLOR_NAMES`; a material's name where nothing else colors it."""
    parts: tuple[tuple[str, str], ...] = ()
    """Every part that was built and has a name, with its color: (of `PART_NAMES`, of
    `COLOR_NAMES`), those that were asked for first. In what a caption says: those it names."""
    material: str = ""
    """Of the main part, one of `MATERIALS`: the color where that is a material; beside another
    color ("a red metal chair") it shows as a tint; "" is plain paint."""
    adjective: str = ""
    """One of `ADJECTIVES`."""

    def __post_init__(self) -> None:
        for value, allowed in (
            (self.kind, KIND_NAMES),
            (self.color, COLOR_NAMES),
            (self.material, MATERIALS),
            (self.adjective, ADJECTIVES),
        ):
            if value not in allowed:
                raise ValueError(f"{value!r} is none of {', '.join(allowed)}")
        for part, color in self.parts:
            if part not in PART_NAMES or color not in COLOR_NAMES:
                raise ValueError(f"there is no part {part!r} or no color {color!r}")

    def part_color(self, part: str) -> str | None:
        """Return the color of a part, None if the object does not have it."""
        return dict(self.parts).get(part)


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneLabels:
    """Everything in one scene."""

    objects: tuple[ObjectLabels, ...]
    """One or two."""
    count: int = 1
    """How many of the object there are; 1 where there are two objects."""
    relation: str = ""
    """One of `RELATIONS`: how the first object lies to the second."""

    def __post_init__(self) -> None:
        if len(self.objects) not in (1, 2):
            raise ValueError(f"a scene has one or two objects, not {len(self.objects)}")
        if self.count not in COUNTS or (len(self.objects) == 2 and self.count != 1):
            raise ValueError(f"{len(self.objects)} objects cannot be {self.count} times in a scene")
        if self.relation not in RELATIONS or bool(self.relation) != (len(self.objects) == 2):
            raise ValueError(f"{len(self.objects)} objects cannot be {self.relation!r} each other")

    def to_json(self) -> str:
        """Return the labels as one line of JSON."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> SceneLabels:
        """Read what `to_json` wrote.

        Raises:
            ValueError, KeyError: it is no such text, or has values that this version lacks.
        """
        fields = json.loads(text)
        objects = tuple(_object_from(entry) for entry in fields["objects"])
        return SceneLabels(objects=objects, count=fields["count"], relation=fields["relation"])


def _object_from(fields: dict[str, object]) -> ObjectLabels:
    pairs = fields.pop("parts")
    if not isinstance(pairs, list):
        raise ValueError(f"parts are pairs, not {pairs!r}")
    parts = tuple((str(part), str(color)) for part, color in pairs)
    return ObjectLabels(parts=parts, **{name: str(value) for name, value in fields.items()})
