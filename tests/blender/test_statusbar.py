# SPDX-License-Identifier: GPL-3.0-or-later
"""The run in the status bar, whoever has shown a text there before."""

from __future__ import annotations

import bpy
import pytest
from maquette.panels import statusbar

HEADER = bpy.types.STATUSBAR_HT_header


@pytest.fixture
def plain():
    """Let nothing of ours be in the status bar, as before the extension is enabled."""
    statusbar.unregister()
    before, was_kept = HEADER.draw, "_draw_orig" in vars(HEADER)
    kept = getattr(HEADER, "_draw_orig", None)

    def draw(self, context):
        """Stand for Blender's own."""

    HEADER.draw = draw
    yield draw
    HEADER.draw = before
    if was_kept:
        HEADER._draw_orig = kept
    elif "_draw_orig" in vars(HEADER):
        del HEADER._draw_orig
    statusbar.register()


def show_text() -> None:
    """Do what `WorkSpace.status_text_set` does, which needs a window."""
    if getattr(HEADER, "_draw_orig", None) is None:
        HEADER._draw_orig = HEADER.draw
    HEADER.draw = HEADER._draw_orig


def is_there() -> bool:
    return statusbar.draw in getattr(HEADER.draw, "_draw_funcs", ())


@pytest.mark.parametrize("num_texts_before", [0, 1])
def test_it_outlives_texts_of_operators(plain, num_texts_before):
    for _ in range(num_texts_before):
        show_text()

    statusbar.register()
    show_text()

    assert is_there()
    assert HEADER.draw._draw_funcs.count(statusbar.draw) == 1
    statusbar.unregister()
    show_text()
    assert not is_there()


def test_a_text_that_is_shown_now_stays(plain):
    show_text()

    def text(self, context):
        """Stand for an operator's."""

    HEADER.draw = text
    statusbar.register()

    assert HEADER.draw is text
    show_text()
    assert is_there()
    statusbar.unregister()
    assert not is_there()
