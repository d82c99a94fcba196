# SPDX-License-Identifier: GPL-3.0-or-later
"""The assets in a folder, and what their names and a table say they are."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = (".blend", ".glb", ".gltf", ".obj", ".fbx", ".ply", ".stl")
MAX_CAPTION = 500
"""Characters; CLIP reads 77 tokens."""

_NAMELESS = {"asset", "default", "export", "mesh", "model", "object", "scene", "untitled"}
"""Names that tell nothing; the folder's name is taken instead."""
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+|[A-Z]")
_VERSION = re.compile(r"\d+|v|ver|version|lod|final|copy", re.IGNORECASE)


class SourceError(ValueError):
    """What was asked for cannot be read; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Source:
    """One asset."""

    file: str
    """Path in the folder, with forward slashes."""
    key: str
    """Of its sample: readable, and another one if the file is another."""


def find_sources(folder: Path, leave_out: Path) -> list[Source]:
    """Return the assets in a folder and its folders, in the order of the data set.

    That order is by hash, so that shards are mixtures and new assets change nothing else.

    Raises:
        SourceError: there is no such folder, or nothing in it that can be read.
    """
    if not folder.is_dir():
        raise SourceError(f"there is no folder {folder}")
    found = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() not in SUFFIXES or hidden or not path.is_file():
            continue
        if not path.resolve().is_relative_to(leave_out.resolve()):
            found.append(_source(folder, path))
    if not found:
        raise SourceError(f"{folder} holds no asset: {', '.join(SUFFIXES)} are read")
    return sorted(found, key=lambda source: source.key.rpartition("-")[2])


def _source(folder: Path, path: Path) -> Source:
    file = path.relative_to(folder).as_posix()
    digest = hashlib.sha256(file.encode() + b"\0")
    with path.open("rb") as content:
        while block := content.read(1 << 20):
            digest.update(block)
    slug = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:40].strip("-")
    return Source(file, f"{slug or 'asset'}-{digest.hexdigest()[:12]}")


def caption_from_name(file: str) -> str:
    """Return what a file's name says: `RedChair_02.glb` is "red chair".

    Numbers and marks of versions at the end are dropped. A name that tells nothing gives way to
    that of its folder, and if that tells nothing either the result is empty.
    """
    path = Path(file)
    for name in (path.stem, path.parent.name):
        words = [word.lower() for word in _WORDS.findall(name)]
        while words and _VERSION.fullmatch(words[-1]):
            words.pop()
        if words and not (len(words) == 1 and words[0] in _NAMELESS):
            return " ".join(words)
    return ""


def read_captions(path: Path) -> dict[str, list[str]]:
    """Read a table with the columns `file` and `caption`; a file may have many captions.

    Raises:
        SourceError: it is no such table; the message names the line.
    """
    captions: dict[str, list[str]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if not {"file", "caption"} <= set(rows.fieldnames or ()):
                raise SourceError(f"the first line of {path} must name columns file and caption")
            for row in rows:
                name, caption = (str(row[column] or "").strip() for column in ("file", "caption"))
                if not name or not 0 < len(caption) <= MAX_CAPTION:
                    raise SourceError(
                        f"line {rows.line_num} of {path} needs a file and a caption of 1 to"
                        f" {MAX_CAPTION} characters"
                    )
                captions.setdefault(Path(name).as_posix(), []).append(caption)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path} cannot be read as a table ({error})") from error
    return captions


def assign_captions(
    sources: list[Source], table: Mapping[str, list[str]]
) -> tuple[dict[str, list[str]], list[str]]:
    """Return the table's captions by key, and which of its files are not there.

    A file is named by its path in the folder, or by its name alone where that names only one.
    """
    by_name: dict[str, list[Source]] = {}
    for source in sources:
        by_name.setdefault(source.file, []).append(source)
        if "/" in source.file:
            by_name.setdefault(source.file.rpartition("/")[2], []).append(source)
    assigned: dict[str, list[str]] = {}
    missing = []
    for name, captions in table.items():
        match by_name.get(name, []):
            case [source]:
                assigned[source.key] = assigned.get(source.key, []) + captions
            case _:
                missing.append(name)
    return assigned, missing
