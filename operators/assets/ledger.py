# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files Maquette has written into asset libraries, so that exactly those can be deleted."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from .. import user_files

FILE_NAME = "asset_files.json"
MAX_FILES = 1000


def remember(file: Path) -> None:
    """Note a file that was just written.

    Raises:
        OSError: the file or the ledger cannot be read or written.
    """
    entries = _read()
    entries.pop(str(file), None)
    entries[str(file)] = _digest(file)
    _write(dict(list(entries.items())[-MAX_FILES:]))


def present() -> list[Path]:
    """Return the files that are still there, the newest first."""
    return [Path(name) for name in reversed(_read()) if Path(name).is_file()]


def delete(file: Path) -> bool:
    """Delete a file that is exactly as it was written; return whether it was.

    Raises:
        OSError: the file cannot be read or deleted.
    """
    entries = _read()
    if entries.get(str(file)) != _digest(file):
        return False
    file.unlink()
    del entries[str(file)]
    _write(entries)
    return True


def _read() -> dict[str, str]:
    try:
        entries = json.loads((user_files.folder() / FILE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return entries if isinstance(entries, dict) else {}


def _write(entries: dict[str, str]) -> None:
    file = user_files.folder() / FILE_NAME
    part = file.with_suffix(".part")
    part.write_text(json.dumps(entries, indent=1, ensure_ascii=False), encoding="utf-8")
    os.replace(part, file)


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
