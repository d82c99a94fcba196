# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs are asked with pictures, for two objects, and again with other seeds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from maquette.core.config import GenerationRequest
from maquette.core.mesh import GenerationRecord, GenerationResult, MeshData
from maquette.evaluation import asking, sections
from maquette.evaluation.asking import Asker
from maquette.evaluation.course import Course
from maquette.evaluation.divider import Divider
from maquette.evaluation.journal import Journal
from maquette.evaluation.judge import Judge, current_spec
from maquette.evaluation.prompts import random_prompts, scene_prompts
from maquette.evaluation.scene_judge import SceneJudge
from maquette.evaluation.sections import (
    NUM_SEEDS,
    answer_pictures,
    answer_scenes,
    measure_diversity,
    shows_background,
)

pytestmark = pytest.mark.needs_torch

CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=np.float32)


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[GenerationRequest]:
    """Let every question be answered with a tetrahedron as tall as its seed says."""
    requests: list[GenerationRequest] = []

    def generate(
        request: GenerationRequest, pack_dir: Path, **hooks: Any
    ) -> Iterator[GenerationResult]:
        requests.append(request)
        tall = np.array([1, 1, 1 + request.seed % 3], dtype=np.float32)
        mesh = MeshData(
            vertices=CORNERS * tall,
            faces=np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], dtype=np.int32),
            normals=np.full((4, 3), 3**-0.5, dtype=np.float32),
            vertex_colors=CORNERS,
        )
        record = GenerationRecord(
            prompt=request.prompt,
            image_source="",
            seed=request.seed,
            pack="",
            pack_hash="",
            settings={},
            version="",
        )
        yield GenerationResult(name="x", mesh=mesh, record=record, stage_seconds={"sample": 1.0})

    monkeypatch.setattr(asking.pipeline, "generate", generate)
    return requests


def course() -> Course:
    return Course(Journal(None, {}), {}, lambda stage, fraction: None, threading.Event())


def asker() -> Asker:
    return Asker(Path("pack"), threading.Event())


class FakeStudio:
    """Shows a dark square on white, or nothing at all for the first shape."""

    taken: list[bool]

    def __init__(self, cancel: threading.Event) -> None:
        FakeStudio.taken = []

    def __enter__(self) -> FakeStudio:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def picture(self, shape: Any, *, seed: int, has_background: bool) -> np.ndarray:
        FakeStudio.taken.append(has_background)
        picture = np.zeros((64, 64, 4), dtype=np.uint8)
        if len(FakeStudio.taken) > 1:
            picture[16:48, 16:48] = (120, 20, 20, 255)
        return picture


def test_pictures_are_asked_without_words(requests, monkeypatch) -> None:
    monkeypatch.setattr(sections, "Studio", FakeStudio)
    torch.manual_seed(0)
    judge = Judge(current_spec()).eval()
    shown = random_prompts(3, 0)

    found = answer_pictures(course(), asker(), judge, shown, sees_grounds=False)

    assert FakeStudio.taken == [shows_background(index) for index in range(3)]
    # Nothing can be seen in the first picture, so that nobody is asked.
    assert found.scores.outcomes[0].answer.failure == "refused"
    assert [request.prompt for request in requests] == ["", ""]
    assert all(request.image is not None for request in requests)
    assert all(png.startswith(b"\x89PNG") for png in found.pictures)
    assert len(found.with_background(False).outcomes) == 2


def test_scenes_are_judged_by_what_was_asked(requests) -> None:
    torch.manual_seed(0)
    prompts = scene_prompts(2, 0)

    judge = SceneJudge(Divider().eval(), Judge(current_spec()).eval())

    scores = answer_scenes(course(), asker(), judge, prompts)

    assert [request.prompt for request in requests] == [prompt.text for prompt in prompts]
    # Two objects share a box, so they have the samples of the usual preset.
    assert {request.resolution for request in requests} == {128}
    for outcome in scores.outcomes:
        assert outcome.answer.scene is not None
        assert len(outcome.answer.scene.colors) == 2
        assert outcome.answer.facts is not None and outcome.answer.facts.is_closed
        assert outcome.answer.seconds == {"sample": 1.0}


def test_results_of_other_seeds_are_as_far_apart_as_they_are(requests) -> None:
    (variety,) = measure_diversity(course(), asker(), random_prompts(1, 0))

    seeds = [request.seed for request in requests]
    assert len(set(seeds)) == NUM_SEEDS == len(variety.pictures)
    # Tetrahedra of three heights: apart, but by far less than their own size.
    assert variety.chamfer is not None and 0.01 < variety.chamfer < 0.3
