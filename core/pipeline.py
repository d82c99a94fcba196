# SPDX-License-Identifier: GPL-3.0-or-later
"""The composition root: a request and a pack in, finished variants out.

Blocking; runs on any thread. The pack that was used last stays in memory until `release`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from .checkpoint.pack_layout import read_layout
from .config import GenerationRequest, Likeness, SamplerConfig, SurfaceConfig
from .device import (
    choose_device,
    choose_dtype,
    limit_threads,
    release_cached_memory,
    translate_memory_errors,
)
from .errors import CancelledError
from .interrupt import Check, checked_blocks
from .mesh import GenerationRecord, GenerationResult
from .meshing import mesh_from_field
from .models import IMAGE_SAMPLER, TEXT_SAMPLER, Condition, PackModels, open_pack
from .naming import object_name
from .pack import read_manifest
from .preview import OnPreview, Pace, Previewer
from .prior.transformer import LatentPrior
from .sampling import latent_of, sample_latent
from .thumbnail import render_thumbnail
from .version import VERSION

logger = logging.getLogger(__name__)

OnProgress = Callable[[str, float], None]
"""Called with the stage in words and the fraction of the whole request done, in [0, 1]."""

_PRECISION_NAMES = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}

_REQUIRED_BYTES = 2 * 2**30
"""What a generation needs at most beside the pack, for the out-of-memory message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackDescription:
    """What a pack can do; known without loading weights."""

    has_text: bool
    has_image: bool
    sampler: SamplerConfig
    """Defaults for prompts."""
    image_sampler: SamplerConfig | None
    """Defaults for pictures, if the pack takes them."""
    known_kinds: tuple[str, ...]
    """Words for the objects that a closed vocabulary knows; empty for open vocabularies."""


def describe_pack(pack_dir: Path) -> PackDescription:
    """Look at a pack folder.

    Raises:
        PackError: there is no model in the folder.
        CheckpointError: a description in the folder is damaged.
    """
    layout = read_layout(pack_dir)
    if layout.kind == "native":
        manifest = read_manifest(pack_dir)
        kinds = tuple(word for word, role in manifest.words.items() if role == "kind")
        return PackDescription(
            has_text=True,
            has_image=False,
            sampler=manifest.sampler,
            image_sampler=None,
            known_kinds=kinds,
        )
    has_image = layout.image_prior is not None and layout.image_encoder is not None
    return PackDescription(
        has_text=layout.text_prior is not None and layout.text_encoder is not None,
        has_image=has_image,
        sampler=TEXT_SAMPLER,
        image_sampler=IMAGE_SAMPLER if has_image else None,
        known_kinds=(),
    )


def generate(
    request: GenerationRequest,
    pack_dir: Path,
    *,
    on_progress: OnProgress,
    cancel: threading.Event,
    pack_hash: str = "",
    on_preview: OnPreview | None = None,
) -> Iterator[GenerationResult]:
    """Make every variant that a request asks for, one after the other.

    Args:
        request: what to make.
        pack_dir: folder of the pack that the request names.
        on_progress: told about each stage.
        cancel: set it to stop; tested before each tensor that is loaded, each block of a network,
            each chunk of points and each round of the unwrapping.
        pack_hash: of the pack's files, for the record on the result.
        on_preview: shown how each variant looks so far; the results are the same without it.

    Yields:
        Each variant as soon as it is finished.

    Raises:
        GenerationError: see `core.errors`; variants yielded before stay valid.
    """

    def check() -> None:
        _raise_if_set(cancel)

    limit_threads(request.reserved_cores)
    device = choose_device(request.device)
    dtype = choose_dtype(device, request.precision)
    on_progress("Loading the model pack", 0.0)
    with translate_memory_errors(device, required_bytes=_REQUIRED_BYTES):
        clock = _Clock()
        with clock.stage("load"):
            models = _resident.open(pack_dir, device, dtype, check)
            prior = models.prior(request, check)
        check()
        on_progress("Reading the prompt", 0.0)
        with clock.stage("condition"):
            condition = models.condition(request, check)
        with clock.stage("sample"), checked_blocks(prior, check):
            earlier = _earlier_latent(request, models, prior, condition, on_progress, cancel)
        for index in range(request.count):
            variant = _Variant(
                request, models, prior, condition, earlier, index, on_progress, cancel
            )
            record = _record(request, models.sampler(request), index, pack_hash, device, prior)
            yield variant.run(clock, record, on_preview)
            clock = _Clock()


def has_models() -> bool:
    """Tell whether a pack is kept in memory; returns at once."""
    return _resident.is_open


def release() -> None:
    """Forget the pack that is kept in memory, and give cached device memory back."""
    _resident.close()


def _record(
    request: GenerationRequest,
    sampler: SamplerConfig,
    index: int,
    pack_hash: str,
    device: torch.device,
    prior: LatentPrior,
) -> GenerationRecord:
    return GenerationRecord(
        prompt=request.prompt,
        image_source=request.image.source if request.image else "",
        seed=request.seed + index,
        pack=request.pack,
        pack_hash=pack_hash,
        settings=asdict(sampler)
        | {
            "resolution": request.resolution,
            "texture_size": request.texture_size,
            "target_size": request.target_size,
            "device": device.type,
            # As used, which for a native pack on a CPU is always fp32.
            "precision": _PRECISION_NAMES[prior.latent_in.weight.dtype],
        }
        | _surface_settings(request.surface)
        | _likeness_settings(request.like),
        version=VERSION,
    )


def _surface_settings(surface: SurfaceConfig) -> dict[str, str | int | float]:
    settings = asdict(surface)
    if surface.speck_share is None:
        del settings["speck_share"]  # The pack's own, which its hash stands for.
    return settings


def _likeness_settings(like: Likeness | None) -> dict[str, str | int | float]:
    if like is None:
        return {}
    return {
        "like_seeds": " ".join(map(str, like.seeds)),
        "like_strengths": " ".join(map(str, like.strengths)),
    }


class _Variant:
    """One pass from noise to mesh."""

    def __init__(
        self,
        request: GenerationRequest,
        models: PackModels,
        prior: LatentPrior,
        condition: Condition,
        earlier: Tensor | None,
        index: int,
        on_progress: OnProgress,
        cancel: threading.Event,
    ) -> None:
        self._request = request
        self._models = models
        self._prior = prior
        self._condition = condition
        self._earlier = earlier
        self._index = index
        self._on_progress = on_progress
        self._cancel = cancel

    @torch.inference_mode()
    def run(
        self, clock: _Clock, record: GenerationRecord, on_preview: OnPreview | None
    ) -> GenerationResult:
        asked = self._request
        name = object_name(asked.name or asked.prompt or Path(record.image_source).stem)
        previewer = self._previewer(name, record, on_preview) if on_preview else None
        with clock.stage("sample"), checked_blocks(self._prior, self._check):
            latent = sample_latent(
                self._prior,
                self._condition.tokens,
                self._models.sampler(self._request),
                record.seed,
                on_step=lambda done, total: self._report("Sampling", 0.7 * done / total),
                on_estimate=previewer.after_step if previewer else None,
                earlier=self._earlier,
                strength=self._request.like.strengths[-1] if self._request.like else 1.0,
            )
        with clock.stage("field"):
            field = self._models.decoder.field(latent)
        mesh, notes = mesh_from_field(
            field,
            self._request,
            min_component_share=self._models.min_component_share,
            device=self._condition.tokens.device,
            stage=clock.stage,
            check=self._check,
            report=lambda stage, fraction: self._report(stage, 0.7 + 0.3 * fraction),
        )
        self._check()
        with clock.stage("thumbnail"):
            thumbnail = render_thumbnail(mesh)
        return GenerationResult(
            name=name,
            mesh=mesh,
            record=record,
            stage_seconds=clock.seconds,
            warnings=(*self._condition.warnings, *notes),
            thumbnail=thumbnail,
        )

    def _previewer(self, name: str, record: GenerationRecord, on_preview: OnPreview) -> Previewer:
        return Previewer(
            index=self._index,
            name=name,
            record=record,
            min_component_share=self._models.min_component_share,
            device=self._condition.tokens.device,
            decode=self._models.decoder.field,
            check=self._check,
            on_preview=on_preview,
            pace=Pace(),
        )

    def _check(self) -> None:
        _raise_if_set(self._cancel)

    def _report(self, stage: str, fraction: float) -> None:
        self._check()
        count = self._request.count
        label = stage if count == 1 else f"{stage} ({self._index + 1} of {count})"
        self._on_progress(label, (self._index + fraction) / count)


@torch.inference_mode()
def _earlier_latent(
    request: GenerationRequest,
    models: PackModels,
    prior: LatentPrior,
    condition: Condition,
    on_progress: OnProgress,
    cancel: threading.Event,
) -> Tensor | None:
    """Return the latent that the results should be like, [L, C], if there is one."""
    if request.like is None:
        return None
    on_progress("Recalling the earlier result", 0.0)
    return latent_of(
        prior,
        condition.tokens,
        models.sampler(request),
        request.like,
        on_step=lambda done, total: _raise_if_set(cancel),
    )


class _Resident:
    """The one pack that is kept in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: tuple[Path, torch.device, torch.dtype] | None = None
        self._models: PackModels | None = None

    @property
    def is_open(self) -> bool:
        return self._models is not None

    def open(
        self, pack_dir: Path, device: torch.device, dtype: torch.dtype, check: Check
    ) -> PackModels:
        with self._lock:
            key = (pack_dir.resolve(), device, dtype)
            if self._models is None or self._key != key:
                # The old pack goes first, so that two never share the memory.
                self._models = None
                self._models = open_pack(pack_dir, device, dtype, check)
                self._key = key
            return self._models

    def close(self) -> None:
        with self._lock:
            self._models = None
        release_cached_memory()


_resident = _Resident()


class _Clock:
    """Wall seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def _raise_if_set(cancel: threading.Event) -> None:
    if cancel.is_set():
        raise CancelledError
