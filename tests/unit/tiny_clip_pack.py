# SPDX-License-Identifier: GPL-3.0-or-later
"""A native pack that reads prompts and pictures through a CLIP, with seeded random weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from maquette.core.conditioning.small_clip import ClipReader, SmallClip
from maquette.core.conditioning.word_tokens import WordTable
from maquette.core.decoder.stf import Decoder
from maquette.core.pack import PackManifest
from maquette.core.prior.transformer import LatentPrior
from maquette.core.specs import GaussianSpec, PaintSpec, SmallClipSpec
from maquette.tests.unit.tiny_native_pack import WORDS, write_tiny_pack
from maquette.training.export import export_pack
from maquette.training.initialise import initialise_decoder, initialise_prior

TABLE = WordTable(tuple(WORDS), {"toadstool": "mushroom", "crimson": "red", "charm": None})


def write_tiny_clip_pack(folder: Path, more_words: Mapping[str, str] | None = None) -> PackManifest:
    """Write the pack; its networks but for the CLIP are those of `tiny_native_pack`.

    Args:
        folder: where to.
        more_words: further learnt words with their roles.
    """
    manifest = write_tiny_pack(folder)
    table = TABLE
    if more_words:
        manifest = replace(manifest, words=manifest.words | more_words)
        table = WordTable(tuple(manifest.words), TABLE.others())
    (folder / "words.safetensors").unlink()
    torch.manual_seed(6)
    spec = SmallClipSpec(
        vocabulary_size=table.num_tokens,
        text_width=16,
        text_layers=1,
        text_heads=2,
        context_length=8,
        image_size=32,
        image_width=8,
        image_blocks=(1, 1, 1, 1),
        num_tokens=4,
        token_width=8,
    )
    paint = PaintSpec(num_parts=2, num_colors=3, num_values=3, main_token=1, part_tokens=(2, 3))
    gaussian = GaussianSpec(width=16, shape_tokens=(0,), paint=paint, num_groups=3, rank=2)
    known = replace(manifest.prior, gaussian=gaussian, num_shape=5)
    manifest = replace(manifest, prior=known, word_encoder=None, clip=spec)
    prior, decoder = LatentPrior(manifest.prior), Decoder(manifest.decoder)
    initialise_prior(prior)
    assert prior.basis is not None
    prior.basis.rows.copy_(torch.linalg.qr(torch.randn(128, 8)).Q.T)
    torch.nn.init.normal_(prior.latent_out.weight, std=0.1)
    assert prior.gaussian is not None
    prior.gaussian.centers.normal_()
    prior.gaussian.factors.normal_(std=0.3)
    initialise_decoder(decoder)
    with torch.no_grad():
        decoder.mlp.output.weight.mul_(3)
    export_pack(folder, manifest, prior, decoder, ClipReader(SmallClip(spec).eval(), table))
    return manifest
