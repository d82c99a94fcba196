# SPDX-License-Identifier: GPL-3.0-or-later
"""Previews: what they show, when they are made, and that the result never notices them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from maquette.core import pipeline, resident, sampling
from maquette.core.config import GenerationRequest, SamplerConfig, SamplerName
from maquette.core.diffusion.denoiser import WatchedDenoiser
from maquette.core.errors import CancelledError, EmptySurfaceError, NonFiniteError
from maquette.core.geometry.extract import extract_mesh
from maquette.core.mesh import GenerationRecord, GenerationResult, MeshData, PreviewMesh
from maquette.core.preview import PREVIEW_RESOLUTION, Pace, Previewer, coarse_mesh
from maquette.core.prior.transformer import LatentPrior
from maquette.tests.analytic_fields import (
    CPU,
    Field,
    ball,
    block,
    is_closed_and_consistent,
    lumpy,
    ring,
    rod,
    squashed,
    union,
)
from maquette.tests.unit.tiny_native_pack import write_tiny_pack
from torch import Tensor


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("packs") / "tiny"
    write_tiny_pack(folder)
    yield folder
    pipeline.release()


def generate(
    pack: Path, on_preview: Callable[[PreviewMesh], None] | None, **settings: Any
) -> list[GenerationResult]:
    defaults: dict[str, Any] = {"resolution": 24, "texture_size": 64, "device": "cpu"}
    return list(
        pipeline.generate(
            GenerationRequest(prompt="a red mushroom", **(defaults | settings)),
            pack,
            on_progress=lambda stage, fraction: None,
            cancel=threading.Event(),
            on_preview=on_preview,
        )
    )


def arrays(result: GenerationResult) -> list[np.ndarray]:
    mesh = result.mesh
    assert mesh.texture is not None
    shape = [mesh.vertices, mesh.faces, mesh.normals, mesh.vertex_colors]
    return [*shape, mesh.texture.pixels, mesh.texture.corner_uvs]


@pytest.mark.parametrize("method", get_args(SamplerName))
def test_the_result_is_the_same_bit_for_bit(pack: Path, method: SamplerName) -> None:
    sampler = SamplerConfig(method=method, num_steps=9, guidance_scale=3.0, sigma_min=0.1)
    previews: list[PreviewMesh] = []

    plain = generate(pack, None, sampler=sampler, count=2)
    previewed = generate(pack, previews.append, sampler=sampler, count=2)

    assert {preview.index for preview in previews} == {0, 1}
    for one, other in zip(plain, previewed, strict=True):
        assert [a.tobytes() for a in arrays(one)] == [b.tobytes() for b in arrays(other)]
        assert one.record == other.record


def test_a_preview_stands_where_and_as_large_as_the_result(pack: Path) -> None:
    previews: list[PreviewMesh] = []
    (result,) = generate(pack, previews.append, target_size=2.5)

    assert len(previews) == 2
    for preview in previews:
        mesh = preview.mesh
        low, high = mesh.vertices.min(0), mesh.vertices.max(0)
        assert low[2] == pytest.approx(0, abs=1e-5)
        assert (high - low).max() == pytest.approx(2.5, rel=1e-5)
        assert is_closed_and_consistent(mesh.faces)
        assert mesh.texture is None
        assert mesh.vertex_colors.min() >= 0 and mesh.vertex_colors.max() <= 1
        assert preview.name == result.name


def test_a_preview_says_how_far_the_run_was(pack: Path) -> None:
    previews: list[PreviewMesh] = []
    (result,) = generate(pack, previews.append, seed=5)

    settings = [preview.record.settings for preview in previews]
    assert [each["preview"] for each in settings] == ["step 1 of 3", "step 3 of 3"]
    assert "preview" not in result.record.settings
    assert all(preview.record.seed == 5 for preview in previews)


def test_a_field_without_surface_fails_as_it_does_without_previews(tmp_path: Path) -> None:
    write_tiny_pack(tmp_path, is_solid=False)
    previews: list[PreviewMesh] = []

    with pytest.raises(EmptySurfaceError):
        generate(tmp_path, previews.append)

    assert previews == []
    pipeline.release()


def test_cancelling_while_a_preview_is_shown_ends_the_run(pack: Path) -> None:
    cancel = threading.Event()
    shown: list[PreviewMesh] = []

    def on_preview(preview: PreviewMesh) -> None:
        shown.append(preview)
        cancel.set()

    request = GenerationRequest(prompt="a chair", resolution=24, texture_size=64, device="cpu")
    run = pipeline.generate(
        request, pack, on_progress=lambda *_: None, cancel=cancel, on_preview=on_preview
    )
    with pytest.raises(CancelledError):
        list(run)
    assert len(shown) == 1


def test_the_estimate_becomes_the_sample(pack: Path) -> None:
    """The clean estimate of the last step of UniPC is what it returns."""
    models = resident.open_pack(pack, CPU, torch.float32)
    request = GenerationRequest(prompt="a red mushroom")
    prior, tokens = models.prior(request), models.condition(request).tokens
    estimates: list[Tensor] = []

    def sample(prior: LatentPrior, **hooks: Any) -> Tensor:
        sampler = models.sampler(request)
        with torch.inference_mode():
            return sampling.sample_latent(
                prior, tokens, sampler, 3, on_step=lambda *_: None, **hooks
            )

    plain = sample(prior)
    watched = sample(prior, on_estimate=lambda done, total, latent: estimates.append(latent))

    assert torch.equal(plain, watched)
    assert len(estimates) == 3
    assert torch.equal(estimates[-1], plain)
    assert not torch.equal(estimates[0], plain)


def test_a_watched_denoiser_passes_its_answer_on_untouched() -> None:
    answer = torch.rand(1, 4, 2)
    watched = WatchedDenoiser(lambda x, sigma: answer)
    assert watched.latest is None

    assert watched(torch.zeros(1, 4, 2), torch.ones(1)) is answer
    assert watched.latest is answer


TABLE = union(
    block((0.8, 0.6, 0.06), (0.0, 0.0, 0.3)),
    *[rod((x, y, 0.3), (x, y, -0.7), 0.06) for x in (-0.7, 0.7) for y in (-0.5, 0.5)],
)


@pytest.mark.parametrize(
    "field", [ball(0.7), ring(0.6, 0.2), lumpy(), TABLE], ids=["ball", "ring", "lumpy", "table"]
)
def test_the_quick_descent_finds_what_hangs_together(field: Field) -> None:
    calls: list[int] = []

    def counted(points: Tensor) -> Tensor:
        calls.append(len(points))
        return squashed(field)(points)

    quick = extract_mesh(counted, PREVIEW_RESOLUTION, device=CPU, method="quick")
    dense = extract_mesh(squashed(field), PREVIEW_RESOLUTION, device=CPU, method="dense")

    assert np.array_equal(quick[0], dense[0]) and np.array_equal(quick[1], dense[1])
    assert sum(calls) < PREVIEW_RESOLUTION**3 / 3


class FakeField:
    """A field in closed form, with one color."""

    def __init__(self, signed_distance: Field, color: float = 0.5) -> None:
        self.signed_distance = squashed(signed_distance)
        self.size_ratio = 1.0
        self._color = color

    def color(self, points: Tensor) -> Tensor:
        return torch.full_like(points, self._color)


RECORD = GenerationRecord(
    prompt="a ball",
    image_source="",
    seed=1,
    pack="starter",
    pack_hash="",
    settings={"target_size": 2.0},
    version="1",
)


def make_coarse(field: FakeField) -> MeshData:
    return coarse_mesh(
        field,  # type: ignore[arg-type]
        2.0,
        min_component_share=0.02,
        device=CPU,
        check=lambda: None,
    )


def make_previewer(field: FakeField, shown: list[PreviewMesh]) -> Previewer:
    return Previewer(
        index=2,
        name="Ball",
        record=RECORD,
        min_component_share=0.02,
        device=CPU,
        decode=lambda latent: field,  # type: ignore[arg-type,return-value]
        check=lambda: None,
        on_preview=shown.append,
        pace=Pace(),
    )


def test_a_coarse_ball_is_a_ball_on_the_ground() -> None:
    mesh = make_coarse(FakeField(ball(0.6, (0.2, -0.1, 0.1))))

    from_middle = mesh.vertices - np.array([0, 0, 1], np.float32)
    assert np.linalg.norm(from_middle, axis=1) == pytest.approx(1.0, abs=0.01)
    assert np.einsum("vi,vi->v", mesh.normals, from_middle).min() > 0.98
    # sRGB 0.5 by the formula of IEC 61966-2-1.
    assert mesh.vertex_colors == pytest.approx(((0.5 + 0.055) / 1.055) ** 2.4, abs=1e-3)


@pytest.mark.parametrize(
    "field",
    [FakeField(ball(-1.0)), FakeField(ball(float("nan"))), FakeField(ball(0.5), float("nan"))],
    ids=["empty", "no numbers", "no colors"],
)
def test_an_estimate_that_cannot_be_shown_is_skipped(field: FakeField) -> None:
    with pytest.raises((EmptySurfaceError, NonFiniteError)):
        make_coarse(field)
    shown: list[PreviewMesh] = []

    make_previewer(field, shown).after_step(1, 3, torch.zeros(4, 2))

    assert shown == []


class Clock:
    """Time that passes only when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def work(self, seconds: float) -> None:
        self.now += seconds


def previewed_steps(total: int, step_seconds: float, preview_seconds: float) -> list[int]:
    clock, made = Clock(), []
    pace = Pace(clock)
    for done in range(1, total + 1):
        clock.work(step_seconds)
        if pace.is_due(done, total):
            pace.run(lambda: clock.work(preview_seconds))
            made.append(done)
    return made


@pytest.mark.parametrize(
    ("total", "steps"), [(1, [1]), (2, [1, 2]), (3, [1, 3]), (20, [7, 20]), (64, [22, 64])]
)
def test_quick_sampling_is_interrupted_twice(total: int, steps: list[int]) -> None:
    assert previewed_steps(total, step_seconds=0.01, preview_seconds=1.0) == steps


def test_slow_sampling_is_shown_every_few_steps_from_a_third_on() -> None:
    made = previewed_steps(64, step_seconds=10.0, preview_seconds=0.01)

    assert made == [22, 24, 32, 40, 48, 56, 64]


@pytest.mark.parametrize("total", [8, 24, 64, 1000])
@pytest.mark.parametrize("step_seconds", [0.01, 0.1, 1.0, 10.0])
def test_previews_between_the_first_and_the_last_stay_a_small_share(
    total: int, step_seconds: float
) -> None:
    made = previewed_steps(total, step_seconds, preview_seconds=0.05)

    if len(made) > 2:
        assert (len(made) - 1) * 0.05 <= 0.04 * total * step_seconds
