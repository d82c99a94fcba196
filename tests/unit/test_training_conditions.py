# SPDX-License-Identifier: GPL-3.0-or-later
"""What the prior is told: captions and pictures in their shares, and nothing now and then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from maquette.core.prior.transformer import LatentPrior
from maquette.core.specs import PRIORS
from maquette.training.conditions import CachedConditions, load_conditions
from maquette.training.config import PriorLossConfig
from maquette.training.prior_loss import prior_loss
from maquette.training.values import ConfigError
from torch import Tensor

NUM = 4000
TINY = replace(
    PRIORS["starter"],
    num_latents=8,
    channels=2,
    width=8,
    num_layers=1,
    num_heads=2,
    condition_width=2,
    basis_size=4,
    num_tokens=2,
)
LOSS = PriorLossConfig(
    condition_dropout=0.25, log_sigma_mean=0.0, log_sigma_std=1.0, spread_power=0.0
)


def _tokens(mark: float, count: int) -> Tensor:
    """Return tokens that tell shape and variant: [mark, number], [NUM, count, 4, 2]."""
    number = torch.arange(NUM)[:, None] * 10.0 + torch.arange(count)
    return torch.stack([torch.full_like(number, mark), number], -1)[:, :, None].expand(
        -1, -1, 4, -1
    )


def _within(found: float, share: float) -> bool:
    """Whether a share of NUM draws is within 4.5 standard deviations, one seed in 100,000."""
    return abs(found - share) <= 4.5 * (share * (1 - share) / NUM) ** 0.5


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_pictures_are_drawn_in_their_share_and_belong_to_their_shape(share: float) -> None:
    source = CachedConditions(_tokens(1.0, 3), _tokens(2.0, 2), picture_share=share)
    indices = torch.arange(NUM)

    drawn = source.draw(indices, torch.Generator().manual_seed(8))

    shows = drawn[:, 0, 0] == 2.0
    assert _within(float(shows.float().mean()), share)
    assert torch.equal((drawn[:, 0, 1] / 10).floor(), indices.float())
    assert torch.equal(drawn[:, :1].expand_as(drawn), drawn)


def test_every_variant_is_drawn_equally_often() -> None:
    source = CachedConditions(_tokens(1.0, 4))

    drawn = source.draw(torch.arange(NUM), torch.Generator().manual_seed(1))

    variants = (drawn[:, 0, 1] % 10).long()
    assert all(_within(float(share), 0.25) for share in variants.bincount() / NUM)


class Listening(LatentPrior):
    """Remembers which rows were told something."""

    told: Tensor

    def _run(self, x: Tensor, timestep: Tensor, condition: Tensor, num_outputs: int) -> Tensor:
        self.told = condition.abs().sum((1, 2)) > 0
        return super()._run(x, timestep, condition, num_outputs)


def test_conditions_are_dropped_as_often_as_asked() -> None:
    prior = Listening(TINY)
    condition = torch.ones(NUM, 4, 2)

    with torch.no_grad():
        prior_loss(prior, torch.randn(NUM, 4), condition, LOSS, torch.Generator().manual_seed(3))

    assert _within(float((~prior.told).float().mean()), 0.25)
    assert bool((condition == 1).all())


def test_pictures_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"picture_share is 0.5, but no pictures"):
        CachedConditions(_tokens(1.0, 2), None, picture_share=0.5)
    with pytest.raises(ConfigError, match="one prior needs the same"):
        CachedConditions(torch.zeros(2, 1, 4, 2), torch.zeros(2, 1, 5, 2))
    with pytest.raises(ConfigError, match="run `text` or `clip` first"):
        load_conditions(tmp_path / "conditions.pt", 0.0)


def test_conditions_come_back_from_their_file(tmp_path: Path) -> None:
    path = tmp_path / "conditions.pt"
    captions, pictures = torch.randn(3, 2, 4, 2), torch.randn(3, 1, 4, 2)
    torch.save({"conditions": captions.half(), "pictures": pictures.half()}, path)

    source = load_conditions(path, 0.5)

    chosen = torch.tensor([2, 0])
    torch.testing.assert_close(source.first(chosen), captions[chosen, 0].half().float())
    torch.testing.assert_close(source.first(chosen, "pictures"), pictures[chosen, 0].half().float())
