# SPDX-License-Identifier: GPL-3.0-or-later
"""On what a run begins: the device and the precision asked for, as far as this machine has them.

What becomes of it when memory runs out or numbers overflow is in `memory_ladder`.
"""

from __future__ import annotations

from pathlib import Path

import torch

from .checkpoint.pack_layout import read_layout
from .config import GenerationRequest
from .device import available_memory_bytes, choose_device, choose_dtype
from .errors import PrecisionUnavailableError
from .memory_ladder import Footing, Step
from .prior import int8
from .variants import REQUIRED_BYTES

_VARIANT_BYTES = 128 * 2**20
"""What another variant takes while a batch of them is sampled, about twice what it should."""

_MAX_BATCH = 16
"""A GPU is fully at work with fewer, and the first result should not wait for all of them."""


def first_footing(request: GenerationRequest, pack_dir: Path) -> Step:
    """Return the footing to begin on, and a note where it is not what was preferred.

    Raises:
        DeviceUnavailableError: this machine does not have the device.
        PrecisionUnavailableError: int8 was asked for and cannot be had.
        InvalidRequestError: int8 was asked of a GPU.
    """
    device = choose_device(request.device)
    # A native prior is so small that on a CPU less precision costs more than it saves.
    is_small = device.type == "cpu" and read_layout(pack_dir).kind == "native"
    dtype, note = (torch.float32, "") if is_small else _first_dtype(device, request.precision)
    footing = Footing(
        device=device,
        dtype=dtype,
        field_device=device,
        batch=first_batch(device, request.count),
        must_be_exact=is_small,
    )
    return Step(footing, note)


def first_batch(device: torch.device, count: int) -> int:
    """Return how many variants to sample at once; on a CPU more than one gain nothing."""
    if device.type == "cpu":
        return 1
    available = available_memory_bytes(device)
    room = count if available is None else (available - REQUIRED_BYTES) // _VARIANT_BYTES
    return min(count, _MAX_BATCH, max(1, room))


def _first_dtype(device: torch.device, precision: str) -> tuple[torch.dtype, str]:
    """Return the dtype of a precision, and a note where less than the preferred one is there."""
    if precision != "prefer_int8":
        return choose_dtype(device, precision), ""
    dtype = choose_dtype(device, "auto")
    if device.type != "cpu":
        return dtype, ""  # Half precision is what GPUs are made for.
    used = "used full precision" if dtype == torch.float32 else "used half precision"
    try:
        dtype = choose_dtype(device, "int8")
    except PrecisionUnavailableError:
        return dtype, f"8-bit numbers need a processor with VNNI: {used}"
    if int8.is_installed():
        return dtype, ""
    dtype = choose_dtype(device, "auto")
    return dtype, f"8-bit numbers need OpenVINO, which the engine can have: {used}"
