# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers counted: which were right, in shares and in lists of values."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ..training.shapes.synonyms import COLOR_WORDS, UNSEEN_SYNONYMS
from .asking import Answer, Failure
from .measures import Share, share_right
from .mesh_facts import MeshFacts
from .prompts import EvaluationPrompt


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one prompt."""

    prompt: EvaluationPrompt
    answer: Answer

    @property
    def is_kind_right(self) -> bool:
        verdict = self.answer.verdict
        return verdict is not None and verdict.kind == self.prompt.asked.objects[0].kind

    @property
    def is_colour_right(self) -> bool:
        verdict = self.answer.verdict
        return verdict is not None and verdict.main_colour == self.prompt.asked.objects[0].color

    @property
    def is_part_colour_right(self) -> bool | None:
        """None where the prompt names no second part, or one that the judge does not know."""
        verdict = self.answer.verdict
        if self.prompt.part is None or (verdict is not None and verdict.part_colour is None):
            return None
        return verdict is not None and verdict.part_colour == self.prompt.part[1]

    @property
    def is_meaning_right(self) -> bool:
        """Whether what the unseen word stands for is there."""
        is_color = UNSEEN_SYNONYMS[self.prompt.unseen] in COLOR_WORDS
        return self.is_colour_right if is_color else self.is_kind_right

    @property
    def are_kinds_right(self) -> bool:
        """Whether both objects of a scene are there."""
        scene = self.answer.scene
        asked = {each.kind for each in self.prompt.asked.objects}
        return scene is not None and set(scene.kinds) == asked

    @property
    def are_objects_right(self) -> bool:
        """Whether both objects of a scene are there, each in its own main color."""
        scene = self.answer.scene
        asked = tuple(each.color for each in self.prompt.asked.objects)
        return self.are_kinds_right and scene is not None and scene.colors == asked

    @property
    def is_relation_right(self) -> bool:
        """Whether the objects of a scene are there, and lie to each other as asked."""
        scene = self.answer.scene
        asked = self.prompt.asked.relation
        return self.are_kinds_right and scene is not None and scene.relation == asked


@dataclass(frozen=True, slots=True)
class PromptScores:
    """How often questions were answered right."""

    outcomes: tuple[Outcome, ...]

    @property
    def kind(self) -> Share:
        return share_right([each.is_kind_right for each in self.outcomes])

    @property
    def colour(self) -> Share:
        return share_right([each.is_colour_right for each in self.outcomes])

    @property
    def kind_and_colour(self) -> Share:
        return share_right([each.is_kind_right and each.is_colour_right for each in self.outcomes])

    @property
    def part_colour(self) -> Share:
        answers = [each.is_part_colour_right for each in self.outcomes]
        return share_right([answer for answer in answers if answer is not None])

    @property
    def meaning(self) -> Share:
        """Of the unseen words."""
        return share_right([each.is_meaning_right for each in self.outcomes])

    @property
    def kinds(self) -> Share:
        return share_right([each.are_kinds_right for each in self.outcomes])

    @property
    def objects(self) -> Share:
        return share_right([each.are_objects_right for each in self.outcomes])

    @property
    def relation(self) -> Share:
        return share_right([each.is_relation_right for each in self.outcomes])

    def precision(self, scorer: str) -> Share:
        """Return R-precision at rank 1; a missing mesh is a miss."""
        return share_right([each.answer.rivals.get(scorer) == 0 for each in self.outcomes])

    def count(self, failure: Failure) -> int:
        """Return how many prompts ended in a failure."""
        return sum(each.answer.failure == failure for each in self.outcomes)

    def confusions(self) -> Counter[tuple[str, str]]:
        """Count each (kind asked for, kind seen) that differ."""
        return Counter(
            (each.prompt.asked.objects[0].kind, each.answer.verdict.kind)
            for each in self.outcomes
            if each.answer.verdict is not None and not each.is_kind_right
        )


NOTHING_ASKED = PromptScores(())


@dataclass(frozen=True, slots=True)
class HealthScores:
    """The health of all meshes that were made."""

    answers: tuple[Answer, ...]

    @property
    def closed(self) -> Share:
        return share_right([each.is_closed for each in self._facts()])

    @property
    def sound(self) -> Share:
        return share_right([each.is_sound for each in self._facts()])

    @property
    def single(self) -> Share:
        """Meshes in one piece."""
        return share_right([each.num_parts == 1 for each in self._facts()])

    @property
    def parts(self) -> list[float]:
        return [float(each.num_parts) for each in self._facts()]

    @property
    def thickness(self) -> list[float]:
        return [each.thickness for each in self._facts()]

    @property
    def thin_shares(self) -> list[float]:
        return [each.thin_share for each in self._facts()]

    @property
    def num_empty(self) -> int:
        return sum(each.failure == "empty" for each in self.answers)

    @property
    def num_asked(self) -> int:
        """Questions that the pack took."""
        return sum(each.failure != "refused" for each in self.answers)

    def stage_seconds(self) -> dict[str, list[float]]:
        """Return the seconds of each stage, in the order in which they first ran."""
        seconds: dict[str, list[float]] = {}
        for answer in self.answers:
            for stage, value in answer.seconds.items():
                seconds.setdefault(stage, []).append(value)
        return seconds

    def total_seconds(self) -> list[float]:
        """Return the seconds of each mesh, without the loading of the pack for the first one."""
        return [
            sum(each.seconds.values()) - each.seconds.get("load", 0.0)
            for each in self.answers
            if each.seconds
        ]

    def _facts(self) -> list[MeshFacts]:
        return [each.facts for each in self.answers if each.facts is not None]
