# SPDX-License-Identifier: GPL-3.0-or-later
"""From an asset to its latent: the way back to what `pipeline` makes meshes of.

Blocking; runs on any thread. The decoder of the same pack turns the latent into a field again.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .asset import Asset, Surface, Views, boxed
from .assets_in.cameras import CameraPath, cameras_on
from .assets_in.cloud import sample_cloud
from .assets_in.views import render_views
from .checkpoint.encoder_keys import encoder_key_map
from .checkpoint.loader import load_module
from .checkpoint.pack_layout import PUBLISHED, PublishedSpecs, read_layout
from .encoder.patches import ViewTensors
from .encoder.perceiver import AssetEncoder
from .errors import NonFiniteError, PackError
from .interrupt import Check, checked_blocks, ignore
from .specs import EncoderSpec


def load_encoder(
    folder: Path,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    published: PublishedSpecs = PUBLISHED,
    check: Check = ignore,
) -> AssetEncoder:
    """Load the encoder of the pack in a folder, which only OpenAI's `transmitter.pt` holds.

    Raises:
        PackError: the pack has none.
        CheckpointError: the file is not what it should be.
    """
    component = read_layout(folder, published).encoder
    if component is None:
        raise PackError(folder.name, "it has no encoder of meshes: import OpenAI's transmitter.pt")
    spec = component.spec
    return load_module(
        lambda: AssetEncoder(spec),
        component.path,
        partial(encoder_key_map, spec),
        dtype=dtype,
        device=device,
        check=check,
    )


def measure(
    surface: Surface,
    spec: EncoderSpec,
    *,
    path: CameraPath = "sphere",
    seed: int = 0,
    check: Check = ignore,
) -> Asset:
    """Return what an encoder reads of a surface anywhere, in any unit.

    The same numbers for the same seed.

    Raises:
        ValueError: the surface has no faces, or no size.
    """
    inside, _ = boxed(surface)
    cloud = sample_cloud(inside, num_points=spec.num_points, seed=seed, check=check)
    views = render_views(
        inside, cameras_on(path, spec.num_views, seed), size=spec.image_size, check=check
    )
    return Asset(cloud, views)


@torch.inference_mode()
def encode(asset: Asset, encoder: AssetEncoder, *, seed: int = 0, check: Check = ignore) -> Tensor:
    """Return the latent of an asset, in (-1, 1), fp32, [L, C].

    Args:
        asset: with as many points, and views as large, as the encoder was made for.
        encoder: from `load_encoder`.
        seed: of the shuffles of neighbourhoods, which move the latent by well under a percent.
        check: called between pieces, each well below a second on a slow machine.

    Raises:
        ValueError: the asset does not have the encoder's sizes.
        NonFiniteError: the network put out no numbers.
    """
    spec = encoder.spec
    expected = (spec.num_points, (spec.num_views, spec.image_size, spec.image_size))
    if (len(asset.cloud.points), asset.views.depth.shape) != expected:
        raise ValueError(f"expected {expected} points and pixels of views")
    weight = encoder.latent_out.weight
    generator = torch.Generator().manual_seed(seed)

    def draw(shape: tuple[int, ...]) -> Tensor:
        # On the CPU, so that every device encodes the same.
        return torch.rand(shape, generator=generator)

    points = torch.from_numpy(asset.cloud.rows).to(weight.device)
    views = view_tensors(asset.views, weight.device)
    with checked_blocks(encoder, check):
        latent = encoder(points, views, draw, check)
    if not latent.isfinite().all():
        raise NonFiniteError("the encoder")
    return latent  # type: ignore[no-any-return]


def view_tensors(views: Views, device: torch.device | str = "cpu") -> ViewTensors:
    """Return views as the encoder reads them: colours over black."""
    rgba = views.rgba.astype(np.float32) / 255
    rgba[..., :3] *= rgba[..., 3:]
    # Shrunk pictures are pictures of whole levels.
    rgba[..., :3] = np.rint(rgba[..., :3] * 255) / 255
    arrays = (rgba, views.depth, views.cameras.origins, views.cameras.axes)
    color, depth, origins, axes = (torch.from_numpy(each).to(device) for each in arrays)
    return ViewTensors(rgba=color, depth=depth, origins=origins, axes=axes, fov=views.cameras.fov)
