# SPDX-License-Identifier: GPL-3.0-or-later
"""Shap-E as its authors run it on a CPU, over the weights of our own modules.

Attention as two einsums with a softmax in fp32 between them and all 2C output channels; the field
point by point in small chunks, with encoded directions of zeros and all its heads.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ...core.decoder.encoding import encode_position
from ...core.decoder.stf import SignedDistanceField
from ...core.geometry.grid import axis_coordinates
from ...core.prior.transformer import Block, LatentPrior, SelfAttention, timestep_embedding

CHUNK = 4096
"""Points per query of the field, in Shap-E and in diffusers."""


class StockPrior:
    """Like a prior, computed the usual way from the same weights."""

    def __init__(self, prior: LatentPrior) -> None:
        self.spec = prior.spec
        self._prior = prior

    def __call__(self, x: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
        """Predict the clean latent; arguments are those of `LatentPrior.forward`."""
        prior = self._prior
        time = prior.time_embed(timestep_embedding(timestep, self.spec.width))
        latents = prior.latent_in(x) + prior.position_embedding
        prompt = prior.condition_in(prior.condition_norm(condition))
        h = prior.norm_in(torch.cat([prompt, time[:, None], latents], dim=1))
        for block in prior.blocks:
            h = _block(block, h)
        out: Tensor = prior.latent_out(prior.norm_out(h[:, -latents.shape[1] :]))
        return out[..., : self.spec.channels]


def _block(block: Block, x: Tensor) -> Tensor:
    x = x + _attention(block.attn, block.norm_attn(x))
    return x + block.mlp.proj(F.gelu(block.mlp.fc(block.norm_mlp(x))))


def _attention(attention: SelfAttention, x: Tensor) -> Tensor:
    batch, num_tokens, width = x.shape
    heads = attention.num_heads
    q, k, v = attention.qkv(x).view(batch, num_tokens, 3, heads, width // heads).unbind(2)
    scale = (width // heads) ** -0.25
    scores = torch.einsum("bthc,bshc->bhts", q * scale, k * scale)
    shares = torch.softmax(scores.float(), dim=-1).type(scores.dtype)
    return attention.out(torch.einsum("bhts,bshc->bthc", shares, v).flatten(2))


def stock_channels(field: SignedDistanceField, points: Tensor) -> Tensor:
    """Return the raw channels of all heads at points [P, 3], [P, C]."""
    spec = field.mlp.spec
    h = encode_position(points, spec.position_frequencies)
    for weight, bias in zip(field.weights, field.mlp.generated_biases, strict=True):
        h = F.silu(h @ weight[0].float().T + bias)
    for number, layer in enumerate(field.mlp.shared, start=spec.num_generated):
        if number == spec.direction_layer:
            h = F.pad(h, (0, spec.encoded_direction_width))
        h = F.silu(layer(h))
    return field.mlp.output(h)


def stock_distance(field: SignedDistanceField) -> Callable[[Tensor], Tensor]:
    """Return the signed distance at points [P, 3], as `SignedDistanceField` has it, [P]."""
    return lambda points: stock_channels(field, points)[:, 0].tanh()


def stock_color(field: SignedDistanceField) -> Callable[[Tensor], Tensor]:
    """Return sRGB colours at points [P, 3], asked in small chunks, [P, 3]."""

    def color(points: Tensor) -> Tensor:
        chunks = [stock_channels(field, chunk) for chunk in points.split(CHUNK)]
        return field.mlp.split(torch.cat(chunks), "stf_color").sigmoid()

    return color


def dense_grid(field: SignedDistanceField, resolution: int) -> Tensor:
    """Return the field at every node of the grid, [R, R, R]."""
    values = torch.empty(resolution**3)
    for start in range(0, resolution**3, CHUNK):
        values[start : start + CHUNK] = dense_chunk(field, resolution, start)
    return values.view((resolution,) * 3)


def dense_chunk(field: SignedDistanceField, resolution: int, start: int) -> Tensor:
    """Return the field at the nodes from a flat index on, one chunk of them, [P]."""
    nodes = torch.arange(start, min(start + CHUNK, resolution**3))
    axis = axis_coordinates(resolution, torch.device("cpu"))
    x, y, z = nodes // resolution**2, nodes // resolution % resolution, nodes % resolution
    return stock_distance(field)(torch.stack([axis[x], axis[y], axis[z]], dim=1))
