# SPDX-License-Identifier: GPL-3.0-or-later
"""Importing a pack from folders as people have them."""

from __future__ import annotations

import errno
import json
import shutil
import threading
from pathlib import Path

import pytest
from maquette import weights_fetch
from maquette.tests.unit.tiny_pack import (
    CONFIG,
    ENCODER,
    IMAGE_CONFIG,
    IMAGE_FILES,
    IMAGE_PRIOR,
    ORIGINAL,
    PRIOR,
    RENDERER,
    RENDERER_FILE,
    TEXT_BYTES,
    TEXT_FILES,
    WEIGHTS,
    sha256,
    tiny_pack,
)
from maquette.weights import importing as weights_import

TEXT_SNAPSHOT = {
    "prior/config.json": CONFIG,
    f"prior/{WEIGHTS}": PRIOR,
    f"encoder/{WEIGHTS}": ENCODER,
    RENDERER_FILE: RENDERER,
    "README.md": b"# other things are left where they are",
}
IMAGE_SNAPSHOT = {"prior/config.json": IMAGE_CONFIG, f"prior/{WEIGHTS}": IMAGE_PRIOR}


@pytest.fixture(autouse=True)
def pack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(weights_fetch.PACKS, "tiny", tiny_pack())


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    return tmp_path / "packs"


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    (tmp_path / "stick").mkdir()
    return tmp_path / "stick"


def lay_out(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def names_under(folder: Path) -> set[str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix() for path in paths}
    return names - {".maquette.json", ".maquette.lock"}


def test_a_copy_of_the_repositories_is_imported(stick: Path, packs: Path) -> None:
    lay_out(stick / "downloads" / "shap-e", TEXT_SNAPSHOT)
    lay_out(stick / "downloads" / "shap-e-img2img", IMAGE_SNAPSHOT)

    state = weights_fetch.import_pack(stick, "tiny", packs)

    assert state.status == "ready"
    assert names_under(packs / "tiny") == {*TEXT_FILES, *IMAGE_FILES, RENDERER_FILE}
    assert (packs / "tiny" / IMAGE_FILES[0]).read_bytes() == IMAGE_CONFIG
    assert (packs / "tiny" / IMAGE_FILES[1]).read_bytes() == IMAGE_PRIOR
    assert (packs / "tiny" / TEXT_FILES[1]).read_bytes() == PRIOR


def test_the_hubs_cache_with_its_links_is_imported(stick: Path, packs: Path) -> None:
    cache = stick / "hub" / "models--maker--tiny"
    (cache / "blobs").mkdir(parents=True)
    for name, content in TEXT_SNAPSHOT.items():
        (cache / "blobs" / sha256(content)).write_bytes(content)
        link = cache / "snapshots" / "0123abc" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(cache / "blobs" / sha256(content))

    state = weights_fetch.import_pack(stick, "tiny", packs)

    assert state.ready_parts == ("text",)
    assert not any(path.is_symlink() for path in packs.rglob("*"))
    assert (packs / "tiny" / TEXT_FILES[2]).read_bytes() == ENCODER


def test_a_pack_from_another_machine_is_imported(stick: Path, packs: Path, tmp_path: Path) -> None:
    lay_out(stick, TEXT_SNAPSHOT)
    weights_fetch.import_pack(stick, "tiny", tmp_path / "other")

    state = weights_fetch.import_pack(tmp_path / "other" / "tiny", "tiny", packs)

    assert state.ready_parts == ("text",)
    assert weights_fetch.pack_hash(packs / "tiny") == weights_fetch.pack_hash(
        tmp_path / "other" / "tiny"
    )


def test_an_original_takes_the_place_of_the_hubs_files(stick: Path, packs: Path) -> None:
    lay_out(stick, {"text_cond.pt": ORIGINAL})

    state = weights_fetch.import_pack(stick, "tiny", packs)

    assert names_under(packs / "tiny") == {"text/prior/text_cond.pt"}
    assert state.status == "partial"
    assert not any(path.startswith("text/prior") for path in state.missing)


def test_an_import_completes_an_earlier_one(stick: Path, packs: Path) -> None:
    weights_fetch.import_pack(lay_out(stick / "a", {"text_cond.pt": ORIGINAL}), "tiny", packs)

    state = weights_fetch.import_pack(lay_out(stick / "b", TEXT_SNAPSHOT), "tiny", packs)

    assert state.ready_parts == ("text",)
    assert not (packs / "tiny" / TEXT_FILES[1]).exists()


def test_progress_ends_at_the_total(stick: Path, packs: Path) -> None:
    calls: list[tuple[int, int]] = []

    weights_fetch.import_pack(
        lay_out(stick, TEXT_SNAPSHOT),
        "tiny",
        packs,
        on_progress=lambda done, total, file: calls.append((done, total)),
    )

    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert calls[-1] == (TEXT_BYTES, TEXT_BYTES)


def test_the_receipt_says_where_it_came_from(stick: Path, packs: Path) -> None:
    weights_fetch.import_pack(lay_out(stick, TEXT_SNAPSHOT), "tiny", packs)

    entry = json.loads((packs / "tiny" / ".maquette.json").read_text())["files"][TEXT_FILES[1]]
    assert entry["origin"] == f"imported from {stick / 'prior' / WEIGHTS}"
    assert entry["sha256"] == sha256(PRIOR)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({f"prior/{WEIGHTS}": PRIOR[:1000]}, r"has 1000 bytes instead of 200000, so copy it again"),
        ({f"prior/{WEIGHTS}": bytes(len(PRIOR))}, r"is damaged or another file \(sha256 "),
        ({f"encoder/{WEIGHTS}": bytes(len(ENCODER))}, r"is damaged or another file \(sha256 "),
        ({"prior/config.json": b""}, r"config\.json is missing or empty"),
        (
            {RENDERER_FILE: b"version https://git-lfs.github.com/spec/v1\noid sha256:12\n"},
            "is a Git LFS pointer, not the file, so run `git lfs pull`",
        ),
    ],
)
def test_a_file_that_is_not_whole_is_named(
    stick: Path, packs: Path, changes: dict[str, bytes], words: str
) -> None:
    lay_out(stick, TEXT_SNAPSHOT | changes)

    with pytest.raises(weights_fetch.ImportFolderError, match=words) as caught:
        weights_fetch.import_pack(stick, "tiny", packs)

    assert next(iter(changes)) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(packs.rglob("*.part"))


def test_a_link_to_nothing_is_named(stick: Path, packs: Path) -> None:
    lay_out(stick, {"prior/config.json": CONFIG})
    (stick / "prior" / WEIGHTS).symlink_to(stick / "gone")

    with pytest.raises(weights_fetch.ImportFolderError, match="is a link to a file that is not"):
        weights_fetch.import_pack(stick, "tiny", packs)


def test_a_folder_without_the_pack_says_what_was_looked_for(stick: Path, packs: Path) -> None:
    lay_out(stick, {"holiday.jpg": b"x", WEIGHTS: PRIOR})

    with pytest.raises(weights_fetch.ImportFolderError, match=rf"such as prior/{WEIGHTS}"):
        weights_fetch.import_pack(stick, "tiny", packs)

    assert not packs.exists()


def test_a_missing_folder_and_a_bundled_pack_are_refused(stick: Path, packs: Path) -> None:
    with pytest.raises(weights_fetch.ImportFolderError, match="there is no such folder"):
        weights_fetch.import_pack(stick / "nope", "tiny", packs)
    with pytest.raises(weights_fetch.ImportFolderError, match="comes with Maquette"):
        weights_fetch.import_pack(stick, "starter", packs)


def test_importing_a_complete_pack_copies_nothing(
    stick: Path, packs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out(stick, TEXT_SNAPSHOT)
    lay_out(stick / "image", IMAGE_SNAPSHOT)
    weights_fetch.import_pack(stick, "tiny", packs)
    monkeypatch.setattr(weights_import, "_copy", None)

    assert weights_fetch.import_pack(stick, "tiny", packs).status == "ready"
    assert weights_fetch.import_pack(packs / "tiny", "tiny", packs).status == "ready"


def test_cancel_leaves_no_half_file(stick: Path, packs: Path) -> None:
    cancel = threading.Event()

    with pytest.raises(weights_fetch.FetchCancelledError):
        weights_fetch.import_pack(
            lay_out(stick, TEXT_SNAPSHOT),
            "tiny",
            packs,
            on_progress=lambda done, total, file: cancel.set(),
            cancel=cancel,
        )

    assert names_under(packs / "tiny") == {TEXT_FILES[0]}


def test_a_full_disk_is_noticed_before_copying(
    stick: Path, packs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(stick)._replace(free=1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

    with pytest.raises(weights_fetch.DiskSpaceError):
        weights_fetch.import_pack(lay_out(stick, TEXT_SNAPSHOT), "tiny", packs)

    assert not packs.exists()


def test_a_stick_that_is_pulled_out_is_named(
    stick: Path, packs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out(stick, TEXT_SNAPSHOT)
    usual = Path.open

    def fail(self: Path, mode: str = "r", *args: object, **options: object) -> object:
        if self.name == WEIGHTS and mode == "rb" and stick in self.parents:
            raise OSError(errno.EIO, "Input/output error")
        return usual(self, mode, *args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", fail)

    with pytest.raises(weights_fetch.ImportFolderError, match="Input/output error"):
        weights_fetch.import_pack(stick, "tiny", packs)
