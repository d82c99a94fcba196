# SPDX-License-Identifier: GPL-3.0-or-later
"""Results are matched with prompts as a person would do it with the same scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from maquette.core.errors import InvalidRequestError
from maquette.core.mesh import MeshData
from maquette.evaluation.clip_model import ClipModel, load_clip
from maquette.evaluation.judge import current_spec
from maquette.evaluation.prompts import EvaluationPrompt
from maquette.evaluation.retrieval import ClipRetrieval, JudgeRetrieval
from maquette.tests.unit.tiny_clip_pack import write_tiny_clip_pack
from maquette.training.shapes.labels import ObjectLabels, SceneLabels

pytestmark = pytest.mark.needs_torch


def prompt(color: str, kind: str, text: str = "") -> EvaluationPrompt:
    asked = SceneLabels(objects=(ObjectLabels(kind=kind, color=color),))
    return EvaluationPrompt(text=text or f"a {color} {kind}", asked=asked, seed=0)


def tetrahedron(color: tuple[float, float, float]) -> MeshData:
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=np.float32)
    return MeshData(
        vertices=corners,
        faces=np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], dtype=np.int32),
        normals=np.full((4, 3), 3**-0.5, dtype=np.float32),
        vertex_colors=np.tile(np.array(color, dtype=np.float32), (4, 1)),
    )


def color_clip() -> ClipModel:
    """Return a CLIP that knows three colors: a caption's word and a picture's mean."""

    def embed_captions(captions):
        words = ("red", "green", "blue")
        return torch.tensor([[float(word in text) for word in words] for text in captions])

    def embed_picture(pixels):
        shown = pixels[(pixels != 255).any(axis=2)]
        return torch.tensor(shown.mean(axis=0) / 255).float()

    return ClipModel("colors", embed_captions, embed_picture)


def test_a_picture_finds_its_caption_among_all() -> None:
    prompts = [prompt("red", "chair"), prompt("green", "chair"), prompt("blue", "chair")]
    retrieval = ClipRetrieval(color_clip(), prompts, 0)

    mesh = tetrahedron((0.0, 1.0, 0.0))

    assert retrieval.rivals(mesh, "a green chair", 1) == 0
    assert retrieval.rivals(mesh, "a red chair", 1) >= 1


def test_a_caption_that_was_asked_twice_is_no_rival_of_itself() -> None:
    prompts = [prompt("red", "chair"), prompt("red", "chair"), prompt("blue", "chair")]
    retrieval = ClipRetrieval(color_clip(), prompts, 0)

    assert retrieval.rivals(tetrahedron((1.0, 0.0, 0.0)), "a red chair", 0) == 0


def test_the_judge_matches_by_kind_and_main_color() -> None:
    spec = current_spec()
    prompts = [prompt("red", "cat"), prompt("blue", "cat"), prompt("red", "dog")]
    kind, color = torch.zeros(len(spec.kinds)), torch.zeros(len(spec.colours))
    kind[spec.kinds.index("cat")], color[spec.colours.index("red")] = 3.0, 2.0

    rivals = [JudgeRetrieval(spec, prompts).rivals(kind, color, each) for each in prompts]

    # A red cat first, then a blue cat (the kind weighs more), then a red dog.
    assert rivals == [0, 1, 2]


def test_prompts_that_ask_for_the_same_are_one_caption_to_the_judge() -> None:
    spec = current_spec()
    prompts = [prompt("red", "cat"), prompt("red", "cat", "a crimson kitten")]

    retrieval = JudgeRetrieval(spec, prompts)

    zeros = torch.zeros(len(spec.kinds)), torch.zeros(len(spec.colours))
    assert [retrieval.rivals(*zeros, each) for each in prompts] == [0, 0]


def test_a_clip_of_ours_is_read_by_open_clip(tmp_path: Path) -> None:
    write_tiny_clip_pack(tmp_path / "tiny")

    clip = load_clip(str(tmp_path / "tiny" / "clip"))

    captions = clip.embed_captions(["a red mushroom", "a chair"])
    picture = clip.embed_picture(np.zeros((40, 40, 3), dtype=np.uint8))
    assert captions.shape == (2, len(picture))
    torch.testing.assert_close(captions.norm(dim=1), torch.ones(2))
    torch.testing.assert_close(picture.norm(), torch.ones(()))


@pytest.mark.parametrize("name", ["nowhere", "ViT-B-32,nowhere.pt", "No-Such-Model,x.pt"])
def test_a_clip_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(InvalidRequestError, match=name.split(",")[0]):
        load_clip(name)
