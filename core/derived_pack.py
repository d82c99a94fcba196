# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs that change the prior of another pack and take everything else from it.

A style that was taught to a pack needs no second copy of the pack. Its folder holds a `pack.json`
that names the base, and the file that changes it:

    {"format": 1, "id": "striped", "version": "1", "title": "Striped",
     "base": {"id": "starter", "files": "0123456789abcdef"},
     "changes": {"all": {"kind": "adapter", "file": "adapter.safetensors"}},
     "files": {"adapter.safetensors": {"size": 1, "sha256": "..."}}}

The base is looked for beside the folder, then among the packs that come with Maquette.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal, cast

from .errors import CheckpointError

PACK_FILE = "pack.json"
BUNDLED = Path(__file__).resolve().parents[1] / "packs"

Part = Literal["all", "text", "image"]
"""Which prior of the base: its text prior, its image prior, or the one that it has."""


@dataclass(frozen=True, slots=True)
class PriorChange:
    """What becomes of a prior of the base."""

    kind: Literal["adapter", "prior"]
    """Low-rank additions to its weights, or another prior in its place."""
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedPack:
    """A pack that stands on another one."""

    id: str
    version: str
    base: Path
    """Folder of the pack it stands on."""
    changes: dict[Part, PriorChange]


def read_derived(folder: Path) -> DerivedPack | None:
    """Return what a folder's `pack.json` changes of another pack, or None if it names none.

    Raises:
        CheckpointError: the description is damaged, or its base is missing or another one.
    """
    path = folder / PACK_FILE
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        if "base" not in content:
            return None
        base = _find_base(folder, str(content["base"]["id"]), str(content["base"]["files"]))
        return DerivedPack(
            id=str(content["id"]),
            version=str(content["version"]),
            base=base,
            changes={
                cast("Part", part): _change(folder, part, about)
                for part, about in content["changes"].items()
            },
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(path, f"is not a pack description ({error})") from error


def files_hash(folder: Path) -> str:
    """Name the files that a pack's own `pack.json` lists, 16 hex digits; empty without one."""
    path = folder / PACK_FILE
    if not path.is_file():
        return ""
    files = json.loads(path.read_text(encoding="utf-8"))["files"]
    text = json.dumps({name: files[name]["sha256"] for name in files}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _find_base(folder: Path, pack: str, files: str) -> Path:
    path = folder / PACK_FILE
    if not _is_plain(pack):
        raise CheckpointError(path, f"names a base that is no pack ({pack!r})")
    for place in (folder.resolve().parent, BUNDLED):
        base = place / pack
        if base.is_dir() and base != folder.resolve():
            if files and files_hash(base) != files:
                raise CheckpointError(
                    path, f"changes another version of the {pack} pack: fine-tune this one again"
                )
            return base
    raise CheckpointError(path, f"changes the {pack} pack, which is not there: fetch that pack")


def _change(folder: Path, part: str, about: dict[str, str]) -> PriorChange:
    if part not in ("all", "text", "image") or about["kind"] not in ("adapter", "prior"):
        raise ValueError(f"a change of {part!r} by {about['kind']!r} is not known")
    if not _is_plain(about["file"]):
        raise ValueError(f"{about['file']!r} does not lie in the pack")
    return PriorChange(cast(Any, about["kind"]), folder / about["file"])


def _is_plain(name: str) -> bool:
    """Whether a name leads nowhere else, on any system."""
    return name not in ("", ".", "..") and PurePosixPath(name).name == name and "\\" not in name
