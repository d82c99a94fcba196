# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of shapes by sphere tracing, several to a sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from .builder import Shape
from .field import ShapeBatch

_STEPS = 48
_HIT = 2e-3
_FAR = 3.6
_BACKGROUND = (0.93, 0.93, 0.95)
_LIGHT = (-0.45, -0.6, 0.75)


def render_shapes(
    shapes: Sequence[Shape], size: int = 128, *, azimuth: float = 35.0, elevation: float = 22.0
) -> NDArray[np.uint8]:
    """Return one square picture per shape, [B, size, size, 3].

    Args:
        shapes: what to draw.
        size: pixels per side.
        azimuth: degrees from the front (-Y) towards +X.
        elevation: degrees above the horizon.
    """
    origins, ray = _camera_rays(size, azimuth, elevation)
    pictures = [_trace(ShapeBatch([shape]), origins, ray) for shape in shapes]
    pixels = torch.stack(pictures).reshape(-1, size, size, 3)
    return (pixels.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).numpy()


def _camera_rays(size: int, azimuth: float, elevation: float) -> tuple[Tensor, Tensor]:
    """Return parallel rays: origins [size * size, 3] and their common direction [3]."""
    a, e = np.radians(azimuth), np.radians(elevation)
    to_camera = torch.tensor([np.sin(a) * np.cos(e), -np.cos(a) * np.cos(e), np.sin(e)])
    right = torch.tensor([np.cos(a), np.sin(a), 0.0])
    up = torch.linalg.cross(to_camera, right)
    across = torch.linspace(-1.2, 1.2, size, dtype=torch.float64)
    grid_y, grid_x = torch.meshgrid(-across, across, indexing="ij")
    offsets = grid_x.reshape(-1, 1) * right + grid_y.reshape(-1, 1) * up
    return (offsets + 2.0 * to_camera).float(), -to_camera.float()


def _trace(batch: ShapeBatch, origins: Tensor, ray: Tensor) -> Tensor:
    """Return the pixels of one shape, [size * size, 3]."""
    picture = torch.tensor(_BACKGROUND).repeat(len(origins), 1)
    depth = origins.new_zeros(len(origins))
    alive = torch.arange(len(origins))
    for _ in range(_STEPS):
        gap = -batch.signed_distance((origins[alive] + depth[alive, None] * ray)[None])[0]
        depth[alive] += gap
        alive = alive[(gap > _HIT) & (depth[alive] < _FAR)]
    hits = (depth < _FAR).nonzero()[:, 0]
    points = (origins[hits] + depth[hits, None] * ray)[None]
    picture[hits] = _shade(batch, points, ray)[0]
    return picture


def _shade(batch: ShapeBatch, points: Tensor, ray: Tensor) -> Tensor:
    """Return the colour of lit surface points, [1, N, 3]."""
    colours = batch.distance_and_colour(points)[1]
    normals = _normals(batch, points)
    light = torch.tensor(_LIGHT) / torch.tensor(_LIGHT).norm()
    key = (normals @ light).clamp_min(0.0)
    sky = 0.5 + 0.5 * normals[..., 2]
    occlusion = (-batch.signed_distance(points + 0.12 * normals) / 0.12).clamp(0.0, 1.0)
    shade = (0.42 + 0.2 * sky) * (0.6 + 0.4 * occlusion) + 0.5 * key
    shine = (normals @ torch.nn.functional.normalize(light - ray, dim=0)).clamp_min(0.0) ** 40
    return colours * shade[..., None] + 0.18 * shine[..., None]


def _normals(batch: ShapeBatch, points: Tensor, step: float = 2e-3) -> Tensor:
    slopes = []
    for axis in range(3):
        shift = step * torch.eye(3)[axis]
        slopes.append(batch.signed_distance(points - shift) - batch.signed_distance(points + shift))
    return torch.nn.functional.normalize(torch.stack(slopes, dim=-1), dim=-1)


def write_contact_sheet(
    path: Path, shapes: Sequence[Shape], *, columns: int = 8, size: int = 128, azimuth: float = 35.0
) -> None:
    """Write a PNG with one picture per shape, row by row."""
    pictures = render_shapes(shapes, size, azimuth=azimuth)
    rows = -(-len(shapes) // columns)
    sheet = np.full((rows * size, columns * size, 3), 255, dtype=np.uint8)
    for index, picture in enumerate(pictures):
        top, left = divmod(index, columns)
        sheet[top * size : (top + 1) * size, left * size : (left + 1) * size] = picture
    Image.fromarray(sheet).save(path)
