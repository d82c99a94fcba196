# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for conditions, never for a number of seconds."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = float(os.environ.get("MAQUETTE_GUI_PATIENCE", "1"))
"""A factor on every time limit, for machines that have much else to do."""


def wait(condition: Callable[[], T], what: str, seconds: float = 20.0) -> T:
    """Return the first true value of the condition.

    Raises:
        TimeoutError: it was not to be had in time.
    """
    seconds *= PATIENCE
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}; last seen: {value!r}")
        time.sleep(0.02)
