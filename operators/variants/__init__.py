# SPDX-License-Identifier: GPL-3.0-or-later
"""Several tries at one prompt: how they stand, how they are shown, and which ones stay."""

from __future__ import annotations


def register() -> None:
    """Listen for results, so that each has a picture and a new set is shown."""
    from .. import events
    from . import gallery

    events.landed.append(gallery.on_landed)


def unregister() -> None:
    """Stop listening."""
    from .. import events
    from . import gallery

    events.landed.remove(gallery.on_landed)
