# SPDX-License-Identifier: GPL-3.0-or-later
"""A pack in our own layout in memory; the starter pack is one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from .checkpoint.adapters import change_prior, prior_file
from .checkpoint.contents import CLOUD_ENCODER, WORD_ENCODER
from .checkpoint.decoder_keys import decoder_key_map
from .checkpoint.key_maps import KeyMap
from .checkpoint.loader import load_module
from .checkpoint.prior_keys import prior_key_map
from .conditioning.word_encoder import Vocabulary, WordEncoder
from .config import GenerationRequest, MeshInput, SamplerConfig
from .decoder.stf import Decoder
from .derived_pack import read_derived
from .encode import NO_ENCODER, latent_by_points
from .encoder.cloud import CloudEncoder
from .errors import PackError, UnknownPromptError
from .interrupt import Check, ignore
from .models import Condition
from .pack import read_manifest
from .prior.transformer import LatentPrior

_NUM_EXAMPLES = 6


class NativePack:
    """A pack in our own layout: word encoder, one prior in a basis, decoder."""

    def __init__(
        self,
        folder: Path,
        device: torch.device,
        dtype: torch.dtype,
        check: Check = ignore,
        *,
        field_device: torch.device | None = None,
    ) -> None:
        """Load everything; a native pack is small. `check` is called before each tensor.

        The field is evaluated on `field_device`, which is `device` if None.

        Raises:
            CheckpointError: a file is missing, damaged or does not fit `pack.json`.
        """
        manifest = read_manifest(folder)
        change = None
        if derived := read_derived(folder):
            folder, change = derived.base, derived.changes.get("all")
        self._manifest = manifest
        self._folder = folder
        self._encoder: CloudEncoder | None = None
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
            prior_file(folder / "prior.safetensors", change),
            partial(prior_key_map, manifest.prior),
            dtype=dtype,
            device=device,
            check=check,
        )
        change_prior(self._prior, change, check)
        # The field decides where the surface lies, so it stays in full precision.
        self.decoder = load_module(
            lambda: Decoder(manifest.decoder),
            folder / "decoder.safetensors",
            partial(decoder_key_map, manifest.decoder),
            device=field_device or device,
            check=check,
        )

    def sampler(self, request: GenerationRequest) -> SamplerConfig:
        """Return the request's own sampler settings, or the pack's."""
        return request.settle_sampler(self._manifest.sampler)

    def prior(self, request: GenerationRequest, check: Check = ignore) -> LatentPrior:
        """Return the text prior."""
        return self._prior

    def load_decoder(self, check: Check = ignore) -> Decoder:
        """Return the decoder, which is in memory."""
        return self.decoder

    def latent_of(
        self, mesh: MeshInput, *, seed: int, report: Callable[[str, float], None], check: Check
    ) -> Tensor:
        """Return the latent that the pack's encoder finds for a mesh, fp32, [L, C].

        Raises:
            MeshInputError: there is nothing to read.
            PackError: the pack has no encoder.
        """
        return latent_by_points(
            mesh,
            self._load_encoder(check),
            self._prior.basis,
            self.decoder,
            self._manifest.fit,
            seed=seed,
            report=report,
            check=check,
        )

    def _load_encoder(self, check: Check) -> CloudEncoder:
        spec = self._manifest.encoder
        if spec is None:
            raise PackError(self._manifest.id, NO_ENCODER)
        if self._encoder is None:
            # Few runs read a mesh, so it is loaded by the first one that does.
            self._encoder = load_module(
                lambda: CloudEncoder(spec),
                self._folder / "encoder.safetensors",
                lambda names: KeyMap(holds=CLOUD_ENCODER, entries=None),
                device=self._words.slots.device,
                check=check,
            )
        return self._encoder

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
        if request.is_unconditional:
            shape = self._words.spec.num_slots, self._prior.spec.condition_width
            return Condition(torch.zeros(1, *shape, device=self._words.slots.device))
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
