# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting and stage 2 of a run that goes on from another: stopped and resumed to the bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from maquette.core.decoder.stf import Decoder
from maquette.core.prior.basis import LatentBasis
from maquette.core.specs import DECODERS, PRIORS
from maquette.training import stage1
from maquette.training.conditions import CachedConditions
from maquette.training.config import TrainingConfig, load_config
from maquette.training.dataset import NUM_VALIDATION, Queries
from maquette.training.field_loss import field_loss
from maquette.training.initialise import initialise_decoder
from maquette.training.stage2 import DecodedTruth, PriorData, train_prior
from torch import Tensor

NUM_SHAPES = NUM_VALIDATION + 8
SPEC = replace(PRIORS["starter"], width=32, num_layers=1, num_heads=2)


class Balls:
    """Stands in for a data set: spheres of random colours."""

    num_training = 8

    def __len__(self) -> int:
        return NUM_SHAPES

    def cloud(
        self, indices: Tensor, count: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        points = torch.randn(len(indices), count, 3, generator=generator)
        paint = (indices[:, None, None] % 5 / 5.0).expand(-1, count, 3)
        return torch.nn.functional.normalize(points, dim=-1) * 0.7, paint

    def queries(self, indices: Tensor, count: int, generator: torch.Generator) -> Queries:
        points = torch.rand(len(indices), count, 3, generator=generator) * 2 - 1
        paint = (indices[:, None, None] % 5 / 5.0).expand(-1, count, 3)
        return Queries(points, 0.7 - points.norm(dim=-1), paint)


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> TrainingConfig:
    monkeypatch.setitem(PRIORS, "tiny", SPEC)
    monkeypatch.setitem(DECODERS, "tiny", DECODERS["starter"])
    monkeypatch.setattr(stage1, "_FIT_CHUNK", 100)
    loaded = load_config(Path("training/configs/starter_cpu_2.toml"))
    assert loaded.fit is not None
    return replace(
        loaded,
        architecture="tiny",
        fit=replace(loaded.fit, num_steps=1, num_points=8),
        prior_loss=replace(loaded.prior_loss, decoded_points=8),
        stage2=replace(loaded.stage2, num_steps=4, batch_size=2, save_every=2),
    )


def _basis() -> LatentBasis:
    basis = LatentBasis(SPEC.num_latents, SPEC.channels, SPEC.basis_size)
    basis.rows.copy_(torch.eye(SPEC.basis_size, SPEC.num_latents * SPEC.channels))
    return basis


def _decoder() -> Decoder:
    torch.manual_seed(1)
    decoder = Decoder(DECODERS["starter"])
    initialise_decoder(decoder)
    return decoder


def _prior_data(shapes: Balls) -> PriorData:
    generator = torch.Generator().manual_seed(5)
    return PriorData(
        torch.randn(NUM_SHAPES, SPEC.basis_size, generator=generator),
        _basis(),
        CachedConditions(torch.randn(NUM_SHAPES, 2, 4, SPEC.condition_width, generator=generator)),
        DecodedTruth(shapes, _decoder()),
    )


def test_a_prior_that_is_decoded_continues_bit_for_bit(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "broken").mkdir()
    whole = train_prior(config, _prior_data(Balls()), tmp_path / "whole")
    shapes, calls = Balls(), 0

    def fails_at_the_fourth(indices: Tensor, count: int, generator: torch.Generator) -> Queries:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return Balls.queries(shapes, indices, count, generator)

    monkeypatch.setattr(shapes, "queries", fails_at_the_fourth, raising=False)
    with pytest.raises(KeyboardInterrupt):
        train_prior(config, _prior_data(shapes), tmp_path / "broken")
    resumed = train_prior(config, _prior_data(Balls()), tmp_path / "broken")

    for expected, found in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(expected, found)


def test_fitting_goes_on_with_the_chunks_that_are_missing(
    config: TrainingConfig, tmp_path: Path
) -> None:
    start = torch.zeros(NUM_SHAPES, SPEC.basis_size)
    arguments = config, Balls(), start, _basis(), _decoder(), tmp_path / "fit"

    whole = stage1.fit_all(*arguments)  # type: ignore[arg-type]
    (tmp_path / "fit" / "0001.pt").unlink()
    kept = (tmp_path / "fit" / "0002.pt").stat().st_mtime_ns
    again = stage1.fit_all(*arguments)  # type: ignore[arg-type]

    assert whole.shape == start.shape
    assert not torch.equal(whole, start)
    assert torch.equal(again, whole)
    assert (tmp_path / "fit" / "0002.pt").stat().st_mtime_ns == kept


def test_fitting_to_known_distances_moves_whole_latents(
    config: TrainingConfig, tmp_path: Path
) -> None:
    assert config.fit is not None
    free = replace(config.fit, num_steps=8, num_queries=24, num_points=24, learning_rate=0.1)
    basis, decoder, start = _basis(), _decoder(), torch.zeros(NUM_SHAPES, SPEC.basis_size)

    fitted = stage1.fit_all(
        replace(config, fit=free),
        Balls(),  # type: ignore[arg-type]
        start,
        basis,
        decoder,
        tmp_path / "fit",
    )

    asked = Balls().queries(torch.arange(NUM_SHAPES), 200, torch.Generator().manual_seed(77))
    before, after = (
        float(field_loss(decoder, latents.float(), asked, config.field_loss)["distance"])
        for latents in (basis.reconstruct(start), fitted.view(NUM_SHAPES, *basis.latent_shape))
    )
    assert after < before
    in_basis = basis.reconstruct(basis.project(fitted.view(NUM_SHAPES, *basis.latent_shape)))
    assert float((fitted.float() - in_basis.flatten(1)).abs().mean()) > 0.01
