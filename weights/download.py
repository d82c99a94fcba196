# SPDX-License-Identifier: GPL-3.0-or-later
"""Complete one file on disk from the hub, over as many connections as that takes."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from .background import in_background, wait_to_retry
from .disk import disk_errors, raise_if_cancelled, read_blocks
from .errors import DownloadError
from .hub import (
    KEPT,
    MAX_FRUITLESS_TRIES,
    RETRY_WAIT_SECONDS,
    HubFile,
    LostConnectionError,
    NotOfferedError,
    stream,
)


class PartFile:
    """A download on its way: appended to, hashed as it grows, resumed where it stopped."""

    def __init__(self, path: Path, size: int, cancel: threading.Event | None) -> None:
        self._path = path
        self._size = size
        self._digest = hashlib.sha256()
        self.position = 0
        with disk_errors(path):
            if path.is_file() and path.stat().st_size > size:
                path.unlink()
            if path.is_file():
                for block in read_blocks(path):
                    raise_if_cancelled(cancel)
                    self._digest.update(block)
                    self.position += len(block)
            self._file = path.open("r+b" if path.is_file() else "w+b")
            self._file.seek(self.position)

    @property
    def sha256(self) -> str:
        """Hash of what is there so far, in hex."""
        return self._digest.hexdigest()

    def write_at(self, start: int, data: bytes) -> None:
        """Append, or begin anew if the server could not resume and sends from 0."""
        with disk_errors(self._path):
            if start not in (0, self.position):
                raise LostConnectionError("the server sent another range than it was asked for")
            if start != self.position:
                self._file.seek(0)
                self._file.truncate()
                self._digest = hashlib.sha256()
                self.position = 0
            if self.position + len(data) > self._size:
                raise LostConnectionError(f"the server sent more than {self._size} bytes")
            self._file.write(data)
            self._digest.update(data)
            self.position += len(data)

    def close(self) -> None:
        """Flush and close; the file stays for a later resume."""
        with disk_errors(self._path):
            self._file.close()


def download(
    offer: HubFile,
    part: Path,
    *,
    cancel: threading.Event | None,
    on_position: Callable[[int], None],
) -> str:
    """Complete the file `part`, resuming what is there, and return its sha256.

    Blocks; leaves `part` for the next try on every failure.

    Args:
        offer: what `locate` found.
        part: where the content goes; only ever appended to.
        cancel: looked at ten times a second.
        on_position: hears how many bytes of the file are there.

    Raises:
        DownloadError: the connection failed MAX_FRUITLESS_TRIES times without a new byte.
        FetchCancelledError: `cancel` was set.
    """
    with closing(PartFile(part, offer.size, cancel)) as target:
        fruitless, best = 0, target.position
        while True:
            on_position(target.position)
            try:
                _receive(offer, target, cancel, on_position)
                reason = f"the server sent only {target.position} of {offer.size} bytes"
            except LostConnectionError as error:
                reason = str(error)
            except NotOfferedError as error:
                raise DownloadError(offer.file.path, str(error), KEPT) from error
            if target.position == offer.size:
                return target.sha256
            # Measured by the best position, because a server may begin anew every time.
            fruitless = 0 if target.position > best else fruitless + 1
            best = max(best, target.position)
            if fruitless == MAX_FRUITLESS_TRIES:
                raise DownloadError(offer.file.path, reason, f"check the connection and {KEPT}")
            wait_to_retry(cancel, RETRY_WAIT_SECONDS)


def _receive(
    offer: HubFile,
    target: PartFile,
    cancel: threading.Event | None,
    on_position: Callable[[int], None],
) -> None:
    offset = target.position
    if offset == offer.size:
        return
    with closing(in_background(lambda: stream(offer, offset), cancel)) as chunks:
        for start, data in chunks:
            target.write_at(start, data)
            on_position(target.position)
