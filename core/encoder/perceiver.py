# SPDX-License-Identifier: GPL-3.0-or-later
"""The encoder of Shap-E (arXiv:2305.02463, section 4.1): points and views to a latent."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..encoding import encode_position
from ..interrupt import Check, ignore
from ..specs import EncoderSpec
from .blocks import ReadingBlock, SelfBlock
from .bottleneck import clamp_latent
from .neighborhoods import Draw, NeighborhoodTokens
from .patches import PatchTokens, ViewTensors


class AssetEncoder(nn.Module):
    """Maps one object to its latent.

    Inference works object by object, with memory for one strip of a view at a time. Training is
    free to differentiate through it.
    """

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__()
        self.spec = spec
        width, heads = spec.width, spec.num_heads
        self.point_in = nn.Linear(2 * spec.encoded_width, width)
        self.neighborhoods = NeighborhoodTokens(spec)
        self.views_in = PatchTokens(spec)
        self.output_tokens = nn.Parameter(torch.zeros(spec.num_latents, width))
        self.norm_in = nn.LayerNorm(width)
        self.read_points = ReadingBlock(width, heads)
        self.read_views = ReadingBlock(width, heads)
        self.blocks = nn.ModuleList(SelfBlock(width, heads) for _ in range(spec.num_layers - 1))
        self.norm_out = nn.LayerNorm(width)
        self.latent_out = nn.Linear(width, spec.channels)

    def forward(
        self, points: Tensor, views: ViewTensors, draw: Draw, check: Check = ignore
    ) -> Tensor:
        """Return the latent of one object, in (-1, 1), fp32, [L, C].

        Args:
            points: positions in [-1, 1]^3, the farthest from one another first, and sRGB in
                [0, 1], [N, 6].
            views: of the same object, in the same box.
            draw: called once per convolution over neighbourhoods.
            check: called between pieces; may raise to stop.
        """
        return clamp_latent(self.vectors(points, views, draw, check))

    def vectors(
        self, points: Tensor, views: ViewTensors, draw: Draw, check: Check = ignore
    ) -> Tensor:
        """Return what `forward` clamps, fp32, [L, C]."""
        features = self._point_features(points[None])
        data = self.neighborhoods(points[None, :, :3].float(), features, draw, check)
        h = self.norm_in(torch.cat([data, self.output_tokens[None]], dim=1))
        check()
        h = self.read_points(h, features, check)
        h = self.read_views(h, self.views_in(views, check).flatten(0, 1)[None], check)
        for block in self.blocks:
            check()
            h = block(h)
        return self.latent_out(self.norm_out(h[0, -self.spec.num_latents :])).float()  # type: ignore[no-any-return]

    def _point_features(self, points: Tensor) -> Tensor:
        """Encode points [B, N, 6] to features [B, N, W].

        All six numbers count as one vector: octave by octave, not positions and then colours.
        """
        encoded = encode_position(points, self.spec.frequencies)
        return self.point_in(encoded.to(self.point_in.weight.dtype))  # type: ignore[no-any-return]
