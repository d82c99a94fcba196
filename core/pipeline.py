# SPDX-License-Identifier: GPL-3.0-or-later
"""The composition root: a request and a pack in, finished variants out.

Blocking; runs on any thread. The pack that was used last stays in memory until `release`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from .checkpoint.pack_layout import read_layout
from .config import GenerationRequest, KnownLatent, Likeness, SamplerConfig, SurfaceConfig
from .device import limit_threads, translate_memory_errors
from .errors import DeviceMemoryError, InvalidRequestError, NonFiniteError
from .footing import first_footing
from .latents import Kept, LatentSource, Read, Sampled, require_shape
from .memory_ladder import Footing, forget, step_down
from .mesh import GenerationRecord, GenerationResult
from .models import PackModels
from .pack import read_manifest
from .preview import OnPreview
from .published_pack import IMAGE_SAMPLER, TEXT_SAMPLER
from .resident import ResidentPack
from .run_progress import OnProgress, Progress
from .variants import REQUIRED_BYTES, Tools, Variants
from .version import VERSION

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackDescription:
    """What a pack can do; known without loading weights."""

    has_text: bool
    has_image: bool
    reads_meshes: bool
    """Whether it has an encoder, so that meshes can be rebuilt."""
    sampler: SamplerConfig
    """Defaults for prompts."""
    image_sampler: SamplerConfig | None
    """Defaults for pictures, if the pack takes them."""
    known_kinds: tuple[str, ...]
    """Words for the objects that a closed vocabulary knows; empty for open vocabularies."""
    sees_grounds: bool = False
    """Whether its image model has learnt to look past floors; see `core.reference.prepare`."""


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
            has_image=manifest.clip is not None,
            reads_meshes=layout.reads_meshes,
            sampler=manifest.sampler,
            image_sampler=None if manifest.clip is None else manifest.sampler,
            known_kinds=kinds,
            sees_grounds=manifest.clip is not None,
        )
    has_image = layout.image_prior is not None and layout.image_encoder is not None
    return PackDescription(
        has_text=layout.text_prior is not None and layout.text_encoder is not None,
        has_image=has_image,
        reads_meshes=layout.reads_meshes,
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
        GenerationError: see `core.errors`; variants yielded before stay valid. Running out of
            memory is one only when `memory_ladder` has nothing left to try.
    """
    limit_threads(request.reserved_cores)
    job = _Job(request, pack_dir, on_progress, cancel, pack_hash, on_preview)
    first = first_footing(request, pack_dir)
    job.note(first.note)
    yield from job.run(first.footing)


def encode_mesh(
    request: GenerationRequest,
    pack_dir: Path,
    *,
    on_progress: OnProgress,
    cancel: threading.Event,
) -> KnownLatent:
    """Return what the encoder of a pack finds for the mesh of a request, and make nothing of it.

    Arguments are those of `generate`.

    Raises:
        PackError: the pack has no encoder.
        GenerationError: see `core.errors`.
    """
    if request.mesh is None:
        raise InvalidRequestError("there is no mesh to encode: give one")
    limit_threads(request.reserved_cores)
    job = _Job(request, pack_dir, on_progress, cancel, "", None)
    return job.encode(first_footing(request, pack_dir).footing)


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
    precision: str,
) -> GenerationRecord:
    """Return how to make a variant again; the sampler is left out where nothing was sampled."""
    return GenerationRecord(
        prompt=request.prompt,
        image_source=request.image.source if request.image else "",
        seed=request.seed + index,
        pack=request.pack,
        pack_hash=pack_hash,
        settings=(asdict(sampler) if request.is_sampled else {})
        | {
            "resolution": request.resolution,
            "texture_size": request.texture_size,
            "target_size": request.target_size,
            "device": device.type,
            # As used, which for a native pack on a CPU is always fp32.
            "precision": precision,
        }
        | _surface_settings(request.surface)
        | _likeness_settings(request.like)
        | ({"mesh_source": request.mesh_source} if request.mesh_source else {}),
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
    strengths: dict[str, str | int | float] = {"like_strengths": " ".join(map(str, like.strengths))}
    # A known latent has no seeds; it is kept on the object.
    return strengths | ({"like_seeds": " ".join(map(str, like.seeds))} if like.seeds else {})


class _Job:
    """A request that is tried until it is done, on less and less if need be."""

    def __init__(
        self,
        request: GenerationRequest,
        pack_dir: Path,
        on_progress: OnProgress,
        cancel: threading.Event,
        pack_hash: str,
        on_preview: OnPreview | None,
    ) -> None:
        self._request = request
        self._pack_dir = pack_dir
        self._on_progress = on_progress
        self._pack_hash = pack_hash
        self._on_preview = on_preview
        self._progress = Progress(request.count, on_progress, cancel)
        self._notes: list[str] = []

    def note(self, text: str) -> None:
        """Say something with every result from now on, unless it is empty."""
        self._notes += [text] if text else []

    def run(self, footing: Footing) -> Iterator[GenerationResult]:
        """Yield the variants."""
        while self._progress.num_finished < self._request.count:
            try:
                yield from self._attempt(footing)
            except (DeviceMemoryError, NonFiniteError) as error:
                footing = self._stepped_down(footing, error)

    def encode(self, footing: Footing) -> KnownLatent:
        """Return the latent of the request's mesh."""
        while True:
            self._progress.failed = "load"
            try:
                with translate_memory_errors(footing.device, required_bytes=REQUIRED_BYTES):
                    tools = self._prepare(footing)
                    (latent,) = Variants(tools, self._progress).latents()
                return KnownLatent(values=latent, source=self._request.mesh_source)
            except (DeviceMemoryError, NonFiniteError) as error:
                footing = self._stepped_down(footing, error)

    def _stepped_down(self, footing: Footing, error: DeviceMemoryError | NonFiniteError) -> Footing:
        step = step_down(footing, error, self._progress.failed)
        if step is None:
            forget(error)
            raise error
        logger.warning("%s (at %s)", step.note, self._progress.failed)
        self.note(step.note)
        if isinstance(error, NonFiniteError):
            self._progress.latents.clear()
        forget(error)
        return step.footing

    def _attempt(self, footing: Footing) -> Iterator[GenerationResult]:
        self._progress.failed = "load"
        with translate_memory_errors(footing.device, required_bytes=REQUIRED_BYTES):
            tools = self._prepare(footing)
        yield from Variants(tools, self._progress).results()

    def _prepare(self, footing: Footing) -> Tools:
        """Load what is needed; what is needed only once is gone before the rest comes."""
        check, clock = self._progress.check, self._progress.clock(self._progress.num_finished)
        self._progress.report("Loading the model pack", 0, 0.0, is_of_all=True)
        with clock.stage("load"):
            models = _resident.open(self._pack_dir, footing, check)
        check()
        source = self._source(models, footing)
        sampler = models.sampler(self._request)
        return Tools(
            request=self._request,
            models=models,
            source=source,
            footing=footing,
            record_of=lambda index: _record(
                self._request, sampler, index, self._pack_hash, footing.device, source.precision
            ),
            on_preview=self._on_preview,
            notes=tuple(self._notes),
        )

    def _source(self, models: PackModels, footing: Footing) -> LatentSource:
        request, check = self._request, self._progress.check
        if request.mesh is not None:
            # An encoder may be as large as a decoder, which comes when it is gone.
            return Read(request.mesh, request.seed, models)
        if request.latent is not None:
            decoder = models.load_decoder(check)
            return Kept(request.latent, decoder.spec, request.pack)
        return self._sampling(models, footing)

    def _sampling(self, models: PackModels, footing: Footing) -> Sampled:
        request, check = self._request, self._progress.check
        clock = self._progress.clock(self._progress.num_finished)
        self._progress.report("Reading the prompt", 0, 0.0, is_of_all=True)
        with clock.stage("condition"):
            condition = models.condition(request, check)
        with clock.stage("load"):
            # Whichever takes more room in passing goes first: the decoder for its large tensors,
            # an int8 prior for the copy that it is made from.
            if footing.dtype != torch.int8:
                models.load_decoder(check)
            prior = models.prior(request, check)
            decoder = models.load_decoder(check)
        if request.like is not None and request.like.latent is not None:
            require_shape(request.like.latent, decoder.spec, request.pack)
        runner = _resident.runner(prior)
        return Sampled(request, models.sampler(request), prior, runner, condition)


_resident = ResidentPack()
