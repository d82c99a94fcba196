# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run does when memory runs out or numbers overflow: it goes on with less, and says so.

A `Footing` is how a run stands on a machine. Each rung changes one thing of it, the cheapest
first, and only what can help the stage that failed:

variants at once -> points at once -> half precision -> the field on the CPU -> all on the CPU
"""

from __future__ import annotations

import math
import traceback
from dataclasses import dataclass, replace
from typing import Literal

import torch

from .device import choose_dtype, release_cached_memory
from .errors import DeviceMemoryError, GenerationError, NonFiniteError

Stage = Literal["load", "sample", "mesh"]
"""Where a run failed: while networks are loaded and asked about the prompt, while it samples, or
while it makes the mesh."""

CPU = torch.device("cpu")

_CHUNKS = (65536, 16384, 4096)
"""Points per query, each less than what a GPU is given at first."""

_CPU_CHUNK = 16384
"""Points per query that a CPU is given at first, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footing:
    """Where, in what precision and how much at once a run computes."""

    device: torch.device
    dtype: torch.dtype
    """Of the prior; int8 is run by OpenVINO."""
    field_device: torch.device
    """Where the field is evaluated."""
    batch: int = 1
    """Variants that are sampled at once."""
    chunk_size: int | None = None
    """Points per query of the field; None takes what suits the device."""
    must_be_exact: bool = False
    """Whether less precision is out of the question, such as after it failed."""


@dataclass(frozen=True, slots=True)
class Step:
    """A way on, and what to tell the user about it."""

    footing: Footing
    note: str


def step_down(footing: Footing, error: GenerationError, stage: Stage) -> Step | None:
    """Return how to try again after a failure, or None when there is nothing left to try.

    Args:
        footing: on which it failed.
        error: a DeviceMemoryError or a NonFiniteError; nothing can be done about others.
        stage: that failed.
    """
    if isinstance(error, NonFiniteError):
        return _in_full_precision(footing, error)
    if not isinstance(error, DeviceMemoryError):
        return None
    rungs = {
        "load": (_in_half_precision, _with_the_field_on_the_cpu, _on_the_cpu),
        "sample": (_fewer, _in_half_precision, _with_the_field_on_the_cpu, _on_the_cpu),
        "mesh": (_smaller_chunks, _with_the_field_on_the_cpu, _on_the_cpu),
    }
    for rung in rungs[stage]:
        if step := rung(footing):
            return Step(step.footing, f"{footing.device} ran out of memory: {step.note}")
    return None


def forget(error: BaseException) -> None:
    """Drop what the frames of a failure hold, such as tensors, and give the memory back."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        traceback.clear_frames(link.__traceback__)
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    release_cached_memory()


def _fewer(footing: Footing) -> Step | None:
    if footing.batch == 1:
        return None
    batch = footing.batch // 2
    at_once = "one variant" if batch == 1 else f"{batch} variants"
    return Step(replace(footing, batch=batch), f"sampled {at_once} at a time")


def _smaller_chunks(footing: Footing) -> Step | None:
    now = footing.chunk_size or (_CPU_CHUNK if footing.field_device == CPU else math.inf)
    smaller = [size for size in _CHUNKS if size < now]
    if not smaller:
        return None
    footing = replace(footing, chunk_size=smaller[0])
    return Step(footing, f"looked at {smaller[0]} points at a time")


def _in_half_precision(footing: Footing) -> Step | None:
    dtype = choose_dtype(footing.device, "auto")
    if footing.must_be_exact or footing.dtype != torch.float32 or dtype == torch.float32:
        return None
    return Step(replace(footing, dtype=dtype), "used half precision")


def _with_the_field_on_the_cpu(footing: Footing) -> Step | None:
    if footing.field_device == CPU:
        return None
    return Step(replace(footing, field_device=CPU), "made the mesh on the CPU")


def _on_the_cpu(footing: Footing) -> Step | None:
    if footing.device == CPU:
        return None
    dtype = torch.float32 if footing.must_be_exact else choose_dtype(CPU, "auto")
    # fp16 has no fast instructions on CPUs, and fp32 was somebody's wish.
    dtype = torch.float32 if footing.dtype == torch.float32 else dtype
    footing = replace(footing, device=CPU, field_device=CPU, dtype=dtype, batch=1)
    return Step(footing, "used the CPU")


def _in_full_precision(footing: Footing, error: NonFiniteError) -> Step | None:
    if footing.dtype == torch.float32:
        return None
    footing = replace(footing, dtype=torch.float32, must_be_exact=True)
    return Step(footing, f"{error.stage} went out of range: used full precision")
