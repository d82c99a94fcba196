# SPDX-License-Identifier: GPL-3.0-or-later
"""A native pack with seeded random weights, small enough to be made in every test run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from maquette.core.conditioning.word_encoder import WordEncoder
from maquette.core.config import SamplerConfig
from maquette.core.decoder.stf import Decoder
from maquette.core.encoder.cloud import CloudEncoder
from maquette.core.pack import PackManifest
from maquette.core.prior.transformer import LatentPrior
from maquette.core.specs import DECODERS, PRIORS, CloudEncoderSpec, FitSpec, WordEncoderSpec
from maquette.training.export import export_pack
from maquette.training.initialise import initialise_decoder, initialise_prior

WORDS = {"a": "filler", "red": "colour", "mushroom": "kind", "chair": "kind", "stem": "part"}

ENCODER = CloudEncoderSpec(
    num_latents=32,
    channels=4,
    width=16,
    num_layers=2,
    num_heads=2,
    num_tokens=4,
    num_points=64,
)
FIT = FitSpec(
    num_steps=3,
    num_points=32,
    learning_rate=0.1,
    color_weight=1.0,
    rare_color_power=0.25,
    palette=((1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
)


def write_tiny_pack(
    folder: Path, *, is_solid: bool = True, with_encoder: bool = False
) -> PackManifest:
    """Write the pack; its field has a surface unless `is_solid` is False."""
    torch.manual_seed(5)
    manifest = PackManifest(
        id="tiny",
        version="0.0.1",
        prior=replace(
            PRIORS["starter"],
            num_latents=32,
            channels=4,
            width=16,
            num_layers=1,
            num_heads=2,
            condition_width=8,
            basis_size=8,
            num_tokens=4,
        ),
        decoder=replace(
            DECODERS["starter"],
            num_latents=32,
            channels=4,
            hidden_width=16,
            position_frequencies=2,
        ),
        word_encoder=WordEncoderSpec(
            vocabulary_size=len(WORDS) + 1, width=8, num_layers=1, num_heads=2, num_slots=4
        ),
        sampler=SamplerConfig(num_steps=3, guidance_scale=2.0, sigma_min=0.1),
        words=WORDS,
    )
    prior = LatentPrior(manifest.prior)
    initialise_prior(prior)
    assert prior.basis is not None
    prior.basis.rows.copy_(torch.linalg.qr(torch.randn(128, 8)).Q.T)
    torch.nn.init.normal_(prior.latent_out.weight, std=0.1)
    decoder = Decoder(manifest.decoder)
    initialise_decoder(decoder)
    with torch.no_grad():
        decoder.mlp.output.weight.mul_(3)
        decoder.mlp.output.bias[0] = 0.0 if is_solid else -50.0
    words = WordEncoder(manifest.word_encoder)
    encoder = None
    if with_encoder:
        manifest = replace(manifest, encoder=ENCODER, fit=FIT)
        encoder = CloudEncoder(ENCODER)
    export_pack(folder, manifest, prior, decoder, words, encoder)
    return manifest
