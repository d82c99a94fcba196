# SPDX-License-Identifier: GPL-3.0-or-later
"""What Set Up Engine would do, in full, before it does anything."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from . import loading
from .errors import EngineUnsupportedError
from .folder import EngineFolder
from .packages import INT8_MACHINES, PACKAGES, TORCH_BUILDS, Package, TorchBuild, Variant
from .tools import Pip, blender_python, find_pip

VARIANT_NAMES: dict[Variant, str] = {
    "cpu": "the CPU",
    "cuda": "NVIDIA GPUs (CUDA)",
    "rocm": "AMD GPUs (ROCm)",
    "mps": "Apple GPUs (Metal)",
}

UNPACKED_FACTOR = 5.5
"""Bytes on disk while installing, per byte of download: the wheel, its cached copy, its content."""
UNKNOWN_SIZE = 4_000_000_000
"""Assumed where no index could be asked; the largest builds of torch have about as much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupPlan:
    """One run of pip, into one folder."""

    folder: EngineFolder
    variant: Variant
    packages: tuple[Package, ...]
    """What will be installed, in the table's order."""
    present: tuple[Package, ...]
    """What Blender's Python has already, which is therefore left alone."""
    build: TorchBuild
    index: str
    """Searched beside pip's own index; empty for none."""
    wheels: Path | None
    """A folder to install from, without any connection; None for the internet."""
    python: Path
    pip: Pip

    @property
    def requirements(self) -> tuple[str, ...]:
        """What pip is asked for."""
        return tuple(self._requirement(package) for package in self.packages)

    @property
    def arguments(self) -> tuple[str, ...]:
        """The whole command."""
        return (*self.pip.command, "install", *self._options(), *self.requirements)

    @property
    def command(self) -> str:
        """The whole command as one line, to read and to copy."""
        if sys.platform == "win32":
            return subprocess.list2cmdline(self.arguments)
        return shlex.join(self.arguments)

    @property
    def installs_torch(self) -> bool:
        """Whether torch itself is among the packages."""
        return any(package.name == "torch" for package in self.packages)

    @property
    def download_bytes(self) -> int | None:
        """Bytes that travel, None where the size of torch is not known."""
        if self.installs_torch and self.build.size is None:
            return None
        return sum(self.size_of(package) for package in self.packages)

    @property
    def disk_bytes(self) -> int:
        """What must be free while installing, generously."""
        return int((self.download_bytes or UNKNOWN_SIZE) * UNPACKED_FACTOR)

    def size_of(self, package: Package) -> int:
        """Return the bytes of one package's wheel, as far as they are known."""
        return (self.build.size or UNKNOWN_SIZE) if package.name == "torch" else package.size

    def _requirement(self, package: Package) -> str:
        # The suffix names the build; without the index, any build of the version must do.
        suffix = self.build.suffix if package.name == "torch" and self.index else ""
        return f"{package.name}=={package.version}{suffix}"

    def _options(self) -> list[str]:
        options = [
            "--no-deps",
            "--only-binary=:all:",
            "--no-compile",
            "--no-input",
            "--disable-pip-version-check",
            f"--progress-bar={self.pip.progress}",
            f"--target={self.folder.unfinished}",
        ]
        if self.wheels is not None:
            return [*options, "--no-cache-dir", "--no-index", f"--find-links={self.wheels}"]
        options.append(f"--cache-dir={self.folder.cache}")
        return [*options, f"--extra-index-url={self.index}"] if self.index else options


def make_plan(
    folder: EngineFolder,
    variant: Variant,
    *,
    index: str | None = None,
    wheels: Path | None = None,
    with_int8: bool = False,
) -> SetupPlan:
    """Plan an installation of everything that Blender's Python does not have by itself.

    Args:
        folder: where to.
        variant: which torch.
        index: where torch is searched beside pip's own index; None takes the table's.
        wheels: install from this folder instead, without any connection.
        with_int8: add what computes in 8-bit integers, where this computer has a use for it.

    Raises:
        EngineUnsupportedError: there is no such torch for this computer.
        EngineToolError: Blender's Python or pip is not there.
    """
    build = torch_build(variant)
    wanted = [package for package in PACKAGES if _is_wanted(package, variant, with_int8)]
    absent = loading.absent_without(folder, {package.module for package in wanted})
    if "torch" not in absent:
        # The libraries of another build would only take room.
        wanted = [package for package in wanted if not package.is_cuda]
    if wheels is not None or "torch" not in absent:
        index = ""
    python = blender_python()
    return SetupPlan(
        folder=folder,
        variant=variant,
        packages=tuple(p for p in wanted if p.module in absent or p.is_cuda),
        present=tuple(p for p in wanted if p.module not in absent and not p.is_cuda),
        build=build,
        index=build.index if index is None else index,
        wheels=wheels,
        python=python,
        pip=find_pip(python, wheels),
    )


def torch_build(variant: Variant) -> TorchBuild:
    """Look up the torch of a variant for this computer.

    Raises:
        EngineUnsupportedError: there is none.
    """
    if (build := TORCH_BUILDS.get((_system(), _machine(), variant))) is not None:
        return build
    others = [VARIANT_NAMES[other] for other in variants_here()]
    advice = f"choose {' or '.join(others)}" if others else "use another computer"
    system = f"{platform.system()} on {platform.machine()}"
    raise EngineUnsupportedError(VARIANT_NAMES[variant], system, advice)


def variants_here() -> tuple[Variant, ...]:
    """Return the variants that exist for this computer, the one that always works first."""
    return tuple(v for system, machine, v in TORCH_BUILDS if (system, machine) == _here())


def suggest_variant() -> Variant:
    """Return the variant for the hardware that shows itself; reads a few file names only."""
    here = variants_here()
    if "cuda" in here and _has_nvidia_driver():
        return "cuda"
    if "rocm" in here and Path("/dev/kfd").exists():
        return "rocm"
    return here[0] if here else "cpu"


def offers_int8() -> bool:
    """Return whether this kind of computer can have fast instructions for 8-bit integers."""
    return _machine() in INT8_MACHINES


def _is_wanted(package: Package, variant: Variant, with_int8: bool) -> bool:
    if package.is_int8:
        return with_int8 and offers_int8()
    if package.is_cuda:
        return variant == "cuda" and _system() == "linux"
    return _system() in package.systems


def _here() -> tuple[str, str]:
    return _system(), _machine()


def _system() -> str:
    return sys.platform


def _machine() -> str:
    name = platform.machine().lower()
    return {"amd64": "x86_64"}.get(name, name)


def _has_nvidia_driver() -> bool:
    if sys.platform == "win32":
        root = Path(os.environ.get("SYSTEMROOT", r"C:\Windows"))
        return (root / "System32" / "nvcuda.dll").exists()
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None
