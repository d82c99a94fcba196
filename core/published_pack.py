# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenAI's Shap-E in memory, from either of its published layouts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from .checkpoint.adapters import change_prior, prior_file
from .checkpoint.clip_keys import clip_key_map
from .checkpoint.decoder_keys import decoder_key_map
from .checkpoint.loader import load_module
from .checkpoint.pack_layout import PUBLISHED, Component, PublishedSpecs, read_layout
from .checkpoint.prior_keys import prior_key_map
from .conditioning.clip_image import ClipImageEncoder
from .conditioning.clip_text import ClipTextEncoder
from .config import GenerationRequest, MeshInput, SamplerConfig
from .decoder.stf import Decoder
from .device import choose_dtype, release_cached_memory
from .encode import latent_by_views, load_encoder
from .errors import PackError
from .interrupt import Check, checked_blocks, ignore
from .models import Condition
from .prior.int8 import quantize_blocks
from .prior.packed import pack_blocks
from .prior.transformer import LatentPrior
from .specs import ClipSpec, DecoderSpec, PriorSpec

S = TypeVar("S", PriorSpec, DecoderSpec, ClipSpec)


TEXT_SAMPLER = SamplerConfig(guidance_floor=0.5)
IMAGE_SAMPLER = replace(TEXT_SAMPLER, guidance_scale=3.0)
"""Published guidance: 15 for prompts, 3 for pictures. The floor is ours: see docs/decisions.md."""


class PublishedPack:
    """OpenAI's Shap-E; each network is loaded when a request first needs it.

    What is not needed all the time is not kept: the encoders are dropped when they have made a
    condition, which is remembered instead, and the projection to the weights of the field, more
    than a third of the pack, stays in main memory and in the precision of its file.
    """

    min_component_share = 0.005

    def __init__(
        self,
        folder: Path,
        device: torch.device,
        dtype: torch.dtype,
        published: PublishedSpecs = PUBLISHED,
        check: Check = ignore,
        *,
        field_device: torch.device | None = None,
    ) -> None:
        self._name = folder.name
        self._folder, self._published = folder, published
        self._layout = read_layout(folder, published)
        self._device = device
        self._field_device = field_device or device
        self._dtype = dtype
        self._priors: dict[bool, LatentPrior] = {}
        self._text_encoder: ClipTextEncoder | None = None
        self._decoder: Decoder | None = None
        self._condition: tuple[bytes, Condition] | None = None
        # Missing parts are told before anything is loaded.
        self._require(self._layout.decoder, "decoder")

    @property
    def decoder(self) -> Decoder:
        """The decoder, which is loaded if it was not yet; see `load_decoder`."""
        return self.load_decoder()

    def load_decoder(self, check: Check = ignore) -> Decoder:
        """Load the decoder, after the encoders are gone, and return it."""
        if self._decoder is None or not self._decoder.params_proj.is_usable:
            component = self._require(self._layout.decoder, "decoder")
            projection = [
                f"params_proj.matrices.{i}.weight" for i in range(component.spec.num_generated)
            ]
            # The field decides where the surface lies, so it is computed in full precision.
            self._decoder = load_module(
                lambda: Decoder(component.spec),
                component.path,
                partial(decoder_key_map, component.spec),
                keeps_half=projection,
                # In full precision it is larger than all else together, and asked once a mesh.
                leaves=projection if self._device.type == "cpu" else (),
                check=check,
            )
            self._decoder.mlp.to(self._field_device)
        return self._decoder

    def sampler(self, request: GenerationRequest) -> SamplerConfig:
        """Return the request's own sampler settings, or the published ones for its input."""
        return request.settle_sampler(TEXT_SAMPLER if request.image is None else IMAGE_SAMPLER)

    def prior(self, request: GenerationRequest, check: Check = ignore) -> LatentPrior:
        """Return the text or the image prior."""
        is_image = request.image is not None
        if is_image not in self._priors:
            component = (
                self._require(self._layout.image_prior, "image model")
                if is_image
                else self._require(self._layout.text_prior, "text model")
            )
            # Only one prior stays in memory: they are the largest part of the pack.
            self._priors = {}
            self._priors = {is_image: self._load_prior(component, is_image, check)}
        return self._priors[is_image]

    def _load_prior(
        self, component: Component[PriorSpec], is_image: bool, check: Check
    ) -> LatentPrior:
        is_int8 = self._dtype == torch.int8
        change = self._layout.changes.get("image" if is_image else "text")
        prior = load_module(
            lambda: LatentPrior(component.spec),
            prior_file(component.path, change),
            partial(prior_key_map, component.spec),
            dtype=torch.float16 if is_int8 else self._dtype,
            device=self._device,
            check=check,
        )
        change_prior(prior, change, check)
        if self._device.type != "cpu" or self._dtype not in (torch.int8, torch.bfloat16):
            return prior
        num_tokens = 1
        if is_image:
            spec = self._require(self._layout.image_encoder, "image encoder").spec
            num_tokens = (spec.image_size // spec.patch_size) ** 2
        if is_int8:
            half = choose_dtype(self._device, "auto") == torch.bfloat16
            prior = quantize_blocks(prior, num_tokens, half=half, check=check)
        else:
            prior = pack_blocks(prior, num_tokens, check=check)
        release_cached_memory()
        return prior

    def latent_of(
        self, mesh: MeshInput, *, seed: int, report: Callable[[str, float], None], check: Check
    ) -> Tensor:
        """Return the latent that OpenAI's encoder finds for a mesh, fp32, [L, C].

        The encoder is as large as a prior, so neither is in memory together with the other.

        Raises:
            MeshInputError: there is nothing to read.
            PackError: `transmitter.pt` is not there, which alone holds the encoder.
        """
        self._priors = {}
        release_cached_memory()
        encoder = load_encoder(
            self._folder, device=self._device, published=self._published, check=check
        )
        latent = latent_by_views(mesh, encoder, seed=seed, report=report, check=check)
        del encoder
        release_cached_memory()
        self.load_decoder(check)
        return latent

    def condition(self, request: GenerationRequest, check: Check = ignore) -> Condition:
        """Run CLIP on the prompt or on the picture, or recall what it said last time."""
        key = _condition_key(request)
        if self._condition is None or self._condition[0] != key:
            self._condition = None
            self._condition = key, Condition(self._encode(request, check))
            # Allocators would keep what the encoder took, beside what comes next.
            release_cached_memory()
        return self._condition[1]

    def _encode(self, request: GenerationRequest, check: Check) -> Tensor:
        if request.is_unconditional:
            width = self._require(self._layout.text_prior, "text model").spec.condition_width
            return torch.zeros(1, 1, width, device=self._device)
        if request.image is not None:
            image_encoder = self._load_image_encoder(check)
            with checked_blocks(image_encoder, check):
                return image_encoder.condition([request.image])
        text_encoder = self._text_encoder or self._load_text_encoder(check)
        if self._device.type != "cpu":
            # Main memory is not what a GPU runs out of, and loading takes longer than all else.
            self._text_encoder = text_encoder
        with checked_blocks(text_encoder, check):
            return text_encoder.condition([request.prompt]).to(self._device)

    def _load_text_encoder(self, check: Check) -> ClipTextEncoder:
        component = self._require(self._layout.text_encoder, "text encoder")
        return load_module(
            lambda: ClipTextEncoder(component.spec),
            component.path,
            partial(clip_key_map, component.spec),
            check=check,
        )

    def _load_image_encoder(self, check: Check) -> ClipImageEncoder:
        component = self._require(self._layout.image_encoder, "image encoder")
        return load_module(
            lambda: ClipImageEncoder(component.spec),
            component.path,
            partial(clip_key_map, component.spec),
            device=self._device,
            check=check,
        )

    def _require(self, component: Component[S] | None, what: str) -> Component[S]:
        if component is None:
            raise PackError(self._name, f"its {what} is not on this machine: fetch that part")
        return component


def _condition_key(request: GenerationRequest) -> bytes:
    if request.image is None:
        return b"text " + request.prompt.encode("utf-8", "surrogatepass")
    pixels = request.image.pixels
    return b"image %d " % pixels.shape[1] + sha256(pixels.tobytes()).digest()
