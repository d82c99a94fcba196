# SPDX-License-Identifier: GPL-3.0-or-later
"""Pieces of one job at once: one of them alone keeps only some of the cores at work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def beside(make: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """Call a function on another thread for as long as the block goes on.

    Args:
        make: calls its own `check`, so that it ends soon when the whole job is stopped.

    Yields:
        A function that waits for what was made and returns it, or raises what stopped it. The
        block never ends before the other thread has.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="maquette-beside") as thread:
        yield thread.submit(_without_gradients, make).result


def _without_gradients(make: Callable[[], T]) -> T:
    import torch  # Here, as those who only unwrap and pack need numpy alone.

    # Whether gradients are kept is a matter of the thread.
    with torch.inference_mode():
        return make()


@contextmanager
def on_one_core() -> Iterator[None]:
    """Let torch split no operation for as long as the block goes on, on this thread."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Crew:
    """Threads that each do whole pieces of equal work; they end when it is forgotten.

    Left to itself torch splits every single operation among the cores, and each waits for the
    slowest. For a small network that costs half as much processor time again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._size = 0

    def do(self, pieces: Sequence[Callable[[], T]]) -> list[T]:
        """Call all functions, several at once, as many as torch may use cores on this thread.

        Returns:
            What they returned, in their order. If some of them raise, the first of these errors
            is raised when all have ended.
        """
        import torch

        size = torch.get_num_threads()
        if size == 1 or len(pieces) == 1:
            return [piece() for piece in pieces]
        threads = self._of_size(size)
        done = [threads.submit(_without_gradients, piece) for piece in pieces]
        wait(done)
        return [each.result() for each in done]

    def _of_size(self, size: int) -> ThreadPoolExecutor:
        with self._lock:
            if self._threads is None or self._size != size:
                self._threads, self._size = _threads_of_one_core(size), size
            return self._threads


def _threads_of_one_core(size: int) -> ThreadPoolExecutor:
    """Start threads on which torch does not split operations any further."""
    import torch

    met = threading.Barrier(size)

    def keep_to_one_core() -> None:
        # Asking comes first: with the first question a thread takes what is set for all.
        torch.get_num_threads()
        torch.set_num_threads(1)
        met.wait()  # Else a quick thread would do this twice, and another one never.

    before = torch.get_num_threads()
    threads = ThreadPoolExecutor(size, thread_name_prefix="maquette-crew")
    try:
        wait([threads.submit(keep_to_one_core) for _ in range(size)])
    finally:
        met.abort()  # Where not all could be started, the others must not wait for ever.
        # What a thread sets for itself is also set for threads to come, until another sets it.
        torch.set_num_threads(before)
    return threads
