# SPDX-License-Identifier: GPL-3.0-or-later
"""How well an encoder's latent shows an unseen shape from views that the encoder has not seen.

The two renderings of Shap-E (arXiv:2305.02463, table 1): the field as a NeRF by volume rendering,
and the STF as a surface with a color at every place of it. Ground truth is traced through the
shape itself (`tracing`). All pictures lie over white, and a PSNR is that of the whole picture, so
figures depend on how much of it the object fills: they compare packs, not publications.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.asset import Cameras
from ..core.assets_in.cameras import sphere_cameras
from ..core.assets_in.raster import visible
from ..core.decoder.nerf import RadianceField, RayConfig, render_rays
from ..core.decoder.stf import Decoder
from ..core.errors import EmptySurfaceError
from ..core.geometry.extract import extract_mesh
from ..core.interrupt import Check, ignore
from ..training.shapes.builder import Shape
from ..training.shapes.field import ShapeBatch
from .encoders import Encoded
from .measures import psnr_db
from .streams import Stream, stream_generator, stream_rng
from .tracing import SAMPLES, over, shrink_samples, trace_view, view_rays

SIZE = 64
"""Pixels per side."""
NUM_VIEWS = 4
BACKGROUND = 1.0

_RESOLUTION = 96
_RAYS_AT_ONCE = 512
_HIGHEST_DB = 100.0


@dataclass(frozen=True, slots=True)
class ViewScore:
    """Mean PSNR of one shape over its held-out views, dB."""

    stf_psnr_db: float
    nerf_psnr_db: float | None
    """None where the pack's field has no density."""


def has_density(decoder: Decoder) -> bool:
    """Return whether a pack's field can be rendered as a NeRF."""
    return any(name == "density_fine" for name, _ in decoder.spec.heads)


def held_out_cameras(seed: int, index: int, num_views: int = NUM_VIEWS) -> Cameras:
    """Return cameras all around one shape, drawn apart from those that encoders look through."""
    return sphere_cameras(num_views, int(stream_rng(Stream.VIEWS, seed, index).integers(2**31)))


@torch.no_grad()
def score_views(
    shape: Shape,
    decoder: Decoder,
    encoded: Encoded,
    *,
    seed: int,
    index: int,
    size: int = SIZE,
    check: Check = ignore,
) -> ViewScore:
    """Compare what a latent shows with the shape that it was made of."""
    cameras = held_out_cameras(seed, index)
    batch = ShapeBatch([shape])
    truths = [
        over(trace_view(batch, cameras, view, size, check), BACKGROUND)
        for view in range(len(cameras.origins))
    ]
    latent = encoded.latent
    # Looked at from as much farther as it is larger, the field fills the same pictures.
    cameras = Cameras(np.float32(encoded.scale) * cameras.origins, cameras.axes, cameras.fov)
    surfaces = render_surface(decoder, latent, cameras, size, check)
    stf = [view_psnr(*pair) for pair in zip(truths, surfaces, strict=True)]
    if not has_density(decoder):
        return ViewScore(sum(stf) / len(stf), None)
    generator = stream_generator(Stream.VIEWS, seed, index)
    nerf = [
        view_psnr(truth, render_volume(decoder, latent, cameras, view, size, generator, check))
        for view, truth in enumerate(truths)
    ]
    return ViewScore(sum(stf) / len(stf), sum(nerf) / len(nerf))


def view_psnr(truth: NDArray[np.float32], seen: NDArray[np.float32]) -> float:
    """Return the PSNR of a picture in [0, 1], at most 100 dB."""
    error = float(np.square(truth.astype(np.float64) - seen).mean())
    if not math.isfinite(error):
        raise ValueError("a rendering holds values that are not numbers")
    return min(psnr_db(error), _HIGHEST_DB)


@torch.no_grad()
def render_surface(
    decoder: Decoder, latent: Tensor, cameras: Cameras, size: int, check: Check = ignore
) -> list[NDArray[np.float32]]:
    """Return what cameras see of the STF, its colors read where they look, [size, size, 3] each.

    An empty field shows the background alone.
    """
    field = decoder.field(latent)
    empty = np.zeros((SAMPLES * size, SAMPLES * size, 4), dtype=np.float32)
    try:
        vertices, faces = extract_mesh(
            field.signed_distance, _RESOLUTION, device=latent.device, check=check
        )
    except EmptySurfaceError:
        return [over(shrink_samples(empty), BACKGROUND)] * len(cameras.origins)
    corners = vertices[faces]
    pictures = []
    for view in range(len(cameras.origins)):
        hits = visible(corners, cameras, view, SAMPLES * size, check)
        places = torch.from_numpy(hits.places.at(corners)).to(latent.device)
        picture = empty.copy().reshape(-1, 4)
        picture[hits.pixels, :3] = field.color(places).cpu().numpy()
        picture[hits.pixels, 3] = 1.0
        pictures.append(over(shrink_samples(picture.reshape(empty.shape)), BACKGROUND))
    return pictures


@torch.no_grad()
def render_volume(
    decoder: Decoder,
    latent: Tensor,
    cameras: Cameras,
    view: int,
    size: int,
    generator: torch.Generator,
    check: Check = ignore,
) -> NDArray[np.float32]:
    """Return what a camera sees of the NeRF, by its fine samples, [size, size, 3]."""
    field = RadianceField(decoder.mlp, decoder.weights(latent[None]))
    config = RayConfig(background=BACKGROUND)
    origins, directions = view_rays(cameras, view, SAMPLES * size)
    rows = []
    for part in torch.arange(len(origins)).split(_RAYS_AT_ONCE):
        check()
        rays = origins[part].to(latent.device), directions[part].to(latent.device)
        _, fine = render_rays(
            field,
            *rays,
            config,
            # On the CPU, so that every device draws the same.
            lambda shape: torch.rand(shape, generator=generator).to(latent.device),
        )
        rows.append(fine.color.cpu())
    picture = torch.cat(rows).clamp(0, 1).numpy().reshape(SAMPLES * size, SAMPLES * size, 3)
    return shrink_samples(picture)
