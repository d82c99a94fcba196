# SPDX-License-Identifier: GPL-3.0-or-later
"""How often runs are shown: as often as drawing the window leaves it free for the user.

With a graphics card drawing takes a few milliseconds. Without one it can take 0.1 s, of the very
processor that generates; ten times a second it would hold up the user and the run alike.
"""

from __future__ import annotations

import time

import bpy

REST = 20.0
"""So many times as long as one drawing took, nothing is drawn: 99 of 100 5 ms ticks are free."""
MAX_PAUSE = 2.0  # Seconds. Nobody believes in a bar that stands still for longer.

_next = 0.0
_started = 0.0


def is_due() -> bool:
    """Tell whether what runs should be shown now."""
    return time.monotonic() >= _next


def measure() -> None:
    """Note how long the drawing takes that follows this call; call it after tagging regions."""
    global _started
    if bpy.app.timers.is_registered(_drawn):
        return
    _started = time.monotonic()
    bpy.app.timers.register(_drawn, first_interval=0.0)


def _drawn() -> None:
    """Timers come before drawing in each turn of Blender's loop, so this is the next turn."""
    global _next
    ended = time.monotonic()
    _next = ended + min(REST * (ended - _started), MAX_PAUSE)


def reset() -> None:
    """Forget what drawing took, and show the next change at once."""
    global _next
    _next = 0.0
    if bpy.app.timers.is_registered(_drawn):
        bpy.app.timers.unregister(_drawn)
