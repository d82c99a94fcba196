# SPDX-License-Identifier: GPL-3.0-or-later
"""From an asset to its latent: the way back to what `pipeline` makes meshes of.

Blocking; runs on any thread. The decoder of the same pack turns the latent into a field again.
The published encoder reads points and views, that of a native pack reads points alone, and its
answer is then fitted to them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .asset import Asset, Surface, Views, boxed, require_readable
from .assets_in.cameras import CameraPath, cameras_on
from .assets_in.cloud import sample_cloud
from .assets_in.known_distances import Known, known_distances
from .assets_in.views import render_views
from .beside import on_one_core
from .checkpoint.encoder_keys import encoder_key_map
from .checkpoint.loader import load_module
from .checkpoint.pack_layout import PUBLISHED, PublishedSpecs, read_layout
from .config import MeshInput
from .decoder.stf import Decoder
from .encoder.cloud import CloudEncoder
from .encoder.patches import ViewTensors
from .encoder.perceiver import AssetEncoder
from .errors import NonFiniteError, PackError
from .fitting import KnownPoints, fit_coefficients, fit_latents
from .interrupt import Check, checked_blocks, ignore
from .prior.basis import LatentBasis
from .specs import CloudEncoderSpec, EncoderSpec, FitSpec

NO_ENCODER = "it has no encoder of meshes: choose one that has"
NO_PUBLISHED_ENCODER = "it has no encoder of meshes: import OpenAI's transmitter.pt"

OnFraction = Callable[[str, float], None]
"""Told the stage in words and the fraction of the whole work done."""

_MEASURED = 0.25
"""Share of the work that is over when the published encoder has something to read."""
_PACE = 0.985
"""Share of what is left of the bar after each piece of the published encoder's work."""
_READ = 0.6
"""Share of the work that is over when the encoder of a native pack has answered."""


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
        raise PackError(folder.name, NO_PUBLISHED_ENCODER)
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


def latent_by_views(
    mesh: MeshInput, encoder: AssetEncoder, *, seed: int, report: OnFraction, check: Check
) -> Tensor:
    """Return the latent that the published encoder finds for a mesh, on the CPU, fp32, [L, C].

    Raises:
        MeshInputError: there is nothing to read.
        NonFiniteError: the network put out no numbers.
    """
    require_readable(mesh.surface, mesh.source)
    report("Measuring the mesh", 0.0)
    asset = measure(mesh.surface, encoder.spec, seed=seed, check=check)
    num_done = 0

    def count() -> None:
        nonlocal num_done
        num_done += 1
        # At the published size it is called 259 times.
        report("Reading the mesh", 1.0 - (1.0 - _MEASURED) * _PACE**num_done)
        check()

    report("Reading the mesh", _MEASURED)
    return encode(asset, encoder, seed=seed, check=count).cpu()


@torch.inference_mode(mode=False)  # What is made in it takes no part in the fitting.
@torch.no_grad()
def latent_by_points(
    mesh: MeshInput,
    encoder: CloudEncoder,
    basis: LatentBasis | None,
    decoder: Decoder,
    fit: FitSpec | None,
    *,
    seed: int,
    report: OnFraction,
    check: Check,
) -> Tensor:
    """Return the latent that a native pack's encoder finds for a mesh, on the CPU, fp32, [L, C].

    Args:
        mesh: to be read.
        encoder: of the pack.
        basis: of the pack's prior, which the latent is kept within; None without one.
        decoder: of the pack, which shows how well a latent fits.
        fit: how far the encoder's answer is fitted; None leaves it as it is. With queries, that
            of a closed mesh is fitted to distances around it and leaves the basis.
        seed: of the points on the mesh, and of those looked at in each step of the fitting.
        report: progress hook.
        check: cancellation hook.

    Raises:
        MeshInputError: there is nothing to read.
        NonFiniteError: the network put out no numbers.
    """
    require_readable(mesh.surface, mesh.source)
    report("Measuring the mesh", 0.0)
    cloud = read_points(mesh.surface, encoder.spec, seed=seed, check=check)
    known = None
    if fit is not None and fit.num_queries:
        report("Measuring the mesh", 0.1)
        known = known_distances(_in_field(mesh.surface, encoder.spec), seed=seed, check=check)
    weight, field = encoder.out.weight, decoder.mlp.output.weight
    points, colors = (torch.from_numpy(each)[None].to(weight.device) for each in cloud)
    report("Reading the mesh", 0.5)
    with checked_blocks(encoder, check):
        latent = encoder(points, colors)
    generator, advance = torch.Generator().manual_seed(seed), _advance(report, fit, check)
    if basis is not None:
        coefficients = basis.project(latent.to(basis.rows.device))
        if fit is not None and known is None:
            basis = copy.deepcopy(basis).to(field.device)
            surface = (points.to(field.device), colors.to(field.device))
            coefficients = coefficients.to(field.device)
            coefficients = fit_coefficients(
                decoder, basis, coefficients, surface, fit, generator, advance
            )
        latent = basis.reconstruct(coefficients)
    if fit is not None and known is not None:
        shown, around = (_on_device(each, field.device) for each in known)
        start = latent.to(field.device)
        # One shape's steps are too small to be shared: cores would wait for each other.
        with on_one_core():
            latent = fit_latents(decoder, start, shown, around, fit, generator, advance)
    if not latent.isfinite().all():
        raise NonFiniteError("the encoder")
    found: Tensor = latent[0].float().cpu()
    return found


def _advance(report: OnFraction, fit: FitSpec | None, check: Check) -> Check:
    """Return what is called before each step of the fitting."""
    num_done = 0

    def advance() -> None:
        nonlocal num_done
        check()
        if fit is not None:
            report("Fitting the shape", _READ + (1.0 - _READ) * num_done / fit.num_steps)
        num_done += 1

    return advance


def _on_device(known: Known, device: torch.device) -> KnownPoints:
    return KnownPoints(*(torch.from_numpy(part)[None].to(device) for part in known))


def _in_field(surface: Surface, spec: CloudEncoderSpec) -> Surface:
    """Return a surface anywhere as the encoder's field shows it, in [-1, 1]^3."""
    inside, _ = boxed(surface)
    return replace(inside, vertices=inside.vertices * np.float32(spec.half_extent))


def read_points(
    surface: Surface, spec: CloudEncoderSpec, *, seed: int, check: Check = ignore
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return points of a surface anywhere and their sRGB, as an encoder of clouds was trained.

    The same numbers for the same seed; each [N, 3].

    Raises:
        ValueError: the surface has no faces, or no size.
    """
    inside, _ = boxed(surface)
    cloud = sample_cloud(inside, num_points=spec.num_points, seed=seed, check=check)
    return cloud.points * np.float32(spec.half_extent), cloud.colors


def view_tensors(views: Views, device: torch.device | str = "cpu") -> ViewTensors:
    """Return views as the encoder reads them: colours over black."""
    rgba = views.rgba.astype(np.float32) / 255
    rgba[..., :3] *= rgba[..., 3:]
    # Shrunk pictures are pictures of whole levels.
    rgba[..., :3] = np.rint(rgba[..., :3] * 255) / 255
    arrays = (rgba, views.depth, views.cameras.origins, views.cameras.axes)
    color, depth, origins, axes = (torch.from_numpy(each).to(device) for each in arrays)
    return ViewTensors(rgba=color, depth=depth, origins=origins, axes=axes, fov=views.cameras.fov)
