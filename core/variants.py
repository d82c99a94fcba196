# SPDX-License-Identifier: GPL-3.0-or-later
"""The variants of one request: noise to latents, several at once, then each latent to a mesh.

On a GPU the meshes of one batch are made on a second thread while the next batch is sampled; the
CPU would only share its time between the two.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from .config import GenerationRequest
from .device import choose_color_dtype, translate_memory_errors
from .errors import CancelledError
from .interrupt import checked_blocks
from .memory_ladder import Footing, Stage
from .mesh import GenerationRecord, GenerationResult
from .meshing import mesh_from_field
from .models import Condition, PackModels
from .naming import object_name
from .preview import OnPreview, Pace, Previewer
from .prior.transformer import LatentPrior
from .sampling import OnEstimates, Prior, latent_of, sample_latents
from .thumbnail import render_thumbnail

OnProgress = Callable[[str, float], None]
"""Called with the stage in words and the fraction of the whole request done, in [0, 1]."""

RecordOf = Callable[[int], GenerationRecord]
"""From the number of a variant to its record."""

REQUIRED_BYTES = 2 * 2**30
"""What a generation needs at most beside the pack, for the out-of-memory message."""

_SAMPLING = 0.7
"""Share of the bar of one variant that is over when its latent is there."""


class Clock:
    """Wall seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, share: float = 1.0) -> Iterator[None]:
        """Add the seconds of the block, or a share of them, to a stage."""
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + share * (time.perf_counter() - started)


@dataclass(slots=True)
class Progress:
    """Where a run stands, whichever thread says so; it outlives attempts that fail."""

    count: int
    on_progress: OnProgress
    cancel: threading.Event
    latents: dict[int, Tensor] = field(default_factory=dict)
    """What was sampled and is no mesh yet, on the CPU, each [L, C]."""
    clocks: dict[int, Clock] = field(default_factory=dict)
    """Seconds spent on each variant that is not finished."""
    num_finished: int = 0
    failed: Stage = "load"
    """Where the last failure was."""
    _told: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self) -> None:
        """Raise CancelledError if the run was cancelled."""
        if self.cancel.is_set():
            raise CancelledError

    def clock(self, index: int) -> Clock:
        """Return the clock of a variant."""
        return self.clocks.setdefault(index, Clock())

    def report(self, stage: str, index: int, done: float, *, is_of_all: bool = False) -> None:
        """Tell the stage of a variant, and how many variants are done; never less than before."""
        self.check()
        is_one = self.count == 1 or is_of_all
        label = stage if is_one else f"{stage} ({index + 1} of {self.count})"
        with self._lock:
            self._told = max(self._told, done / self.count)
            self.on_progress(label, self._told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What variants are made with; all of it lives as long as one attempt."""

    request: GenerationRequest
    models: PackModels
    prior: LatentPrior
    runner: Prior
    """Runs the prior."""
    condition: Condition
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
        self._earlier: Tensor | None = None

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
            clock = Clock()
            with clock.stage("sample", 1 / len(missing)), self._checked_prior():
                latents = self._sampled(group, missing).cpu()
            for index, latent in zip(missing, latents, strict=True):
                self._progress.latents[index] = latent
                seconds = self._progress.clock(index).seconds
                seconds["sample"] = seconds.get("sample", 0.0) + clock.seconds["sample"]

    def _sampled(self, group: range, missing: Sequence[int]) -> Tensor:
        tools = self._tools
        like = tools.request.like
        if like is not None and self._earlier is None:
            self._progress.report("Recalling the earlier result", 0, 0.0, is_of_all=True)
            self._earlier = latent_of(
                tools.runner,
                tools.condition.tokens,
                tools.models.sampler(tools.request),
                like,
                on_step=lambda done, total: self._check(),
            )
        return sample_latents(
            tools.runner,
            tools.condition.tokens,
            tools.models.sampler(tools.request),
            [tools.request.seed + index for index in missing],
            on_step=lambda done, total: self._progress.report(
                "Sampling", group[0], group[0] + len(group) * _SAMPLING * done / total
            ),
            on_estimates=self._preview_hook(missing),
            earlier=self._earlier,
            strength=like.strengths[-1] if like else 1.0,
        )

    @torch.inference_mode()
    def _mesh(self, index: int, group: range) -> GenerationResult:
        with self._failing_at("mesh"):
            return self._finished(index, group)

    def _finished(self, index: int, group: range) -> GenerationResult:
        tools, progress = self._tools, self._progress
        clock, record = progress.clock(index), tools.record_of(index)
        with clock.stage("field"):
            field = tools.models.decoder.field(
                progress.latents[index],
                chunk_size=tools.footing.chunk_size,
                color_dtype=choose_color_dtype(tools.footing.field_device, tools.request.precision),
            )
        # The bar of a batch: first all of its latents, then one mesh after the other.
        sampled = group[0] + _SAMPLING * len(group) + (1 - _SAMPLING) * (index - group[0])
        made = mesh_from_field(
            field,
            tools.request,
            min_component_share=tools.models.min_component_share,
            device=tools.footing.field_device,
            stage=clock.stage,
            check=self._check,
            report=lambda stage, fraction: self._report(
                stage, index, sampled + (1 - _SAMPLING) * fraction
            ),
        )
        self._check()
        with clock.stage("thumbnail"):
            thumbnail = render_thumbnail(made.mesh)
        return GenerationResult(
            name=self._name(record),
            mesh=made.mesh,
            lods=made.lods,
            collision=made.collision,
            record=record,
            stage_seconds=clock.seconds,
            warnings=(*tools.condition.warnings, *tools.notes, *made.notes),
            thumbnail=thumbnail,
        )

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
            decode=self._tools.models.decoder.field,
            check=self._check,
            on_preview=on_preview,
            pace=Pace(),
        )

    def _name(self, record: GenerationRecord) -> str:
        asked = self._tools.request
        return object_name(asked.name or asked.prompt or Path(record.image_source).stem)

    @contextmanager
    def _checked_prior(self) -> Iterator[None]:
        with checked_blocks(self._tools.prior, self._check):
            yield

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
