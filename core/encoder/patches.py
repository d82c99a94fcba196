# SPDX-License-Identifier: GPL-3.0-or-later
"""Views as tokens: every pixel tells its colour, where it was seen from and where it lies.

The camera thus enters at each pixel (Shap-E's `MultiviewPointCloudEmbedding`), and patches of
pixels become tokens. Pixels of the background are one learned vector instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..encoding import encode_position
from ..interrupt import Check, ignore
from ..specs import EncoderSpec

_ROWS_AT_ONCE = 32
"""Pixel rows, a multiple of the patch size; bounds memory and the time between two looks."""
_OPAQUE = 0.999


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewTensors:
    """Views of one object, all of the same size and opening angle."""

    rgba: Tensor
    """sRGB over black and coverage, in [0, 1], [V, H, W, 4]."""
    depth: Tensor
    """Along the camera's axis, in the box's units; infinite behind the object, [V, H, W]."""
    origins: Tensor
    """Positions of the cameras, [V, 3]."""
    axes: Tensor
    """Right, down and forward of each camera, unit vectors, [V, 3, 3]."""
    fov: float
    """Full opening angle across and up, radians."""


class PatchTokens(nn.Module):
    """Tokens for the patches of every view."""

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__()
        self.spec = spec
        channels = 3 * spec.encoded_width
        self.background = nn.Parameter(torch.zeros(channels))
        self.pixels = nn.Conv2d(channels, spec.width // 2, 3)
        self.patches = nn.Conv2d(spec.width // 2, spec.width, spec.patch_size, spec.patch_size)

    def forward(self, views: ViewTensors, check: Check = ignore) -> Tensor:
        """Return tokens of views, patches row by row, [V, patches, W]."""
        tokens = []
        for index in range(len(views.rgba)):
            described = self._describe(views, index)
            tokens.append(self._convolve(described, views.rgba[index, ..., 3] >= _OPAQUE, check))
        return torch.stack(tokens)

    def _describe(self, views: ViewTensors, index: int) -> Tensor:
        """Return colour in [-1, 1], camera and position of each pixel of a view, [3, H, W, 3]."""
        height, width = views.depth.shape[1:]
        x, y, z = views.axes[index]
        across, down = (_fractions(n, views.fov).to(z) for n in (width, height))
        directions = z + x * across[None, :, None] + y * down[:, None, None]
        directions = directions / directions.norm(dim=-1, keepdim=True)
        depth = views.depth[index].clamp(max=self.spec.max_depth)
        distance = depth / (directions * z).sum(-1)
        origin = views.origins[index].expand_as(directions)
        color = views.rgba[index, ..., :3] * 2 - 1
        return torch.stack([color, origin, origin + distance[..., None] * directions])

    def _convolve(self, described: Tensor, is_object: Tensor, check: Check) -> Tensor:
        """Turn the pixels of one view into tokens, in strips of rows, [patches, W]."""
        height, tokens = described.shape[1], []
        for start in range(0, height, _ROWS_AT_ONCE):
            check()
            stop = min(start + _ROWS_AT_ONCE, height)
            # The convolution over pixels looks one row further on both sides of the strip.
            low, high = max(start - 1, 0), min(stop + 1, height)
            features = self._embed(described[:, low:high], is_object[low:high])
            # Beyond the view there are zeros.
            outside = (1, 1, int(start == 0), int(stop == height))
            pixels = self.pixels(F.pad(features, outside)[None])
            tokens.append(self.patches(pixels)[0].flatten(1).T)
        return torch.cat(tokens)

    def _embed(self, described: Tensor, is_object: Tensor) -> Tensor:
        """Return the channels of some rows of pixels, [channels, R, W]."""
        encoded = encode_position(described, self.spec.frequencies)  # [3, R, W, E]
        flat = encoded.movedim(0, 2).flatten(2).to(self.background.dtype)
        return torch.where(is_object[..., None], flat, self.background).movedim(-1, 0)


def _fractions(count: int, fov: float) -> Tensor:
    """Return where rays cross a plane at distance one: the outermost through the very edges."""
    # fp32 step by step as published, since the encoding multiplies by up to 2^14.
    steps = torch.arange(count).float() / (count - 1) * 2 - 1
    return steps * torch.tan(torch.tensor(fov, dtype=torch.float32) / 2)
