# SPDX-License-Identifier: GPL-3.0-or-later
"""The three fitted fields of the geometry suites; `fit_fields.py` makes them."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ..core.decoder.implicit_mlp import ImplicitMLP
from ..core.decoder.stf import Decoder, SignedDistanceField
from ..core.specs import DECODERS

FOLDER = Path(__file__).parent / "data"


def read_tensors(name: str) -> dict[str, Tensor]:
    """Return `generated.0` to `generated.3` and the parameters of `mlp.`, fp32."""
    tensors = load_file(FOLDER / f"{name}.safetensors")
    return {key: tensor.float() for key, tensor in tensors.items()}


def read_field(name: str, *, color_dtype: torch.dtype | None = None) -> SignedDistanceField:
    """Return a fitted field, ready to be asked; colors are computed in fp32 unless told."""
    tensors = read_tensors(name)
    mlp = ImplicitMLP(DECODERS["shap-e"])
    mlp.load_state_dict(_part(tensors, "mlp."))
    generated = _part(tensors, "generated.")
    weights = [generated[str(i)][None] for i in range(len(generated))]
    mlp.requires_grad_(False).eval()
    return SignedDistanceField(mlp, weights, color_dtype=color_dtype)


def decoder_of(name: str) -> Decoder:
    """Return a decoder of published size that makes a fitted field of every latent.

    It does all the work of the published one: its norms have no scale, so that the latent is
    projected and then counts for nothing, and its biases are the fitted matrices.
    """
    tensors = read_tensors(name)
    decoder = Decoder(DECODERS["shap-e"])
    decoder.mlp.load_state_dict(_part(tensors, "mlp."))
    generator = torch.Generator().manual_seed(0)
    for i, matrix in enumerate(decoder.params_proj.matrices):
        fill_projection(matrix.weight, matrix.bias, matrix.norm, tensors, i, generator)
    return decoder.requires_grad_(False).eval()


@torch.no_grad()
def fill_projection(
    weight: nn.Parameter,
    bias: nn.Parameter,
    norm: nn.LayerNorm,
    tensors: dict[str, Tensor],
    number: int,
    generator: torch.Generator,
) -> None:
    """Give one projection random weights, no scale and a fitted matrix as its bias."""
    weight.normal_(std=0.02, generator=generator)
    bias.copy_(tensors[f"generated.{number}"].flatten())
    norm.weight.zero_()
    norm.bias.zero_()


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        key.removeprefix(prefix): tensor
        for key, tensor in tensors.items()
        if key.startswith(prefix)
    }
