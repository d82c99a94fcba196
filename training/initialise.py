# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting values for modules that core creates as zeros, because core only ever loads them."""

from __future__ import annotations

import torch
from torch import nn

from ..core.decoder.implicit_mlp import ImplicitMLP
from ..core.decoder.params_proj import RowProjection
from ..core.decoder.stf import Decoder
from ..core.prior.transformer import LatentPrior

GENERATED_SCALE = 0.3
"""Spread of the generated part of a row relative to its learned base; large values hurt."""


def initialise_decoder(decoder: Decoder) -> None:
    """Give each matrix a random base of usual size and a smaller generated part."""
    for matrix in decoder.params_proj.matrices:
        assert isinstance(matrix, RowProjection)
        base = matrix.num_columns**-0.5
        nn.init.normal_(matrix.weight, std=decoder.spec.channels**-0.5)
        nn.init.normal_(matrix.bias, std=base)
        nn.init.constant_(matrix.norm.weight, GENERATED_SCALE * base)
    for layer in decoder.mlp.modules():
        if isinstance(layer, ImplicitMLP):
            for parameter in layer.generated_biases:
                nn.init.uniform_(parameter, -0.1, 0.1)


PUBLISHED_SCALE = 0.25
"""Spread of a weight times the square root of the width; `init_scale` of OpenAI's priors."""


def initialise_prior(prior: LatentPrior) -> None:
    """Random positions; a zero output, so that the linear estimate of a basis is the start."""
    # In a basis each token has coefficients of its own meaning, so they must be told apart at once.
    nn.init.normal_(prior.position_embedding, std=0.05 if prior.basis is None else 1.0)
    nn.init.zeros_(prior.latent_out.weight)
    nn.init.zeros_(prior.latent_out.bias)
    if prior.basis is None:
        _initialise_as_published(prior)
        return
    with torch.no_grad():
        for layer in prior.blocks:
            layer.attn.out.weight.mul_(prior.spec.num_layers**-0.5)  # type: ignore[union-attr,operator]
            layer.mlp.proj.weight.mul_(prior.spec.num_layers**-0.5)  # type: ignore[union-attr,operator]


def _initialise_as_published(prior: LatentPrior) -> None:
    std = PUBLISHED_SCALE * prior.spec.width**-0.5
    for part in (prior.time_embed, prior.blocks):
        for layer in part.modules():
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=std)
                nn.init.zeros_(layer.bias)
