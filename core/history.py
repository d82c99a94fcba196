# SPDX-License-Identifier: GPL-3.0-or-later
"""The prompts that were generated, newest first, as a JSON file; no Blender.

    {"maquette_history": 1, "entries": [{"prompt": "a chair", "seed": 3, "date": ..., ...}]}

The file is the truth: every change reads it again, so that two Blenders do not undo one another.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from .errors import GenerationError

FORMAT_KEY, FORMAT = "maquette_history", 1
MAX_ENTRIES = 200
MAX_FILE_BYTES = 16 * 2**20
"""A file of MAX_ENTRIES prompts is a hundred times smaller."""

Value = str | int | float


Fault = Literal["unreadable", "unwritable", "foreign", "damaged", "newer"]
"""What is wrong with a file: the way to it, or the content in one of three ways."""


class HistoryFileError(GenerationError):
    """A file that should hold a history cannot be read or written."""

    def __init__(self, path: Path, fault: Fault, detail: str = "") -> None:
        reason = f" ({detail})" if detail else ""
        super().__init__(f"cannot use the history file {path.name}: it is {fault}{reason}")
        self.path = path
        self.fault = fault
        self.detail = detail

    @property
    def is_about_content(self) -> bool:
        """Whether the file was read and holds something else."""
        return self.fault not in ("unreadable", "unwritable")


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One press on Generate."""

    prompt: str = ""
    image_source: str = ""
    """The picture's name or file; empty for a prompt alone."""
    pack: str = ""
    seed: int = 0
    settings: dict[str, Value] = field(default_factory=dict)
    """As in a `GenerationRecord`; a setting that was left to the pack is missing."""
    date: str = ""
    """ISO 8601 with the zone."""

    @property
    def source(self) -> Literal["TEXT", "IMAGE"]:
        """What the mesh was made from."""
        return "IMAGE" if self.image_source else "TEXT"

    def is_same(self, other: HistoryEntry) -> bool:
        """Whether both asked for the same thing, at whatever time."""
        return replace(self, date="") == replace(other, date="")


def add(entries: Iterable[HistoryEntry], entry: HistoryEntry) -> list[HistoryEntry]:
    """Return the history with one more entry, which replaces an equal newest one."""
    rest = list(entries)
    if rest and rest[0].is_same(entry):
        del rest[0]
    return [entry, *rest][:MAX_ENTRIES]


def merge(entries: Iterable[HistoryEntry], others: Iterable[HistoryEntry]) -> list[HistoryEntry]:
    """Return both histories as one, newest first and without repetitions."""
    merged: list[HistoryEntry] = []
    for entry in sorted([*entries, *others], key=_age):
        if entry not in merged:
            merged.append(entry)
    return merged[:MAX_ENTRIES]


def _age(entry: HistoryEntry) -> float:
    try:
        return -datetime.fromisoformat(entry.date).timestamp()
    except (ValueError, OverflowError, OSError):
        return math.inf


def read(path: Path) -> list[HistoryEntry]:
    """Read a history file; one that is not there is an empty history.

    Raises:
        HistoryFileError: the file cannot be read, or holds something else.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise HistoryFileError(path, "foreign", "too large")
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise HistoryFileError(path, "unreadable", error.strerror or "") from error
    except (ValueError, RecursionError) as error:
        raise HistoryFileError(path, "damaged", "not JSON") from error
    return _entries_of(content, path)


def _entries_of(content: Any, path: Path) -> list[HistoryEntry]:
    if not isinstance(content, dict) or FORMAT_KEY not in content:
        raise HistoryFileError(path, "foreign", f"no {FORMAT_KEY}")
    if content[FORMAT_KEY] != FORMAT:
        raise HistoryFileError(path, "newer", f"format {content[FORMAT_KEY]!r}")
    entries = content.get("entries")
    if not isinstance(entries, list):
        raise HistoryFileError(path, "damaged", "no entries")
    return [_entry_of(each, path, number) for number, each in enumerate(entries, 1)][:MAX_ENTRIES]


def _entry_of(value: Any, path: Path, number: int) -> HistoryEntry:
    if not isinstance(value, dict):
        raise HistoryFileError(path, "damaged", f"entry {number}")
    kinds = {"prompt": str, "image_source": str, "pack": str, "seed": int, "settings": dict}
    known: dict[str, Any] = {}
    for key, kind in (kinds | {"date": str}).items():
        found = value.get(key, kind())
        if not isinstance(found, kind) or isinstance(found, bool):
            raise HistoryFileError(path, "damaged", f"{key} of entry {number}")
        known[key] = found
    known["settings"] = {
        str(key): each for key, each in known["settings"].items() if isinstance(each, Value)
    }
    return HistoryEntry(**known)


def write(path: Path, entries: Iterable[HistoryEntry]) -> None:
    """Write a history file, which stands under its name only when it is whole.

    Raises:
        HistoryFileError: the file cannot be written.
    """
    content = {FORMAT_KEY: FORMAT, "entries": [asdict(entry) for entry in entries]}
    text = json.dumps(content, indent=1, ensure_ascii=False)
    part = None
    try:
        with tempfile.NamedTemporaryFile(
            "w",
            encoding="utf-8",
            errors="backslashreplace",
            dir=path.parent,
            prefix=f"{path.name}.",
            delete=False,
        ) as file:
            part = Path(file.name)
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        if part is not None:
            part.unlink(missing_ok=True)
        raise HistoryFileError(path, "unwritable", error.strerror or "") from error


def set_aside(path: Path) -> Path:
    """Rename a damaged file to a free name beside it, which is returned.

    Raises:
        HistoryFileError: it cannot be renamed.
    """
    number = 1
    while (target := path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")).exists():
        number += 1
    try:
        path.rename(target)
    except OSError as error:
        raise HistoryFileError(path, "unwritable", error.strerror or "") from error
    return target
