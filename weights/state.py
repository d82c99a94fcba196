# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a pack is on this machine: by sizes at once, by hashes when asked."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .disk import PACK_JSON, FileRecord, Receipt, bundled_files, file_size, read_receipt
from .errors import (
    UnknownPackError,
    WeightsDamagedError,
    WeightsMissingError,
    describe_bytes,
)
from .table import PACKS, PackComponent, PackFile, PackInfo

Status = Literal["missing", "partial", "ready", "damaged"]

MANIFEST = PackFile(path=PACK_JSON, repo_path=PACK_JSON, size=None)
"""The list of a bundled pack's files, which has no hash of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackState:
    """What of a pack is on this machine."""

    pack_id: str
    folder: Path
    status: Status
    ready_parts: tuple[str, ...]
    missing: tuple[str, ...]
    """Files under the pack's folder that are not there."""
    damaged: tuple[str, ...]
    """Files of another size than they should have, or that a verification found to differ."""
    bytes_on_disk: int
    """Of all the pack's files, unfinished downloads included."""
    message: str
    """The state in words, without the pack's name."""


@dataclass(frozen=True, slots=True)
class ComponentState:
    """The best set of files found for one component."""

    files: tuple[PackFile, ...]
    missing: tuple[str, ...]
    damaged: tuple[str, ...]

    @property
    def is_ready(self) -> bool:
        """Whether every file of the set is there."""
        return not self.missing and not self.damaged


def user_packs_root() -> Path:
    """Return the packs folder in the user's data folder, where packs go unless told otherwise."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return base / "maquette" / "packs"


def default_packs_root() -> Path:
    """Return the packs folder of the command line: `MAQUETTE_PACKS`, else the user's.

    Blender does not look at the environment; there the folder is a preference.
    """
    chosen = os.environ.get("MAQUETTE_PACKS")
    return Path(chosen).expanduser() if chosen else user_packs_root()


def bundled_packs_root() -> Path:
    """Return the folder of the packs that come with Maquette; it may be read-only."""
    return Path(__file__).resolve().parents[1] / "packs"


def find_pack(pack_id: str) -> PackInfo:
    """Look a pack up by its id.

    Raises:
        UnknownPackError: no such pack.
    """
    if pack_id not in PACKS:
        raise UnknownPackError("pack", pack_id, tuple(PACKS))
    return PACKS[pack_id]


def chosen_parts(info: PackInfo, parts: tuple[str, ...] | None) -> tuple[str, ...]:
    """Check the names of parts; None means all of them."""
    for part in parts or ():
        if part not in info.parts:
            raise UnknownPackError(f"part of pack {info.id!r} named", part, info.parts)
    return parts or info.parts


def pack_folder(info: PackInfo, packs_root: Path | None) -> Path:
    """Return where the pack stands, whether or not it is there."""
    root = bundled_packs_root() if info.bundled else packs_root or user_packs_root()
    return root / info.id


def components_on_disk(info: PackInfo, pack_dir: Path) -> tuple[PackComponent, ...]:
    """List the pack's components, where it lists itself from its own `pack.json`."""
    if not info.lists_itself:
        return info.components
    files = (MANIFEST, *bundled_files(pack_dir))
    return (PackComponent(folder="", parts=info.parts, files=files),)


def component_state(component: PackComponent, pack_dir: Path, receipt: Receipt) -> ComponentState:
    """Judge a component by the sizes of its files; among its variants the fullest counts."""
    states = [_variant_state(files, pack_dir, receipt) for files in component.variants]
    ready = [state for state in states if state.is_ready]
    return ready[0] if ready else min(states, key=_share_missing)


def _variant_state(files: tuple[PackFile, ...], pack_dir: Path, receipt: Receipt) -> ComponentState:
    found = {file.path: file_status(file, pack_dir, receipt.get(file.path)) for file in files}
    return ComponentState(
        files,
        tuple(path for path, status in found.items() if status == "missing"),
        tuple(path for path, status in found.items() if status == "damaged"),
    )


def _share_missing(state: ComponentState) -> float:
    return len(state.missing) / len(state.files)


def file_status(
    file: PackFile, pack_dir: Path, record: FileRecord | None
) -> Literal["missing", "damaged", "ready"]:
    """Judge a file by its size and by what an earlier verification found."""
    size = file_size(pack_dir / file.path)
    if size is None:
        return "missing"
    expected = file.size if file.is_pinned else None
    if expected is None and record is not None:
        expected = record.size
    is_right = size > 0 if expected is None else size == expected
    return "ready" if is_right and not (record and record.is_damaged) else "damaged"


def pack_state(
    pack_id: str, packs_root: Path | None, parts: tuple[str, ...] | None = None
) -> PackState:
    """Say what of a pack is there, by the sizes of its files; cheap enough for a panel.

    Args:
        pack_id: an id of the table.
        packs_root: the chosen packs folder; None is the one in the user's data folder. A
            bundled pack is found without it.
        parts: judge only these; None judges all.

    Raises:
        UnknownPackError: no such pack or part.
    """
    info = find_pack(pack_id)
    parts = chosen_parts(info, parts)
    folder = pack_folder(info, packs_root)
    try:
        components = components_on_disk(info, folder)
    except WeightsDamagedError as error:
        return PackState(
            pack_id=pack_id,
            folder=folder,
            status="damaged",
            ready_parts=(),
            missing=(),
            damaged=error.damaged,
            bytes_on_disk=_bytes_under(folder),
            message=error.reason,
        )
    receipt = read_receipt(folder)
    states = {c: component_state(c, folder, receipt) for c in components}
    ready = tuple(p for p in parts if all(s.is_ready for c, s in states.items() if p in c.parts))
    wanted = [s for c, s in states.items() if not set(parts).isdisjoint(c.parts)]
    missing = tuple(path for state in wanted for path in state.missing)
    damaged = tuple(path for state in wanted for path in state.damaged)
    size = _bytes_under(folder)
    if ready and info.base and (lacking := _lacking_base(info, packs_root, ready)):
        ready, missing = (), (lacking,)
    return PackState(
        pack_id=pack_id,
        folder=folder,
        status=_status(parts, ready, damaged, size),
        ready_parts=ready,
        missing=missing,
        damaged=damaged,
        bytes_on_disk=size,
        message=_message(parts, ready, missing, damaged, size),
    )


def _lacking_base(info: PackInfo, packs_root: Path | None, parts: tuple[str, ...]) -> str:
    """Name the pack that an own one stands on, if that is not ready."""
    base = PACKS.get(info.base)
    wanted = tuple(part for part in parts if base is not None and part in base.parts)
    is_ready = bool(wanted) and pack_state(info.base, packs_root, wanted).status == "ready"
    return "" if is_ready else f"the {info.base} pack, which it stands on"


def _status(
    parts: tuple[str, ...], ready: tuple[str, ...], damaged: tuple[str, ...], size: int
) -> Status:
    if damaged:
        return "damaged"
    if ready == parts:
        return "ready"
    return "partial" if size else "missing"


def _message(
    parts: tuple[str, ...],
    ready: tuple[str, ...],
    missing: tuple[str, ...],
    damaged: tuple[str, ...],
    size: int,
) -> str:
    if damaged:
        others = f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
        return f"{damaged[0]}{others} differs from the published file"
    if ready == parts:
        return f"ready: {' and '.join(ready)}, {describe_bytes(size)}"
    if not size:
        return "not on this machine"
    others = " and ".join(part for part in parts if part not in ready)
    files = f"{len(missing)} file{'s' if len(missing) != 1 else ''}"
    lacks = f"{others} lacks {files}, {describe_bytes(size)} on disk"
    return f"{' and '.join(ready)} ready, {lacks}" if ready else lacks


def _bytes_under(folder: Path) -> int:
    """Size of the pack's own files and unfinished downloads; receipts and locks do not count."""
    paths = (path for path in folder.rglob("*") if not path.name.startswith("."))
    return sum(file_size(path) or 0 for path in paths)


def pack_directory(
    pack_id: str, packs_root: Path | None, parts: tuple[str, ...] | None = None
) -> Path:
    """Return the folder of a pack that can be used.

    Args:
        pack_id: an id of the table.
        packs_root: the user's packs folder.
        parts: the parts that must be ready; None is content with any one.

    Raises:
        UnknownPackError: no such pack or part.
        WeightsMissingError: files are not there.
        WeightsDamagedError: files are there, but not as published.
    """
    info = find_pack(pack_id)
    state = pack_state(pack_id, packs_root, parts)
    if state.ready_parts == parts or (parts is None and state.ready_parts):
        return state.folder
    raise_unless_ready(info, state)
    return state.folder


def raise_unless_ready(info: PackInfo, state: PackState) -> None:
    """Raise the error that says what is wrong with a pack, if something is."""
    advice = "fetch the pack again or import its files from a folder"
    if info.lists_itself:
        advice = "install Maquette again" if info.bundled else "copy the pack there again"
    if info.own and state.missing and info.base in state.missing[0]:
        advice = "fetch that pack"
    if state.damaged:
        raise WeightsDamagedError(info.id, state.damaged, state.message, advice)
    if state.missing:
        raise WeightsMissingError(info.id, state.missing, advice)
