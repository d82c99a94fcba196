# SPDX-License-Identifier: GPL-3.0-or-later
"""How long work is stopped from outside: it calls a function between pieces, which may raise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from torch import nn

Check: TypeAlias = Callable[[], None]
"""Called between pieces of work, each well below a second on a slow machine; raises to stop."""


def ignore() -> None:
    """Do nothing: the `check` of those who never stop."""


@contextmanager
def checked_blocks(network: nn.Module, check: Check) -> Iterator[None]:
    """Call `check` before each block of a network, for as long as the context lasts.

    One step of a published prior takes seconds on a slow CPU; one of its blocks a fraction.
    """
    from torch import nn  # The unwrapping is checked too and needs numpy alone.

    lists = (each for each in network.modules() if isinstance(each, nn.ModuleList | nn.Sequential))
    blocks = {block for members in lists for block in members}
    handles = [block.register_forward_pre_hook(lambda *_: check()) for block in blocks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
