# SPDX-License-Identifier: GPL-3.0-or-later
"""A very small generation, to see whether this installation works at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from .. import weights_fetch
from ..core.config import GenerationRequest, SamplerChanges
from ..core.errors import CancelledError, GenerationError
from ..core.mesh import GenerationResult
from ..weights.errors import WeightsError, WeightsMissingError

PACK = "starter"
PROMPT = "a red mushroom"
RESOLUTION = 32
TEXTURE_SIZE = 128
NUM_STEPS = 8


class Pipeline(Protocol):
    """What the self-test uses of core.pipeline."""

    def generate(
        self,
        request: GenerationRequest,
        pack_dir: Path,
        *,
        on_progress: Callable[[str, float], None],
        cancel: threading.Event,
    ) -> Iterator[GenerationResult]:
        """Make every variant that a request asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest:
    """How it went."""

    status: Literal["passed", "failed", "skipped"]
    message: str
    seconds: float = 0.0
    num_triangles: int = 0
    is_closed: bool = False
    error: Exception | None = None
    """Why it failed, where something was raised."""

    def to_json(self) -> dict[str, object]:
        """Return everything by name, less the exception."""
        return {
            "status": self.status,
            "message": self.message,
            "seconds": self.seconds,
            "num_triangles": self.num_triangles,
            "is_closed": self.is_closed,
        }


def run_self_test(
    packs_root: Path | None,
    load_pipeline: Callable[[], Pipeline],
    *,
    device: str = "auto",
    on_progress: Callable[[str, float], None],
    cancel: threading.Event,
) -> SelfTest:
    """Generate with the starter pack, if that is there.

    Args:
        packs_root: the packs folder.
        load_pipeline: returns core.pipeline, whose import takes seconds.
        device: as a request has it.
        on_progress: told about each stage.
        cancel: set it to stop.

    Raises:
        CancelledError: `cancel` was set.
        ImportError: a package that the pipeline needs is not there.
    """
    request = GenerationRequest(
        prompt=PROMPT,
        pack=PACK,
        sampler=SamplerChanges(num_steps=NUM_STEPS),
        resolution=RESOLUTION,
        texture_size=TEXTURE_SIZE,
        reserved_cores=1,
        device=device,
    )
    started = time.perf_counter()
    try:
        folder = weights_fetch.pack_directory(PACK, packs_root, ("text",))
        run = load_pipeline().generate(request, folder, on_progress=on_progress, cancel=cancel)
        (result,) = run
    except WeightsMissingError as error:
        return SelfTest(status="skipped", message=str(error))
    except CancelledError:
        raise
    except (GenerationError, WeightsError) as error:
        return SelfTest(status="failed", message=str(error), error=error)
    seconds = time.perf_counter() - started
    faces = result.mesh.faces
    is_whole = is_closed(faces)
    text = f"{PROMPT!r} in {seconds:.1f} s: {len(faces):,} triangles"
    return SelfTest(
        status="passed" if is_whole else "failed",
        message=f"{text}, {'closed' if is_whole else 'with holes'}",
        seconds=round(seconds, 3),
        num_triangles=len(faces),
        is_closed=is_whole,
    )


def is_closed(faces: NDArray[np.int32]) -> bool:
    """Tell whether every edge has exactly one face on each side.

    Args:
        faces: vertex indices of triangles, [F, 3].
    """
    if not len(faces):
        return False
    edges = np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2)
    forward, counts = np.unique(edges, axis=0, return_counts=True)
    backward = np.unique(edges[:, ::-1], axis=0)
    return bool((counts == 1).all() and np.array_equal(forward, backward))
