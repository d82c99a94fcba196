# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes wheels of a few bytes, which the real pip installs."""

from __future__ import annotations

import zipfile
from pathlib import Path


def make_wheel(folder: Path, name: str, version: str, files: dict[str, str]) -> Path:
    """Write a wheel for any Python; `files` maps paths inside it to their text."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{name.replace('-', '_')}-{version}"
    information = f"{stem}.dist-info"
    path = folder / f"{stem}-py3-none-any.whl"
    contents = files | {
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{information}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{each},,\n" for each in [*contents, f"{information}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for each, text in (contents | {f"{information}/RECORD": record}).items():
            archive.writestr(each, text)
    return path
