# SPDX-License-Identifier: GPL-3.0-or-later
"""Import a pack's files from a folder or a USB stick.

Recognised, at any depth: a copy of the hub's repositories, the hub's own cache folder (whose
`snapshots` hold links), a pack copied from another machine, and OpenAI's original files. A file
is known by its name, its place beside its configuration and its size; its hash is checked while
it is copied.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .disk import (
    CHUNK_BYTES,
    FileRecord,
    OnBytes,
    disk_errors,
    file_size,
    make_folder,
    pack_lock,
    raise_if_cancelled,
    read_receipt,
    record_file,
    require_space,
    sync_and_rename,
)
from .errors import ImportFolderError
from .state import (
    PackState,
    component_state,
    find_pack,
    pack_folder,
    pack_state,
)
from .table import PackFile, PackInfo

MAX_DEPTH = 8
LFS_POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True, slots=True)
class Copy:
    """One file to bring in."""

    file: PackFile
    source: Path
    size: int


def import_pack(
    source_folder: Path,
    pack_id: str,
    packs_root: Path | None,
    *,
    on_progress: OnBytes | None = None,
    cancel: threading.Event | None = None,
) -> PackState:
    """Copy what the folder holds of a pack into the packs folder, checked; blocks.

    Components that are complete already are left as they are. The returned state is not ready
    if the folder held only some of the components.

    Raises:
        UnknownPackError: no such pack.
        ImportFolderError: nothing in the folder can be used, or a file there is damaged.
        DiskSpaceError: too little room for the copy.
        PackFolderError: the packs folder cannot be written.
        FetchCancelledError: `cancel` was set.
    """
    info = find_pack(pack_id)
    if info.lists_itself:
        how = "comes with Maquette" if info.bundled else "is a folder to copy as it is"
        raise ImportFolderError(source_folder, f"pack {pack_id!r} {how}")
    if not source_folder.is_dir():
        raise ImportFolderError(source_folder, "there is no such folder")
    folder = pack_folder(info, packs_root)
    copies = _plan(info, source_folder, folder, cancel)
    total = sum(copy.size for copy in copies)
    require_space(folder, total)
    done = 0
    with pack_lock(folder):
        for copy in copies:
            for position in _copy(copy, source_folder, folder, cancel):
                if on_progress is not None:
                    on_progress(done + position, total, copy.file.path)
            done += copy.size
    return pack_state(pack_id, packs_root)


def _plan(info: PackInfo, source: Path, folder: Path, cancel: threading.Event | None) -> list[Copy]:
    """Choose what to copy: for each incomplete component the first set of files that is there."""
    found = _scan(source, info, cancel)
    receipt = read_receipt(folder)
    incomplete = [c for c in info.components if not component_state(c, folder, receipt).is_ready]
    copies: dict[str, Copy] = {}
    for component in incomplete:
        complaints: list[str] = []
        matches = (_match(files, info, found, complaints) for files in component.variants)
        match = next((copies_of for copies_of in matches if copies_of), [])
        if complaints and not match:
            raise ImportFolderError(source, complaints[0])
        copies.update((copy.file.path, copy) for copy in match)
    if not copies and len(incomplete) == len(info.components):
        example = _anchor(info.components[0].files).repo_path
        raise ImportFolderError(source, f"it has no file of pack {info.id!r}, such as {example}")
    return list(copies.values())


def _scan(source: Path, info: PackInfo, cancel: threading.Event | None) -> dict[str, list[Path]]:
    """Find the files with names of the pack, by name; links to files count, to folders not."""
    names = {PurePosixPath(file.repo_path).name for file in _every_file(info)}
    found: dict[str, list[Path]] = {name: [] for name in names}
    for place, folders, files in os.walk(source):
        raise_if_cancelled(cancel)
        if len(Path(place).relative_to(source).parts) >= MAX_DEPTH:
            folders.clear()
        folders.sort()
        for name in names.intersection(files):
            found[name].append(Path(place) / name)
    return found


def _match(
    files: tuple[PackFile, ...],
    info: PackInfo,
    found: dict[str, list[Path]],
    complaints: list[str],
) -> list[Copy]:
    """Find a place that holds all these files; complain of places that nearly do."""
    anchor = _anchor(files)
    for path in found[PurePosixPath(anchor.repo_path).name]:
        depth = len(PurePosixPath(anchor.repo_path).parts)
        if path.parts[-depth:] != PurePosixPath(anchor.repo_path).parts:
            continue
        size = file_size(path)
        if size is None or (anchor.size is not None and size != anchor.size):
            if size not in _published_sizes(info, anchor.repo_path):
                complaints.append(_wrong_size(path, size, anchor))
            continue
        base = path.parents[depth - 1]
        copies = [Copy(f, base / f.repo_path, file_size(base / f.repo_path) or 0) for f in files]
        absent = next((copy for copy in copies if not copy.size), None)
        if absent is None:
            return copies
        complaints.append(f"{path} is there but {absent.source} is missing or empty")
    return []


def _wrong_size(path: Path, size: int | None, anchor: PackFile) -> str:
    if size is None:
        return f"{path} is a link to a file that is not there, so copy the link's target too"
    with suppress(OSError), path.open("rb") as file:
        if file.read(len(LFS_POINTER)) == LFS_POINTER:
            return f"{path} is a Git LFS pointer, not the file, so run `git lfs pull` there first"
    return f"{path} has {size} bytes instead of {anchor.size}, so copy it again"


def _anchor(files: tuple[PackFile, ...]) -> PackFile:
    """The file of a set by which it is recognised: the weights, whose content is known."""
    return next(file for file in files if file.is_pinned)


def _published_sizes(info: PackInfo, repo_path: str) -> set[int | None]:
    """Sizes under which the pack knows this path: text and image model share their names."""
    return {file.size for file in _every_file(info) if file.repo_path == repo_path}


def _every_file(info: PackInfo) -> Iterator[PackFile]:
    return (file for c in info.components for files in c.variants for file in files)


def _copy(
    copy: Copy, source_folder: Path, folder: Path, cancel: threading.Event | None
) -> Iterator[int]:
    """Copy and check one file, yielding the bytes done; nothing is left behind on failure."""
    target = folder / copy.file.path
    part = target.with_name(f"{target.name}.import.part")
    digest = hashlib.sha256()
    make_folder(target.parent)
    try:
        with disk_errors(part), part.open("wb") as file:
            for block in _read(copy.source, source_folder):
                raise_if_cancelled(cancel)
                file.write(block)
                digest.update(block)
                yield file.tell()
            size = file.tell()
        if not copy.file.accepts(digest.hexdigest()) or size != copy.size:
            raise ImportFolderError(
                source_folder,
                f"{copy.source} is damaged or another file (sha256 {digest.hexdigest()[:12]}),"
                " so copy it again",
            )
        sync_and_rename(part, target)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    origin = f"imported from {copy.source}"
    record_file(folder, copy.file.path, FileRecord(size, digest.hexdigest(), origin))


def _read(source: Path, source_folder: Path) -> Iterator[bytes]:
    try:
        with source.open("rb") as file:
            while block := file.read(CHUNK_BYTES):
                yield block
    except OSError as error:
        reason = f"{source} cannot be read ({error.strerror or error}), so copy it again"
        raise ImportFolderError(source_folder, reason) from error
