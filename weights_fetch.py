# SPDX-License-Identifier: GPL-3.0-or-later
"""The model packs on this machine: state, fetch, import, verify, delete.

    state = pack_state("shap-e", packs_root)
    fetch_pack("shap-e", packs_root, parts=("text",), online=True, on_progress=show)
    folder = pack_directory("shap-e", packs_root, parts=("text",))

Blocking, without Blender and without core: the sidebar calls it on a worker thread, the command
line directly. Everything is written under the packs folder, first as a `.part` file; a file
stands under its own name only when its content has been checked. The `.part` file of a download
survives a failure, so that the next fetch goes on where this one stopped.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from .weights.disk import (
    LOCK_NAME,
    PACK_JSON,
    RECEIPT_NAME,
    FileRecord,
    Meter,
    OnBytes,
    file_size,
    git_blob_sha1,
    make_folder,
    pack_lock,
    read_receipt,
    record_file,
    remove_files,
    require_space,
    sync_and_rename,
)
from .weights.download import download
from .weights.errors import (
    DiskSpaceError,
    DownloadError,
    FetchCancelledError,
    ImportFolderError,
    OfflineError,
    PackBusyError,
    PackFolderError,
    UnknownPackError,
    WeightsDamagedError,
    WeightsError,
    WeightsMissingError,
    describe_bytes,
)
from .weights.hub import HubFile, locate
from .weights.importing import import_pack
from .weights.own import find_own_packs
from .weights.rate import TransferRate
from .weights.state import (
    PackState,
    bundled_packs_root,
    chosen_parts,
    component_state,
    components_on_disk,
    default_packs_root,
    file_status,
    find_pack,
    pack_directory,
    pack_folder,
    pack_state,
    raise_unless_ready,
    user_packs_root,
)
from .weights.table import PACKS, HubSource, PackComponent, PackFile, PackInfo
from .weights.verify import pack_hash, verify_pack

__all__ = [
    "PACKS",
    "DiskSpaceError",
    "DownloadError",
    "FetchCancelledError",
    "HubSource",
    "ImportFolderError",
    "OfflineError",
    "OnBytes",
    "PackBusyError",
    "PackComponent",
    "PackFile",
    "PackFolderError",
    "PackInfo",
    "PackState",
    "TransferRate",
    "UnknownPackError",
    "WeightsDamagedError",
    "WeightsError",
    "WeightsMissingError",
    "bundled_packs_root",
    "default_packs_root",
    "delete_pack",
    "describe_bytes",
    "fetch_pack",
    "find_own_packs",
    "import_pack",
    "pack_directory",
    "pack_hash",
    "pack_state",
    "user_packs_root",
    "verify_pack",
]


def fetch_pack(
    pack_id: str,
    packs_root: Path | None,
    *,
    parts: tuple[str, ...] | None = None,
    online: bool,
    endpoint: str | None = None,
    on_progress: OnBytes | None = None,
    cancel: threading.Event | None = None,
) -> PackState:
    """Fetch what is missing or damaged of a pack from the hub, checked; blocks.

    Only the hub that `endpoint` names and, for the hub itself, its own delivery hosts are
    contacted. Components that are complete, in whatever form, are left alone.

    Args:
        pack_id: an id of the table; a bundled pack is only looked at.
        packs_root: the packs folder, created if need be; None is the user's own.
        parts: what to fetch; None fetches all parts.
        online: whether the user allows connections (`bpy.app.online_access` in Blender).
        endpoint: address of a mirror; None is the hub, or what `HF_ENDPOINT` names.
        on_progress: called on this thread; what is complete already does not count.
        cancel: set it from any thread; obeyed within a fraction of a second.

    Raises:
        OfflineError: something is missing and `online` is false.
        DownloadError: the hub could not be reached or does not offer the published files.
        DiskSpaceError, PackFolderError, PackBusyError: the packs folder cannot be used.
        WeightsDamagedError: the delivered content is not the published one.
        FetchCancelledError: `cancel` was set.
    """
    info = find_pack(pack_id)
    parts = chosen_parts(info, parts)
    state = pack_state(pack_id, packs_root, parts)
    if state.status == "ready":
        return state
    if info.lists_itself:
        raise_unless_ready(info, state)
    folder = pack_folder(info, packs_root)
    wanted = _files_to_fetch(info, parts, folder)
    if not online:
        raise OfflineError(wanted[0].path)
    address = _endpoint_or_default(endpoint, wanted[0])
    offers = [locate(file, address, cancel) for file in wanted]
    require_space(
        folder, sum(offer.size - (file_size(_part(folder, offer)) or 0) for offer in offers)
    )
    meter = Meter(sum(offer.size for offer in offers), on_progress)
    with pack_lock(folder):
        for offer in offers:
            _fetch_file(info, offer, folder, meter, cancel)
    return pack_state(pack_id, packs_root, parts)


def _files_to_fetch(info: PackInfo, parts: tuple[str, ...], folder: Path) -> list[PackFile]:
    receipt = read_receipt(folder)
    return [
        file
        for component in info.components_of(parts)
        if not component_state(component, folder, receipt).is_ready
        for file in component.files
        if file_status(file, folder, receipt.get(file.path)) != "ready"
    ]


def _endpoint_or_default(endpoint: str | None, file: PackFile) -> str:
    """Check the hub's address, and that the client is there at all."""
    try:
        from huggingface_hub import constants
    except ImportError as error:
        raise DownloadError(
            file.path, "huggingface_hub is not installed", "import the files from a folder"
        ) from error
    address = (endpoint or constants.ENDPOINT).rstrip("/")
    if urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).hostname:
        raise DownloadError(
            file.path, f"{address!r} is no web address", "give one that begins with https://"
        )
    return address


def _part(folder: Path, offer: HubFile) -> Path:
    """Where a download grows; named after its content, so that versions never mix."""
    target = folder / offer.file.path
    tag = hashlib.sha256(offer.etag.encode()).hexdigest()[:12]
    return target.with_name(f"{target.name}.{tag}.part")


def _fetch_file(
    info: PackInfo,
    offer: HubFile,
    folder: Path,
    meter: Meter,
    cancel: threading.Event | None,
) -> None:
    target, part = folder / offer.file.path, _part(folder, offer)
    make_folder(target.parent)
    remove_files(p for p in target.parent.glob(f"{target.name}.*.part") if p != part)
    sha256 = download(
        offer, part, cancel=cancel, on_position=lambda done: meter.at(offer.file.path, done)
    )
    is_right = sha256 == offer.sha256 if offer.sha256 else offer.file.accepts(sha256)
    if is_right and offer.sha256 is None and offer.git_sha1 is not None:
        is_right = git_blob_sha1(part) == offer.git_sha1
    if not is_right:
        remove_files(iter((part,)))
        raise WeightsDamagedError(
            info.id,
            (offer.file.path,),
            f"{offer.file.path} arrived with another content (sha256 {sha256[:12]})",
            "try again, or check what stands between this machine and the hub",
        )
    sync_and_rename(part, target)
    record_file(folder, offer.file.path, FileRecord(offer.size, sha256, offer.origin))
    meter.finish(offer.file.path, offer.size)


def delete_pack(pack_id: str, packs_root: Path | None) -> int:
    """Delete a pack's files and unfinished downloads, and nothing else; returns bytes freed.

    Raises:
        PackFolderError: the pack comes with Maquette, or its files cannot be deleted.
        PackBusyError: a fetch or an import is running.
    """
    info = find_pack(pack_id)
    folder = pack_folder(info, packs_root)
    if info.bundled:
        raise PackFolderError(folder, "it comes with Maquette", "disable Maquette to be rid of it")
    if not folder.is_dir():
        return 0
    with pack_lock(folder):
        freed = remove_files(_files_of(info, folder))
    remove_files(iter((folder / LOCK_NAME,)))
    for inner in sorted(folder.rglob("*"), reverse=True):
        if inner.is_dir():
            _remove_if_empty(inner)
    _remove_if_empty(folder)
    return freed


def _files_of(info: PackInfo, folder: Path) -> Iterator[Path]:
    yield folder / RECEIPT_NAME
    if info.own:
        yield from _own_files_of(info, folder)
    for component in info.components:
        for file in (file for files in component.variants for file in files):
            target = folder / file.path
            yield target
            yield from target.parent.glob(f"{target.name}.*.part")


def _own_files_of(info: PackInfo, folder: Path) -> tuple[Path, ...]:
    """Return the description and what it lists, read before any of it is deleted."""
    try:
        files = [file for each in components_on_disk(info, folder) for file in each.files]
    except WeightsDamagedError:
        files = []
    return (*(folder / file.path for file in files), folder / PACK_JSON)


def _remove_if_empty(folder: Path) -> None:
    # A folder with something of the user's in it stays.
    with suppress(OSError):
        folder.rmdir()
