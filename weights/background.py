# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for the network without being held by it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import closing
from queue import Empty, Full, Queue
from typing import TypeVar

from .disk import raise_if_cancelled
from .errors import FetchCancelledError

T = TypeVar("T")

POLL_SECONDS = 0.1


def in_background(
    produce: Callable[[], Generator[T, None, None]], cancel: threading.Event | None
) -> Generator[T, None, None]:
    """Iterate over `produce()` on a daemon thread, so that a wait for it can be cut short.

    A request cannot be interrupted while it waits for the network. This thread is left behind
    instead, and ends by itself at its next byte or time-out; it owns nothing but its connection.

    Raises:
        FetchCancelledError: `cancel` was set while waiting.
    """
    results: Queue[tuple[T | None, BaseException | None]] = Queue(maxsize=8)
    is_abandoned = threading.Event()

    def put(item: T | None, error: BaseException | None) -> bool:
        while not is_abandoned.is_set():
            try:
                results.put((item, error), timeout=POLL_SECONDS)
                return True
            except Full:
                continue
        return False

    def run() -> None:
        try:
            with closing(produce()) as items:
                for item in items:
                    if not put(item, None):
                        return
            put(None, StopIteration())
        except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
            put(None, error)

    threading.Thread(target=run, name="maquette-fetch", daemon=True).start()
    try:
        while True:
            raise_if_cancelled(cancel)
            try:
                item, error = results.get(timeout=POLL_SECONDS)
            except Empty:
                continue
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]
    finally:
        is_abandoned.set()


def wait_to_retry(cancel: threading.Event | None, seconds: float) -> None:
    """Pause before another try, cut short by `cancel`.

    Raises:
        FetchCancelledError: `cancel` was set.
    """
    if (cancel or threading.Event()).wait(seconds):
        raise FetchCancelledError
