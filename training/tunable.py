# SPDX-License-Identifier: GPL-3.0-or-later
"""A pack opened for fine-tuning: the prior to be taught, and assets as that prior sees them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..core.asset import Asset, ColoredCloud
from ..core.checkpoint.contents import CLOUD_ENCODER
from ..core.checkpoint.key_maps import KeyMap
from ..core.checkpoint.loader import load_module
from ..core.checkpoint.pack_layout import PUBLISHED, PublishedSpecs, read_layout
from ..core.config import GenerationRequest, ReferenceImage
from ..core.decoder.stf import Decoder
from ..core.derived_pack import Part, read_derived
from ..core.encode import encode, load_encoder
from ..core.encoder.cloud import CloudEncoder
from ..core.errors import PackError, UnknownPromptError
from ..core.models import PackModels
from ..core.native_pack import NativePack
from ..core.pack import PACK_FILE, PackManifest, read_manifest
from ..core.prior.transformer import LatentPrior
from ..core.published_pack import PublishedPack
from ..core.reference import prepare_reference_image
from ..core.specs import PriorSpec
from .asset_shapes import AssetShapes, fit_shapes, load_shapes
from .assets import AssetLibrary
from .finetune_config import FinetuneConfig
from .shapes.builder import HALF_EXTENT
from .values import ConfigError

logger = logging.getLogger(__name__)

_MAX_CAPTIONS = 8


@dataclass(frozen=True, slots=True)
class PreparedAssets:
    """Assets as a prior learns from them."""

    latents: Tensor
    """Coefficients [N, K] where the pack has a basis, else latents [N, L, C]."""
    captions: Tensor | None
    """Condition tokens of captions, [N, count, T, E]."""
    pictures: Tensor | None
    """The same of views."""


class TunablePack:
    """One prior of a pack and what stands around it, frozen."""

    def __init__(
        self,
        folder: Path,
        config: FinetuneConfig,
        device: torch.device,
        published: PublishedSpecs = PUBLISHED,
    ) -> None:
        """Open a pack; the prior is loaded when it is asked for.

        Raises:
            ConfigError: the pack has no prior for the source.
        """
        derived = read_derived(folder)
        self.folder = folder
        self.base = derived.base if derived else folder
        self.is_derived = derived is not None
        self.is_native = (self.base / PACK_FILE).is_file()
        self.part: Part = "all" if self.is_native else _published_part(config)
        self._config, self._device, self._published = config, device, published
        # Weights that stay frozen need no more precision than they were published in.
        is_light = config.lora is not None and device.type == "cuda" and not self.is_native
        dtype = torch.bfloat16 if is_light else torch.float32
        self.models: PackModels = (
            NativePack(folder, device, dtype)
            if self.is_native
            else PublishedPack(folder, device, dtype, published)
        )

    @property
    def prior(self) -> LatentPrior:
        """The prior to be taught, on its device."""
        return self.models.prior(_request(is_image=self.part == "image"))

    @property
    def prior_spec(self) -> PriorSpec:
        """The prior's architecture, of which nothing is loaded."""
        layout = read_layout(self.folder, self._published)
        found = layout.image_prior if self.part == "image" else layout.text_prior
        if found is None:
            raise PackError(self.folder.name, f"its {self.part} model is not here: fetch that part")
        return found.spec

    @property
    def decoder(self) -> Decoder:
        return self.models.decoder

    @property
    def half_extent(self) -> float:
        """Half of an object's longest side in the box from -1 to 1."""
        if not self.is_native:
            return 1.0
        encoder = read_manifest(self.base).encoder
        return encoder.half_extent if encoder else HALF_EXTENT

    def prepare(self, library: AssetLibrary) -> tuple[PreparedAssets, AssetShapes]:
        """Find the latent and the conditions of every asset, which takes seconds for each.

        Raises:
            ConfigError: no caption of an asset can be read by the pack.
            GenerationError: the pack lacks the encoder, or the model for the source.
        """
        shapes = load_shapes(library, self.half_extent)
        latents = self._fit(shapes) if self.is_native else self._encode(library)
        return PreparedAssets(latents, *self.conditions(library)), shapes

    def conditions(self, library: AssetLibrary) -> tuple[Tensor | None, Tensor | None]:
        """Return tokens of captions and of views, each [N, count, T, E], of what is the source.

        Raises:
            ConfigError: no caption of an asset can be read by the pack.
            GenerationError: the pack lacks the model for the source.
        """
        source = self._config.source
        captions = None if source == "image" else self._captions(library)
        pictures = None if source == "text" else self._pictures(library)
        return captions, pictures

    def _fit(self, shapes: AssetShapes) -> Tensor:
        basis, config = self.prior.basis, self._config
        assert basis is not None
        manifest = read_manifest(self.base)
        start = torch.zeros(len(shapes), len(basis.spread))
        if manifest.encoder is not None:
            encoder = _cloud_encoder(self.base, manifest).to(self._device)
            with torch.no_grad():
                for index in range(len(shapes)):
                    rows = shapes.surface[index, : encoder.spec.num_points].float()[None]
                    latent = encoder(rows[..., :3].to(self._device), rows[..., 3:].to(self._device))
                    start[index] = basis.project(latent)[0].cpu()
        found, loss = fit_shapes(
            shapes, basis, self.decoder, start, config.fit, config.field_loss, config.seed
        )
        spread = float((found / basis.spread.cpu()).square().mean().sqrt())
        logger.info("latents of %d assets: loss %.4f, %.2f spreads", len(shapes), loss, spread)
        return found

    def _encode(self, library: AssetLibrary) -> Tensor:
        encoder = load_encoder(self.folder, device=self._device, published=self._published)
        latents = []
        for index in range(len(library)):
            rows = library.cloud(index)
            asset = Asset(ColoredCloud(rows[:, :3], rows[:, 3:]), library.views(index))
            latents.append(encode(asset, encoder, seed=self._config.seed).half().cpu())
            logger.info("encoded asset %d of %d", index + 1, len(library))
        return torch.stack(latents)

    def _captions(self, library: AssetLibrary) -> Tensor:
        def tokens(index: int) -> list[Tensor]:
            readable = []
            captions = library.captions(index)[:_MAX_CAPTIONS]
            for caption in captions:
                try:
                    readable.append(self._condition(GenerationRequest(prompt=caption)))
                except UnknownPromptError as error:
                    logger.warning("%s: %s", library.keys[index], error)
            if not readable:
                raise ConfigError(
                    f"the pack can read no caption of {library.keys[index]!r} ({captions}): give it"
                    " one with words that the pack knows, in the data set's table of captions"
                )
            return readable

        return _table([tokens(index) for index in range(len(library))])

    def _pictures(self, library: AssetLibrary) -> Tensor:
        def tokens(index: int) -> list[Tensor]:
            count = min(self._config.pictures_per_asset, len(library.cameras(index).origins))
            views = (library.picture(index, view) for view in range(count))
            images = (ReferenceImage(pixels=view, source=library.keys[index]) for view in views)
            prepared = (prepare_reference_image(image)[0] for image in images)
            return [
                self._condition(GenerationRequest(prompt="", image=image)) for image in prepared
            ]

        return _table([tokens(index) for index in range(len(library))])

    def _condition(self, request: GenerationRequest) -> Tensor:
        return self.models.condition(request).tokens[0].float().cpu().clone()


def _published_part(config: FinetuneConfig) -> Part:
    if config.source == "both":
        raise ConfigError(
            "source = 'both' needs a prior that reads captions and pictures; this pack has one for"
            " each: choose 'text' or 'image'"
        )
    return config.source


def _request(*, is_image: bool) -> GenerationRequest:
    import numpy as np

    blank = np.zeros((1, 1, 4), np.uint8)
    image = ReferenceImage(pixels=blank, source="any") if is_image else None
    return GenerationRequest(prompt="" if is_image else "any", image=image)


def _cloud_encoder(folder: Path, manifest: PackManifest) -> CloudEncoder:
    spec = manifest.encoder
    assert spec is not None
    build: Callable[[], CloudEncoder] = lambda: CloudEncoder(spec)  # noqa: E731
    keys = KeyMap(holds=CLOUD_ENCODER, entries=None)
    return load_module(build, folder / "encoder.safetensors", lambda names: keys)


def _table(rows: Sequence[Sequence[Tensor]]) -> Tensor:
    """Return tokens [T, E] by asset and variant, those of assets with fewer variants repeated."""
    count = max(len(row) for row in rows)
    return torch.stack(
        [torch.stack([row[i % len(row)] for i in range(count)]) for row in rows]
    ).half()
