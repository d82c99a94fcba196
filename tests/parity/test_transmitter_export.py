# SPDX-License-Identifier: GPL-3.0-or-later
"""Encoder and decoder of stage 1 as `transmitter.pt`: named as by OpenAI's code, and read again."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from maquette.core.checkpoint.decoder_keys import decoder_key_map
from maquette.core.checkpoint.encoder_keys import encoder_key_map
from maquette.core.checkpoint.loader import load_module
from maquette.core.checkpoint.pack_layout import read_layout
from maquette.core.decoder.stf import Decoder
from maquette.core.encode import load_encoder
from maquette.core.encoder.perceiver import AssetEncoder
from maquette.core.pack import reads_meshes
from maquette.tests.parity.reference_models import (
    TINY,
    TINY_OPENAI_DECODER,
    TINY_OPENAI_ENCODER,
    recorded,
    write,
)
from maquette.tests.parity.test_encoder import recorded_draws, views_of
from maquette.training.export_published import save_transmitter
from torch import Tensor

SPECS = replace(TINY, encoder=TINY_OPENAI_ENCODER)


def _recorded_state() -> dict[str, Tensor]:
    return recorded("decoder_tiny")[0] | recorded("encoder_tiny")[0]


def _load(path: Path) -> tuple[AssetEncoder, Decoder]:
    encoder = load_module(
        lambda: AssetEncoder(TINY_OPENAI_ENCODER),
        path,
        partial(encoder_key_map, TINY_OPENAI_ENCODER),
    )
    decoder = load_module(
        lambda: Decoder(TINY_OPENAI_DECODER), path, partial(decoder_key_map, TINY_OPENAI_DECODER)
    )
    return encoder, decoder


def test_it_is_the_file_that_was_read(tmp_path: Path) -> None:
    """All of OpenAI's names, shapes and values, but for matrices that every latent overwrites."""
    given = _recorded_state()
    encoder, decoder = _load(write(given, tmp_path / "transmitter.pt"))

    path = save_transmitter(encoder, decoder, tmp_path / "again")

    found = torch.load(path, weights_only=True)
    assert found.keys() == given.keys()
    overwritten = {f"renderer.nerstf.mlp.{i}.weight" for i in range(decoder.spec.num_generated)}
    for name, expected in given.items():
        assert found[name].dtype == torch.float32 and found[name].shape == expected.shape, name
        if name not in overwritten:
            assert torch.equal(found[name], expected), name


@torch.inference_mode()
def test_what_was_trained_answers_the_same_as_a_pack(tmp_path: Path) -> None:
    """Our own weights, which no file was ever the source of, through the loader of packs."""
    torch.manual_seed(1)
    encoder, decoder = AssetEncoder(TINY_OPENAI_ENCODER), Decoder(TINY_OPENAI_DECODER)
    for module in (encoder, decoder):
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    record = recorded("encoder_tiny")[1]
    given = record["in.points"][0].T, views_of(record)
    points = torch.rand(1, 50, 3) * 2 - 1

    save_transmitter(encoder.eval(), decoder.eval(), tmp_path)

    layout = read_layout(tmp_path, SPECS)
    assert layout.kind == "openai" and layout.decoder is not None and reads_meshes(tmp_path)
    latent = encoder(*given, recorded_draws(record))
    read = load_encoder(tmp_path, published=SPECS)
    assert torch.equal(read(*given, recorded_draws(record)), latent)
    field = decoder.mlp(points, decoder.weights(latent[None]))
    _, again = _load(layout.decoder.path)
    assert torch.equal(again.mlp(points, again.weights(latent[None])), field)
