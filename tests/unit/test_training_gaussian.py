# SPDX-License-Identifier: GPL-3.0-or-later
"""The distribution that conditions call for is found again in draws from a known one."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from maquette.core.prior.basis import LatentBasis
from maquette.core.prior.gaussian import ConditionalGaussian
from maquette.core.prior.transformer import LatentPrior
from maquette.core.specs import PRIORS, GaussianSpec
from maquette.training.conditions import CachedConditions
from maquette.training.config import StageConfig, load_config
from maquette.training.gaussian import (
    Known,
    covariance,
    fit_groups,
    fit_mean,
    k_means,
    run_gaussian,
    told_means,
)
from maquette.training.loop import Run
from maquette.training.memory import estimate
from maquette.training.saving import averaged_state
from maquette.training.stages import STAGES
from maquette.training.values import ConfigError
from maquette.training.warm_start import WarmStart
from torch import Tensor

SIZES = GaussianSpec(width=32, shape_tokens=(0,), num_paints=2, num_groups=2, rank=1)
CONFIGS = Path(__file__).parents[2] / "training" / "configs"


def test_covariance_is_found_in_draws() -> None:
    generator = torch.Generator().manual_seed(0)
    spread, direction = torch.tensor([0.5, 1.0, 0.3, 0.8]), torch.tensor([2.0, 0.0, -1.0, 1.0])
    drawn = spread * torch.randn(100_000, 4, generator=generator)
    drawn = drawn + torch.randn(100_000, 1, generator=generator) * direction

    own, factors = covariance(drawn, 1, torch.ones(4))

    total = spread**2 + direction**2
    # Some of the direction is handed to the diagonal; variances stay what they are.
    torch.testing.assert_close(own**2 + factors[:, 0] ** 2, total, rtol=0.03, atol=0)
    along = factors[:, 0] / factors.norm()
    assert abs(float(along @ direction) / float(direction.norm())) > 0.97
    leading = torch.linalg.eigvalsh(torch.diag(spread**2) + torch.outer(direction, direction))[-1]
    assert float(factors.square().sum()) == pytest.approx(0.8 * float(leading), rel=0.03)


def test_a_group_of_one_varies_as_all_do() -> None:
    own, factors = covariance(torch.ones(1, 4), 2, torch.arange(1.0, 5.0))

    assert own.tolist() == [1, 2, 3, 4]
    assert not factors.any()


def test_groups_are_those_of_the_nearest_center_which_is_their_mean() -> None:
    generator = torch.Generator().manual_seed(1)
    true = torch.tensor([[10.0, 0.0], [-10.0, 0.0], [0.0, 10.0]])
    points = true.repeat_interleave(40, 0) + torch.randn(120, 2, generator=generator)

    centers, groups = k_means(points, 3, seed=0)

    assert torch.equal(groups, torch.cdist(points, centers).argmin(1))
    for group in range(3):
        torch.testing.assert_close(centers[group], points[groups == group].mean(0))


def test_more_groups_than_points_leave_some_empty() -> None:
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0]])

    centers, groups = k_means(points, 5, seed=0)

    assert len(centers) == 5
    assert bool(centers.isfinite().all())
    assert torch.equal(centers[groups], points)


def _known() -> tuple[Known, Tensor]:
    """Return shapes of two kinds: mean and direction of variation follow from the condition."""
    generator = torch.Generator().manual_seed(2)
    count = 1200
    kind = torch.randint(2, (count,), generator=generator)
    tokens = torch.zeros(count, 1, 2, 4)
    tokens[torch.arange(count), 0, 0, kind] = 1
    means = torch.tensor([[4.0, 0.0, 1.0], [-4.0, 2.0, 0.0]])
    directions = torch.tensor([[0.0, 1.5, 0.0], [0.0, 0.0, 1.5]])
    drawn = means[kind] + torch.randn(count, 1, generator=generator) * directions[kind]
    drawn = drawn + 0.1 * torch.randn(count, 3, generator=generator)
    basis = LatentBasis(3, 1, 3)
    basis.rows.copy_(torch.eye(3))
    basis.spread.copy_(drawn.std(0))
    return Known(drawn, CachedConditions(tokens), basis, count - 100), kind


def test_mean_and_direction_of_each_kind_are_found(tmp_path: Path) -> None:
    known, kind = _known()
    torch.manual_seed(0)
    module = ConditionalGaussian(SIZES, 2, 4, 3)
    stage = StageConfig(num_steps=400, batch_size=64, learning_rate=5e-3, precision="fp32")

    fit_mean(module, known, stage, tmp_path, seed=0)
    fit_groups(module, known, seed=0)

    held = torch.arange(known.num_training, len(known.coefficients))
    found = module(known.conditions.first(held), known.basis)
    expected = torch.tensor([[4.0, 0.0, 1.0], [-4.0, 2.0, 0.0]])[kind[held]]
    assert float((found.mean - expected).abs().max()) < 0.3
    moves_second = found.factors[:, 1, 0].abs() > found.factors[:, 2, 0].abs()
    assert torch.equal(moves_second, kind[held] == 0)
    torch.testing.assert_close(
        found.factors.square().sum((1, 2)), torch.full((100,), 0.8 * 1.5**2), rtol=0.15, atol=0
    )
    # A likelihood that knows the direction beats one that knows each coefficient's own spread.
    noisy = known.coefficients[held] + torch.randn(
        100, 3, generator=torch.Generator().manual_seed(3)
    )
    error = (found.denoise(noisy, torch.ones(100)).clean - known.coefficients[held]).square().sum()
    plain = known.basis.denoise(noisy, torch.ones(100)).clean - known.coefficients[held]
    assert float(error) < 0.6 * float(plain.square().sum())


def test_a_kind_takes_a_paint_it_was_never_seen_in(tmp_path: Path) -> None:
    """Kinds answer to paint each in its own directions; some pairs are kept out of training."""
    generator = torch.Generator().manual_seed(4)
    num_kinds, num_paints, count, size = 6, 8, 3000, 12
    kinds = torch.randint(num_kinds, (count,), generator=generator)
    paints = torch.randint(num_paints, (count,), generator=generator)
    plain = 3 * torch.randn(num_kinds, size, generator=generator)
    answers = torch.randn(num_kinds, size, 3, generator=generator)
    colors = torch.randn(num_paints, 3, generator=generator)
    shapes = plain[kinds] + (answers[kinds] @ colors[paints][..., None])[..., 0]
    tokens = torch.zeros(count, 1, 2, num_paints)
    tokens[torch.arange(count), 0, 0, kinds] = 1
    tokens[torch.arange(count), 0, 1, paints] = 1
    is_kept_out = (kinds + paints) % num_paints == 0
    order = torch.cat([(~is_kept_out).nonzero()[:, 0], is_kept_out.nonzero()[:, 0]])
    basis = LatentBasis(size, 1, size)
    basis.rows.copy_(torch.eye(size))
    basis.spread.copy_(shapes.std(0))
    num_training = int((~is_kept_out).sum())
    known = Known(shapes[order], CachedConditions(tokens[order]), basis, num_training)
    sizes = GaussianSpec(width=64, shape_tokens=(0,), num_paints=3, num_groups=2, rank=1)
    torch.manual_seed(0)
    module = ConditionalGaussian(sizes, 2, num_paints, size)
    stage = StageConfig(num_steps=1500, batch_size=64, learning_rate=5e-3, precision="fp32")

    fit_mean(module, known, stage, tmp_path, seed=0)

    held = torch.arange(num_training, count)
    found = module.mean(known.conditions.first(held), basis)
    off = (found - known.coefficients[held]).square().sum()
    unpainted = (plain[kinds[order[held]]] - known.coefficients[held]).square().sum()
    assert float(off) < 0.1 * float(unpainted)


def test_groups_go_by_the_caption_that_tells_most() -> None:
    known, _ = _known()
    generator = torch.Generator().manual_seed(5)
    both = CachedConditions(torch.randn(len(known.coefficients), 2, 2, 4, generator=generator))
    torch.manual_seed(0)
    module = ConditionalGaussian(SIZES, 2, 4, 3)

    told = told_means(module, replace(known, conditions=both), 100)

    means = torch.stack(
        [module.mean(both.captions[:100, each].float(), known.basis) for each in range(2)]
    )
    off = (means - known.coefficients[:100]).norm(dim=2)
    assert 0 < int((off[0] < off[1]).sum()) < 100
    torch.testing.assert_close((told - known.coefficients[:100]).norm(dim=1), off.amin(0))


def test_a_prior_without_one_is_told_so(tmp_path: Path) -> None:
    known, _ = _known()
    arguments = argparse.Namespace(run=tmp_path, device="cpu")

    with pytest.raises(ConfigError, match="starter may not"):
        run_gaussian(load_config(CONFIGS / "starter_cpu.toml"), known, arguments)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> argparse.Namespace:
    """Return arguments of a run whose folder has latents and conditions of 50 shapes."""
    spec = replace(PRIORS["starter-scenes"], width=16, num_layers=1, num_heads=2, gaussian=SIZES)
    monkeypatch.setitem(PRIORS, "tiny", spec)
    torch.manual_seed(7)
    basis = LatentBasis(spec.num_latents, spec.channels, spec.basis_size)
    saved = {"basis": basis.state_dict(), "coefficients": torch.randn(50, spec.basis_size)}
    torch.save(saved, tmp_path / "latents.pt")
    tokens = torch.randn(50, 2, spec.num_pooled, spec.condition_width)
    torch.save({"conditions": tokens, "pictures": tokens}, tmp_path / "conditions.pt")
    return argparse.Namespace(run=tmp_path, device="cpu", warm_start=None)


def test_stage2_learns_beside_what_the_stage_leaves(run: argparse.Namespace) -> None:
    config = load_config(CONFIGS / "starter_v1.toml")
    assert config.gaussian is not None
    config = replace(
        config,
        architecture="tiny",
        gaussian=replace(config.gaussian, num_steps=2, batch_size=4),
        stage2=replace(config.stage2, num_steps=2, batch_size=4, shares=1),
    )
    with pytest.raises(ConfigError, match=r"estimate\.pt is missing: run `gaussian` first"):
        STAGES["stage2"](config, run)

    STAGES["gaussian"](config, run)
    STAGES["stage2"](config, run)

    left = torch.load(run.run / "estimate.pt", weights_only=True)
    trained = torch.load(run.run / "stage2.pt", weights_only=True)
    assert left["factors"].any()
    for name, value in left.items():
        assert torch.equal(trained["module"][f"gaussian.{name}"], value)
    assert not any(name.startswith("gaussian.") for name in trained["names"])
    prior = LatentPrior(PRIORS["tiny"])
    prior.load_state_dict(averaged_state(trained, prior))
    start, folder = WarmStart(run.run), run.run / "blend"
    folder.mkdir()
    start.blend_prior(start, 0.5, folder)
    blended = LatentPrior(PRIORS["tiny"])
    WarmStart(folder).load_prior(blended)
    for one, other in zip(prior.parameters(), blended.parameters(), strict=True):
        assert one.requires_grad is False or torch.allclose(one, other)
    assert estimate("gaussian", config).activations > 0  # type: ignore[union-attr]


def test_a_mean_that_was_stopped_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, _ = _known()
    stage = StageConfig(num_steps=6, batch_size=8, learning_rate=1e-2, save_every=3)

    def trained(folder: Path, stage: StageConfig) -> dict[str, Tensor]:
        torch.manual_seed(0)
        module = ConditionalGaussian(SIZES, 2, 4, 3)
        fit_mean(module, known, stage, folder, seed=0)
        return module.state_dict()

    whole = trained(tmp_path / "whole", stage)
    saves = []
    monkeypatch.setattr(Run, "_save", _stopping_after(Run._save, saves))
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "parts", stage)
    monkeypatch.undo()
    resumed = trained(tmp_path / "parts", stage)

    assert len(saves) == 1
    for name, value in whole.items():
        assert torch.equal(resumed[name], value)


def _stopping_after(save: Callable[[Run], None], saves: list[int]) -> Callable[[Run], None]:
    def stop(run: Run) -> None:
        save(run)
        saves.append(run.step)
        raise KeyboardInterrupt

    return stop
