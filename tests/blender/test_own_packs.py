# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs of the user's own making in the sidebar: chosen, gone, and back again."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import bpy
import pytest
from maquette import weights_fetch
from maquette.operators import pack_choice, packs, recall


@pytest.fixture
def packs_folder(tmp_path: Path):
    known = dict(weights_fetch.PACKS)
    preferences = bpy.context.preferences.addons["maquette"].preferences
    preferences.packs_folder = str(tmp_path)
    yield tmp_path
    weights_fetch.PACKS.clear()
    weights_fetch.PACKS.update(known)
    preferences.packs_folder = ""


def _write(root: Path, name: str) -> Path:
    folder = root / name
    folder.mkdir()
    (folder / "adapter.safetensors").write_bytes(b"content")
    entry = {"size": 7, "sha256": hashlib.sha256(b"content").hexdigest()}
    change = {"kind": "adapter", "file": "adapter.safetensors"}
    content = {
        "format": 1,
        "id": name,
        "title": name.title(),
        "base": {"id": "starter", "files": ""},
        "changes": {"all": change},
        "files": {"adapter.safetensors": entry},
    }
    (folder / "pack.json").write_text(json.dumps(content))
    return folder


def test_an_own_pack_can_be_chosen_and_is_ready(packs_folder: Path) -> None:
    _write(packs_folder, "striped")
    packs.refresh(bpy.context)
    settings = bpy.context.scene.maquette

    settings.pack = "striped"

    states = bpy.context.window_manager.maquette_sidebar.pack_states
    rows = bpy.context.window_manager.maquette_downloads.packs
    assert settings.pack == "striped"
    assert states["striped TEXT"].kind == "READY"
    row = rows["striped"]
    assert (row.title, row.is_fetched, row.needs_clip) == ("Striped", False, False)


def test_the_choice_waits_for_a_pack_that_is_away(packs_folder: Path) -> None:
    folder = _write(packs_folder, "striped")
    packs.refresh(bpy.context)
    settings = bpy.context.scene.maquette
    settings.pack = "striped"
    shutil.move(folder, packs_folder / "elsewhere")

    packs.refresh(bpy.context)
    while_away = settings.pack
    shutil.move(packs_folder / "elsewhere", folder)
    packs.refresh(bpy.context)

    assert while_away == pack_choice.DEFAULT
    assert settings.pack == "striped"


def test_another_own_pack_does_not_change_the_choice(packs_folder: Path) -> None:
    _write(packs_folder, "striped")
    packs.refresh(bpy.context)
    settings = bpy.context.scene.maquette
    settings.pack = "striped"
    before = [item[0] for item in pack_choice.items(settings, bpy.context)]

    _write(packs_folder, "clay")
    packs.refresh(bpy.context)

    after = [item[0] for item in pack_choice.items(settings, bpy.context)]
    assert (before, after) == (
        ["starter", "shap-e", "striped"],
        ["starter", "shap-e", "striped", "clay"],
    )
    assert settings.pack == "striped"


def test_a_record_brings_its_own_pack_back_where_it_is_there(packs_folder: Path) -> None:
    _write(packs_folder, "striped")
    packs.refresh(bpy.context)
    settings = bpy.context.scene.maquette
    settings.pack = "starter"

    recall.show_record(settings, {"prompt": "a chair", "pack": "striped", "seed": 1})
    recalled = settings.pack
    recall.show_record(settings, {"prompt": "a chair", "pack": "nowhere", "seed": 1})

    assert recalled == settings.pack == "striped"
