# SPDX-License-Identifier: GPL-3.0-or-later
"""The variants of one request: noise to latents, several at once, then each latent to a mesh.

On a GPU the meshes of one batch are made on a second thread while the next batch is sampled; the
CPU would only share its time between the two.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .config import GenerationRequest
from .device import choose_color_dtype, translate_memory_errors
from .errors import CancelledError
from .latents import LatentSource, Round
from .memory_ladder import Footing, Stage
from .mesh import GenerationRecord, GenerationResult
from .meshing import mesh_from_field
from .models import PackModels
from .naming import object_name
from .preview import OnPreview, Pace, Previewer
from .run_progress import Clock, Progress
from .sampling import OnEstimates
from .scene import SceneMaker

RecordOf = Callable[[int], GenerationRecord]
"""From the number of a variant to its record."""

REQUIRED_BYTES = 2 * 2**30
"""What a generation needs at most beside the pack, for the out-of-memory message."""

_SAMPLING = 0.7
"""Share of the bar of one variant that is over when its latent is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What variants are made with; all of it lives as long as one attempt."""

    request: GenerationRequest
    models: PackModels
    source: LatentSource
    footing: Footing
    record_of: RecordOf
    on_preview: OnPreview | None
    notes: tuple[str, ...]
    """What had to be changed to come so far."""


class Variants:
    """One attempt at what is missing of a request."""

    def __init__(self, tools: Tools, progress: Progress) -> None:
        self._tools = tools
        self._progress = progress
        self._stop = threading.Event()

    def results(self) -> Iterator[GenerationResult]:
        """Yield each missing variant as soon as it is finished.

        Raises:
            GenerationError: `progress` says where; what was sampled by then stays there.
        """
        first, batch = self._progress.num_finished, self._tools.footing.batch
        numbers = range(first, self._tools.request.count)
        groups = [numbers[start : start + batch] for start in range(0, len(numbers), batch)]
        is_overlapped = self._tools.footing.device.type != "cpu" and len(groups) > 1
        yield from self._overlapped(groups) if is_overlapped else self._in_turn(groups)

    def latents(self) -> list[NDArray[np.float16]]:
        """Return the latents of all variants as they are kept, [L, C] each; no mesh is made."""
        numbers = range(self._tools.request.count)
        self._sample(numbers)
        return [self._progress.latents[index].half().numpy() for index in numbers]

    def _in_turn(self, groups: Sequence[range]) -> Iterator[GenerationResult]:
        for group in groups:
            self._sample(group)
            for index in group:
                yield self._delivered(index, self._mesh(index, group))

    def _overlapped(self, groups: Sequence[range]) -> Iterator[GenerationResult]:
        waiting: list[tuple[int, Future[GenerationResult]]] = []
        with ThreadPoolExecutor(1, thread_name_prefix="maquette-mesh") as thread:
            try:
                for group in groups:
                    self._sample(group)
                    yield from self._drained(waiting)
                    waiting += [(i, thread.submit(self._mesh, i, group)) for i in group]
                yield from self._drained(waiting)
            finally:
                # Whatever ended it here must not wait for meshes that nobody will get.
                self._stop.set()
                for _, future in waiting:
                    future.cancel()

    def _drained(
        self, waiting: list[tuple[int, Future[GenerationResult]]]
    ) -> Iterator[GenerationResult]:
        while waiting:
            index, future = waiting[0]
            result = future.result()
            del waiting[0]
            yield self._delivered(index, result)

    def _delivered(self, index: int, result: GenerationResult) -> GenerationResult:
        self._progress.num_finished = index + 1
        self._progress.latents.pop(index, None)
        self._progress.clocks.pop(index, None)
        return result

    @torch.inference_mode()
    def _sample(self, group: range) -> None:
        missing = [index for index in group if index not in self._progress.latents]
        if not missing:
            return
        with self._failing_at("sample"):
            clock, name = Clock(), self._tools.source.stage
            with clock.stage(name, 1 / len(missing)):
                latents = self._made(group, missing).cpu()
            for index, latent in zip(missing, latents, strict=True):
                self._progress.latents[index] = self._kept(latent)
                seconds = self._progress.clock(index).seconds
                seconds[name] = seconds.get(name, 0.0) + clock.seconds[name]

    def _kept(self, latent: Tensor) -> Tensor:
        """Return a latent as it is kept on the object, so that it gives the same mesh again."""
        return latent.half().float() if self._tools.request.mesh_source else latent

    def _made(self, group: range, missing: Sequence[int]) -> Tensor:
        asked = Round(
            indices=missing,
            report=lambda stage, fraction: self._progress.report(
                stage, group[0], group[0] + len(group) * _SAMPLING * fraction
            ),
            announce=lambda stage: self._progress.report(stage, 0, 0.0, is_of_all=True),
            check=self._check,
            on_estimates=self._preview_hook(missing),
        )
        return self._tools.source.latents(asked)

    @torch.inference_mode()
    def _mesh(self, index: int, group: range) -> GenerationResult:
        with self._failing_at("mesh"):
            return self._finished(index, group)

    def _finished(self, index: int, group: range) -> GenerationResult:
        tools, progress = self._tools, self._progress
        clock, record = progress.clock(index), tools.record_of(index)
        with clock.stage("field"):
            field = self._maker().field(
                progress.latents[index],
                chunk_size=tools.footing.chunk_size,
                color_dtype=choose_color_dtype(tools.footing.field_device, tools.request.precision),
            )
        # The bar of a batch: first all of its latents, then one mesh after the other.
        sampled = group[0] + _SAMPLING * len(group) + (1 - _SAMPLING) * (index - group[0])
        made = mesh_from_field(
            field,
            tools.request,
            # A small object beside a large one is no speck.
            min_component_share=tools.models.min_component_share * field.size_ratio,
            device=tools.footing.field_device,
            stage=clock.stage,
            check=self._check,
            report=lambda stage, fraction: self._report(
                stage, index, sampled + (1 - _SAMPLING) * fraction
            ),
            has_thumbnail=True,
        )
        self._check()
        return GenerationResult(
            name=self._name(record),
            mesh=made.mesh,
            lods=made.lods,
            collision=made.collision,
            record=record,
            stage_seconds=clock.seconds,
            warnings=(*tools.source.warnings, *tools.notes, *made.notes),
            thumbnail=made.thumbnail,
            latent=self._latent(index),
        )

    def _latent(self, index: int) -> NDArray[np.float16] | None:
        """Return what is kept of what began with a mesh, which no seed gives again."""
        if not self._tools.request.mesh_source:
            return None
        latent: NDArray[np.float16] = self._progress.latents[index].half().numpy()
        return latent

    def _preview_hook(self, indices: Sequence[int]) -> OnEstimates | None:
        tools = self._tools
        if tools.on_preview is None:
            return None
        previewers = [self._previewer(index, tools.on_preview) for index in indices]

        def show(done: int, total: int, estimates: Tensor) -> None:
            for previewer, estimate in zip(previewers, estimates, strict=True):
                previewer.after_step(done, total, estimate)

        return show

    def _previewer(self, index: int, on_preview: OnPreview) -> Previewer:
        record = self._tools.record_of(index)
        return Previewer(
            index=index,
            name=self._name(record),
            record=record,
            min_component_share=self._tools.models.min_component_share,
            device=self._tools.footing.field_device,
            decode=self._maker().field,
            check=self._check,
            on_preview=on_preview,
            pace=Pace(),
        )

    def _maker(self) -> SceneMaker:
        tools = self._tools
        return SceneMaker(
            decoder=tools.models.decoder,
            relation=tools.source.relation,
            min_component_share=tools.models.min_component_share,
            device=tools.footing.field_device,
            check=self._check,
        )

    def _name(self, record: GenerationRecord) -> str:
        asked = self._tools.request
        return object_name(
            asked.name or asked.prompt or Path(record.image_source or asked.mesh_source).stem
        )

    @contextmanager
    def _failing_at(self, stage: Stage) -> Iterator[None]:
        try:
            with translate_memory_errors(self._tools.footing.device, REQUIRED_BYTES):
                yield
        except Exception:
            self._progress.failed = stage
            raise

    def _check(self) -> None:
        self._progress.check()
        if self._stop.is_set():
            raise CancelledError

    def _report(self, stage: str, index: int, done: float) -> None:
        self._check()
        self._progress.report(stage, index, done)
