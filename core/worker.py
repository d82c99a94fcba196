# SPDX-License-Identifier: GPL-3.0-or-later
"""One generation on a thread of its own: messages come out, a request to stop goes in.

The queue is all that the two threads share. The worker never sees Blender, so its races are
tested without it; `operators/jobs` is the half that runs on Blender's main thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TypeAlias

from .errors import CancelledError
from .mesh import GenerationResult, PreviewMesh

OnProgress: TypeAlias = Callable[[str, float], None]
"""Called with the stage in words and the fraction of the whole request done, in [0, 1]."""

Task: TypeAlias = Callable[[OnProgress, threading.Event], Iterable[GenerationResult]]
"""What runs on the thread: reports progress, watches the event, yields each variant when done."""

OnPreview: TypeAlias = Callable[[PreviewMesh], None]
"""Called with what the variant at work looks like so far."""

PreviewingTask: TypeAlias = Callable[
    [OnProgress, threading.Event, OnPreview], Iterable[GenerationResult]
]
"""A task that also hands over previews."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The run got further."""

    stage: str
    fraction: float


@dataclass(frozen=True, slots=True)
class Preview:
    """How the variant at work looks so far; it replaces the preview before."""

    preview: PreviewMesh


@dataclass(frozen=True, slots=True)
class Variant:
    """One result is ready; more may follow."""

    result: GenerationResult


@dataclass(frozen=True, slots=True)
class Done:
    """Every variant has been delivered. No message follows."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The run ended early. No message follows."""

    error: Exception


Message: TypeAlias = Progress | Preview | Variant | Done | Failed


class Worker:
    """Runs one task once; the last message is always `Done` or `Failed`."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._cancel = threading.Event()
        self._messages: SimpleQueue[Message] = SimpleQueue()
        # A daemon, because a hung device must not keep Blender's process alive after its window
        # closed. The owner still cancels and joins first: a daemon killed inside torch aborts.
        self._thread = threading.Thread(target=self._run, name="maquette", daemon=True)

    @classmethod
    def with_previews(cls, task: PreviewingTask) -> Worker:
        """Make a worker whose task also hands over previews, which arrive as `Preview`."""

        def plain(on_progress: OnProgress, cancel: threading.Event) -> Iterable[GenerationResult]:
            return task(on_progress, cancel, worker._show)

        worker = cls(plain)
        return worker

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called; the thread may still be on its way out."""
        return self._cancel.is_set()

    def start(self) -> None:
        """Start the thread and return at once."""
        self._thread.start()

    def cancel(self) -> None:
        """Ask the task to stop at its next step; returns at once."""
        self._cancel.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the thread has ended and tell whether it has.

        Args:
            timeout: seconds to wait at most; None waits for good.
        """
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def poll(self) -> Message | None:
        """Return the oldest message not yet read, or None when there is none right now."""
        try:
            return self._messages.get_nowait()
        except Empty:
            return None

    def wait(self) -> Message:
        """Block until there is a message and return it; for Blender without an event loop."""
        return self._messages.get()

    def _run(self) -> None:
        try:
            for result in self._task(self._report, self._cancel):
                self._messages.put(Variant(result))
        except Exception as error:  # noqa: BLE001 - the owner decides what to tell the user
            self._messages.put(Failed(error))
        else:
            self._messages.put(Done())

    def _report(self, stage: str, fraction: float) -> None:
        # Progress is called in every step, which makes it the one place where any task stops.
        if self._cancel.is_set():
            raise CancelledError
        self._messages.put(Progress(stage, min(max(fraction, 0.0), 1.0)))

    def _show(self, preview: PreviewMesh) -> None:
        self._messages.put(Preview(preview))
