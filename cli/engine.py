# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from the command line to the core: which pack, which settings, and the pipeline."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from .. import weights_fetch
from ..core.config import GenerationRequest, KnownLatent, SamplerChanges, SamplerConfig
from ..core.errors import PackError
from ..core.mesh import GenerationResult
from ..weights.state import find_pack
from .errors import MissingPackageError

if TYPE_CHECKING:
    from ..core.pipeline import PackDescription

TORCH_ADVICE = "install Maquette with pip install -e . in its folder"


class Pipeline(Protocol):
    """What the command line uses of core.pipeline."""

    def describe_pack(self, pack_dir: Path) -> PackDescription:
        """Look at a pack folder."""

    def generate(
        self,
        request: GenerationRequest,
        pack_dir: Path,
        *,
        on_progress: Callable[[str, float], None],
        cancel: threading.Event,
        pack_hash: str = "",
    ) -> Iterator[GenerationResult]:
        """Make every variant that a request asks for."""

    def encode_mesh(
        self,
        request: GenerationRequest,
        pack_dir: Path,
        *,
        on_progress: Callable[[str, float], None],
        cancel: threading.Event,
    ) -> KnownLatent:
        """Return what the encoder of a pack finds for the mesh of a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A pack that is ready, and the pipeline that runs it."""

    pipeline: Pipeline
    pack_dir: Path
    pack_hash: str
    sampler: SamplerConfig

    def run(
        self,
        requests: tuple[GenerationRequest, ...],
        *,
        on_progress: Callable[[str, float], None],
        cancel: threading.Event,
    ) -> Iterator[GenerationResult]:
        """Yield every variant of every request; progress counts over all of them."""
        for index, request in enumerate(requests):
            # A default argument, since the loop variable would be looked up later.
            def report(stage: str, fraction: float, index: int = index) -> None:
                on_progress(_label(stage, index, requests), (index + fraction) / len(requests))

            yield from self.pipeline.generate(
                replace(request, sampler=self.sampler),
                self.pack_dir,
                on_progress=report,
                cancel=cancel,
                pack_hash=self.pack_hash,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A pack that is there, for its encoder if it has one."""

    pipeline: Pipeline
    pack_dir: Path
    pack_hash: str
    reads_meshes: bool

    def encode(
        self,
        request: GenerationRequest,
        *,
        on_progress: Callable[[str, float], None],
        cancel: threading.Event,
    ) -> KnownLatent:
        """Return the latent of the mesh of a request."""
        return self.pipeline.encode_mesh(
            request, self.pack_dir, on_progress=on_progress, cancel=cancel
        )


def open_reader(pack_id: str, packs_root: Path | None) -> Reader:
    """Find a pack and look whether it reads meshes; no weights are loaded.

    Raises:
        WeightsError: the pack is not complete on this machine.
        GenerationError: its description is damaged.
        MissingPackageError: torch, or another package of core, is not installed.
    """
    root = packs_root or weights_fetch.default_packs_root()
    pack_dir = weights_fetch.pack_directory(pack_id, root, ("text",))
    pipeline = load_pipeline()
    return Reader(
        pipeline=pipeline,
        pack_dir=pack_dir,
        pack_hash=weights_fetch.pack_hash(pack_dir, "text"),
        reads_meshes=pipeline.describe_pack(pack_dir).reads_meshes,
    )


def _label(stage: str, index: int, requests: tuple[GenerationRequest, ...]) -> str:
    return stage if len(requests) == 1 else f"{index + 1}/{len(requests)} {stage}"


def open_engine(
    pack_id: str, packs_root: Path | None, changes: SamplerChanges, *, with_image: bool
) -> Engine:
    """Find a pack and settle the sampler, before any weights are loaded.

    Raises:
        PackError: the pack takes no image.
        WeightsError: the pack is not complete on this machine.
        GenerationError: its description is damaged, or a change is out of range.
        MissingPackageError: torch, or another package of core, is not installed.
    """
    part = "image" if with_image else "text"
    _require_part(pack_id, part)
    root = packs_root or weights_fetch.default_packs_root()
    pack_dir = weights_fetch.pack_directory(pack_id, root, (part,))
    pipeline = load_pipeline()
    description = pipeline.describe_pack(pack_dir)
    sampler = description.image_sampler if with_image else description.sampler
    if sampler is None:
        raise PackError(pack_id, "it has no image model")
    return Engine(
        pipeline=pipeline,
        pack_dir=pack_dir,
        pack_hash=weights_fetch.pack_hash(pack_dir, part),
        sampler=changes.apply(sampler),
    )


def _require_part(pack_id: str, part: str) -> None:
    if part in find_pack(pack_id).parts:
        return
    others = [info.id for info in weights_fetch.PACKS.values() if part in info.parts]
    raise PackError(
        pack_id,
        f"it has no {part} model, use --pack {' or '.join(others)}"
        if others
        else f"it has no {part} model",
    )


def load_pipeline() -> Pipeline:
    """Import core.pipeline, and with it torch, which takes seconds.

    Raises:
        MissingPackageError: a package of others is not installed.
    """
    try:
        from ..core import pipeline
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith(__package__.partition(".")[0]):
            raise  # A module of ours: that is a bug.
        raise MissingPackageError(error.name, TORCH_ADVICE) from error
    return pipeline
