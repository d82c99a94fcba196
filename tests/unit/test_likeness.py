# SPDX-License-Identifier: GPL-3.0-or-later
"""Results that should be like an earlier one: what may be asked for, and what comes out."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from maquette.core import pipeline, sampling
from maquette.core.config import MAX_LIKE_SEEDS, GenerationRequest, Likeness, SamplerConfig
from maquette.core.errors import CancelledError, InvalidRequestError
from maquette.core.mesh import GenerationResult
from maquette.tests.unit.tiny_native_pack import write_tiny_pack


@pytest.mark.parametrize("seeds", [(), (-1,), (2**31,), (1.5,), tuple(range(MAX_LIKE_SEEDS + 1))])
def test_unusable_seeds_are_refused(seeds: tuple[int, ...]) -> None:
    with pytest.raises(InvalidRequestError, match=r"seed|like 1 to"):
        Likeness(seeds=seeds, strengths=(0.5,) * len(seeds))


def test_each_seed_needs_a_strength() -> None:
    with pytest.raises(InvalidRequestError, match="a strength for each of 2 seeds, got 1"):
        Likeness(seeds=(1, 2))


@pytest.mark.parametrize("strength", [-0.1, 1.1, math.nan, math.inf, True])
def test_a_strength_outside_its_range_is_refused_with_its_value(strength: float) -> None:
    with pytest.raises(InvalidRequestError, match="strength must be a number from 0 to 1"):
        Likeness(seeds=(1,), strengths=(strength,))


def test_a_request_starts_from_noise_alone_unless_it_says_otherwise() -> None:
    assert GenerationRequest(prompt="a chair").like is None


GAUSSIAN: Any = SimpleNamespace(
    spec=SimpleNamespace(num_latents=64, channels=64, num_timesteps=1024, schedule_rate=12.0)
)
SAMPLER = SamplerConfig(method="unipc_2", num_steps=200, sigma_min=1e-2)


@pytest.fixture
def gaussian(monkeypatch: pytest.MonkeyPatch) -> None:
    """Latents of unit variance, whose ideal denoiser is known: x / (1 + sigma**2)."""
    monkeypatch.setattr(
        sampling,
        "_denoiser",
        lambda *_: lambda x, sigma: x / (1 + sigma[:, None, None] ** 2),
    )


def _latent(seed: int, **more: Any) -> torch.Tensor:
    tokens = torch.zeros(1, 1, 4)
    return sampling.sample_latent(
        GAUSSIAN, tokens, SAMPLER, seed, on_step=lambda *_: None, **more
    ).flatten()


@pytest.mark.parametrize("strength", [0.2, 0.5, 0.75, 0.95])
def test_a_share_of_noise_gives_the_correlation_that_theory_says(
    gaussian: None, strength: float
) -> None:
    """From x0 + sigma * n the ODE leads to sqrt(1 - t**2) * x0 + t * n, t the share of noise."""
    earlier = _latent(1)

    latent = _latent(2, earlier=earlier.reshape(64, 64), strength=strength)

    correlation = float(torch.corrcoef(torch.stack([earlier, latent]))[0, 1])
    assert correlation == pytest.approx(math.sqrt(1 - strength**2), abs=0.05)
    assert float(latent.std()) == pytest.approx(1.0, abs=0.05)


def test_without_noise_the_earlier_latent_comes_back(gaussian: None) -> None:
    earlier = _latent(1)

    same = _latent(2, earlier=earlier.reshape(64, 64), strength=0.0)

    torch.testing.assert_close(same, earlier, atol=0.06, rtol=0)


def test_noise_alone_forgets_the_earlier_latent(gaussian: None) -> None:
    other = _latent(2, earlier=_latent(1).reshape(64, 64), strength=1.0)

    torch.testing.assert_close(other, _latent(2), atol=0.05, rtol=0)


def test_a_latent_is_made_again_through_all_its_ancestors(gaussian: None) -> None:
    grandchild = _latent(1)
    for seed, strength in ((2, 0.4), (3, 0.75)):
        grandchild = _latent(seed, earlier=grandchild.reshape(64, 64), strength=strength)

    again = sampling.latent_of(
        GAUSSIAN,
        torch.zeros(1, 1, 4),
        SAMPLER,
        Likeness(seeds=(1, 2, 3), strengths=(0.4, 0.75, 0.9)),
        on_step=lambda *_: None,
    )

    torch.testing.assert_close(again.flatten(), grandchild, rtol=0, atol=0)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("packs") / "tiny"
    write_tiny_pack(folder)
    yield folder
    pipeline.release()


def _generate(
    pack: Path, cancel: threading.Event | None = None, **settings: Any
) -> list[GenerationResult]:
    request = GenerationRequest(
        prompt="a red mushroom", resolution=24, texture_size=0, device="cpu", **settings
    )
    return list(
        pipeline.generate(
            request, pack, on_progress=lambda *_: None, cancel=cancel or threading.Event()
        )
    )


def test_the_record_says_what_a_result_is_like_so_that_it_can_be_repeated(pack: Path) -> None:
    like = Likeness(seeds=(5, 9), strengths=(0.6, 0.75))
    _, second = _generate(pack, seed=20, count=2, like=like)
    (again,) = _generate(pack, seed=21, like=like)

    settings = second.record.settings
    assert (settings["like_seeds"], settings["like_strengths"]) == ("5 9", "0.6 0.75")
    np.testing.assert_array_equal(second.mesh.vertices, again.mesh.vertices)
    assert "like_seeds" not in _generate(pack, seed=20)[0].record.settings


def test_making_the_earlier_latent_can_be_cancelled(pack: Path) -> None:
    cancel = threading.Event()
    stages = []

    def stop_there(stage: str, fraction: float) -> None:
        stages.append(stage)
        if stage == "Recalling the earlier result":
            cancel.set()

    request = GenerationRequest(
        prompt="a red mushroom", resolution=24, device="cpu", like=Likeness(seeds=(1,))
    )
    with pytest.raises(CancelledError):
        list(pipeline.generate(request, pack, on_progress=stop_there, cancel=cancel))
    assert stages[-1] == "Recalling the earlier result"


def test_every_result_brings_a_picture_of_itself(pack: Path) -> None:
    (result,) = _generate(pack, seed=3)

    assert result.thumbnail is not None
    assert result.thumbnail[:, :, 3].max() == 255
