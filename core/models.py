# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks of one pack in memory; every pack has the same prior and decoder modules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from .checkpoint.clip_keys import clip_key_map
from .checkpoint.contents import WORD_ENCODER
from .checkpoint.decoder_keys import decoder_key_map
from .checkpoint.key_maps import KeyMap
from .checkpoint.loader import load_module
from .checkpoint.pack_layout import PUBLISHED, Component, PublishedSpecs, read_layout
from .checkpoint.prior_keys import prior_key_map
from .conditioning.clip_image import ClipImageEncoder
from .conditioning.clip_text import ClipTextEncoder
from .conditioning.word_encoder import Vocabulary, WordEncoder
from .config import GenerationRequest, SamplerConfig
from .decoder.stf import Decoder
from .errors import PackError, UnknownPromptError
from .interrupt import Check, checked_blocks, ignore
from .pack import read_manifest
from .prior.transformer import LatentPrior
from .specs import ClipSpec, DecoderSpec, PriorSpec

S = TypeVar("S", PriorSpec, DecoderSpec, ClipSpec)

_NUM_EXAMPLES = 6


@dataclass(frozen=True, slots=True)
class Condition:
    """What the prior is told, and what the user should know about it."""

    tokens: Tensor
    """[1, T, E]."""
    warnings: tuple[str, ...] = ()


class PackModels(Protocol):
    """What the pipeline asks of a pack."""

    decoder: Decoder
    min_component_share: float

    def condition(self, request: GenerationRequest, check: Check = ignore) -> Condition:
        """Encode the prompt or the picture."""
        ...

    def prior(self, request: GenerationRequest, check: Check = ignore) -> LatentPrior:
        """Return the prior that serves the request."""
        ...

    def sampler(self, request: GenerationRequest) -> SamplerConfig:
        """Return the request's own sampler settings, or the pack's."""
        ...


class NativePack:
    """A pack in our own layout: word encoder, one prior in a basis, decoder."""

    def __init__(
        self, folder: Path, device: torch.device, dtype: torch.dtype, check: Check = ignore
    ) -> None:
        """Load everything; a native pack is small. `check` is called before each tensor.

        Raises:
            CheckpointError: a file is missing, damaged or does not fit `pack.json`.
        """
        manifest = read_manifest(folder)
        self._manifest = manifest
        self.min_component_share = manifest.min_component_share
        self._vocabulary = Vocabulary(tuple(manifest.words))
        self._words = load_module(
            lambda: WordEncoder(manifest.word_encoder),
            folder / "words.safetensors",
            lambda names: KeyMap(holds=WORD_ENCODER, entries=None),
            device=device,
            check=check,
        )
        self._prior = load_module(
            lambda: LatentPrior(manifest.prior),
            folder / "prior.safetensors",
            partial(prior_key_map, manifest.prior),
            dtype=dtype,
            device=device,
            check=check,
        )
        # The field decides where the surface lies, so it stays in full precision.
        self.decoder = load_module(
            lambda: Decoder(manifest.decoder),
            folder / "decoder.safetensors",
            partial(decoder_key_map, manifest.decoder),
            device=device,
            check=check,
        )

    def sampler(self, request: GenerationRequest) -> SamplerConfig:
        """Return the request's own sampler settings, or the pack's."""
        return request.settle_sampler(self._manifest.sampler)

    def prior(self, request: GenerationRequest, check: Check = ignore) -> LatentPrior:
        """Return the text prior."""
        return self._prior

    @torch.inference_mode()
    def condition(self, request: GenerationRequest, check: Check = ignore) -> Condition:
        """Encode the prompt's known words, which takes no time.

        Raises:
            PackError: the request has a picture.
            UnknownPromptError: the prompt names no kind of object that the pack has learnt.
        """
        if request.image is not None:
            raise PackError(
                self._manifest.id,
                "it has no image model: use a prompt, or fetch the shap-e pack for pictures",
            )
        reading = self._vocabulary.read(request.prompt)
        suggestions = tuple((word, self._vocabulary.nearest(word)) for word in reading.unknown)
        if not any(self._manifest.words[word] == "kind" for word in reading.known):
            raise UnknownPromptError(self._manifest.id, suggestions, self._examples())
        indices = self._vocabulary.indices(reading.known, self._words.spec.max_words)
        device = self._words.slots.device
        tokens = self._words(torch.tensor([indices], device=device))
        return Condition(tokens, _warnings(self._manifest.id, suggestions))

    def _examples(self) -> tuple[str, ...]:
        """Return a few words for objects, spread over the alphabet."""
        # Short words are often halves of a name, such as "ice cream".
        kinds = [w for w, role in self._manifest.words.items() if role == "kind" and len(w) > 5]
        return tuple(kinds[:: max(1, len(kinds) // _NUM_EXAMPLES)][:_NUM_EXAMPLES])


def _warnings(pack: str, suggestions: tuple[tuple[str, str | None], ...]) -> tuple[str, ...]:
    return tuple(
        f"the {pack} pack does not know {word!r} and left it out"
        + (f" (the nearest word that it knows is {near!r})" if near else "")
        for word, near in suggestions
    )


TEXT_SAMPLER = SamplerConfig()
IMAGE_SAMPLER = replace(TEXT_SAMPLER, guidance_scale=3.0)
"""Published guidance: 15 for prompts, 3 for pictures."""


class PublishedPack:
    """OpenAI's Shap-E; each network is loaded when a request first needs it."""

    min_component_share = 0.005

    def __init__(
        self,
        folder: Path,
        device: torch.device,
        dtype: torch.dtype,
        published: PublishedSpecs = PUBLISHED,
        check: Check = ignore,
    ) -> None:
        self._name = folder.name
        self._layout = read_layout(folder, published)
        self._device = device
        self._dtype = dtype
        self._priors: dict[bool, LatentPrior] = {}
        self._text_encoder: ClipTextEncoder | None = None
        self._image_encoder: ClipImageEncoder | None = None
        component = self._require(self._layout.decoder, "decoder")
        # The field decides where the surface lies, so it stays in full precision.
        self.decoder = load_module(
            lambda: Decoder(component.spec),
            component.path,
            partial(decoder_key_map, component.spec),
            device=device,
            check=check,
        )

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
            self._priors = {
                is_image: load_module(
                    lambda: LatentPrior(component.spec),
                    component.path,
                    partial(prior_key_map, component.spec),
                    dtype=self._dtype,
                    device=self._device,
                    check=check,
                )
            }
        return self._priors[is_image]

    def condition(self, request: GenerationRequest, check: Check = ignore) -> Condition:
        """Run CLIP on the prompt or on the picture."""
        if request.image is not None:
            image_encoder = self._load_image_encoder(check)
            with checked_blocks(image_encoder, check):
                return Condition(image_encoder.condition([request.image]))
        text_encoder = self._load_text_encoder(check)
        with checked_blocks(text_encoder, check):
            return Condition(text_encoder.condition([request.prompt]))

    def _load_text_encoder(self, check: Check) -> ClipTextEncoder:
        if self._text_encoder is None:
            component = self._require(self._layout.text_encoder, "text encoder")
            self._text_encoder = load_module(
                lambda: ClipTextEncoder(component.spec),
                component.path,
                partial(clip_key_map, component.spec),
                device=self._device,
                check=check,
            )
        return self._text_encoder

    def _load_image_encoder(self, check: Check) -> ClipImageEncoder:
        if self._image_encoder is None:
            component = self._require(self._layout.image_encoder, "image encoder")
            self._image_encoder = load_module(
                lambda: ClipImageEncoder(component.spec),
                component.path,
                partial(clip_key_map, component.spec),
                device=self._device,
                check=check,
            )
        return self._image_encoder

    def _require(self, component: Component[S] | None, what: str) -> Component[S]:
        if component is None:
            raise PackError(self._name, f"its {what} is not on this machine: fetch that part")
        return component


def open_pack(
    folder: Path, device: torch.device, dtype: torch.dtype, check: Check = ignore
) -> PackModels:
    """Load the pack in a folder, whatever its layout; `check` is called before each tensor."""
    if read_layout(folder).kind == "native":
        # A native prior is so small that half precision would cost more than it saves.
        return NativePack(folder, device, torch.float32 if device.type == "cpu" else dtype, check)
    return PublishedPack(folder, device, dtype, check=check)
