# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with the packs on disk; each message is one sentence for the user.

WeightsError
├── UnknownPackError      no such pack, or the pack has no such part
├── WeightsMissingError   files of the pack are not on this machine
├── WeightsDamagedError   a file is there, but its content is not the published one
├── DownloadError         the hub could not be reached or did not deliver
│   └── OfflineError      online access is switched off
├── ImportFolderError     the folder to import from holds nothing that can be used
├── DiskSpaceError        too little free space
├── PackFolderError       the packs folder cannot be read or written
│   └── PackBusyError     another Maquette is changing the same pack
└── FetchCancelledError   the caller asked to stop

The tree stands apart from `core.errors` because this side must not import core.
"""

from __future__ import annotations

from pathlib import Path


class WeightsError(Exception):
    """Base of every error that the user can do something about."""


class UnknownPackError(WeightsError):
    """No pack, or no part of a pack, has this name."""

    def __init__(self, kind: str, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"there is no {kind} {name!r}: choose {' or '.join(known)}")
        self.name = name
        self.known = known


class WeightsMissingError(WeightsError):
    """Files of a pack are not on this machine."""

    def __init__(self, pack_id: str, missing: tuple[str, ...], advice: str) -> None:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        super().__init__(f"pack {pack_id!r} lacks {missing[0]}{more}: {advice}")
        self.pack_id = pack_id
        self.missing = missing


class WeightsDamagedError(WeightsError):
    """A file of a pack does not have the content that was published."""

    def __init__(self, pack_id: str, damaged: tuple[str, ...], reason: str, advice: str) -> None:
        super().__init__(f"pack {pack_id!r} is damaged, {reason}: {advice}")
        self.pack_id = pack_id
        self.damaged = damaged
        self.reason = reason


class DownloadError(WeightsError):
    """A file could not be fetched."""

    def __init__(self, file: str, reason: str, advice: str) -> None:
        super().__init__(f"cannot fetch {file}, {reason}: {advice}")
        self.file = file
        self.reason = reason


class OfflineError(DownloadError):
    """Online access is switched off, by Blender's preference or by the environment."""

    def __init__(self, file: str, reason: str = "online access is switched off") -> None:
        super().__init__(
            file,
            reason,
            "allow it in Blender under Preferences, System, Network, or import the files from a"
            " folder",
        )


class ImportFolderError(WeightsError):
    """A folder to import from cannot be used."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"cannot import from {folder}: {reason}")
        self.folder = folder
        self.reason = reason


class DiskSpaceError(WeightsError):
    """The disk that holds the packs folder is too full."""

    def __init__(self, folder: Path, required_bytes: int, free_bytes: int) -> None:
        super().__init__(
            f"{folder} needs at least {describe_bytes(required_bytes)} but the disk has"
            f" {describe_bytes(free_bytes)} free: make room or choose another packs folder"
        )
        self.folder = folder
        self.required_bytes = required_bytes
        self.free_bytes = free_bytes


class PackFolderError(WeightsError):
    """The packs folder, or a file in it, cannot be read or written."""

    def __init__(
        self, path: Path, reason: str, advice: str = "choose a packs folder that can be written"
    ) -> None:
        super().__init__(f"cannot use {path}, {reason}: {advice}")
        self.path = path
        self.reason = reason


class PackBusyError(PackFolderError):
    """Another process is fetching or importing the same pack."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "another Maquette is changing this pack", "wait until it is done")


class FetchCancelledError(WeightsError):
    """The caller asked to stop; what was fetched so far is kept for the next try."""

    def __init__(self) -> None:
        super().__init__("stopped as asked: what was fetched so far is kept for the next try")


def describe_bytes(count: int) -> str:
    """Write a size as people read it, decimal like a disk's label: `1.3 GB`."""
    unit, size = "bytes", float(count)
    for larger in ("kB", "MB", "GB"):
        if size < 999.95:
            break
        unit, size = larger, size / 1000
    return f"{size:.1f} {unit}" if unit != "bytes" else f"{count} bytes"
