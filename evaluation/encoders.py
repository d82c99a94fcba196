# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways from an unseen shape to a latent of a pack: its own encoder, or the one beside us."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..core.asset import Surface
from ..core.assets_in.paint import Attribute
from ..core.checkpoint.pack_layout import read_layout
from ..core.decoder.stf import Decoder
from ..core.errors import CheckpointError
from ..core.inputs import MeshInput
from ..core.interrupt import Check
from ..core.models import PackModels
from ..core.prior.basis import LatentBasis
from ..core.specs import DecoderSpec
from ..training.config import EncoderConfig, FitConfig
from ..training.encoder import PointEncoder
from ..training.fitting import fit_coefficients
from ..training.shapes.builder import HALF_EXTENT, Shape
from ..training.shapes.field import ShapeBatch
from ..training.shapes.sampling import sample_surface
from .course import Missing
from .ground_truth import shape_surface
from .judge import MODELS_DIR

_RESOLUTION = 128


@dataclass(frozen=True, slots=True)
class Encoded:
    """A shape as a latent."""

    latent: Tensor
    """[L, C]."""
    scale: float = 1.0
    """How much larger than the shape its field shows it."""


EncodeShape = Callable[[Shape, torch.Generator], Encoded]
"""Encodes a shape; the generator draws the points that are read."""


@dataclass(frozen=True, slots=True)
class TrainedEncoder:
    """The encoder that a pack's decoder was trained with, of a pack that ships none."""

    encoder: PointEncoder
    num_points: int
    """Surface points that it reads."""
    fit: FitConfig | None = None
    """How its answer is fitted to those points, as the prior's training latents were."""


def load_stored_encoder(
    pack_hash: str, spec: DecoderSpec, folder: Path = MODELS_DIR
) -> TrainedEncoder:
    """Read `encoder.safetensors` and `encoder.json`.

    Args:
        pack_hash: of the pack that is evaluated.
        spec: of its decoder.
        folder: where the files are.

    Raises:
        CheckpointError: a file is missing, damaged, or belongs to another pack.
    """
    path = folder / "encoder.json"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        if facts["pack_hash"] != pack_hash:
            raise CheckpointError(
                path,
                f"this encoder belongs to the pack with hash {facts['pack_hash']}, not"
                f" {pack_hash}: export the encoder that was trained with this pack",
            )
        encoder = PointEncoder(EncoderConfig(**facts["config"]), spec)
        num_points = int(facts["num_points"])
        fit = FitConfig(**facts["fit"]) if facts.get("fit") else None
        path = folder / "encoder.safetensors"
        encoder.load_state_dict({name: each.float() for name, each in load_file(path).items()})
    except OSError as error:
        raise CheckpointError(
            path, f"cannot be read ({error.strerror}): export the encoder of this pack there"
        ) from error
    except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(path, f"is not an encoder of this pack ({error})") from error
    return TrainedEncoder(encoder.eval(), num_points, fit)


def open_encoder(
    pack_dir: Path,
    pack_hash: str,
    models: PackModels,
    basis: LatentBasis | None,
    check: Check,
    models_dir: Path = MODELS_DIR,
) -> EncodeShape | Missing:
    """Return how a pack encodes shapes, or why it cannot.

    Args:
        pack_dir: folder of the pack.
        pack_hash: of its files.
        models: of the pack.
        basis: of its prior, which can make no latent outside it.
        check: called between pieces of work; raises to stop.
        models_dir: where the encoder of a pack that ships none may be.
    """
    layout = read_layout(pack_dir)
    if layout.cloud_encoder is not None:
        return _own_encoder(models, layout.cloud_encoder.spec.half_extent, check)
    if layout.encoder is not None:
        return _own_encoder(models, 1.0, check)
    if basis is None:
        return Missing("it has no encoder of meshes", is_about_pack=True)
    try:
        trained = load_stored_encoder(pack_hash, models.decoder.spec, models_dir)
    except CheckpointError as error:
        return Missing(f"it has no encoder of meshes, and the one beside the judge: {error}", True)
    return _stored_encoder(trained, models.decoder, basis)


def _own_encoder(models: PackModels, half_extent: float, check: Check) -> EncodeShape:
    """Return the way that a user's meshes go.

    Args:
        models: of a pack with an encoder.
        half_extent: of an object's longest side in the box of its field.
        check: called between pieces of work; raises to stop.
    """

    def encode_shape(shape: Shape, generator: torch.Generator) -> Encoded:
        seed = int(torch.randint(2**31, (), generator=generator))
        mesh = MeshInput(surface=shape_asset(shape), source="a shape")
        latent = models.latent_of(mesh, seed=seed, report=lambda stage, done: None, check=check)
        return Encoded(latent, half_extent / HALF_EXTENT)

    return encode_shape


def shape_asset(shape: Shape) -> Surface:
    """Return a shape as what a capture of a mesh would be."""
    vertices, faces, colors = shape_surface(shape, _RESOLUTION)
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    a, b, c = vertices[faces].transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return Surface(
        vertices=vertices,
        faces=faces,
        corner_normals=np.repeat(normals[:, None], 3, axis=1).astype(np.float32),
        paints=(Attribute("color"),),
        face_paints=np.zeros(len(faces), dtype=np.int32),
        corner_colors={"color": linear.astype(np.float32)[faces]},
    )


def _stored_encoder(trained: TrainedEncoder, decoder: Decoder, basis: LatentBasis) -> EncodeShape:
    """Return the way that the prior's training latents went."""

    @torch.no_grad()
    def encode_shape(shape: Shape, generator: torch.Generator) -> Encoded:
        batch = ShapeBatch([shape])
        points, owners = sample_surface(batch, trained.num_points, generator)
        cloud = points, batch.colours[owners]
        coefficients = basis.project(trained.encoder(*cloud))
        if trained.fit is not None:
            coefficients = fit_coefficients(
                decoder, basis, coefficients, cloud, trained.fit, generator
            )
        return Encoded(basis.reconstruct(coefficients)[0])

    return encode_shape
