# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs of the user's own making: found, judged, listed and deleted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from maquette import weights_fetch
from maquette.cli.main import run_command
from maquette.weights_fetch import PACKS, delete_pack, find_own_packs, pack_state


@pytest.fixture(autouse=True)
def only_known_packs() -> Iterator[None]:
    kept = dict(PACKS)
    yield
    PACKS.clear()
    PACKS.update(kept)


def _write(root: Path, name: str, **about: Any) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "adapter.safetensors").write_bytes(b"content")
    entry = {"size": 7, "sha256": hashlib.sha256(b"content").hexdigest()}
    content = {"format": 1, "id": name, "files": {"adapter.safetensors": entry}} | about
    (folder / "pack.json").write_text(json.dumps(content))
    return folder


def _standing_on(base: str, part: str = "all") -> dict[str, Any]:
    change = {"kind": "adapter", "file": "adapter.safetensors"}
    return {"base": {"id": base, "files": ""}, "changes": {part: change}}


def test_a_pack_that_stands_on_the_starter_is_listed_and_ready(tmp_path: Path) -> None:
    _write(tmp_path, "striped", title="Striped", **_standing_on("starter"))

    find_own_packs(tmp_path)

    info, state = PACKS["striped"], pack_state("striped", tmp_path)
    assert (info.title, info.parts, info.own) == ("Striped", PACKS["starter"].parts, True)
    assert (state.status, state.ready_parts) == ("ready", info.parts)


def test_a_pack_is_not_ready_without_the_one_it_stands_on(tmp_path: Path) -> None:
    _write(tmp_path, "clay", **_standing_on("shap-e", "image"))

    find_own_packs(tmp_path)

    assert PACKS["clay"].parts == ("image",)
    assert pack_state("clay", tmp_path).ready_parts == ()
    with pytest.raises(weights_fetch.WeightsMissingError, match=r"the shap-e pack.*fetch that"):
        weights_fetch.pack_directory("clay", tmp_path, ("image",))


def test_a_pack_that_is_gone_is_forgotten_and_known_ones_stay(tmp_path: Path) -> None:
    folder = _write(tmp_path, "striped", **_standing_on("starter"))
    find_own_packs(tmp_path)
    (folder / "pack.json").unlink()

    find_own_packs(tmp_path)

    assert "striped" not in PACKS
    assert "starter" in PACKS


@pytest.mark.parametrize(
    ("name", "about"),
    [
        ("starter", {}),
        ("other-name", {"id": "striped"}),
        ("orphan", {"base": {"id": "nobody", "files": ""}, "changes": {"all": {}}}),
        ("Capital", {}),
        ("broken", {"base": 3}),
    ],
)
def test_folders_that_are_no_packs_are_passed_over(
    tmp_path: Path, name: str, about: dict[str, Any]
) -> None:
    known = dict(PACKS)
    _write(tmp_path, name, **about)

    find_own_packs(tmp_path)

    assert known == PACKS


def test_deleting_takes_what_the_pack_lists_and_nothing_else(tmp_path: Path) -> None:
    folder = _write(tmp_path, "striped", **_standing_on("starter"))
    (folder / "notes.txt").write_text("mine")
    find_own_packs(tmp_path)

    freed = delete_pack("striped", tmp_path)

    assert freed > 7
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_the_command_line_knows_packs_of_the_folder_it_is_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(tmp_path, "striped", **_standing_on("starter"))

    code = run_command(["weights", "list", "--packs-dir", str(tmp_path), "--json"])

    listed = json.loads(capsys.readouterr().out)["packs"]
    assert code == 0
    assert {each["pack"]: each["status"] for each in listed}["striped"] == "ready"
