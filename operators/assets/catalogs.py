# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogs of an asset library: a text file in its folder. Knows no Blender.

    VERSION 1
    2f4a9c1e-...:Props/Chairs:Props-Chairs

The file is the user's: a new catalog is one more line at its end, everything else stays as it is.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

FILE_NAME = "blender_assets.cats.txt"
_HEADER = """\
# This is an Asset Catalog Definition file for Blender.
#
# Empty lines and lines starting with `#` will be ignored.
# The first non-ignored line should be the version indicator.
# Other lines are of the format "UUID:catalog/path/for/assets:simple catalog name"

VERSION 1

"""


class CatalogError(Exception):
    """The file cannot be read or written; it is as it was."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """One line of the file."""

    catalog_id: str
    path: str
    """Names from the outermost to the innermost, with slashes between."""


def read(folder: Path) -> list[Catalog]:
    """Return the catalogs of a library, sorted by path; none when it has no file.

    Raises:
        CatalogError: the file cannot be read, or is of a later version.
    """
    return sorted(_catalogs(_text(folder / FILE_NAME)), key=lambda each: each.path.casefold())


def find_or_add(folder: Path, path: str) -> str:
    """Return the id of the catalog with this path, adding one if there is none.

    Raises:
        CatalogError: the file cannot be read or written.
    """
    path = normal_path(path)
    # A link stays a link.
    file = Path(os.path.realpath(folder / FILE_NAME))
    text = _text(file)
    for catalog in _catalogs(text):
        if catalog.path == path:
            return catalog.catalog_id
    added = Catalog(str(uuid.uuid4()), path)
    newline = "\r\n" if "\r\n" in text else "\n"
    text = text or _HEADER
    if not text.endswith("\n"):
        text += newline
    line = f"{added.catalog_id}:{path}:{path.replace('/', '-')}{newline}"
    _replace(file, text + line)
    return added.catalog_id


def normal_path(path: str) -> str:
    """Return a path as Blender writes it: single slashes inside, no colon, one line."""
    parts = (
        " ".join(part.replace(":", "-").split()) for part in path.replace("\\", "/").split("/")
    )
    return "/".join(part for part in parts if part)


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(str(error)) from error


def _catalogs(text: str) -> list[Catalog]:
    found = []
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith("#"):
            continue
        if line.startswith("VERSION"):
            if line.split()[1:] != ["1"]:
                raise CatalogError(line)
            continue
        catalog_id, _, rest = line.partition(":")
        path = rest.partition(":")[0].strip()
        if path and _is_uuid(catalog_id):
            found.append(Catalog(catalog_id.strip(), path))
    return found


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text.strip())
    except ValueError:
        return False
    return True


def _replace(file: Path, text: str) -> None:
    """Write a file as a whole or not at all."""
    try:
        descriptor, part = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(text.encode("utf-8"))
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(part, file.stat().st_mode & 0o777 if file.exists() else 0o644)
            os.replace(part, file)
        except OSError:
            os.unlink(part)
            raise
    except OSError as error:
        raise CatalogError(str(error)) from error
