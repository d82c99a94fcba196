# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's folder on disk.

    <engine folder>/
      cp311-linux/          packages for one Python on one system, complete
        maquette-engine.json    receipt: what was installed
      cp311-linux.part/     an installation under way
      cache/                downloads, kept until an installation is complete
      t/                    pip's temporary files; a short name, for the sake of Windows
      setup.log             of the last installation

One folder may serve several Blenders, also on a share, since each Python has a place of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from .errors import EngineFolderError

RECEIPT = "maquette-engine.json"
REMOVAL = "maquette-engine.remove"
MAX_WINDOWS_PATH = 259
LONGEST_MEMBER = 171
"""Characters of the longest path inside torch's wheel."""
STAGING = len("pip-target-12345678/lib/python/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a complete installation consists of."""

    variant: str
    packages: dict[str, str]
    """Version by name."""
    torch: str
    """What torch says that it is."""
    size: int
    """Bytes on disk."""


@dataclass(frozen=True, slots=True)
class EngineFolder:
    """Where the packages of this Python are, or will be."""

    root: Path

    @property
    def packages(self) -> Path:
        """What is appended to `sys.path`."""
        return self.root / place_of_this_python()

    @property
    def unfinished(self) -> Path:
        """Where an installation grows."""
        return self.root / f"{place_of_this_python()}.part"

    @property
    def cache(self) -> Path:
        """Downloads of an installation that was not finished."""
        return self.root / "cache"

    @property
    def temporary(self) -> Path:
        """pip's temporary files."""
        return self.root / "t"

    @property
    def log(self) -> Path:
        """What the last installation wrote."""
        return self.root / "setup.log"

    @property
    def is_installed(self) -> bool:
        """Whether a complete installation is there."""
        return (self.packages / RECEIPT).is_file()

    def receipt(self) -> Receipt | None:
        """Return what is installed, None where nothing is or the receipt cannot be read."""
        try:
            content = json.loads((self.packages / RECEIPT).read_text(encoding="utf-8"))
            return Receipt(**content)
        except (OSError, ValueError, TypeError):
            return None

    def write_receipt(self, receipt: Receipt) -> None:
        """Note in the unfinished folder what was installed there."""
        text = json.dumps(asdict(receipt), indent=1)
        (self.unfinished / RECEIPT).write_text(text, encoding="utf-8")

    def check(self) -> None:
        """See whether packages can be installed here, before anything is downloaded.

        Raises:
            EngineFolderError: they cannot.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe = self.root / "t.probe"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise EngineFolderError(self.root, (error.strerror or str(error)).lower()) from error
        if sys.platform == "win32" and not _has_long_paths():
            check_path_length(self.root)

    def require_space(self, required_bytes: int) -> None:
        """Raise EngineFolderError unless the disk has room for so much."""
        existing = next(p for p in (self.root, *self.root.parents) if p.is_dir())
        free = shutil.disk_usage(existing).free
        if free < required_bytes:
            need, there = required_bytes / 1e9, free / 1e9
            raise EngineFolderError(
                self.root, f"it needs {need:.1f} GB and the disk has {there:.1f} GB free"
            )

    def finish(self) -> None:
        """Put the unfinished installation into place, and forget the downloads."""
        remove_tree(self.packages)
        os.replace(self.unfinished, self.packages)
        remove_tree(self.cache)
        remove_tree(self.temporary)

    def remove(self) -> None:
        """Delete everything that set-up ever wrote for this Python; other files stay.

        Raises:
            EngineFolderError: something cannot be deleted.
        """
        for folder in (self.packages, self.unfinished, self.cache, self.temporary):
            remove_tree(folder)
        for file in (self.log, self.root / REMOVAL):
            file.unlink(missing_ok=True)
        # A folder with something else in it stays.
        with suppress(OSError):
            self.root.rmdir()

    def remove_later(self) -> None:
        """Note that everything is to be deleted when no Blender uses it."""
        (self.root / REMOVAL).write_bytes(b"")

    @property
    def is_to_be_removed(self) -> bool:
        """Whether `remove_later` was called."""
        return (self.root / REMOVAL).is_file()


def place_of_this_python() -> str:
    """Return the name of the folder for this Python on this system, such as cp311-linux."""
    return f"cp{sys.version_info.major}{sys.version_info.minor}-{sys.platform}"


def user_engine_root() -> Path:
    """Return the engine folder in the user's data folder; its path is short on Windows."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return base / "maquette" / "engine"


def check_path_length(root: Path) -> None:
    """Raise EngineFolderError if torch's longest path would not fit into Windows' limit."""
    limit = MAX_WINDOWS_PATH - LONGEST_MEMBER - STAGING - len("/t/")
    if len(str(root)) > limit:
        raise EngineFolderError(root, f"its path is longer than {limit} characters")


def tree_size(folder: Path) -> int:
    """Return the bytes of everything in a folder, even while it changes; takes a moment."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                size += os.lstat(os.path.join(place, name)).st_size
    return size


def remove_tree(folder: Path) -> None:
    """Delete a folder that may be absent.

    Raises:
        EngineFolderError: it cannot be deleted.
    """
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise EngineFolderError(Path(error.filename or folder), reason) from error


def _has_long_paths() -> bool:
    if sys.platform != "win32":
        return True
    import winreg

    try:
        with winreg.OpenKey(
            winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem"
        ) as key:
            return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])
    except OSError:
        return False
