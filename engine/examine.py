# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about this installation and this machine, for a bug report."""

from __future__ import annotations

import importlib
import platform
import sys
from dataclasses import dataclass
from importlib import metadata

from ..core.version import VERSION
from . import memory

LOADED = ("torch", "numpy", "bpy")
"""Packages that are tried, since their libraries may be missing from the system."""
LISTED = (
    "open_clip_torch",
    "safetensors",
    "huggingface_hub",
    "pillow",
    "fast-simplification",
    "openvino",
)
"""Packages of which only the version is read: open_clip alone takes seconds to load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device that torch can use."""

    name: str
    description: str
    free_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compute:
    """What a generation would run on."""

    devices: tuple[Device, ...]
    chosen: str
    dtype: str
    reason: str
    num_threads: int
    int8: str = "none"
    """What 8-bit integers run on, or what they lack."""

    def to_json(self) -> dict[str, object]:
        """Return everything by name."""
        devices = [
            {"name": d.name, "description": d.description, "free_bytes": d.free_bytes}
            for d in self.devices
        ]
        return {
            "devices": devices,
            "chosen": self.chosen,
            "dtype": self.dtype,
            "reason": self.reason,
            "num_threads": self.num_threads,
            "int8": self.int8,
        }

    def to_rows(self) -> list[tuple[str, str]]:
        """Return everything as lines of a table."""
        rows = [
            (device.name, f"{device.description}, {_gib(device.free_bytes)} free")
            for device in self.devices
        ]
        rows.append(("memory", _gib(memory.total_bytes())))
        rows.append(("threads", str(self.num_threads)))
        rows.append(("8 bits", self.int8))
        return [*rows, ("chosen", f"{self.chosen} in {self.dtype}: {self.reason}")]


def versions(tried: tuple[str, ...] | None = None) -> dict[str, str]:
    """Return the versions of everything that takes part, or why a package does not load.

    Args:
        tried: packages that are loaded; None takes the usual ones.
    """
    found = {
        "maquette": VERSION,
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": f"{platform.platform()}, {platform.machine()}",
    }
    loaded = {name: _version_if_loadable(name) for name in (LOADED if tried is None else tried)}
    return found | loaded | {name: _version(name) for name in LISTED}


def compute() -> Compute:
    """Return the devices and which of them a generation takes by itself."""
    try:
        from ..core import device as devices
    except ImportError as error:
        reason = f"torch does not load, {_first_line(error)}"
        return Compute(devices=(), chosen="none", dtype="none", reason=reason, num_threads=0)
    import torch

    names = devices.available_devices()
    chosen = devices.choose_device("auto")
    dtype = str(devices.choose_dtype(chosen, "auto")).removeprefix("torch.")
    return Compute(
        devices=tuple(
            Device(
                name=name,
                description=devices.describe_device(torch.device(name)),
                free_bytes=devices.available_memory_bytes(torch.device(name)),
            )
            for name in names
        ),
        chosen=str(chosen),
        dtype=dtype,
        reason=_reason(chosen.type, dtype),
        num_threads=torch.get_num_threads(),
        int8=_int8(),
    )


def list_devices() -> list[tuple[str, str]]:
    """Return each usable device with its description, best first; imports torch.

    Raises:
        ImportError: torch does not load.
    """
    import torch

    from ..core import device as devices

    names = devices.available_devices()
    return [(name, devices.describe_device(torch.device(name))) for name in names]


def _reason(device: str, dtype: str) -> str:
    what, which = ("this CPU", "torch sees no GPU that it can use")
    if device != "cpu":
        what, which = ("it", "it is the first GPU")
    speed = "no fast" if dtype == "float32" else "fast"
    return f"{which}, and {what} has {speed} instructions for half precision"


def _int8() -> str:
    """Try what a published pack needs for 8-bit integers; OpenVINO is imported for it."""
    import torch

    from ..core import device as devices
    from ..core.errors import PrecisionUnavailableError

    try:
        devices.choose_dtype(torch.device("cpu"), "int8")
    except PrecisionUnavailableError as error:
        return f"not to be had: they need {error.missing}"
    found = _version_if_loadable("openvino")
    if not found[:1].isdigit():
        return f"not to be had: OpenVINO is {found}"
    if "does not load" in found:
        return f"not to be had: OpenVINO {found}"
    return f"by OpenVINO {found}, where they are asked for"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _version_if_loadable(package: str) -> str:
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as error:
        return "not installed" if error.name == package else f"lacks {error.name}"
    except (ImportError, OSError) as error:
        return f"{_version(package)}, which does not load: {_first_line(error)}"
    return _version(package)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _gib(count: int | None) -> str:
    return "unknown" if count is None else f"{count / 2**30:.1f} GiB"
