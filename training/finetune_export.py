# SPDX-License-Identifier: GPL-3.0-or-later
"""What was taught, as a pack folder: on its own, or as a small file that stands on its base.

merged, from a native pack      a copy of the pack with another prior
merged, from a published one    the prior alone; everything else is taken from the base
adapter                         the low-rank additions alone; see `core/derived_pack.py`
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from ..core.derived_pack import PACK_FILE, files_hash
from ..core.prior.transformer import LatentPrior
from ..weights_fetch import PACKS
from .export import half_precision
from .lora import merge_lora, save_adapter
from .tunable import TunablePack
from .values import ConfigError

_PRIOR, _ADAPTER = "prior.safetensors", "adapter.safetensors"
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class PackName:
    """What the new pack is called."""

    id: str
    """Its folder's name, and what `--pack` is given."""
    title: str
    """What Blender shows."""

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ConfigError(
                f"--id must be up to 40 of a-z, 0-9, - and _, a letter or digit first, not"
                f" {self.id!r}"
            )
        if self.id in PACKS:
            raise ConfigError(f"--id {self.id} is the name of another pack: choose a new one")


def export_merged(pack: TunablePack, prior: LatentPrior, name: PackName, folder: Path) -> None:
    """Write a pack whose prior is the taught one; additions are merged into it, for good."""
    merge_lora(prior)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(half_precision(prior), folder / _PRIOR, metadata={"format": "pt", "pack": name.id})
    if not pack.is_native:
        change = {pack.part: {"kind": "prior", "file": _PRIOR}}
        _describe(folder, _derived(pack, name, change), [_PRIOR])
        return
    about: dict[str, Any] = json.loads((pack.base / PACK_FILE).read_text(encoding="utf-8"))
    others = [file for file in about["files"] if file != _PRIOR]
    for file in others:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(pack.base / file, folder / file)
    about |= {"id": name.id, "title": name.title, "version": "1", "taught_from": about["id"]}
    _describe(folder, about, [*others, _PRIOR])


def export_adapter(pack: TunablePack, prior: LatentPrior, name: PackName, folder: Path) -> None:
    """Write a pack that holds the additions alone.

    Raises:
        ConfigError: the pack that was taught stands on another one itself.
    """
    if pack.is_derived:
        raise ConfigError(
            f"{pack.folder} stands on another pack itself: leave out --adapter, or teach its base"
        )
    folder.mkdir(parents=True, exist_ok=True)
    save_adapter(prior, folder / _ADAPTER, name.id)
    change = {pack.part: {"kind": "adapter", "file": _ADAPTER}}
    _describe(folder, _derived(pack, name, change), [_ADAPTER])


def _derived(pack: TunablePack, name: PackName, changes: dict[Any, Any]) -> dict[str, Any]:
    base = {"id": pack.base.name, "files": files_hash(pack.base)}
    about = {"format": 1, "id": name.id, "version": "1", "title": name.title}
    return about | {"base": base, "changes": changes}


def _describe(folder: Path, about: dict[str, Any], files: list[str]) -> None:
    listed = {}
    for name in sorted(files):
        content = (folder / name).read_bytes()
        listed[name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    text = json.dumps(about | {"files": listed}, indent=1, ensure_ascii=False) + "\n"
    part = folder / f"{PACK_FILE}.part"
    part.write_text(text, encoding="utf-8")
    part.replace(folder / PACK_FILE)
