# SPDX-License-Identifier: GPL-3.0-or-later
"""A pack's folder on disk: receipts, hashes, locks, and errors of the disk in words."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from .errors import (
    DiskSpaceError,
    FetchCancelledError,
    PackBusyError,
    PackFolderError,
    WeightsDamagedError,
)
from .table import PackFile

RECEIPT_NAME = ".maquette.json"
LOCK_NAME = ".maquette.lock"
PACK_JSON = "pack.json"
CHUNK_BYTES = 1 << 20
RESERVE_BYTES = 64 << 20
"""Left free on the disk, because a full disk hurts more than an unfinished download."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What the receipt knows about a file."""

    size: int
    sha256: str
    origin: str
    """`repository@commit` or the folder it was imported from."""
    is_damaged: bool = False
    """Verification found another content than `sha256`."""


Receipt = dict[str, FileRecord]
"""By the file's path under the pack's folder."""


OnBytes: TypeAlias = Callable[[int, int, str], None]
"""Called with the bytes done, the bytes in all, and the file at work; done never goes back."""


def read_receipt(pack_dir: Path) -> Receipt:
    """Read what is known about the files; an unreadable receipt counts as none."""
    try:
        entries = json.loads((pack_dir / RECEIPT_NAME).read_text(encoding="utf-8"))["files"]
        return {path: FileRecord(**entry) for path, entry in entries.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def write_receipt(pack_dir: Path, receipt: Receipt) -> None:
    """Replace the receipt as a whole, so that no crash leaves half of one."""
    text = json.dumps(
        {"format": 1, "files": {path: asdict(record) for path, record in sorted(receipt.items())}},
        indent=1,
    )
    temporary = pack_dir / f"{RECEIPT_NAME}.part"
    with disk_errors(temporary):
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, pack_dir / RECEIPT_NAME)


def record_file(pack_dir: Path, path: str, record: FileRecord) -> None:
    """Add one file to the receipt."""
    write_receipt(pack_dir, {**read_receipt(pack_dir), path: record})


def bundled_files(pack_dir: Path) -> tuple[PackFile, ...]:
    """Read the files of a bundled pack from its own `pack.json`; none if that is missing.

    Raises:
        WeightsDamagedError: `pack.json` is not what this project writes.
    """
    manifest = pack_dir / PACK_JSON
    if not manifest.is_file():
        return ()
    try:
        entries = json.loads(manifest.read_text(encoding="utf-8"))["files"]
        files = tuple(
            PackFile(path=name, repo_path=name, size=int(e["size"]), sha256=str(e["sha256"]))
            for name, e in sorted(entries.items())
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsDamagedError(
            pack_dir.name,
            (PACK_JSON,),
            f"its {PACK_JSON} cannot be read ({error})",
            "install Maquette again",
        ) from error
    if not files:
        raise WeightsDamagedError(
            pack_dir.name, (PACK_JSON,), f"its {PACK_JSON} lists no files", "install Maquette again"
        )
    return files


class Meter:
    """Adds the files up for the caller; never goes back, though a download may begin anew."""

    def __init__(self, total: int, on_progress: OnBytes | None) -> None:
        self._total = total
        self._on_progress = on_progress
        self._finished = 0
        self._best = 0

    def at(self, file: str, position: int) -> None:
        """Report that `position` bytes of the file are done."""
        self._best = max(self._best, self._finished + position)
        if self._on_progress is not None:
            self._on_progress(self._best, self._total, file)

    def finish(self, file: str, size: int) -> None:
        """Report that the file is done."""
        self.at(file, size)
        self._finished += size


def raise_if_cancelled(cancel: threading.Event | None) -> None:
    """Raise FetchCancelledError once the caller has asked to stop."""
    if cancel is not None and cancel.is_set():
        raise FetchCancelledError


def hash_file(
    path: Path,
    *,
    cancel: threading.Event | None = None,
    on_bytes: Callable[[int], None] | None = None,
) -> str:
    """Return the sha256 of a file, in hex; `on_bytes` hears how many bytes each read took."""
    digest = hashlib.sha256()
    for block in read_blocks(path):
        raise_if_cancelled(cancel)
        digest.update(block)
        if on_bytes is not None:
            on_bytes(len(block))
    return digest.hexdigest()


def file_size(path: Path) -> int | None:
    """Return the bytes of a regular file, None if there is none."""
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None


def read_blocks(path: Path) -> Iterator[bytes]:
    """Yield a file's content, at most CHUNK_BYTES at a time."""
    with disk_errors(path), path.open("rb") as file:
        while block := file.read(CHUNK_BYTES):
            yield block


def git_blob_sha1(path: Path) -> str:
    """Return the name that git gives this content; the hub's ETag of a small file."""
    with disk_errors(path):
        content = path.read_bytes()
    header = b"blob %d\0" % len(content)
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


def sync_and_rename(part: Path, target: Path) -> None:
    """Move a complete file into place; after a power cut the old or the new one is there."""
    with disk_errors(target):
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, target)


def require_space(folder: Path, required_bytes: int) -> None:
    """Raise DiskSpaceError unless the disk that will hold `folder` has room, with a reserve."""
    existing = next((p for p in (folder, *folder.parents) if p.is_dir()), None)
    if existing is None:
        raise PackFolderError(folder, "no such folder")
    with disk_errors(folder):
        free = shutil.disk_usage(existing).free
    if required_bytes > 0 and free < required_bytes + RESERVE_BYTES:
        raise DiskSpaceError(folder, required_bytes, free)


def make_folder(folder: Path) -> None:
    """Create a folder and its parents."""
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


def remove_files(paths: Iterator[Path]) -> int:
    """Delete files that may be absent; returns the bytes freed."""
    freed = 0
    for path in paths:
        with disk_errors(path), suppress(FileNotFoundError):
            size = path.stat().st_size
            path.unlink()
            freed += size
    return freed


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors about a file into one of ours, which names the file."""
    try:
        yield
    except FileNotFoundError as error:
        raise PackFolderError(path, "it does not exist") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskSpaceError(path.parent, RESERVE_BYTES, _free_bytes(path)) from error
        raise PackFolderError(path, (error.strerror or str(error)).lower()) from error


def _free_bytes(path: Path) -> int:
    try:
        return shutil.disk_usage(path.parent).free
    except OSError:
        return 0


@contextmanager
def pack_lock(pack_dir: Path) -> Iterator[None]:
    """Hold the pack for one process at a time; the system frees it if the process dies.

    Two downloads that append to one file would only be noticed by its hash, after gigabytes.

    Raises:
        PackBusyError: another process, or another thread of this one, holds it.
    """
    make_folder(pack_dir)
    lock = pack_dir / LOCK_NAME
    with disk_errors(lock):
        file = lock.open("ab")
    with file:
        try:
            _lock(file.fileno())
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
                raise PackBusyError(pack_dir) from error
            # Some network shares cannot lock at all; there the hash is the only guard.
        yield


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
