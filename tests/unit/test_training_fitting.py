# SPDX-License-Identifier: GPL-3.0-or-later
"""Latents moved through a frozen decoder, and runs that go on from others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from maquette.core import fitting
from maquette.core.decoder.stf import Decoder
from maquette.core.prior.basis import LatentBasis
from maquette.core.prior.transformer import LatentPrior
from maquette.core.specs import DECODERS, PRIORS
from maquette.training.config import FieldLossConfig, FitConfig, load_config
from maquette.training.dataset import Queries
from maquette.training.field_loss import field_loss
from maquette.training.fitting import fit_coefficients, fit_spec
from maquette.training.initialise import initialise_decoder
from maquette.training.stage1 import centre_basis
from maquette.training.warm_start import WarmStart
from torch import Tensor

SPEC = PRIORS["starter"]
FIT = FitConfig(
    num_steps=20, num_points=64, learning_rate=1.0, color_weight=40.0, rare_color_power=0.0
)
SECOND_CONFIG = Path("training/configs/starter_cpu_2.toml")


def _basis() -> LatentBasis:
    basis = LatentBasis(SPEC.num_latents, SPEC.channels, SPEC.basis_size)
    torch.manual_seed(0)
    basis.rows.copy_(torch.linalg.qr(torch.randn(SPEC.num_latents * SPEC.channels, 256)).Q.T)
    basis.mean.copy_(torch.randn(SPEC.num_latents * SPEC.channels) * 0.1)
    basis.spread.copy_(torch.linspace(3, 0.5, SPEC.basis_size))
    return basis


def _decoder() -> Decoder:
    torch.manual_seed(1)
    decoder = Decoder(DECODERS["starter"])
    initialise_decoder(decoder)
    with torch.no_grad():
        decoder.mlp.output.weight.mul_(30)  # An untrained field is nearly flat.
    return decoder


def _color_error(decoder: Decoder, latent: Tensor, cloud: tuple[Tensor, Tensor]) -> float:
    with torch.no_grad():
        raw = decoder.mlp(cloud[0], decoder.weights(latent))
    painted = decoder.mlp.split(raw, "stf_color").sigmoid()
    return float((painted - cloud[1]).square().mean())


def _cloud(count: int) -> tuple[Tensor, Tensor]:
    """Return points of a sphere, red above and blue below."""
    torch.manual_seed(2)
    points = torch.nn.functional.normalize(torch.randn(count, 256, 3), dim=-1) * 0.7
    red, blue = torch.tensor([0.8, 0.1, 0.1]), torch.tensor([0.1, 0.3, 0.8])
    return points, torch.where(points[..., 2:] > 0, red, blue)


@torch.no_grad()  # As the evaluation calls it.
def test_fitting_brings_the_decoded_colors_closer() -> None:
    decoder, basis, cloud = _decoder(), _basis(), _cloud(2)
    start = torch.randn(2, SPEC.basis_size)

    fitted = fit_coefficients(decoder, basis, start, cloud, FIT, torch.Generator().manual_seed(0))

    before = _color_error(decoder, basis.reconstruct(start), cloud)
    after = _color_error(decoder, basis.reconstruct(fitted), cloud)
    assert after < 0.95 * before
    assert not fitted.requires_grad
    # Adam moves no coefficient by more than about its rate per step.
    assert float((fitted - start).abs().max()) < 2 * FIT.num_steps * FIT.learning_rate


def test_a_shape_is_fitted_alike_alone_and_in_a_batch() -> None:
    decoder, basis, (points, colors) = _decoder(), _basis(), _cloud(2)
    start = torch.randn(2, SPEC.basis_size)

    def fit(rows: slice) -> Tensor:
        cloud = points[rows], colors[rows]
        generator = torch.Generator().manual_seed(0)
        return fit_coefficients(decoder, basis, start[rows], cloud, FIT, generator)

    torch.testing.assert_close(fit(slice(0, 2))[:1], fit(slice(0, 1)), rtol=0, atol=0.5)


def test_half_precision_fits_as_far_as_full_precision_does() -> None:
    decoder, basis, cloud = _decoder(), _basis(), _cloud(1)
    start = torch.randn(1, SPEC.basis_size)

    rounded, exact = (
        fit(decoder, basis, start, cloud, config, torch.Generator().manual_seed(0))
        for fit, config in (
            (fit_coefficients, FIT),
            (fitting.fit_coefficients, fit_spec(FIT)),
        )
    )

    # Steps that all went by the first one's gradient would lead twice as far and elsewhere.
    assert float((rounded - exact).norm()) < 0.5 * float((exact - start).norm())


def test_a_pack_fits_by_the_loss_of_the_training() -> None:
    config = replace(FIT, num_queries=64, rare_color_power=0.25)
    spec, decoder = fit_spec(config), _decoder()
    loss = FieldLossConfig(
        queries_per_shape=1,
        near_distance=0.03,
        color_distance=0.05,
        color_weight=config.color_weight,
        distance_scale=0.1,
        latent_noise=0.0,
        rare_color_power=config.rare_color_power,
    )
    torch.manual_seed(6)
    latents, points = torch.randn(3, SPEC.num_latents, SPEC.channels), torch.rand(3, 200, 3)
    distance, colors = torch.randn(3, 200) * 0.1, torch.rand(3, 200, 3)

    found = fitting.known_loss(
        decoder, latents, fitting.KnownPoints(points, distance, colors), spec
    )

    assert spec.num_queries == 64
    expected = field_loss(decoder, latents, Queries(points, distance, colors), loss)["loss"]
    torch.testing.assert_close(found, expected)


def test_a_centred_basis_tells_the_same_latents() -> None:
    basis = _basis()
    coefficients = torch.randn(40, SPEC.basis_size) * 2 + 1

    moved, shifted = centre_basis(basis, coefficients, num_training=30)

    torch.testing.assert_close(
        moved.reconstruct(shifted), basis.reconstruct(coefficients), rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(moved.spread, coefficients[:30].std(0))
    torch.testing.assert_close(
        shifted[:30].mean(0), torch.zeros(SPEC.basis_size), rtol=0, atol=1e-5
    )


def test_a_prior_goes_on_from_the_average_but_keeps_its_basis(tmp_path: Path) -> None:
    torch.manual_seed(3)
    old, new = LatentPrior(SPEC), LatentPrior(SPEC)
    assert new.basis is not None
    average = [each.detach() + 1 for each in old.parameters()]
    torch.save({"module": old.state_dict(), "average": average}, tmp_path / "stage2.pt")
    new.basis.spread.fill_(7.0)

    WarmStart(tmp_path).load_prior(new)

    for expected, found in zip(average, new.parameters(), strict=True):
        assert torch.equal(found, expected)
    assert bool((new.basis.spread == 7.0).all())


def test_a_prior_of_another_shape_is_refused(tmp_path: Path) -> None:
    state = LatentPrior(SPEC).state_dict() | {"extra": torch.zeros(1)}
    torch.save({"module": state, "average": None}, tmp_path / "stage2.pt")

    with pytest.raises(ValueError, match="another architecture"):
        WarmStart(tmp_path).load_prior(LatentPrior(SPEC))


def test_only_a_second_run_has_a_section_on_fitting() -> None:
    second = load_config(SECOND_CONFIG)

    assert second.fit is not None
    assert second.fit.num_steps > 0
    assert load_config(Path("training/configs/starter_cpu.toml")).fit is None


def test_a_blend_lies_between_two_priors(tmp_path: Path) -> None:
    first, second, blend = (tmp_path / name for name in ("first", "second", "blend"))
    for folder, value in ((first, 1.0), (second, 3.0)):
        folder.mkdir()
        state = {"module": {}, "average": [torch.full((2,), value)], "step": 5}
        torch.save(state, folder / "stage2.pt")
    blend.mkdir()

    WarmStart(first).blend_prior(WarmStart(second), 0.75, blend)

    (average,) = torch.load(blend / "stage2.pt", weights_only=True)["average"]
    assert average.tolist() == [2.5, 2.5]
