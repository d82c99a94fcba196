# SPDX-License-Identifier: GPL-3.0-or-later
"""Two pieces of one job at once: one of them alone keeps only some of the cores at work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
