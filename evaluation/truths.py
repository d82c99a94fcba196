# SPDX-License-Identifier: GPL-3.0-or-later
"""What the generator itself makes of a prompt, and what the judges say of that.

The judges' shares of right answers on ground truth bound what any pack can reach.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..training.shapes.scenes import build_scene
from .asking import RESOLUTION, Answer
from .course import Course
from .ground_truth import shape_surface
from .journal import Facts
from .judge import NUM_POINTS, Judge, judge_cloud
from .prompts import EvaluationPrompt
from .scene_judge import NUM_POINTS as NUM_SCENE_POINTS
from .scene_judge import SceneJudge, judge_scene
from .scores import Outcome, PromptScores
from .streams import Stream, stream_generator, stream_rng
from .surface import surface_cloud


def judge_truths(
    course: Course,
    judge: Judge | SceneJudge,
    prompts: Sequence[EvaluationPrompt],
    seed: int,
    *,
    section: str = "truths",
) -> PromptScores:
    """Judge ground truth for some prompts, through the same kind of mesh as a pack's."""

    def make(index: int) -> Facts:
        prompt = prompts[index]
        shape = build_scene(prompt.asked, stream_rng(Stream.JUDGE_TEST, seed, index))
        generator = stream_generator(Stream.SURFACE, prompt.seed)
        surface = shape_surface(shape, RESOLUTION)
        if isinstance(judge, SceneJudge):
            cloud = surface_cloud(*surface, NUM_SCENE_POINTS, generator)
            return Answer(scene=judge_scene(judge, *cloud, prompt.asked)).to_json()
        cloud = surface_cloud(*surface, NUM_POINTS, generator)
        return Answer(verdict=judge_cloud(judge, *cloud, known_part(judge, prompt))).to_json()

    found = course.each(section, "Judging the judge", len(prompts), make)
    answers = [Answer.from_json(each) for each in found]
    return PromptScores(tuple(map(Outcome, prompts, answers)))


def known_part(judge: Judge, prompt: EvaluationPrompt) -> str | None:
    """Return the second part that a prompt names, if the judge knows it."""
    part = prompt.part[0] if prompt.part else None
    return part if part in judge.spec.parts else None
