# SPDX-License-Identifier: GPL-3.0-or-later
"""A trained prior of the published architecture in both layouts, read by diffusers and by us."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from diffusers import PriorTransformer
from maquette.core.checkpoint.loader import load_module
from maquette.core.checkpoint.pack_layout import read_layout
from maquette.core.checkpoint.prior_keys import prior_key_map
from maquette.core.prior.transformer import LatentPrior
from maquette.core.specs import PriorSpec
from maquette.tests.parity.reference_models import TINY
from maquette.training.export_published import save_diffusers, save_openai
from maquette.training.initialise import initialise_prior

SPECS = [pytest.param(TINY.text_prior, id="text"), pytest.param(TINY.image_prior, id="image")]


def _prior(spec: PriorSpec) -> LatentPrior:
    torch.manual_seed(3)
    prior = LatentPrior(spec)
    initialise_prior(prior)
    torch.nn.init.normal_(prior.latent_out.weight, std=0.1)
    # What half precision holds exactly, so that every difference is one of layout.
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.copy_(parameter.half())
    return prior.eval().requires_grad_(False)


@pytest.mark.parametrize("spec", SPECS)
def test_diffusers_answers_as_the_prior_does(spec: PriorSpec, tmp_path: Path) -> None:
    prior = _prior(spec)
    tokens = 9 if spec.normalizes_condition else 1
    x = torch.randn(2, spec.num_latents, spec.channels)
    condition = torch.randn(2, tokens, spec.condition_width)

    save_diffusers(prior, tmp_path)
    theirs = PriorTransformer.from_pretrained(tmp_path)

    given = condition if spec.normalizes_condition else condition[:, 0]
    with torch.no_grad():
        found = theirs(x, 700, proj_embedding=given).predicted_image_embedding
    expected = prior.forward_with_variance(x, torch.full((2,), 700.0), condition)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("spec", SPECS)
def test_both_layouts_are_read_again(spec: PriorSpec, tmp_path: Path) -> None:
    prior = _prior(spec)

    paths = [save_openai(prior, tmp_path), save_diffusers(prior, tmp_path / "text" / "prior")]

    for path in paths:
        read = load_module(lambda: LatentPrior(spec), path, partial(prior_key_map, spec))
        for name, expected in prior.state_dict().items():
            assert torch.equal(read.state_dict()[name], expected), (path.name, name)


def test_the_folder_is_one_that_packs_have(tmp_path: Path) -> None:
    save_diffusers(_prior(TINY.text_prior), tmp_path / "text" / "prior")

    layout = read_layout(tmp_path, TINY)

    assert layout.text_prior is not None
    assert layout.text_prior.path.parent == tmp_path / "text" / "prior"
