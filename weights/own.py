# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs of the user's own making: folders in the packs folder whose `pack.json` says what they are.

`training` exports such folders. They take part wherever packs are listed, once they were looked
for; nothing is ever fetched for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .disk import PACK_JSON
from .table import PACKS, PackInfo

SUMMARY = "Made by teaching another pack; it lies in the packs folder"

_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_MAX_TITLE = 40


def find_own_packs(packs_root: Path) -> None:
    """Look for own packs and bring `PACKS` up to date; folders that are no packs are passed over.

    Costs an access per folder, and reads the descriptions of those that are packs.
    """
    found = {info.id: info for info in _own_packs(packs_root)}
    for pack_id in [name for name, info in PACKS.items() if info.own and name not in found]:
        del PACKS[pack_id]
    PACKS.update(found)


def _own_packs(packs_root: Path) -> Iterator[PackInfo]:
    try:
        folders = sorted(each.parent for each in packs_root.glob(f"*/{PACK_JSON}"))
    except OSError:
        return
    for folder in folders:
        known = PACKS.get(folder.name)
        if _ID.fullmatch(folder.name) and (known is None or known.own):
            try:
                content = json.loads((folder / PACK_JSON).read_text(encoding="utf-8"))
                yield _describe(folder.name, content)
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                # What is not a pack of ours is none of our business.
                continue


def _describe(pack_id: str, content: dict[str, Any]) -> PackInfo:
    if content["id"] != pack_id:
        raise ValueError("its folder has another name")
    base = str(content["base"]["id"]) if "base" in content else ""
    return PackInfo(
        id=pack_id,
        title=str(content.get("title", pack_id))[:_MAX_TITLE],
        licence=str(content.get("license", "that of its base and of your assets")),
        source=str(content.get("taught_from", base)),
        summary=SUMMARY,
        parts=_parts(content, base),
        base=base,
        own=True,
    )


def _parts(content: dict[str, Any], base: str) -> tuple[str, ...]:
    if not base:
        return ("text", "image") if "clip" in content else ("text",)
    of_base = PACKS[base].parts
    changed = tuple(content["changes"])
    parts = of_base if "all" in changed else tuple(part for part in of_base if part in changed)
    if not parts:
        raise ValueError("it changes nothing that its base has")
    return parts
