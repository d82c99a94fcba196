# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of an evaluation that ask a pack: each prompt or picture becomes an answer."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..core.config import ReferenceImage
from ..core.errors import ImageInputError
from ..core.mesh import GenerationResult
from ..core.reference import prepare
from ..training.shapes.pieces import HALF_EXTENT
from ..training.shapes.scenes import build_scene
from .asking import Answer, Asker
from .course import Course
from .journal import Facts
from .judge import NUM_POINTS, Judge, judge_cloud, look, read_verdict
from .measures import mean_pairwise_chamfer
from .pictures import encode_small, small_picture
from .prompts import EvaluationPrompt
from .renders import Studio
from .retrieval import ClipRetrieval, JudgeRetrieval
from .scene_judge import NUM_POINTS as NUM_SCENE_POINTS
from .scene_judge import SceneJudge, judge_scene
from .scores import Outcome, PromptScores
from .streams import Stream, stream_generator, stream_rng
from .surface import mesh_cloud
from .truths import known_part

NUM_SEEDS = 4
"""Results of one prompt that are compared with one another."""

_NUM_DIVERSITY_POINTS = 1024


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Who matches results with prompts."""

    judge: JudgeRetrieval
    clip: ClipRetrieval | None


def answer_prompts(
    course: Course,
    asker: Asker,
    judge: Judge,
    prompts: Sequence[EvaluationPrompt],
    *,
    section: str,
    stage: str,
    retrieval: Retrieval | None = None,
) -> PromptScores:
    """Make and judge one object for each prompt."""

    def make(index: int) -> Facts:
        prompt = prompts[index]

        def judged(result: GenerationResult) -> Answer:
            cloud = mesh_cloud(result.mesh, NUM_POINTS, _surface_generator(prompt))
            part = known_part(judge, prompt)
            kind, color = look(judge, *cloud, part)
            rivals = {}
            if retrieval is not None:
                rivals["judge"] = retrieval.judge.rivals(kind, color[0], prompt)
            if retrieval is not None and retrieval.clip is not None:
                rivals["clip"] = retrieval.clip.rivals(
                    result.mesh, prompt.text, index, course.check
                )
            return Answer(verdict=read_verdict(judge.spec, kind, color, part), rivals=rivals)

        return asker.answer(judged, prompt=prompt.text, seed=prompt.seed).to_json()

    return _scores(prompts, course.each(section, stage, len(prompts), make))


def answer_scenes(
    course: Course, asker: Asker, judge: SceneJudge, prompts: Sequence[EvaluationPrompt]
) -> PromptScores:
    """Make and judge one scene for each prompt that names two objects."""

    def make(index: int) -> Facts:
        prompt = prompts[index]

        def judged(result: GenerationResult) -> Answer:
            cloud = mesh_cloud(result.mesh, NUM_SCENE_POINTS, _surface_generator(prompt))
            return Answer(scene=judge_scene(judge, *cloud, prompt.asked))

        return asker.answer(judged, prompt=prompt.text, seed=prompt.seed).to_json()

    return _scores(
        prompts, course.each("two-objects", "Asking for two objects", len(prompts), make)
    )


@dataclass(frozen=True, slots=True)
class ImageScores:
    """Answers to pictures, and the pictures, in the same order."""

    scores: PromptScores
    """The prompt of each says what the picture shows; the pack never saw it."""
    pictures: tuple[bytes, ...]
    """PNG."""

    def with_background(self, has_background: bool) -> PromptScores:
        """Return the answers to pictures with or without a background."""
        chosen = [
            outcome
            for index, outcome in enumerate(self.scores.outcomes)
            if shows_background(index) == has_background
        ]
        return PromptScores(tuple(chosen))


def shows_background(index: int) -> bool:
    """Return whether a picture has a background: every second one does."""
    return index % 2 == 1


def answer_pictures(
    course: Course,
    asker: Asker,
    judge: Judge,
    shown: Sequence[EvaluationPrompt],
    *,
    sees_grounds: bool,
) -> ImageScores:
    """Render a shape for each prompt, and judge what the pack makes of the picture alone."""
    with Studio(course.cancel) as studio:

        def make(index: int) -> Facts:
            prompt = shown[index]
            shape = build_scene(prompt.asked, stream_rng(Stream.IMAGES, prompt.seed))
            pixels = studio.picture(shape, seed=prompt.seed, has_background=shows_background(index))

            def judged(result: GenerationResult) -> Answer:
                cloud = mesh_cloud(result.mesh, NUM_POINTS, _surface_generator(prompt))
                return Answer(verdict=judge_cloud(judge, *cloud, None))

            try:
                # As the sidebar and the command line prepare what users give them.
                given = ReferenceImage(pixels=pixels, source=f"render {index}")
                image = prepare(given, sees_grounds=sees_grounds).image
            except ImageInputError:
                answer = Answer(failure="refused")
            else:
                answer = asker.answer(judged, image=image, seed=prompt.seed)
            return {"answer": answer.to_json(), "shown": _text(encode_small(pixels))}

        found = course.each("images", "Asking with pictures", len(shown), make)
    scores = _scores(shown, [each["answer"] for each in found])
    return ImageScores(scores, tuple(_bytes(each["shown"]) for each in found))


@dataclass(frozen=True, slots=True)
class Variety:
    """Several results of one prompt."""

    text: str
    chamfer: float | None
    """Mean pairwise distance as a share of the longest side; None for fewer than two meshes."""
    pictures: tuple[bytes, ...]
    """PNG."""


def measure_diversity(
    course: Course, asker: Asker, prompts: Sequence[EvaluationPrompt]
) -> tuple[Variety, ...]:
    """Make each prompt several times, with one seed after the other."""

    def make(index: int) -> Facts:
        prompt = prompts[index]
        clouds, pictures = [], []
        for number in range(NUM_SEEDS):
            made = asker.make(prompt=prompt.text, seed=(prompt.seed + number) % 2**31)
            if isinstance(made, GenerationResult):
                generator = stream_generator(Stream.DIVERSITY, prompt.seed, number)
                clouds.append(mesh_cloud(made.mesh, _NUM_DIVERSITY_POINTS, generator)[0])
                pictures.append(_text(small_picture(made.mesh)))
        chamfer = mean_pairwise_chamfer(clouds)
        share = None if chamfer is None else chamfer / (2 * HALF_EXTENT)
        return {"chamfer": share, "pictures": pictures}

    found = course.each("diversity", "Asking again with other seeds", len(prompts), make)
    return tuple(
        Variety(prompt.text, each["chamfer"], tuple(_bytes(text) for text in each["pictures"]))
        for prompt, each in zip(prompts, found, strict=True)
    )


def _scores(prompts: Sequence[EvaluationPrompt], found: Sequence[Facts]) -> PromptScores:
    answers = [Answer.from_json(each) for each in found]
    return PromptScores(tuple(map(Outcome, prompts, answers)))


def _surface_generator(prompt: EvaluationPrompt) -> torch.Generator:
    return stream_generator(Stream.SURFACE, prompt.seed)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: Any) -> bytes:
    return base64.b64decode(str(text))
