# SPDX-License-Identifier: GPL-3.0-or-later
"""A very small generation, to see whether this installation works at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..core.config import GenerationRequest, SamplerChanges
from ..weights_fetch import WeightsMissingError
from .engine import open_engine
from .errors import EXPECTED, ExitCode, exit_code

PROMPT = "a red mushroom"
RESOLUTION = 32
TEXTURE_SIZE = 128
NUM_STEPS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest:
    """How it went."""

    status: Literal["passed", "failed", "skipped"]
    message: str
    seconds: float = 0.0
    num_triangles: int = 0
    is_closed: bool = False
    exit_code: ExitCode = ExitCode.OK

    def to_json(self) -> dict[str, object]:
        """Return everything by name."""
        return asdict(self) | {"exit_code": int(self.exit_code)}


def run_self_test(
    packs_root: Path, *, on_progress: Callable[[str, float], None], cancel: threading.Event
) -> SelfTest:
    """Generate with the starter pack, if that is there."""
    started = time.perf_counter()
    request = GenerationRequest(
        prompt=PROMPT, resolution=RESOLUTION, texture_size=TEXTURE_SIZE, pack="starter"
    )
    changes = SamplerChanges(num_steps=NUM_STEPS)
    try:
        engine = open_engine("starter", packs_root, changes, with_image=False)
        (result,) = engine.run((request,), on_progress=on_progress, cancel=cancel)
    except WeightsMissingError as error:
        return SelfTest(status="skipped", message=str(error))
    except EXPECTED as error:
        return SelfTest(status="failed", message=str(error), exit_code=exit_code(error))
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
        exit_code=ExitCode.OK if is_whole else ExitCode.FAILED,
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
