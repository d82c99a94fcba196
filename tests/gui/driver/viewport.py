# SPDX-License-Identifier: GPL-3.0-or-later
"""The 3D viewport: keys pressed over it, and what it shows."""

from __future__ import annotations

from .application import Application
from .screen import Rectangle, Screen


class Viewport:
    """The largest 3D viewport of the main window."""

    def __init__(self, app: Application, screen: Screen) -> None:
        self._app, self._screen = app, screen

    @property
    def rectangle(self) -> Rectangle:
        """Where it is on the screen, sidebar included."""
        left, top, width, height = self._app.ask("probes.rectangle('VIEW_3D', 'WINDOW')")
        return left, top, width, height

    @property
    def middle(self) -> tuple[int, int]:
        """Return its middle, where a new file has its cube."""
        left, top, width, height = self.rectangle
        return left + width // 2, top + height // 2

    def press(self, *keys: str) -> None:
        """Press keys with the mouse over it."""
        self.point()
        self._screen.press(*keys)
        self._app.settle()

    def point(self) -> None:
        """Put the mouse over its middle."""
        self._screen.move(*self.middle)
        self._app.settle()

    def zoom_out(self) -> None:
        """Turn the wheel until what was framed has some room around it."""
        self._screen.scroll(*self.middle, 4)
        self._app.settle()

    def show_textures(self) -> None:
        """Show base color images, which Solid shading does not by itself."""
        self._app.ask("setattr(probes.area('VIEW_3D').spaces[0].shading, 'color_type', 'TEXTURE')")
