# SPDX-License-Identifier: GPL-3.0-or-later
"""What an evaluation found, as JSON and as a page of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from .judge import Verdict
from .measures import Share, share_right
from .prompts import EvaluationPrompt
from .reconstruction import ReconstructionScores

Failure = Literal["empty", "refused"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one prompt."""

    prompt: EvaluationPrompt
    verdict: Verdict | None
    """None where there was no mesh."""
    failure: Failure | None = None
    """Why there was none: the field had no surface, or the pack did not know the words."""

    @property
    def is_kind_right(self) -> bool:
        return self.verdict is not None and self.verdict.kind == self.prompt.attributes.kind

    @property
    def is_colour_right(self) -> bool:
        asked = self.prompt.attributes.main_colour
        return self.verdict is not None and self.verdict.main_colour == asked

    @property
    def is_part_colour_right(self) -> bool | None:
        """None where the prompt names no second part."""
        if self.prompt.attributes.second_part is None:
            return None
        asked = self.prompt.attributes.second_colour
        return self.verdict is not None and self.verdict.part_colour == asked


@dataclass(frozen=True, slots=True)
class PromptScores:
    """How often prompts were answered right."""

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

    def count(self, failure: Failure) -> int:
        """Return how many prompts ended in a failure."""
        return sum(each.failure == failure for each in self.outcomes)

    def confusions(self) -> Counter[tuple[str, str]]:
        """Count each (kind asked for, kind seen) that differ."""
        return Counter(
            (each.prompt.attributes.kind, each.verdict.kind)
            for each in self.outcomes
            if each.verdict is not None and not each.is_kind_right
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationReport:
    """Everything that `evaluate` found."""

    pack: str
    pack_hash: str
    seed: int
    scores: PromptScores
    """The pack's answers to held-out prompts."""
    judge: PromptScores
    """Ground truth for some of the same prompts through the same judge: what can be reached."""
    reconstruction: ReconstructionScores | None
    seconds: float
    notes: tuple[str, ...] = ()
    """Sentences about what could not be measured."""

    def to_json(self) -> dict[str, object]:
        """Return fractions, decibels and counts; null where nothing was measured."""
        return {
            "pack": self.pack,
            "pack_hash": self.pack_hash,
            "seed": self.seed,
            "n": len(self.scores.outcomes),
            **dict(_shares(self.scores)),
            "empty_meshes": self.scores.count("empty"),
            "refused_prompts": self.scores.count("refused"),
            **_reconstruction_json(self.reconstruction),
            "judge_on_ground_truth": {
                "n": len(self.judge.outcomes),
                **dict(_shares(self.judge)),
            },
            "seconds": round(self.seconds, 1),
            "notes": list(self.notes),
            "prompts": [_outcome_json(each) for each in self.scores.outcomes],
        }

    def to_text(self) -> str:
        """Return the same for people, without the single prompts."""
        scores, judge = self.scores, self.judge
        lines = [
            f"Pack {self.pack} ({self.pack_hash}): {len(scores.outcomes)} prompts whose kind and"
            f" colour were never trained together, seed {self.seed}",
            f"  right kind          {scores.kind}",
            f"  right main colour   {scores.colour}",
            f"  both right          {scores.kind_and_colour}",
            f"  right part colour   {scores.part_colour}",
            f"  empty meshes        {scores.count('empty')}",
        ]
        if refused := scores.count("refused"):
            lines.append(f"  refused prompts     {refused}")
        lines += [f"  {asked} taken for {seen}: {n}" for (asked, seen), n in _worst(scores)]
        lines += _reconstruction_lines(self.reconstruction)
        lines += [
            f"The judge on ground truth for {len(judge.outcomes)} of these prompts",
            f"  right kind          {judge.kind}",
            f"  right main colour   {judge.colour}",
            f"  right part colour   {judge.part_colour}",
        ]
        return "\n".join([*lines, *self.notes, f"Took {self.seconds:.0f} s"])


def _worst(scores: PromptScores) -> list[tuple[tuple[str, str], int]]:
    return scores.confusions().most_common(5)


def _shares(scores: PromptScores) -> Iterator[tuple[str, object]]:
    for name in ("kind", "colour", "kind_and_colour", "part_colour"):
        share: Share = getattr(scores, name)
        yield f"{name}_accuracy", share.fraction
        yield f"{name}_interval", share.interval
    yield "part_colour_n", scores.part_colour.num


def _reconstruction_json(scores: ReconstructionScores | None) -> dict[str, object]:
    if scores is None:
        return {"iou": None, "colour_psnr_db": None, "num_reconstructions": 0}
    unseen, held_out = scores.of_split("any") or scores, scores.of_split("held_out")
    return {
        "iou": unseen.iou,
        "iou_median": unseen.iou_median,
        "colour_psnr_db": unseen.color_psnr_db,
        "colour_psnr_db_pooled": unseen.color_psnr_db_pooled,
        "num_reconstructions": len(unseen.shapes),
        "iou_held_out": held_out.iou if held_out else None,
        "colour_psnr_db_held_out": held_out.color_psnr_db if held_out else None,
    }


def _reconstruction_lines(scores: ReconstructionScores | None) -> list[str]:
    if scores is None:
        return ["Reconstruction: not measured"]
    unseen, held_out = scores.of_split("any") or scores, scores.of_split("held_out")
    lines = [
        f"Reconstruction of {len(unseen.shapes)} unseen shapes through the latent basis",
        f"  IoU                 {unseen.iou:.3f} mean, {unseen.iou_median:.3f} median",
        f"  colour PSNR         {unseen.color_psnr_db:.1f} dB mean of shapes,"
        f" {unseen.color_psnr_db_pooled:.1f} dB over all points",
    ]
    if held_out:
        lines.append(
            f"  kind and colour never trained together: IoU {held_out.iou:.3f},"
            f" colour PSNR {held_out.color_psnr_db:.1f} dB"
        )
    return lines


def _outcome_json(outcome: Outcome) -> dict[str, object]:
    verdict = asdict(outcome.verdict) if outcome.verdict else None
    return {
        "prompt": outcome.prompt.text,
        "seed": outcome.prompt.seed,
        "asked": asdict(outcome.prompt.attributes),
        "seen": verdict,
        "failure": outcome.failure,
    }
