# SPDX-License-Identifier: GPL-3.0-or-later
"""Sheets of shapes to look at: `python -m maquette.training.shapes.preview SHEET.jpg`."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .field import ShapeBatch
from .phrases import draw_caption
from .pieces import Shape
from .renders import render_shapes as render_scenes
from .scenes import scene_at

_STEPS = 48
_HIT = 2e-3
_FAR = 3.6
_BACKGROUND = (0.93, 0.93, 0.95)
_CAPTION_HEIGHT, _CAPTION_WIDTH = 44, 22
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
    lit: Tensor = colours * shade[..., None] + 0.18 * shine[..., None]
    return lit


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


def write_captioned_sheet(
    path: Path, seed: int, count: int = 100, *, columns: int = 10, size: int = 112
) -> None:
    """Write a picture of the first scenes of a data set with a caption of each, none chosen."""
    scenes = [scene_at(seed, index) for index in range(count)]
    generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    shown = render_views_of(scenes, size, generator=generator)
    rows, step = -(-count // columns), size + _CAPTION_HEIGHT
    sheet = Image.new("RGB", (columns * size, rows * step), (255, 255, 255))
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(9.0)
    for index, (scene, picture) in enumerate(zip(scenes, shown, strict=True)):
        if scene.labels is None:
            raise ValueError("scenes have labels")
        left, top = index % columns * size, index // columns * step
        sheet.paste(Image.fromarray(picture), (left, top))
        lines = textwrap.wrap(draw_caption(scene.labels, rng).text, _CAPTION_WIDTH)[:4]
        pen.multiline_text((left + 3, top + size), "\n".join(lines), (40, 40, 40), font, spacing=1)
    sheet.save(path, quality=82, optimize=True)


def render_views_of(
    scenes: Sequence[Shape], size: int, *, generator: torch.Generator
) -> NDArray[np.uint8]:
    """Return a picture of each scene on a light background, [B, size, size, 3]."""
    pictures = render_scenes(scenes, size, generator=generator, samples=2)
    pixels = pictures.over(torch.tensor(_BACKGROUND)).clamp(0.0, 1.0)
    shown: NDArray[np.uint8] = (pixels * 255.0).round().to(torch.uint8).numpy()
    return shown


def main() -> None:
    """Write the sheet of docs/images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    write_captioned_sheet(arguments.path, arguments.seed, arguments.count)


if __name__ == "__main__":
    main()
