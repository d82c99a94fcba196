# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the networks run: which device, in which precision, on how many threads, in what memory.

Nothing here falls back silently: a device that was asked for by name is used or refused, and
`auto` returns its choice for `describe_device` to name.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from .errors import (
    DeviceMemoryError,
    DeviceUnavailableError,
    InvalidRequestError,
    PrecisionUnavailableError,
)

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

_BROKEN_FP16 = re.compile(
    r"\b(GTX 16[356]0|T[456]00|T550|T1000|T1200|T2000|MX450|MX550|CMP 30HX)\b"
)
"""Turing chips without tensor cores: fp16 is no faster there and is known to produce NaN."""

_FAST_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16", "sve_bf16"}
"""Names of the instructions in torch's list and in /proc/cpuinfo; the last two are ARM's."""

_FAST_INT8_FLAGS = {"avx512_vnni", "avx_vnni", "amx_int8"}
"""Older instructions for 8-bit products saturate in between, which would falsify the results."""

_CPUINFO = Path("/proc/cpuinfo")
_MEMINFO = Path("/proc/meminfo")

_ALLOCATION_FAILURES = (
    "DefaultCPUAllocator",  # Linux, macOS and Windows, each with its own words after it.
    "MPS backend out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
)
"""How torch says out of memory in a plain RuntimeError."""

_INITIAL_THREADS = torch.get_num_threads()
"""What torch chose at start: the physical cores, or fewer if OMP_NUM_THREADS says so."""


def choose_device(name: str) -> torch.device:
    """Return the device of a name: `auto`, `cpu`, `cuda`, `cuda:N` (also ROCm) or `mps`.

    `auto` takes the first usable GPU, and the CPU where there is none.

    Raises:
        DeviceUnavailableError: this machine, or this build of torch, does not have the device.
        InvalidRequestError: the name is none of the above.
    """
    name = name.strip().lower()
    if not re.fullmatch(r"auto|cpu|mps|cuda(:[0-9]+)?", name):
        raise InvalidRequestError(f"device must be auto, cpu, cuda, cuda:N or mps, got {name!r}")
    available = available_devices()
    if name == "auto":
        return torch.device(available[0])
    if name == "cuda":
        name = next((each for each in available if each.startswith("cuda")), name)
    if name not in available:
        raise DeviceUnavailableError(name, available)
    return torch.device(name)


def available_devices() -> tuple[str, ...]:
    """Return the usable devices, best first; the last one is always `cpu`."""
    num_cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    devices = [f"cuda:{i}" for i in range(num_cuda) if _has_kernels(i)]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return (*devices, "cpu")


def describe_device(device: torch.device) -> str:
    """Name a device to the user, as in `NVIDIA RTX 4060 (CUDA, 8.0 GiB)` or `CPU, 2 threads`."""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        platform = "ROCm" if torch.version.hip else "CUDA"
        return f"{properties.name} ({platform}, {properties.total_memory / 2**30:.1f} GiB)"
    if device.type == "mps":
        return f"Apple GPU (MPS, {torch.mps.recommended_max_memory() / 2**30:.1f} GiB)"
    num_threads = torch.get_num_threads()
    return f"CPU, {num_threads} thread{'' if num_threads == 1 else 's'}"


def choose_dtype(device: torch.device, precision: str) -> torch.dtype:
    """Return what the networks compute in: `fp32`, `bf16`, `fp16` or `int8` as told, or by `auto`.

    `auto` takes half precision only where the hardware has fast instructions for it, and never
    int8, which is for published packs on a CPU and needs a package of its own.

    Raises:
        InvalidRequestError: the precision is none of these, or int8 was asked of a GPU.
        PrecisionUnavailableError: the CPU has no instructions for int8.
    """
    if precision == "int8":
        _require_int8(device)
        return torch.int8
    if precision in _DTYPES:
        return _DTYPES[precision]
    if precision != "auto":
        raise InvalidRequestError(
            f"precision must be auto, fp32, bf16, fp16 or int8, got {precision!r}"
        )
    if device.type == "cuda":
        return _cuda_dtype(device)
    if device.type == "mps":
        return torch.float16
    return torch.bfloat16 if _cpu_has_fast_bf16() else torch.float32


def choose_color_dtype(device: torch.device, precision: str) -> torch.dtype:
    """Return what a field's colours are computed in, where asked for a precision as above.

    bf16 on CPUs that are fast at it, since most of the time of a texture goes there: it moves
    colours by a fifth of one of 255 steps on average, by five at sharp edges. Elsewhere fp32.
    """
    is_exact = precision == "fp32" or device.type != "cpu" or not _cpu_has_fast_bf16()
    return torch.float32 if is_exact else torch.bfloat16


def limit_threads(reserved: int) -> int:
    """Leave so many physical cores to the rest of the program; return the threads in use."""
    num_threads = max(1, _num_cores() - reserved)
    torch.set_num_threads(num_threads)
    return num_threads


def available_memory_bytes(device: torch.device) -> int | None:
    """Return the memory that can still be taken, or None where the system does not tell.

    Unified memory (MPS) and main memory are shared with all other programs.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    if sys.platform == "win32":
        return _windows_available_bytes()
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB$", _MEMINFO.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def release_cached_memory() -> None:
    """Give memory that was freed back to the device and to the system, which allocators keep."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # Only glibc has it.
        if trim is not None:
            trim(0)


@contextmanager
def translate_memory_errors(device: torch.device, required_bytes: int) -> Iterator[None]:
    """Turn what torch and numpy raise when memory runs out into DeviceMemoryError."""
    try:
        yield
    except (MemoryError, torch.cuda.OutOfMemoryError) as error:
        raise DeviceMemoryError(str(device), required_bytes=required_bytes) from error
    except RuntimeError as error:
        if not any(words in str(error) for words in _ALLOCATION_FAILURES):
            raise
        raise DeviceMemoryError(str(device), required_bytes=required_bytes) from error


def _has_kernels(index: int) -> bool:
    """Return whether this build of torch was compiled for a GPU; old ones are left out of it."""
    if torch.version.hip:
        return True
    targets = re.findall(r"(sm|compute)_(\d+)", " ".join(torch.cuda.get_arch_list()))
    major, minor = torch.cuda.get_device_capability(index)
    for kind, digits in targets:
        target = divmod(int(digits), 10)
        # Binaries run on later minor versions, portable code on anything later.
        if target <= (major, minor) and (kind == "compute" or target[0] == major):
            return True
    return not targets


def _cuda_dtype(device: torch.device) -> torch.dtype:
    capability = torch.cuda.get_device_capability(device)
    # ROCm has version numbers of its own (gfx1030 is 10.3) and offers bf16 on all its GPUs.
    if torch.version.hip or capability >= (8, 0):
        return torch.bfloat16
    is_slow = capability < (7, 0)  # Pascal runs fp16 at a fraction of its fp32 rate.
    if is_slow or _BROKEN_FP16.search(torch.cuda.get_device_name(device)):
        return torch.float32
    return torch.float16


def _require_int8(device: torch.device) -> None:
    if device.type != "cpu":
        raise InvalidRequestError(f"precision int8 is for the CPU alone, got device {device}")
    if not _cpu_flags() & _FAST_INT8_FLAGS:
        raise PrecisionUnavailableError("int8", missing="a CPU with VNNI")


def _cpu_has_fast_bf16() -> bool:
    """Return whether the CPU multiplies bf16 matrices itself; else bf16 is slower than fp32."""
    # Without oneDNN, as on macOS, torch does not use the instructions.
    has_onednn = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
    return has_onednn and bool(_cpu_flags() & _FAST_BF16_FLAGS)


def cpu_has_amx() -> bool:
    """Return whether the CPU multiplies whole tiles of bf16 at once."""
    return "amx_bf16" in _cpu_flags()


def _cpu_flags() -> set[str]:
    if hasattr(torch.cpu, "get_capabilities"):
        return {name for name, value in torch.cpu.get_capabilities().items() if value is True}
    try:
        lines = _CPUINFO.read_text().splitlines()
    except OSError:
        return set()
    listed = [line.partition(":")[2] for line in lines if line.startswith(("flags", "Features"))]
    return set(listed[0].split()) if listed else set()


def _num_cores() -> int:
    """Return the physical cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return min(_INITIAL_THREADS, len(os.sched_getaffinity(0)))
    return _INITIAL_THREADS


def _windows_available_bytes() -> int | None:
    if sys.platform != "win32":
        return None
    # MEMORYSTATUSEX: two 32-bit fields, then 64-bit ones of which the second is what is free.
    status = (ctypes.c_uint64 * 8)(64)
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None
    return int(status[2])
