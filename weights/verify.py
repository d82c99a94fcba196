# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the content of a pack by its hashes, and name that content."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from .disk import (
    PACK_JSON,
    FileRecord,
    Meter,
    OnBytes,
    bundled_files,
    file_size,
    hash_file,
    read_receipt,
    write_receipt,
)
from .errors import PackFolderError
from .state import (
    MANIFEST,
    PackState,
    component_state,
    components_on_disk,
    find_pack,
    pack_folder,
    pack_state,
    raise_unless_ready,
)
from .table import PACKS, PackFile


def verify_pack(
    pack_id: str,
    packs_root: Path | None,
    *,
    on_progress: OnBytes | None = None,
    cancel: threading.Event | None = None,
) -> PackState:
    """Hash every file of the components that are there; blocks for seconds per gigabyte.

    A file with another content is noted as damaged, so that a later fetch replaces it. Of a file
    that nobody has recorded yet, the hash found becomes the record.

    Raises:
        WeightsMissingError: no part of the pack is complete.
        WeightsDamagedError: a file differs from what was published or fetched.
        FetchCancelledError: `cancel` was set.
    """
    info = find_pack(pack_id)
    folder = pack_folder(info, packs_root)
    receipt = read_receipt(folder)
    files = [
        file
        for component in components_on_disk(info, folder)
        for file in component_state(component, folder, receipt).files
        if file_size(folder / file.path) is not None and file != MANIFEST
    ]
    meter = Meter(sum(file_size(folder / file.path) or 0 for file in files), on_progress)
    for file in files:
        receipt[file.path] = _verify_file(file, folder, receipt.get(file.path), meter, cancel)
    if not info.bundled and files:
        # A packs folder on a read-only share can be verified, only not noted.
        with suppress(PackFolderError):
            write_receipt(folder, receipt)
    damaged = tuple(file.path for file in files if receipt[file.path].is_damaged)
    state = pack_state(pack_id, packs_root)
    if damaged:
        raise_unless_ready(
            info, replace(state, damaged=damaged, message=f"{damaged[0]} has another content")
        )
    if state.damaged or not state.ready_parts:
        raise_unless_ready(info, state)
    return state


def _verify_file(
    file: PackFile,
    folder: Path,
    record: FileRecord | None,
    meter: Meter,
    cancel: threading.Event | None,
) -> FileRecord:
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        meter.at(file.path, done)

    found = hash_file(folder / file.path, cancel=cancel, on_bytes=advance)
    meter.finish(file.path, done)
    if record is None:
        record = FileRecord(done, file.sha256 or found, "found on disk")
    is_right = file.accepts(found) and found == (file.sha256 or record.sha256)
    return replace(record, is_damaged=not is_right)


def pack_hash(
    pack_dir: Path, part: str | None = None, *, cancel: threading.Event | None = None
) -> str:
    """Name the content of a pack: 16 hex digits, the same wherever the same files are.

    Taken from the pack's `pack.json` or its receipt; only files that neither knows are read.

    Args:
        pack_dir: what `pack_directory` returned.
        part: leave out the folders of other parts, so that fetching those changes nothing.
        cancel: set it to stop.

    Raises:
        FetchCancelledError: it was stopped while it read a file.
    """
    others = {name for info in PACKS.values() for name in info.parts} - {part}
    digest = hashlib.sha256()
    for path, sha256 in sorted(_file_hashes(pack_dir, cancel)):
        if part is None or path.partition("/")[0] not in others:
            digest.update(f"{path}\0{sha256}\n".encode())
    return digest.hexdigest()[:16]


def _file_hashes(pack_dir: Path, cancel: threading.Event | None) -> Iterator[tuple[str, str]]:
    """Yield (path, sha256) of every file of a pack that is there."""
    if (pack_dir / PACK_JSON).is_file():
        for file in bundled_files(pack_dir):
            yield file.path, file.sha256 or ""
        return
    receipt = read_receipt(pack_dir)
    for path in pack_dir.rglob("*"):
        name = path.relative_to(pack_dir).as_posix()
        if path.name.startswith(".") or path.suffix == ".part" or not path.is_file():
            continue
        record = receipt.get(name)
        if record is not None and record.size == file_size(path):
            yield name, record.sha256
        else:
            yield name, hash_file(path, cancel=cancel)
