# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole chain on a tiny random pack: what comes out, what is said, how it stops."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from maquette.core import pipeline
from maquette.core.config import GenerationRequest, ReferenceImage
from maquette.core.errors import (
    CancelledError,
    CheckpointError,
    EmptySurfaceError,
    PackError,
    UnknownPromptError,
)
from maquette.core.mesh import GenerationResult
from maquette.tests.unit.tiny_native_pack import write_tiny_pack


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("packs") / "tiny"
    write_tiny_pack(folder)
    yield folder
    pipeline.release()


def _generate(
    pack: Path, prompt: str = "a red mushroom", **settings: Any
) -> list[GenerationResult]:
    defaults = {"resolution": 24, "texture_size": 64, "device": "cpu"}
    request = GenerationRequest(prompt=prompt, **(defaults | settings))
    return list(
        pipeline.generate(
            request, pack, on_progress=lambda stage, fraction: None, cancel=threading.Event()
        )
    )


def test_a_result_stands_on_the_ground_at_the_size_asked_for(pack: Path) -> None:
    (result,) = _generate(pack, target_size=2.5)

    low, high = result.mesh.vertices.min(0), result.mesh.vertices.max(0)
    assert low[2] == pytest.approx(0, abs=1e-5)
    assert (high - low).max() == pytest.approx(2.5, rel=1e-5)
    assert (low + high)[:2] == pytest.approx([0, 0], abs=1e-5)


def test_a_result_is_closed_and_wound_outward(pack: Path) -> None:
    (result,) = _generate(pack)

    faces = result.mesh.faces
    directed = {(int(f[i]), int(f[(i + 1) % 3])) for f in faces for i in range(3)}
    assert len(directed) == 3 * len(faces)
    assert all((b, a) in directed for a, b in directed)
    a, b, c = result.mesh.vertices[faces].transpose(1, 0, 2)
    assert np.einsum("fi,fi->", a, np.cross(b, c)) > 0
    lengths = np.linalg.norm(result.mesh.normals, axis=1)
    assert lengths == pytest.approx(1, abs=1e-4)


def test_variants_count_their_seeds_up_and_each_can_be_made_again(pack: Path) -> None:
    first, second = _generate(pack, seed=7, count=2)
    (again,) = _generate(pack, seed=8)

    assert [first.record.seed, second.record.seed] == [7, 8]
    assert not np.array_equal(first.mesh.vertices, second.mesh.vertices)
    np.testing.assert_array_equal(second.mesh.vertices, again.mesh.vertices)
    assert second.mesh.texture is not None and again.mesh.texture is not None
    np.testing.assert_array_equal(second.mesh.texture.pixels, again.mesh.texture.pixels)


def test_without_texture_there_are_still_vertex_colours(pack: Path) -> None:
    (result,) = _generate(pack, texture_size=0)

    assert result.mesh.texture is None
    assert result.mesh.vertex_colors.min() >= 0 and result.mesh.vertex_colors.max() <= 1


def test_the_record_holds_what_is_needed_to_repeat(pack: Path) -> None:
    (result,) = _generate(pack, seed=3)

    settings = result.record.settings
    assert result.name == "Red mushroom"
    assert result.record.prompt == "a red mushroom"
    assert (settings["num_steps"], settings["guidance_scale"]) == (3, 2.0)
    assert (settings["resolution"], settings["texture_size"]) == (24, 64)
    assert list(result.stage_seconds)[:3] == ["load", "condition", "sample"]


def test_an_unknown_word_is_named_with_the_nearest_known_one(pack: Path) -> None:
    (result,) = _generate(pack, "a scarlet mushroom with a stemm")

    assert result.warnings[0].startswith("the tiny pack does not know 'scarlet'")
    assert any("'stemm'" in warning and "'stem'" in warning for warning in result.warnings)


def test_a_prompt_without_a_known_object_is_refused(pack: Path) -> None:
    with pytest.raises(UnknownPromptError, match=r"'mushrom' \(nearest: 'mushroom'\)"):
        _generate(pack, "a red mushrom")
    with pytest.raises(UnknownPromptError, match="names no object"):
        _generate(pack, "red")
    with pytest.raises(UnknownPromptError, match="椅子"):
        _generate(pack, "椅子 🍄")


def test_a_picture_needs_another_pack(pack: Path) -> None:
    picture = ReferenceImage(pixels=np.zeros((8, 8, 4), np.uint8), source="x.png")

    with pytest.raises(PackError, match="no image model"):
        _generate(pack, "", image=picture)


def test_a_field_without_surface_says_what_to_try(tmp_path: Path) -> None:
    write_tiny_pack(tmp_path, is_solid=False)

    with pytest.raises(EmptySurfaceError, match="another seed"):
        _generate(tmp_path)
    pipeline.release()


def test_a_truncated_pack_names_the_file(tmp_path: Path) -> None:
    write_tiny_pack(tmp_path)
    path = tmp_path / "prior.safetensors"
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(CheckpointError, match=r"prior\.safetensors"):
        _generate(tmp_path)


@pytest.mark.parametrize("stage", ["Sampling", "Finding the surface", "Painting the texture"])
def test_cancelling_at_any_stage_stops_there(pack: Path, stage: str) -> None:
    cancel = threading.Event()
    seen: list[str] = []

    def on_progress(current: str, fraction: float) -> None:
        seen.append(current)
        if current == stage:
            cancel.set()

    request = GenerationRequest(prompt="a chair", resolution=24, texture_size=64, device="cpu")
    with pytest.raises(CancelledError):
        list(pipeline.generate(request, pack, on_progress=on_progress, cancel=cancel))
    assert seen[-1] == stage


def test_progress_never_goes_back_and_names_the_variant(pack: Path) -> None:
    fractions: list[float] = []
    stages: list[str] = []

    def on_progress(stage: str, fraction: float) -> None:
        stages.append(stage)
        fractions.append(fraction)

    request = GenerationRequest(
        prompt="a chair", resolution=24, texture_size=64, count=2, device="cpu"
    )
    list(pipeline.generate(request, pack, on_progress=on_progress, cancel=threading.Event()))

    assert fractions == sorted(fractions)
    assert fractions[0] == 0.0 and fractions[-1] == pytest.approx(1.0)
    assert "Sampling (2 of 2)" in stages


def test_a_description_costs_no_weights(pack: Path, tmp_path: Path) -> None:
    description = pipeline.describe_pack(pack)

    assert description.has_text and not description.has_image
    assert description.sampler.num_steps == 3
    assert description.known_kinds == ("mushroom", "chair")
    with pytest.raises(PackError, match="no model"):
        pipeline.describe_pack(tmp_path)
