# SPDX-License-Identifier: GPL-3.0-or-later
"""Ctrl-C as a request: work stops at its next step, and files are never left half-written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from .errors import InterruptedByUserError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def cancel_on_interrupt() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C sets; a second Ctrl-C does not wait for the next step.

    Raises:
        InterruptedByUserError: at the second signal.
    """
    cancel = threading.Event()

    def request(number: int, frame: FrameType | None) -> None:
        if cancel.is_set():
            raise InterruptedByUserError
        cancel.set()

    if threading.current_thread() is not threading.main_thread():
        yield cancel  # Only the main thread hears signals.
        return
    previous = {each: signal.signal(each, request) for each in SIGNALS}
    try:
        yield cancel
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)


def raise_if_interrupted(cancel: threading.Event) -> None:
    """Stop here if Ctrl-C was pressed.

    Raises:
        InterruptedByUserError: it was.
    """
    if cancel.is_set():
        raise InterruptedByUserError
