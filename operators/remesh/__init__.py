# SPDX-License-Identifier: GPL-3.0-or-later
"""Other faces for a finished result, with its looks: quads, or fewer triangles."""

from __future__ import annotations

from . import ops, running

CLASSES = (*running.CLASSES, *ops.CLASSES)


def register() -> None:
    """Add the state that the sidebar shows, and watch for file loading."""
    running.register()


def unregister() -> None:
    """Stop what runs and remove the state."""
    running.unregister()
