# SPDX-License-Identifier: GPL-3.0-or-later
"""What a condition says about coefficients, against dense matrices and against draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from maquette.core.config import SamplerConfig
from maquette.core.prior.basis import LatentBasis
from maquette.core.prior.gaussian import Asked, ConditionalGaussian
from maquette.core.prior.kernels import Gaussian, Kernels
from maquette.core.prior.paint import in_colors, plain, repaint
from maquette.core.prior.transformer import LatentPrior
from maquette.core.sampling import sample_latents
from maquette.core.specs import GaussianSpec, PaintSpec
from maquette.tests.unit.tiny_prior import SPEC as PLAIN
from maquette.tests.unit.tiny_prior import tiny_basis
from torch import Tensor

PAINT = PaintSpec(num_parts=2, num_colors=3, num_values=3, main_token=1, part_tokens=(0, 1))
SIZES = GaussianSpec(width=16, shape_tokens=(0,), paint=PAINT, num_groups=3, rank=2)
SPEC = replace(PLAIN, gaussian=SIZES, num_shape=5)


def _filled() -> ConditionalGaussian:
    torch.manual_seed(3)
    module = ConditionalGaussian(SIZES, 2, 8, 8, num_shape=5)
    for buffer in (module.centers, module.factors):
        buffer.normal_()
    module.spreads.uniform_(0.3, 1.0)
    module.painter.color_in.weight.mul_(20)
    return module


def _one() -> Gaussian:
    torch.manual_seed(1)
    return Gaussian(torch.randn(1, 8), torch.rand(1, 8) + 0.2, torch.randn(1, 8, 2))


def _covariance(known: Gaussian) -> np.ndarray:
    factors = known.factors[0].double().numpy()
    dense: np.ndarray = np.diag(known.spread[0].double().numpy() ** 2) + factors @ factors.T
    return dense


@pytest.mark.parametrize("sigma", [0.05, 0.7, 12.0])
def test_denoising_agrees_with_dense_matrices(sigma: float) -> None:
    known = _one()
    noisy = torch.randn(1, 8) * 3

    found = known.denoise(noisy, torch.tensor([sigma]))

    prior = _covariance(known)
    gain = prior @ np.linalg.inv(prior + sigma**2 * np.eye(8))
    mean = known.mean[0].double().numpy()
    clean = mean + gain @ (noisy[0].double().numpy() - mean)
    left = prior - gain @ prior
    np.testing.assert_allclose(found.clean[0].numpy(), clean, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.scale[0].numpy(), np.sqrt(np.diag(left)), rtol=1e-3, atol=1e-4)


def test_inputs_and_what_is_left_have_unit_variance() -> None:
    known = _one()
    generator = torch.Generator().manual_seed(2)
    count = 200_000
    drawn = known.mean + known.spread * torch.randn(count, 8, generator=generator)
    drawn = drawn + torch.randn(count, 2, generator=generator) @ known.factors[0].T
    sigma = torch.full((1,), 0.8)
    noisy = drawn + 0.8 * torch.randn(count, 8, generator=generator)

    found = known.denoise(noisy, sigma)

    off = (drawn - found.clean) / found.scale
    torch.testing.assert_close(off.std(0), torch.ones(8), rtol=0.01, atol=0)
    torch.testing.assert_close(found.inputs.std(0), torch.ones(8), rtol=0.01, atol=0)
    # What is left could not have been told from what was seen.
    assert float((off * found.inputs).mean(0).abs().max()) < 0.01


def test_a_condition_of_zeros_calls_for_every_shape() -> None:
    module, basis = _filled(), tiny_basis()
    conditions = torch.randn(3, 2, 8)
    conditions[1] = 0
    noisy, sigma = torch.randn(3, 8), torch.tensor([0.3, 1.0, 4.0])

    found = module.denoise(noisy, sigma, conditions, basis)

    plain = basis.denoise(noisy, sigma)
    for ours, theirs in zip(found, plain, strict=True):
        torch.testing.assert_close(ours[1], theirs[1], rtol=1e-4, atol=1e-5)
        assert float((ours[[0, 2]] - theirs[[0, 2]]).abs().max()) > 1e-2


def test_a_condition_takes_the_covariance_of_the_nearest_group() -> None:
    module, basis = _filled(), tiny_basis()
    conditions, noisy, sigma = torch.randn(5, 2, 8), torch.randn(5, 8), torch.full((5,), 0.7)

    found = module.denoise(noisy, sigma, conditions, basis)

    shape = module.shape_mean(conditions, basis)
    nearest = torch.cdist(shape, module.centers).argmin(1)
    expected = _shape_and_paint(module, noisy, sigma, conditions, nearest)
    torch.testing.assert_close(found.clean, expected)


def _shape_and_paint(
    module: ConditionalGaussian,
    noisy: Tensor,
    sigma: Tensor,
    conditions: Tensor,
    group: Tensor,
) -> Tensor:
    basis = tiny_basis()
    spread, factors = module.spreads[group], module.factors[group]
    mean = module.shape_mean(conditions, basis)
    shape = Gaussian(mean, spread[:, :5], factors[:, :5]).denoise(noisy[:, :5], sigma).clean
    said = module.reader(conditions)
    mean = module.painted(shape, in_colors(repaint(said, plain(said)), 3), basis)[:, 0]
    color = Gaussian(mean, spread[:, 5:], factors[:, 5:]).denoise(noisy[:, 5:], sigma).clean
    return torch.cat([shape, color], dim=1)


def test_a_lower_temperature_narrows_what_is_drawn() -> None:
    module, basis = _filled(), tiny_basis()
    cold = ConditionalGaussian(replace(SIZES, temperature=0.5), 2, 8, 8, num_shape=5)
    cold.load_state_dict(module.state_dict())
    module.spreads.mul_(0.5)
    module.factors.mul_(0.5)
    asked = torch.randn(4, 8), torch.full((4,), 1.5), torch.randn(4, 2, 8), basis

    for one, other in zip(module.denoise(*asked), cold.denoise(*asked), strict=True):
        torch.testing.assert_close(one, other)


def _kernels() -> Kernels:
    generator = torch.Generator().manual_seed(5)
    base = Gaussian(
        torch.randn(1, 3, generator=generator),
        torch.rand(1, 3, generator=generator) + 0.3,
        torch.randn(1, 3, 1, generator=generator),
    )
    centers = 2 * torch.randn(1, 4, 3, generator=generator)
    return Kernels(base, centers, torch.randn(1, 5, generator=generator).log_softmax(1), 0.4)


@pytest.mark.parametrize("sigma", [0.4, 1.0, 6.0])
def test_kernels_denoise_as_the_mean_of_draws_that_explain_what_is_seen(sigma: float) -> None:
    """Against importance sampling: draws weighted by how well they explain the noisy numbers."""
    known, generator, count = _kernels(), np.random.default_rng(6), 1_000_000
    weights = known.log_weights[0].exp().double().numpy()
    chosen = generator.choice(5, count, p=weights / weights.sum())
    centers = torch.cat([known.centers[0], known.base.mean]).numpy()
    widths = np.array([known.width] * 4 + [1.0])
    spread, factors = known.base.spread[0].numpy(), known.base.factors[0].numpy()
    noise = spread * generator.standard_normal((count, 3))
    noise += generator.standard_normal((count, 1)) @ factors.T
    drawn = centers[chosen] + widths[chosen, None] * noise
    noisy = np.array([[0.5, -0.8, 0.4]])
    shares = np.exp(-((noisy - drawn) ** 2).sum(1) / (2 * sigma**2))
    shares /= shares.sum()
    expected = shares @ drawn
    spreads = np.sqrt(shares @ (drawn - expected) ** 2)

    found = known.denoise(torch.from_numpy(noisy).float(), torch.tensor([sigma]))

    np.testing.assert_allclose(found.clean[0].numpy(), expected, atol=0.02)
    np.testing.assert_allclose(found.scale[0].numpy(), spreads, rtol=0.04)


def _exemplary(num_examples: int = 6) -> ConditionalGaussian:
    torch.manual_seed(8)
    sizes = replace(SIZES, num_examples=num_examples, example_width=0.05, doubt=8.0)
    module = ConditionalGaussian(sizes, 2, 8, 8, num_shape=5)
    room = ("examples", "told", "paints")
    module.load_state_dict(
        {name: each for name, each in _filled().state_dict().items() if name not in room},
        strict=False,
    )
    module.examples.normal_(std=4)
    module.reach.fill_(0.01)
    return module


def test_what_captions_of_examples_say_draws_those_examples() -> None:
    module, basis = _exemplary(), tiny_basis()
    conditions = torch.randn(3, 2, 8)
    module.told.fill_(1e3)
    module.told[:3] = module.shape_mean(conditions, basis)

    for row in range(3):
        asked = conditions[row : row + 1].expand(8, -1, -1)
        noisy = 50 * torch.randn(8, 8)
        noisy = module.denoise(noisy, torch.full((8,), 50.0), asked, basis).clean
        found = module.denoise(noisy, torch.full((8,), 0.3), asked, basis).clean[:, :5]
        torch.testing.assert_close(found, module.examples[row].expand(8, -1), rtol=0, atol=0.6)


def _says(module: ConditionalGaussian, main: list[float], parts: list[list[float]]) -> None:
    """Let the reader read the same of every condition: logits of none and of three colors."""
    with torch.no_grad():
        for layer, bias in (
            (module.reader.main, main),
            (module.reader.tint, [9.0, 0, 0, 0]),
            (module.reader.parts, parts[0] + parts[1]),
        ):
            layer.weight.zero_()
            layer.bias.copy_(torch.tensor(bias))


_NOTHING, _SECOND, _THIRD = [9.0, 0, 0, 0], [0.0, 0, 9, 0], [0.0, 0, 0, 9]


def _colors(module: ConditionalGaussian, shape: Tensor, table: list[float]) -> Tensor:
    return module.painted(shape, in_colors(torch.tensor([[table]]), 3), tiny_basis())[:, 0]


@pytest.mark.parametrize(
    ("main", "parts", "expected"),
    [
        # Nothing is said of parts: they stay, but for one that had the main color.
        (_THIRD, [_NOTHING, _NOTHING], [3, 0, 3, 2]),
        (_THIRD, [_NOTHING, _THIRD], [3, 0, 3, 3]),
        (_SECOND, [_THIRD, _NOTHING], [2, 0, 3, 2]),
        # The main color is left open.
        ([-9.0, 0, 0, 0], [_NOTHING, _THIRD], [1, 0, 1, 3]),
    ],
)
def test_what_is_left_unsaid_of_paint_is_as_on_an_example(
    main: list[float], parts: list[list[float]], expected: list[float]
) -> None:
    module, basis = _exemplary(1), tiny_basis()
    module.spreads[:, 5:] = 0.01
    module.factors[:, 5:] = 0
    condition = torch.randn(1, 2, 8)
    module.told[:] = module.shape_mean(condition, basis)
    module.paints[0] = torch.tensor([1.0, 0, 1, 2])
    _says(module, main, parts)

    found = module.denoise(torch.randn(1, 8), torch.full((1,), 80.0), condition, basis).clean

    right = _colors(module, found[:, :5], expected)
    torch.testing.assert_close(found[:, 5:], right, rtol=0, atol=0.02)
    assert float((right - _colors(module, found[:, :5], [1, 0, 1, 2])).abs().max()) > 0.05


def test_examples_have_the_parts_that_are_asked_for() -> None:
    module, basis = _exemplary(2), tiny_basis()
    condition = torch.randn(1, 2, 8)
    module.told[:] = module.shape_mean(condition, basis)
    module.paints[:] = torch.tensor([[1.0, 0, 0, 2], [1, 0, 3, 0]])
    asked = torch.randn(1, 8), torch.full((1,), 80.0), condition, basis

    for parts, example in (([_NOTHING, _THIRD], 0), ([_SECOND, _NOTHING], 1)):
        _says(module, _SECOND, parts)
        found = module.denoise(*asked).clean[0, :5]
        torch.testing.assert_close(found, module.examples[example], rtol=0, atol=0.05)
    # Where none has all that is asked for, or nothing is asked for, they count alike.
    for parts in ([_SECOND, _SECOND], [_NOTHING, _NOTHING]):
        _says(module, _SECOND, parts)
        found = module.denoise(*asked).clean[0, :5]
        torch.testing.assert_close(found, module.examples.mean(0), rtol=0, atol=0.1)


def test_an_open_main_color_is_that_of_likely_examples() -> None:
    module, basis = _exemplary(2), tiny_basis()
    module.spreads[:, 5:] = 0.01
    module.factors[:, 5:] = 0
    condition = torch.randn(1, 2, 8)
    module.told[:] = module.shape_mean(condition, basis)
    module.paints[:] = torch.tensor([[1.0, 0, 0, 0], [3, 0, 0, 0]])
    # 0.44, 0.44 and 0.12: the second example's color is less than a third as likely.
    _says(module, [-9.0, 1.3, 1.3, 0.0], [_NOTHING, _NOTHING])

    found = module.denoise(torch.randn(1, 8), torch.full((1,), 80.0), condition, basis).clean

    one, other = (_colors(module, found[:, :5], [main, 0, 0, 0]) for main in (1.0, 3.0))
    likely = torch.tensor([1.3, 0.0]).softmax(0)
    torch.testing.assert_close(found[:, 5:], likely[0] * one + likely[1] * other, rtol=0, atol=0.02)


def test_where_no_example_is_near_the_group_is_drawn_from() -> None:
    module, basis = _exemplary(), tiny_basis()
    module.told.fill_(1e3)
    asked = torch.randn(4, 8), torch.full((4,), 1.0), torch.randn(4, 2, 8), basis
    plain = _filled()

    for one, other in zip(module.denoise(*asked), plain.denoise(*asked), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def _prior() -> LatentPrior:
    torch.manual_seed(4)
    prior = LatentPrior(SPEC)
    assert prior.basis is not None
    assert prior.gaussian is not None
    prior.basis.load_state_dict(tiny_basis().state_dict())
    prior.gaussian.load_state_dict(_filled().state_dict())
    return prior


def test_a_silent_transformer_leaves_the_posterior_mean() -> None:
    prior = _prior()
    torch.nn.init.zeros_(prior.latent_out.weight)
    torch.nn.init.zeros_(prior.latent_out.bias)
    timestep = torch.tensor([100.0, 600.0])
    sigma = prior.sigma(timestep)
    noisy, condition = torch.randn(2, 6, 4) * 3, torch.randn(2, 2, 8)

    clean = prior(noisy / (sigma**2 + 1).sqrt()[:, None, None], timestep, condition)

    assert prior.basis is not None
    assert prior.gaussian is not None
    coefficients = prior.basis.project(noisy)
    known = prior.gaussian.denoise(coefficients, sigma, condition, prior.basis)
    torch.testing.assert_close(clean, prior.basis.reconstruct(known.clean), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("sampler", "num_reads"),
    [
        (SamplerConfig(num_steps=6, guidance_scale=1.0), 1),
        # Both sides, then the conditional one alone, in turn.
        (SamplerConfig(num_steps=6, guidance_scale=3.0, delta_reuse=2), 2),
    ],
)
def test_a_run_reads_its_conditions_once(
    monkeypatch: pytest.MonkeyPatch, sampler: SamplerConfig, num_reads: int
) -> None:
    prior, reads = _prior(), []
    read = ConditionalGaussian.read

    def count(self: ConditionalGaussian, condition: Tensor, basis: LatentBasis) -> Asked:
        reads.append(condition.clone())
        return read(self, condition, basis)

    class ReadingAlways:
        spec = prior.spec

        def __call__(self, x: Tensor, timestep: Tensor, condition: Tensor, /) -> Tensor:
            clean: Tensor = prior(x, timestep, condition)
            return clean

    monkeypatch.setattr(ConditionalGaussian, "read", count)
    first, second = torch.randn(2, 1, 2, 8)

    found = [
        sample_latents(asked, condition, sampler, [1, 2], on_step=lambda *_: None)
        for asked in (prior, ReadingAlways())
        for condition in (first, second)
    ]

    torch.testing.assert_close(torch.stack(found[:2]), torch.stack(found[2:]), rtol=0, atol=0)
    assert not torch.equal(found[0], found[1])
    assert len(reads) == 2 * num_reads + 2 * sampler.num_steps
    assert [len(each) for each in reads[:num_reads]] == [4, 2][-num_reads:]


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_near_full(dtype: torch.dtype) -> None:
    asked = torch.randn(2, 6, 4), torch.tensor([100.0, 600.0]), torch.randn(2, 2, 8)
    full = _prior()(*asked)

    half: Tensor = _prior().to(dtype)(*asked)

    assert half.dtype == torch.float32
    assert float((half - full).abs().max()) < 0.1 * float(full.abs().max())


def test_the_distribution_is_not_trained_with_the_prior() -> None:
    trained = [name for name, each in _prior().named_parameters() if each.requires_grad]

    assert trained
    assert not any(name.startswith("gaussian.") for name in trained)
