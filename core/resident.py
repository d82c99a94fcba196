# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening packs, and keeping the one that was used last in memory."""

from __future__ import annotations

import threading
from pathlib import Path

import torch

from .checkpoint.pack_layout import read_layout
from .device import release_cached_memory
from .interrupt import Check, ignore
from .memory_ladder import Footing
from .models import PackModels
from .native_pack import NativePack
from .prior.graph import GraphedPrior
from .prior.transformer import LatentPrior
from .published_pack import PublishedPack
from .sampling import Prior


def open_pack(
    folder: Path,
    device: torch.device,
    dtype: torch.dtype,
    check: Check = ignore,
    *,
    field_device: torch.device | None = None,
) -> PackModels:
    """Open the pack in a folder, whatever its layout; `check` is called before each tensor.

    Args:
        folder: of the pack.
        device: where the prior runs.
        dtype: of the prior; int8 means that OpenVINO runs it.
        check: cancellation hook.
        field_device: where the field is evaluated; None means where the prior runs.
    """
    if read_layout(folder).kind == "native":
        return NativePack(folder, device, dtype, check, field_device=field_device)
    return PublishedPack(folder, device, dtype, check=check, field_device=field_device)


class ResidentPack:
    """The one pack that is kept in memory, and the graphs recorded of its prior."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: tuple[object, ...] = ()
        self._models: PackModels | None = None
        self._graphed: GraphedPrior | None = None

    @property
    def is_open(self) -> bool:
        """Whether a pack is kept; returns at once."""
        return self._models is not None

    def open(self, pack_dir: Path, footing: Footing, check: Check) -> PackModels:
        """Return the networks of a pack, as they were kept or opened anew."""
        with self._lock:
            key: tuple[object, ...] = (
                pack_dir.resolve(),
                footing.device,
                footing.dtype,
                footing.field_device,
            )
            if footing.dtype == torch.int8:
                key = (*key, torch.get_num_threads())  # It is compiled for so many.
            if self._models is None or self._key != key:
                # The old pack goes first, so that two never share the memory.
                self._models = self._graphed = None
                release_cached_memory()
                self._models = open_pack(
                    pack_dir,
                    footing.device,
                    footing.dtype,
                    check,
                    field_device=footing.field_device,
                )
                self._key = key
            return self._models

    def runner(self, prior: LatentPrior) -> Prior:
        """Return what runs a prior quickest where it is: itself, or graphs of it on CUDA."""
        if prior.latent_in.weight.device.type != "cuda":
            return prior
        if self._graphed is None or self._graphed.prior is not prior:
            self._graphed = None
            self._graphed = GraphedPrior(prior)
        return self._graphed

    def close(self) -> None:
        """Forget the pack, and give cached device memory back."""
        with self._lock:
            self._models = self._graphed = None
        release_cached_memory()
