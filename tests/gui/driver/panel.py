# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding buttons in a region by pointing at them, as their names in scripts tell which is which.

No coordinates are known beforehand, so a layout may change freely.
"""

from __future__ import annotations

from .application import Application
from .screen import Rectangle, Screen
from .waiting import wait

TAB_WIDTH = 20  # Pixels; the tabs stand along the right edge, 50 high and more.

MIDDLE, RIGHT = 0.45, 0.9
COLUMNS = (MIDDLE, RIGHT, 0.06, 0.7, 0.25)
"""Where in the width a button is looked for, one after another."""

SCROLL = 12
"""Notches of the wheel from one look at a long panel to the next: some 360 pixels."""

MAX_SCROLLS = 3


_PLACES: dict[tuple[str, str], dict[str, tuple[int, int]]] = {}
"""Where buttons of a region were found last; each test looks there before it searches."""


class Panel:
    """One region of one area, such as the sidebar of the 3D viewport."""

    def __init__(self, app: Application, screen: Screen, area: str, region: str) -> None:
        self._app, self._screen = app, screen
        self._arguments = f"{area!r}, {region!r}"
        self._places = _PLACES.setdefault((area, region), {})

    @property
    def rectangle(self) -> Rectangle:
        """Where it is on the screen."""
        left, top, width, height = self._app.ask(f"probes.rectangle({self._arguments})")
        return left, top, width, height

    def click(self, name: str, column: float = MIDDLE) -> None:
        """Click the button whose name contains this, looked for in that column first."""
        self._screen.click(*self.find(name, column))
        self._app.settle()

    def enter(self, name: str, text: str, confirm: str = "Return") -> None:
        """Replace the content of a text or number field and confirm it."""
        self.click(name)
        self._screen.press("ctrl+a")
        self._screen.type(text)
        self._screen.press(confirm)
        self._app.settle()

    def find(self, name: str, column: float = MIDDLE) -> tuple[int, int]:
        """Return a point on the button whose name contains this, and point there.

        Raises:
            LookupError: there is none.
        """
        known = self._places.get(name)
        if known is not None and name in self.name_at(*known):
            return known
        seen: set[str] = set()
        others = [each for each in COLUMNS if each != column]
        # From where it has been scrolled to, then from its top to its end; most buttons are wide.
        for columns in ([column], others):
            for notches in (0, -100, *[SCROLL] * MAX_SCROLLS):
                if notches:
                    self._scroll(notches)
                place = self._search(name, columns, seen)
                if place is not None and name in self.name_at(*place):
                    self._places[name] = place
                    return place
        raise LookupError(f"no button {name}; seen: {sorted(seen)}")

    def _scroll(self, notches: int) -> None:
        left, top, width, height = self.rectangle
        self._screen.scroll(left + width // 2, top + height // 2, notches)
        self._app.settle()

    def _search(self, name: str, columns: list[float], seen: set[str]) -> tuple[int, int] | None:
        """Search inside Blender, which is many times quicker than from here."""
        self._app.ask(f"search = probes.Search({self._arguments}, {name!r}, {columns})")
        self._app.wait_until("search.is_over", 60.0)
        seen.update(self._app.ask("list(search.seen)"))
        found = self._app.ask("search.found")
        return tuple(found) if found else None

    def name_at(self, x: int, y: int) -> str:
        """Point there, and return the name of the button or nothing."""
        self._screen.move(x, y)
        self._app.settle()
        return str(self._app.ask(f"probes.button({self._arguments})"))


def open_tab(app: Application, screen: Screen, name: str) -> Panel:
    """Open the sidebar of the 3D viewport and click its tab of that name."""
    panel = Panel(app, screen, "VIEW_3D", "UI")
    if panel.rectangle[2] <= 1:
        left, top, width, height = app.ask("probes.rectangle('VIEW_3D', 'WINDOW')")
        screen.move(left + width // 2, top + height // 2)
        screen.press("n")
        wait(lambda: panel.rectangle[2] > 1, "the sidebar")
    category = "probes.region('VIEW_3D', 'UI').active_panel_category"
    left, top, width, height = panel.rectangle
    for y in range(top + TAB_WIDTH, top + height, TAB_WIDTH):
        if app.ask(category) == name:
            return panel
        screen.click(left + width - TAB_WIDTH // 2, y)
        app.settle()
    raise LookupError(f"the sidebar has no tab {name}")
