# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of packs, their state on disk, verification, names by content, deletion."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
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
    sha256,
    tiny_pack,
)
from maquette.weights import state as weights_state
from maquette.weights.errors import describe_bytes

TEXT = {
    TEXT_FILES[0]: CONFIG,
    TEXT_FILES[1]: PRIOR,
    TEXT_FILES[2]: ENCODER,
    RENDERER_FILE: RENDERER,
}
IMAGE = {IMAGE_FILES[0]: IMAGE_CONFIG, IMAGE_FILES[1]: IMAGE_PRIOR}


@pytest.fixture(autouse=True)
def pack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(weights_fetch.PACKS, "tiny", tiny_pack())


def install(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / "tiny" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "tiny" / name).write_bytes(content)
    return root / "tiny"


def bundle(monkeypatch: pytest.MonkeyPatch, root: Path, files: dict[str, bytes]) -> Path:
    """Install a starter pack with these files under another root."""
    monkeypatch.setattr(weights_state, "bundled_packs_root", lambda: root)
    folder = root / "starter"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    entries = {name: {"size": len(c), "sha256": sha256(c)} for name, c in files.items()}
    (folder / "pack.json").write_text(json.dumps({"files": entries}))
    return folder


# The table


def test_the_published_files_have_the_known_sizes_and_hashes() -> None:
    info = weights_fetch.PACKS["shap-e"]
    files = {f.path: f for c in info.components for v in c.variants for f in v}

    renderer = files["shap_e_renderer/diffusion_pytorch_model.fp16.safetensors"]
    assert renderer.size == 452_630_034
    assert renderer.sources[0] == weights_fetch.HubSource(
        repo="openai/shap-e", revision="refs/pr/11"
    )
    assert info.fetch_size(("text",)) == pytest.approx(1.331e9, rel=1e-3)
    assert info.fetch_size(("image",)) == pytest.approx(1.691e9, rel=1e-3)
    for name in ("text/prior/text_cond.pt", "image/prior/image_cond.pt"):
        assert files[name].sha256 is not None and not files[name].sources


def test_every_weights_file_is_pinned_and_every_hash_has_the_form_of_one() -> None:
    for info in weights_fetch.PACKS.values():
        for component in info.components:
            for files in component.variants:
                assert any(file.is_pinned for file in files)
                for file in files:
                    assert file.is_pinned or file.path.endswith(".json")
                    hashes = [file.sha256 or "0" * 64, *file.sha256_hint]
                    assert all(set(text) <= set("0123456789abcdef") for text in hashes)
                    assert len(hashes[0]) == 64


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "a/../../x",
        "/etc/passwd",
        "a//b",
        "",
        ".",
        "a/./b",
        "..\\x",
        "C:/x",
        "C:x",
        "a\nb",
        "a/",
    ],
)
def test_a_path_that_leaves_the_pack_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="relative path inside its pack"):
        weights_fetch.PackFile(path=path, repo_path="x", size=1)
    with pytest.raises(ValueError, match="relative path inside its pack"):
        weights_fetch.PackFile(path="x", repo_path=path, size=1)


def test_a_partial_hash_accepts_only_what_fits_it() -> None:
    prior = tiny_pack().components[0].files[1]

    assert prior.sha256 is None
    assert prior.accepts(sha256(PRIOR))
    assert not prior.accepts(sha256(PRIOR)[:-1] + "x")
    assert not prior.accepts("x" + sha256(PRIOR)[1:])


# The state


def test_nothing_is_missing_and_says_so(tmp_path: Path) -> None:
    state = weights_fetch.pack_state("tiny", tmp_path)

    assert (state.status, state.message) == ("missing", "not on this machine")
    assert state.missing == (*TEXT_FILES, *IMAGE_FILES, RENDERER_FILE)
    assert state.bytes_on_disk == 0


def test_one_complete_part_is_ready_while_the_pack_is_partial(tmp_path: Path) -> None:
    folder = install(tmp_path, TEXT)

    assert weights_fetch.pack_state("tiny", tmp_path).status == "partial"
    assert weights_fetch.pack_state("tiny", tmp_path).ready_parts == ("text",)
    assert weights_fetch.pack_state("tiny", tmp_path, ("text",)).status == "ready"
    assert weights_fetch.pack_state("tiny", tmp_path).bytes_on_disk == TEXT_BYTES
    assert weights_fetch.pack_directory("tiny", tmp_path) == folder
    with pytest.raises(weights_fetch.WeightsMissingError) as caught:
        weights_fetch.pack_directory("tiny", tmp_path, ("text", "image"))
    assert caught.value.missing == IMAGE_FILES


def test_the_words_of_a_partial_pack(tmp_path: Path) -> None:
    install(tmp_path, TEXT)

    words = weights_fetch.pack_state("tiny", tmp_path).message

    assert words == "text ready, image lacks 2 files, 350.0 kB on disk"


def test_a_file_of_another_size_is_damage(tmp_path: Path) -> None:
    install(tmp_path, TEXT | {TEXT_FILES[1]: PRIOR[:-1]})

    state = weights_fetch.pack_state("tiny", tmp_path)

    assert (state.status, state.damaged) == ("damaged", (TEXT_FILES[1],))
    with pytest.raises(weights_fetch.WeightsDamagedError, match=r"prior.*differs.*fetch the pack"):
        weights_fetch.pack_directory("tiny", tmp_path)


def test_a_damaged_image_part_does_not_stop_the_text_part(tmp_path: Path) -> None:
    folder = install(tmp_path, TEXT | {IMAGE_FILES[1]: b"short"})

    assert weights_fetch.pack_directory("tiny", tmp_path, ("text",)) == folder
    assert weights_fetch.pack_directory("tiny", tmp_path) == folder


def test_an_original_makes_its_component_complete(tmp_path: Path) -> None:
    files = {"text/prior/text_cond.pt": ORIGINAL, TEXT_FILES[2]: ENCODER, RENDERER_FILE: RENDERER}
    install(tmp_path, files)

    assert weights_fetch.pack_state("tiny", tmp_path).ready_parts == ("text",)


def test_an_unreadable_receipt_counts_as_none(tmp_path: Path) -> None:
    folder = install(tmp_path, TEXT)
    for text in ("", "[]", "{", '{"files": {"a": {"b": 1}}}', '{"files": 3}'):
        (folder / ".maquette.json").write_text(text)

        assert weights_fetch.pack_state("tiny", tmp_path, ("text",)).status == "ready"


# The bundled pack


def test_the_bundled_pack_is_checked_by_its_own_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = bundle(monkeypatch, tmp_path, {"prior.safetensors": PRIOR})

    assert weights_fetch.pack_state("starter", None).status == "ready"
    assert weights_fetch.pack_directory("starter", None) == folder
    assert weights_fetch.verify_pack("starter", None).status == "ready"
    assert weights_fetch.fetch_pack("starter", None, online=False).status == "ready"
    assert {path.name for path in folder.iterdir()} == {"pack.json", "prior.safetensors"}

    (folder / "prior.safetensors").write_bytes(bytes(len(PRIOR)))
    assert weights_fetch.pack_state("starter", None).status == "ready"
    with pytest.raises(weights_fetch.WeightsDamagedError, match="install Maquette again"):
        weights_fetch.verify_pack("starter", None)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"files": {}}', '{"files": {"../x": {"size": 1, "sha256": "0"}}}'],
)
def test_a_bundled_list_that_makes_no_sense_is_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    folder = bundle(monkeypatch, tmp_path, {})
    (folder / "pack.json").write_text(text)

    state = weights_fetch.pack_state("starter", None)

    assert (state.status, state.damaged) == ("damaged", ("pack.json",))
    with pytest.raises(weights_fetch.WeightsDamagedError, match="install Maquette again"):
        weights_fetch.pack_directory("starter", None)


def test_a_bundled_pack_that_is_not_there_cannot_be_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights_state, "bundled_packs_root", lambda: tmp_path)

    with pytest.raises(weights_fetch.WeightsMissingError, match="install Maquette again"):
        weights_fetch.fetch_pack("starter", None, online=True)


# Verification


def test_verifying_finds_the_changed_byte_and_remembers_it(tmp_path: Path) -> None:
    folder = install(tmp_path, TEXT)
    assert weights_fetch.verify_pack("tiny", tmp_path).ready_parts == ("text",)
    changed = bytearray(ENCODER)
    changed[1234] ^= 1
    (folder / TEXT_FILES[2]).write_bytes(changed)
    assert weights_fetch.pack_state("tiny", tmp_path, ("text",)).status == "ready"

    with pytest.raises(weights_fetch.WeightsDamagedError) as caught:
        weights_fetch.verify_pack("tiny", tmp_path)

    assert caught.value.damaged == (TEXT_FILES[2],)
    assert weights_fetch.pack_state("tiny", tmp_path, ("text",)).status == "damaged"
    (folder / TEXT_FILES[2]).write_bytes(ENCODER)
    assert weights_fetch.verify_pack("tiny", tmp_path).ready_parts == ("text",)


def test_verifying_compares_unpinned_files_with_the_first_time(tmp_path: Path) -> None:
    folder = install(tmp_path, TEXT)
    weights_fetch.verify_pack("tiny", tmp_path)
    (folder / TEXT_FILES[0]).write_bytes(CONFIG.replace(b"text", b"tixt"))

    with pytest.raises(weights_fetch.WeightsDamagedError, match=r"config\.json"):
        weights_fetch.verify_pack("tiny", tmp_path)


def test_verifying_nothing_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(weights_fetch.WeightsMissingError, match=r"and 5 more"):
        weights_fetch.verify_pack("tiny", tmp_path)


def test_verifying_reports_progress_and_stops_when_asked(tmp_path: Path) -> None:
    install(tmp_path, TEXT)
    calls: list[tuple[int, int]] = []
    cancel = threading.Event()

    weights_fetch.verify_pack(
        "tiny", tmp_path, on_progress=lambda done, total, file: calls.append((done, total))
    )
    assert calls == sorted(calls)
    assert calls[-1] == (TEXT_BYTES, TEXT_BYTES)

    cancel.set()
    with pytest.raises(weights_fetch.FetchCancelledError):
        weights_fetch.verify_pack("tiny", tmp_path, cancel=cancel)


# Names by content


def test_the_hash_of_a_pack_follows_its_definition(tmp_path: Path) -> None:
    folder = install(tmp_path, TEXT)
    lines = "".join(f"{name}\0{sha256(content)}\n" for name, content in sorted(TEXT.items()))
    expected = hashlib.sha256(lines.encode()).hexdigest()[:16]

    assert weights_fetch.pack_hash(folder) == expected
    weights_fetch.verify_pack("tiny", tmp_path)
    assert weights_fetch.pack_hash(folder) == expected


def test_the_hash_of_a_part_ignores_other_parts_but_not_shared_files(tmp_path: Path) -> None:
    folder = install(tmp_path, TEXT)
    before = weights_fetch.pack_hash(folder, "text")

    install(tmp_path, IMAGE)
    assert weights_fetch.pack_hash(folder, "text") == before
    assert weights_fetch.pack_hash(folder) != before

    install(tmp_path, {RENDERER_FILE: bytes(len(RENDERER))})
    assert weights_fetch.pack_hash(folder, "text") != before


def test_the_hash_comes_from_the_receipt_without_reading_the_files(tmp_path: Path) -> None:
    folder = install(tmp_path, TEXT)
    weights_fetch.verify_pack("tiny", tmp_path)
    before = weights_fetch.pack_hash(folder)

    (folder / TEXT_FILES[1]).write_bytes(bytes(len(PRIOR)))

    assert weights_fetch.pack_hash(folder) == before


def test_the_hash_of_a_bundled_pack_comes_from_its_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = bundle(monkeypatch, tmp_path, {"a": PRIOR})
    line = f"a\0{sha256(PRIOR)}\n".encode()

    assert weights_fetch.pack_hash(folder) == hashlib.sha256(line).hexdigest()[:16]


# Deletion and places


def test_deleting_a_pack_leaves_what_is_not_ours(tmp_path: Path) -> None:
    folder = install(
        tmp_path, TEXT | {"text/notes.txt": b"mine", f"{IMAGE_FILES[1]}.ab.part": b"p"}
    )
    weights_fetch.verify_pack("tiny", tmp_path)

    freed = weights_fetch.delete_pack("tiny", tmp_path)

    assert freed > TEXT_BYTES
    assert [path for path in folder.rglob("*") if path.is_file()] == [folder / "text/notes.txt"]
    (folder / "text/notes.txt").unlink()
    weights_fetch.delete_pack("tiny", tmp_path)
    assert not folder.exists()
    assert weights_fetch.delete_pack("tiny", tmp_path) == 0


def test_the_bundled_pack_cannot_be_deleted(tmp_path: Path) -> None:
    with pytest.raises(weights_fetch.PackFolderError, match="comes with Maquette"):
        weights_fetch.delete_pack("starter", tmp_path)


def test_the_usual_packs_folder_follows_the_system(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MAQUETTE_PACKS", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))

    for system, start in (
        ("linux", tmp_path / "xdg"),
        ("win32", tmp_path / "local"),
        ("darwin", tmp_path / "Library" / "Application Support"),
    ):
        monkeypatch.setattr(sys, "platform", system)
        assert weights_fetch.user_packs_root() == start / "maquette" / "packs"
        assert weights_fetch.default_packs_root() == start / "maquette" / "packs"

    monkeypatch.setenv("MAQUETTE_PACKS", str(tmp_path / "elsewhere"))
    assert weights_fetch.default_packs_root() == tmp_path / "elsewhere"
    assert weights_fetch.user_packs_root() != tmp_path / "elsewhere"


def test_sizes_are_written_as_people_read_them() -> None:
    sizes = (0, 999, 1000, 350_016, 999_960_000, 1_331_392_073, 5_000_000_000_000)

    words = [describe_bytes(size) for size in sizes]

    assert words == ["0 bytes", "999 bytes", "1.0 kB", "350.0 kB", "1.0 GB", "1.3 GB", "5000.0 GB"]


def test_importing_the_module_loads_no_client() -> None:
    code = "import sys, maquette.weights_fetch; print('huggingface_hub' in sys.modules)"

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert answer.stdout.strip() == "False", answer.stderr
