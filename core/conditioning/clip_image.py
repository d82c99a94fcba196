# SPDX-License-Identifier: GPL-3.0-or-later
"""A reference image to the condition of the published image prior."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import ReferenceImage
from ..errors import ImageInputError
from ..specs import ClipSpec
from .clip import build_tower, image_grid

MEAN = (0.48145466, 0.4578275, 0.40821073)
SPREAD = (0.26862954, 0.26130258, 0.27577711)
"""Per channel of CLIP's training images, RGB in [0, 1]."""

MAX_PIXELS = 2**26
"""Larger images would take gigabytes to convert and are reduced to 224 x 224 anyway."""

_MAX_STRETCH = 64
"""Sides longer than so many times the shorter are cut before resizing; see `_cut_middle`."""


class ClipImageEncoder(nn.Module):
    """CLIP's image tower up to the features of its patches."""

    def __init__(self, spec: ClipSpec) -> None:
        super().__init__()
        self.spec = spec
        self.tower = build_tower(spec)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the features of each patch, row by row from the top left.

        Args:
            pixels: as made by `preprocess`, [B, 3, S, S].

        Returns:
            The residual stream after the last block, without the class token, without a final
            norm, fp32, [B, P, W].
        """
        dtype = next(self.tower.parameters()).dtype
        return image_grid(self.tower, pixels.to(dtype)).float()

    @torch.inference_mode()
    def condition(self, images: list[ReferenceImage]) -> Tensor:
        """Return the condition tokens of each image, fp32, [B, P, W]."""
        device = next(self.tower.parameters()).device
        pixels = torch.stack([preprocess(image, self.spec.image_size) for image in images])
        return self(pixels.to(device))  # type: ignore[no-any-return]


def preprocess(image: ReferenceImage, size: int = 224) -> Tensor:
    """Composite on white, resize the shorter side, crop the middle, normalise.

    Values are rounded to whole levels after each step, as where CLIP was trained.

    Returns:
        fp32, about zero mean and unit variance, [3, size, size].

    Raises:
        ImageInputError: the image has no pixels or too many.
    """
    height, width = image.pixels.shape[:2]
    if height == 0 or width == 0:
        raise ImageInputError(image.source, f"it has no pixels ({width} x {height})")
    if height * width > MAX_PIXELS:
        limit = int(MAX_PIXELS**0.5)
        raise ImageInputError(
            image.source, f"it has {width} x {height} pixels: scale it to {limit} x {limit} at most"
        )
    levels = _composite_on_white(_cut_middle(image.pixels))
    resized = _resize_shorter_side(levels, size)
    cropped = _crop_middle(resized, size) / 255
    mean, spread = torch.tensor(MEAN), torch.tensor(SPREAD)
    return (cropped - mean[:, None, None]) / spread[:, None, None]


def _cut_middle(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut what is far outside the final crop, so that a thin image cannot grow to gigabytes."""
    height, width = pixels.shape[:2]
    longest = _MAX_STRETCH * min(height, width)
    top, left = max(0, (height - longest) // 2), max(0, (width - longest) // 2)
    return pixels[top : top + longest, left : left + longest]


def _composite_on_white(pixels: NDArray[np.uint8]) -> Tensor:
    """Return RGB levels 0 to 255, fp32 [3, H, W], of straight-alpha RGBA [H, W, 4]."""
    rgba = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1).float()
    alpha = rgba[3:] / 255
    return (rgba[:3] * alpha + 255 * (1 - alpha)).round()


def _resize_shorter_side(levels: Tensor, size: int) -> Tensor:
    height, width = levels.shape[1:]
    shorter = min(height, width)
    # The longer side is rounded down, as in CLIP's own preprocessing.
    shape = (size * height // shorter, size * width // shorter)
    # Pillow, which CLIP's own preprocessing resizes with, also rounds between the two axes.
    for target in ((height, shape[1]), shape):
        levels = F.interpolate(levels[None], target, mode="bicubic", antialias=True)[0]
        levels = levels.round().clamp(0, 255)
    return levels


def _crop_middle(levels: Tensor, size: int) -> Tensor:
    height, width = levels.shape[1:]
    top, left = round((height - size) / 2), round((width - size) / 2)
    return levels[:, top : top + size, left : left + size]
