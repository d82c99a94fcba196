# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with the engine; each message is one sentence for the user.

EngineError
├── EngineMissingError      packages that are needed cannot be imported
├── EngineUnsupportedError  there is no such PyTorch for this computer
├── EngineOfflineError      online access is switched off
├── EngineToolError         Blender's Python, or its pip, is not there
├── EngineFolderError       the engine's folder cannot be used
├── EngineInstallError      pip gave up
├── EngineLoadError         everything was installed, but it does not load
└── EngineCancelledError    the caller asked to stop
"""

from __future__ import annotations

from pathlib import Path


class EngineError(Exception):
    """Base of every error that the user can do something about."""


class EngineMissingError(EngineError):
    """Packages that are needed cannot be imported."""

    def __init__(self, packages: tuple[str, ...]) -> None:
        super().__init__(f"Blender's Python lacks {', '.join(packages)}: set up the engine")
        self.packages = packages


class EngineUnsupportedError(EngineError):
    """There is no such PyTorch for this computer."""

    def __init__(self, variant: str, system: str, advice: str) -> None:
        super().__init__(f"there is no PyTorch for {variant} on {system}: {advice}")
        self.variant = variant
        self.system = system
        self.advice = advice


class EngineOfflineError(EngineError):
    """Online access is switched off in Blender."""

    def __init__(self) -> None:
        super().__init__(
            "online access is off: allow it in Blender under Preferences, System, Network, or"
            " install from a folder of wheels"
        )


class EngineToolError(EngineError):
    """Something that installs packages is not there."""

    def __init__(self, tool: str, advice: str) -> None:
        super().__init__(f"{tool} was not found: {advice}")
        self.tool = tool
        self.advice = advice


class EngineFolderError(EngineError):
    """The folder for the engine cannot be used."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"cannot use {folder}, {reason}: choose another engine folder")
        self.folder = folder
        self.reason = reason


class EngineInstallError(EngineError):
    """pip ended with an error."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(f"{reason}: {advice}")
        self.reason = reason
        self.advice = advice


class EngineLoadError(EngineError):
    """The packages are there, but Python cannot load them."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(f"the engine does not load, {reason}: {advice}")
        self.reason = reason
        self.advice = advice


class EngineCancelledError(EngineError):
    """The caller asked to stop; downloads that were complete are kept for the next try."""

    def __init__(self) -> None:
        super().__init__("stopped as asked: what was fetched so far is kept for the next try")
