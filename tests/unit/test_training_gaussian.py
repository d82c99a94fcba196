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
from maquette.core.prior.paint import in_colors
from maquette.core.prior.transformer import LatentPrior
from maquette.core.specs import PRIORS, GaussianSpec, PaintSpec
from maquette.training.clip_answers import truths_of
from maquette.training.conditions import CachedConditions
from maquette.training.config import StageConfig, load_config
from maquette.training.examples import Known, keep_examples, told_shapes
from maquette.training.gaussian import (
    covariance,
    fit_groups,
    fit_mean,
    k_means,
    run_gaussian,
)
from maquette.training.loop import Run
from maquette.training.memory import estimate
from maquette.training.paint_tables import PaintTables, paint_tables
from maquette.training.saving import averaged_state
from maquette.training.shapes.labels import COLOR_NAMES, PART_NAMES, ObjectLabels, SceneLabels
from maquette.training.stages import STAGES
from maquette.training.values import ConfigError
from maquette.training.warm_start import WarmStart
from torch import Tensor

PAINT = PaintSpec(num_parts=1, num_colors=2, num_values=3, main_token=1, part_tokens=(0, 1))
SIZES = GaussianSpec(width=32, shape_tokens=(0,), paint=PAINT, num_groups=2, rank=1)
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
    """Return shapes of two kinds, and paint that follows from the condition and the kind."""
    generator = torch.Generator().manual_seed(2)
    count = 1200
    kind = torch.randint(2, (count,), generator=generator)
    paint = torch.randint(2, (count,), generator=generator)
    tokens = torch.zeros(count, 1, 2, 4)
    tokens[torch.arange(count), 0, 0, kind] = 1
    tokens[torch.arange(count), 0, 1, paint] = 1
    shapes = _MEANS[kind] + torch.randn(count, 1, generator=generator) * _DIRECTIONS[kind]
    shapes = shapes + 0.1 * torch.randn(count, 2, generator=generator)
    drawn = torch.cat([shapes, _paint_of(kind, paint)[:, None]], dim=1)
    drawn[:, 2] += 0.1 * torch.randn(count, generator=generator)
    basis = LatentBasis(3, 1, 3)
    basis.rows.copy_(torch.eye(3))
    basis.spread.copy_(drawn.std(0))
    paints = _tables(1 + paint, num_parts=1)
    return Known(drawn, CachedConditions(tokens), basis, count - 100, paints), kind


def _tables(main: Tensor, num_parts: int) -> PaintTables:
    """Return tables of things of one color each, which their only caption says."""
    built = torch.zeros(len(main), 2 + num_parts, dtype=torch.uint8)
    built[:, 0] = main
    return PaintTables(built, built[:, None])


_MEANS = torch.tensor([[4.0, 0.0], [-4.0, 2.0]])
_DIRECTIONS = torch.tensor([[0.0, 1.5], [1.5, 0.0]])


def _paint_of(kind: Tensor, paint: Tensor) -> Tensor:
    """Return 1 or -1 by the paint, and twice that on the second kind."""
    return (2.0 * paint - 1) * (1 + kind)


def _fitted(known: Known, folder: Path) -> ConditionalGaussian:
    torch.manual_seed(0)
    module = ConditionalGaussian(SIZES, 2, 4, 3, num_shape=2)
    stage = StageConfig(num_steps=600, batch_size=64, learning_rate=5e-3, precision="fp32")
    fit_mean(module, known, stage, folder, seed=0)
    fit_groups(module, known, seed=0)
    return module


def test_mean_and_direction_of_each_kind_are_found(tmp_path: Path) -> None:
    known, kind = _known()

    module = _fitted(known, tmp_path)

    held = torch.arange(known.num_training, len(known.coefficients))
    mean = module.shape_mean(known.conditions.first(held), known.basis)
    assert float((mean - _MEANS[kind[held]]).abs().max()) < 0.3
    factors = module.factors[module.group(mean), :2]
    moves_second = factors[:, 1, 0].abs() > factors[:, 0, 0].abs()
    assert torch.equal(moves_second, kind[held] == 0)
    along = torch.full((100,), 0.8 * 1.5**2)
    torch.testing.assert_close(factors.square().sum((1, 2)), along, rtol=0.15, atol=0)


def test_what_is_known_beats_what_each_coefficient_tells_of_itself(tmp_path: Path) -> None:
    known, _ = _known()
    module = _fitted(known, tmp_path)
    held = torch.arange(known.num_training, len(known.coefficients))
    actual, asked = known.coefficients[held], known.conditions.first(held)
    noisy = actual + torch.randn(100, 3, generator=torch.Generator().manual_seed(3))

    found = module.denoise(noisy, torch.ones(100), asked, known.basis).clean

    plain = known.basis.denoise(noisy, torch.ones(100)).clean
    off, plainly = ((each - actual).square().mean(0) for each in (found, plain))
    assert float(off[:2].sum()) < 0.7 * float(plainly[:2].sum())
    read = module.reader(asked)
    assert torch.equal(read[:, 0].argmax(1), known.paints.built[held, 0].long())
    assert not read[:, 1:].argmax(2).any()
    paints = in_colors(known.paints.built[held, None].float(), 2)
    color = module.painted(actual[:, :2], paints, known.basis)[:, 0, 0]
    assert float((color - actual[:, 2]).square().mean()) < 0.05 * float(actual[:, 2].var())


def test_rare_words_have_more_than_their_share_of_examples() -> None:
    """Three sayings, of 40, 160 and 640 shapes, and 30 sayings that are said once each."""
    generator = torch.Generator().manual_seed(6)
    counts = [40, 160, 640] + [1] * 30
    saying = torch.arange(33).repeat_interleave(torch.tensor(counts))
    told = 100 * torch.randn(33, 2, generator=generator)[saying]
    told = told + 0.5 * torch.randn(len(told), 2, generator=generator)
    shapes = torch.randn(len(told), 3, generator=generator)
    basis = LatentBasis(3, 1, 3)
    conditions = CachedConditions(torch.zeros(len(told), 1, 2, 4))
    paints = _tables(1 + torch.randint(2, (len(told),), generator=generator), num_parts=1)
    known = Known(shapes, conditions, basis, len(told), paints)
    sizes = replace(SIZES, num_examples=60)
    module = ConditionalGaussian(sizes, 2, 4, 3, num_shape=2)

    keep_examples(module, known, told, seed=0)

    is_it = (module.told[:, None] == told).all(2)
    assert bool(is_it.any(1).all())
    chosen = is_it.int().argmax(1)
    assert torch.equal(module.examples, shapes[chosen, :2])
    assert torch.equal(module.paints, paints.built[chosen].float())
    assert len(chosen.unique()) == 60
    kept = saying[chosen].bincount(minlength=33)
    assert not kept[3:].any()
    # By the square roots of 1, 4 and 16: a seventh, two sevenths and four sevenths.
    for found, share in zip(kept[:3].tolist(), (1 / 7, 2 / 7, 4 / 7), strict=True):
        assert abs(found / 60 - share) < 0.15
    assert 0.01 < float(module.reach) < 2


def test_of_shapes_in_several_paints_one_is_kept() -> None:
    told = torch.zeros(90, 2)
    shapes = torch.arange(90.0)[:, None].expand(-1, 3).contiguous()
    paints = _tables(1 + torch.arange(90) % 2, num_parts=1)
    conditions = CachedConditions(torch.zeros(90, 1, 2, 4))
    known = Known(shapes, conditions, LatentBasis(3, 1, 3), 90, paints, num_paints=3)
    module = ConditionalGaussian(replace(SIZES, num_examples=30), 2, 4, 3, num_shape=2)

    keep_examples(module, known, told, seed=0)

    order = module.examples[:, 0].argsort()
    assert module.examples[order, 0].tolist() == [3.0 * i for i in range(30)]
    assert torch.equal(module.paints[order], paints.built[::3].float())


def test_a_shape_that_gives_its_color_away_is_painted_as_it_is_told(tmp_path: Path) -> None:
    """Shapes hold a trace of the paint that they were encoded in; each comes in three."""
    generator = torch.Generator().manual_seed(9)
    count, num_colors = 3000, 6
    outline = torch.randn(count // 3, 1, generator=generator).repeat_interleave(3, 0)
    main = torch.stack([torch.randperm(num_colors, generator=generator)[:3] for _ in outline[::3]])
    colors = torch.randn(num_colors, 3, generator=generator)
    painted = colors[main.flatten()]
    traced = torch.cat([outline, painted, painted], dim=1)
    basis = LatentBasis(7, 1, 7)
    basis.rows.copy_(torch.eye(7))
    basis.spread.copy_(traced.std(0))
    paints = _tables(1 + main.flatten(), num_parts=1)
    conditions = CachedConditions(torch.zeros(count, 1, 2, 4))
    known = Known(traced, conditions, basis, count, paints, num_paints=3)
    paint = PaintSpec(num_parts=1, num_colors=6, num_values=6, main_token=1, part_tokens=(1,))
    sizes = GaussianSpec(width=64, shape_tokens=(0,), paint=paint, num_groups=2, rank=1)
    torch.manual_seed(0)
    module = ConditionalGaussian(sizes, 2, 4, 7, num_shape=4)
    stage = StageConfig(num_steps=300, batch_size=64, learning_rate=5e-3, precision="fp32")

    fit_mean(module, known, stage, tmp_path, seed=0)

    told = torch.randint(num_colors, (count,), generator=generator)
    tables = in_colors(_tables(1 + told, num_parts=1).built[:, None], num_colors)
    found = module.painted(traced[:, :4], tables, basis)[:, 0]
    assert float((found - colors[told]).square().mean()) < 0.02 * float(colors.var())


def test_a_kind_takes_a_paint_it_was_never_seen_in(tmp_path: Path) -> None:
    """Kinds answer to paint each in its own directions; some pairs are kept out of training."""
    generator = torch.Generator().manual_seed(4)
    num_kinds, num_paints, count, size = 6, 8, 3000, 12
    kinds = torch.randint(num_kinds, (count,), generator=generator)
    paints = torch.randint(num_paints, (count,), generator=generator)
    plain = 3 * torch.randn(num_kinds, size, generator=generator)
    outlines = 3 * torch.randn(num_kinds, 2, generator=generator)
    answers = torch.randn(num_kinds, size, 3, generator=generator)
    colors = torch.randn(num_paints, 3, generator=generator)
    painted = plain[kinds] + (answers[kinds] @ colors[paints][..., None])[..., 0]
    shapes = torch.cat([outlines[kinds], painted], dim=1)
    tokens = torch.zeros(count, 1, 2, num_paints)
    tokens[torch.arange(count), 0, 0, kinds] = 1
    tokens[torch.arange(count), 0, 1, paints] = 1
    is_kept_out = (kinds + paints) % num_paints == 0
    order = torch.cat([(~is_kept_out).nonzero()[:, 0], is_kept_out.nonzero()[:, 0]])
    basis = LatentBasis(size + 2, 1, size + 2)
    basis.rows.copy_(torch.eye(size + 2))
    basis.spread.copy_(shapes.std(0))
    num_training = int((~is_kept_out).sum())
    tables = _tables(1 + paints[order], num_parts=1)
    known = Known(shapes[order], CachedConditions(tokens[order]), basis, num_training, tables)
    paint = PaintSpec(
        num_parts=1, num_colors=num_paints, num_values=3, main_token=1, part_tokens=(1,)
    )
    sizes = GaussianSpec(width=64, shape_tokens=(0,), paint=paint, num_groups=2, rank=1)
    torch.manual_seed(0)
    module = ConditionalGaussian(sizes, 2, num_paints, size + 2, num_shape=2)
    stage = StageConfig(num_steps=700, batch_size=64, learning_rate=5e-3, precision="fp32")

    fit_mean(module, known, stage, tmp_path, seed=0)

    held = torch.arange(num_training, count)
    asked, actual = known.conditions.first(held), known.coefficients[held]
    assert torch.equal(module.reader(asked)[:, 0].argmax(1), tables.built[held, 0].long())
    actual = actual[:, 2:]
    found = module.painted(
        outlines[kinds[order[held]]], in_colors(tables.built[held, None], 8), basis
    )
    off = (found[:, 0] - actual).square().sum()
    unpainted = (plain[kinds[order[held]]] - actual).square().sum()
    assert float(off) < 0.1 * float(unpainted)


def test_groups_go_by_the_caption_that_tells_most() -> None:
    known, _ = _known()
    generator = torch.Generator().manual_seed(5)
    both = CachedConditions(torch.randn(len(known.coefficients), 2, 2, 4, generator=generator))
    torch.manual_seed(0)
    module = ConditionalGaussian(SIZES, 2, 4, 3, num_shape=2)

    told = told_shapes(module, replace(known, conditions=both), 100)

    actual = known.coefficients[:100, :2]
    off = torch.stack(
        [
            (module.shape_mean(both.captions[:100, each].float(), known.basis) - actual).norm(dim=1)
            for each in range(2)
        ]
    )
    assert 0 < int((off[0] < off[1]).sum()) < 100
    torch.testing.assert_close((told - actual).norm(dim=1), off.amin(0))


def test_tables_of_paint_tell_what_labels_do() -> None:
    plain = ObjectLabels(kind="mug", color="red", parts=(("handle", "white"),))
    tinted = ObjectLabels(kind="chair", color="blue", material="wooden")
    natural = ObjectLabels(kind="chair", color="wooden", material="wooden")
    scenes = [SceneLabels(objects=(each,)) for each in (plain, tinted, natural)]

    tables = paint_tables(truths_of(scenes)).tolist()

    red, white, blue, wooden = (
        1 + COLOR_NAMES.index(name) for name in ("red", "white", "blue", "wooden")
    )
    handle = 2 + PART_NAMES.index("handle")
    assert [row[:2] for row in tables] == [[red, 0], [blue, wooden], [wooden, 0]]
    assert [sum(row[2:]) for row in tables] == [white, 0, 0]
    assert tables[0][handle] == white


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
    built = torch.randint(3, (50, 3), dtype=torch.uint8)
    paints = {"built": built, "said": built[:, None].expand(-1, 2, -1).contiguous()}
    torch.save({"conditions": tokens, "pictures": tokens} | paints, tmp_path / "conditions.pt")
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
        module = ConditionalGaussian(SIZES, 2, 4, 3, num_shape=2)
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
