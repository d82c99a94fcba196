# SPDX-License-Identifier: GPL-3.0-or-later
"""What an evaluation found, as JSON and as a page of text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property

from .asking import Answer
from .course import LEFT_OUT, NO_CLIP, Missing
from .metric import Metric
from .metrics import list_metrics
from .reconstruction import ReconstructionScores
from .scores import NOTHING_ASKED, HealthScores, Outcome, PromptScores
from .sections import ImageScores, Variety


@dataclass(frozen=True, kw_only=True)
class EvaluationReport:
    """Everything that `evaluate` found."""

    pack: str
    pack_hash: str
    seed: int
    scores: PromptScores | Missing
    """The pack's answers to held-out prompts."""
    judge: PromptScores
    """Ground truth for some of the same prompts through the same judge: what can be reached."""
    synonyms: PromptScores | Missing = LEFT_OUT
    scenes: PromptScores | Missing = LEFT_OUT
    scene_judge: PromptScores = NOTHING_ASKED
    """Ground truth for some of the same scenes."""
    images: ImageScores | Missing = LEFT_OUT
    reconstruction: ReconstructionScores | Missing = LEFT_OUT
    diversity: tuple[Variety, ...] | Missing = LEFT_OUT
    clip: str | Missing = NO_CLIP
    """Name of the model that matched results with prompts."""
    seconds: float = 0.0
    """That it all took."""
    notes: tuple[str, ...] = ()
    """Sentences about how to read the numbers."""

    @property
    def health(self) -> HealthScores:
        """Of every mesh that was made and kept."""
        answers: list[Answer] = []
        for scores in (self.scores, self.synonyms, self.scenes):
            if isinstance(scores, PromptScores):
                answers += [each.answer for each in scores.outcomes]
        if isinstance(self.images, ImageScores):
            answers += [each.answer for each in self.images.scores.outcomes]
        return HealthScores(tuple(answers))

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """Every number, in the order in which it is shown."""
        return list_metrics(self)

    def to_json(self) -> dict[str, object]:
        """Return fractions, decibels and counts; null where nothing was measured.

        What is null stands under `not_possible` or `not_measured` with the reason.
        """
        numbers: dict[str, object] = {}
        for metric in self.metrics:
            numbers |= metric.to_json()
        missing = [(each.key, each.missing) for each in self.metrics if each.missing is not None]
        return {
            "pack": self.pack,
            "pack_hash": self.pack_hash,
            "seed": self.seed,
            "n": len(self.scores.outcomes) if isinstance(self.scores, PromptScores) else 0,
            **numbers,
            "stage_seconds": _medians(self.health.stage_seconds()),
            "clip_model": self.clip if isinstance(self.clip, str) else None,
            "not_possible": {key: str(why) for key, why in missing if why.is_about_pack},
            "not_measured": {key: str(why) for key, why in missing if not why.is_about_pack},
            "judge_on_ground_truth": _judge_json(self.judge),
            "scene_judge_on_ground_truth": _scene_judge_json(self.scene_judge),
            "seconds": round(self.seconds, 1),
            "notes": list(self.notes),
            "prompts": _outcomes_json(self.scores),
            "synonyms": _outcomes_json(self.synonyms),
            "two_objects": _outcomes_json(self.scenes),
            "images": _outcomes_json(
                self.images.scores if isinstance(self.images, ImageScores) else self.images
            ),
        }

    def to_text(self) -> str:
        """Return the same for people, without the single prompts."""
        lines = [f"Pack {self.pack} ({self.pack_hash}), seed {self.seed}"]
        group = ""
        for metric in (each for each in self.metrics if each.is_shown):
            if metric.group != group:
                group = metric.group
                lines.append(group)
            lines.append(f"  {metric.label:<34} {metric.to_text()}")
        if isinstance(self.scores, PromptScores):
            lines += [
                f"  {asked} taken for {seen}: {n}" for (asked, seen), n in _worst(self.scores)
            ]
        lines += _judge_lines(self.judge, self.scene_judge)
        return "\n".join([*lines, *self.notes, f"Took {self.seconds:.0f} s"])


def _worst(scores: PromptScores) -> list[tuple[tuple[str, str], int]]:
    return scores.confusions().most_common(5)


def _medians(seconds: dict[str, list[float]]) -> dict[str, float]:
    return {stage: sorted(values)[len(values) // 2] for stage, values in seconds.items()}


def _judge_json(judge: PromptScores) -> dict[str, object]:
    return {"n": len(judge.outcomes), **dict(_shares(judge))}


def _shares(scores: PromptScores) -> Iterator[tuple[str, object]]:
    for name in ("kind", "colour", "kind_and_colour", "part_colour"):
        share = getattr(scores, name)
        yield f"{name}_accuracy", share.fraction
        yield f"{name}_interval", share.interval
    yield "part_colour_n", scores.part_colour.num


def _scene_judge_json(judge: PromptScores) -> dict[str, object]:
    return {
        "n": len(judge.outcomes),
        "two_object_accuracy": judge.objects.fraction,
        "two_object_interval": judge.objects.interval,
        "two_object_kinds_accuracy": judge.kinds.fraction,
        "two_object_relation_accuracy": judge.relation.fraction,
    }


def _judge_lines(judge: PromptScores, scene_judge: PromptScores) -> list[str]:
    lines = []
    if judge.outcomes:
        lines += [
            f"The judge on ground truth for {len(judge.outcomes)} of these prompts",
            f"  {'right kind':<34} {judge.kind}",
            f"  {'right main color':<34} {judge.colour}",
            f"  {'right part color':<34} {judge.part_colour}",
        ]
    if scene_judge.outcomes:
        lines += [
            f"The judge of scenes on ground truth for {len(scene_judge.outcomes)} prompts",
            f"  {'both objects, each in its color':<34} {scene_judge.objects}",
        ]
    return lines


def _outcomes_json(scores: PromptScores | Missing) -> list[dict[str, object]]:
    return [] if isinstance(scores, Missing) else [_outcome_json(each) for each in scores.outcomes]


def _outcome_json(outcome: Outcome) -> dict[str, object]:
    answer = outcome.answer
    seen = answer.verdict or answer.scene
    return {
        "prompt": outcome.prompt.text,
        "seed": outcome.prompt.seed,
        "asked": asdict(outcome.prompt.asked),
        "seen": asdict(seen) if seen else None,
        "failure": answer.failure,
        "rivals": answer.rivals,
        "mesh": asdict(answer.facts) if answer.facts else None,
    }
