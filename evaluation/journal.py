# SPDX-License-Identifier: GPL-3.0-or-later
"""What an evaluation has found so far, on disk, so that a run that was stopped can go on.

One line of JSON for each item, after a first line that says what was asked. A journal of another
question is begun anew, and a last line that was cut off is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

Facts = dict[str, Any]
"""What becomes of one item, as JSON has it."""


class Journal:
    """Remembers items by section and number; without a file only for as long as it lives."""

    def __init__(self, path: Path | None, settings: Mapping[str, object]) -> None:
        """Open a journal.

        Args:
            path: the file, which is made where it is missing; its folder must be there.
            settings: everything that the items depend on.

        Raises:
            OSError: the file cannot be read or written.
        """
        self._items: dict[tuple[str, int], Facts] = {}
        self._file: TextIO | None = None
        if path is None:
            return
        header = json.dumps(settings, sort_keys=True)
        lines = _whole_lines(path)
        is_same = bool(lines) and lines[0] == header
        if is_same:
            for line in lines[1:]:
                entry = json.loads(line)
                self._items[entry["section"], entry["index"]] = entry["item"]
        # Written anew, so that what was cut off does not stand before what follows.
        path.write_text("".join(f"{line}\n" for line in (lines if is_same else [header])), "utf-8")
        self._file = path.open("a", encoding="utf-8")

    @property
    def num_kept(self) -> int:
        """How many items there are."""
        return len(self._items)

    def item(self, section: str, index: int, make: Callable[[], Facts]) -> Facts:
        """Return an item as it was kept, or make and keep it."""
        key = section, index
        if key not in self._items:
            self._items[key] = made = make()
            if self._file is not None:
                entry = {"section": section, "index": index, "item": made}
                self._file.write(json.dumps(entry) + "\n")
                self._file.flush()
        return self._items[key]

    def close(self) -> None:
        """Close the file; what was remembered stays."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _whole_lines(path: Path) -> list[str]:
    """Return the lines of a journal as far as they are whole."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except UnicodeDecodeError:
        return []
    lines = text.split("\n")
    whole = lines[:-1]  # What follows the last line break was cut off.
    for number, line in enumerate(whole):
        try:
            json.loads(line)
        except ValueError:
            return whole[:number]
    return whole
