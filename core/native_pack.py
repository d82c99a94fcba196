# SPDX-License-Identifier: GPL-3.0-or-later
"""A pack in our own layout in memory; the starter pack is one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from .checkpoint.adapters import change_prior, prior_file
from .checkpoint.contents import CLOUD_ENCODER
from .checkpoint.decoder_keys import decoder_key_map
from .checkpoint.key_maps import KeyMap
from .checkpoint.loader import load_module
from .checkpoint.prior_keys import prior_key_map
from .config import GenerationRequest, MeshInput, SamplerConfig
from .decoder.stf import Decoder
from .derived_pack import read_derived
from .encode import NO_ENCODER, latent_by_points
from .encoder.cloud import CloudEncoder
from .errors import PackError
from .interrupt import Check, ignore
from .models import Condition
from .native_condition import open_condition
from .pack import read_manifest
from .prior.transformer import LatentPrior


class NativePack:
    """A pack in our own layout: word encoder or CLIP, one prior in a basis, decoder."""

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
        self._device = device
        self._condition = open_condition(manifest, folder, device, check)
        self._prior = load_module(
            lambda: LatentPrior(manifest.prior),
            prior_file(folder / "prior.safetensors", change),
            partial(prior_key_map, manifest.prior),
            dtype=dtype,
            device=device,
            check=check,
        )
        change_prior(self._prior, change, check)
        if device.type == "cpu":
            self._prior.lay_out_for_few_tokens()
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
                device=self._device,
                check=check,
            )
        return self._encoder

    def condition(self, request: GenerationRequest, check: Check = ignore) -> Condition:
        """Encode what the request says; see `NativeCondition.condition`."""
        return self._condition.condition(request)
