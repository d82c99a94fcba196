# SPDX-License-Identifier: GPL-3.0-or-later
"""The prompt history in Blender: what is remembered, shown, filled in again and passed on."""

from __future__ import annotations

import json

import bpy
import pytest
from maquette.core import history as history_file
from maquette.operators import history, user_files


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Keep the history of each test to itself."""
    path = tmp_path / "user"
    path.mkdir()
    monkeypatch.setattr(user_files, "folder", lambda: path)
    history.refresh()
    return path


def settings():
    return bpy.context.scene.maquette


def sidebar():
    return bpy.context.window_manager.maquette_sidebar


def shown():
    return [(line.name, line.seed) for line in sidebar().history]


def generate(prompt, seed=0):
    settings().prompt, settings().seed = prompt, seed
    assert bpy.ops.maquette.generate() == {"FINISHED"}


def test_what_was_generated_is_shown_newest_first(pipeline, make_result):
    pipeline.results = [make_result()]
    generate("a chair", 3)
    generate("ein Stuhl 椅子", 4)
    generate("ein Stuhl 椅子", 4)

    # The same again takes the next seed.
    assert shown() == [("ein Stuhl 椅子", 5), ("ein Stuhl 椅子", 4), ("a chair", 3)]
    assert sidebar().history[0].date[:2] == "20"


def test_the_newest_is_chosen_after_each_run(pipeline):
    generate("a chair")
    generate("a lamp")
    sidebar().active_history = 1

    generate("a boat")

    assert sidebar().active_history == 0


def test_a_failed_run_is_remembered_too(pipeline):
    from maquette.core.errors import EmptySurfaceError

    pipeline.error = EmptySurfaceError(-0.5)
    with pytest.raises(RuntimeError):
        generate("a chair")

    assert shown() == [("a chair", 0)]


def test_it_is_kept_when_another_file_is_opened_and_when_maquette_is_disabled(pipeline):
    import addon_utils

    generate("a chair", 3)
    bpy.ops.wm.read_homefile(use_empty=True)
    assert shown() == [("a chair", 3)]

    addon_utils.disable("maquette", default_set=True)
    addon_utils.enable("maquette", default_set=True)
    assert shown() == [("a chair", 3)]


def test_a_saved_file_does_not_carry_the_history(pipeline, tmp_path):
    generate("a secret unicorn")
    generate("a chair")
    path = tmp_path / "scene.blend"
    bpy.context.preferences.filepaths.use_file_compression = False
    bpy.context.window_manager.maquette.jobs.clear()  # Not the history.

    bpy.ops.wm.save_as_mainfile(filepath=str(path))

    content = path.read_bytes()
    assert b"a chair" in content
    assert b"unicorn" not in content
    assert [name for name, _ in shown()] == ["a chair", "a secret unicorn"]


def test_recall_fills_the_settings_in_and_undo_takes_it_back(pipeline):
    settings().count, settings().resolution = 2, 96
    generate("a chair", 3)
    settings().count, settings().resolution, settings().random_seed = 1, 128, True
    generate("a lamp")
    settings().seed = 9

    bpy.ops.maquette.history_recall(index=1)

    assert (settings().prompt, settings().seed, settings().random_seed) == ("a chair", 3, False)
    assert (settings().count, settings().resolution) == (2, 96)
    assert not settings().use_guidance


def test_generate_again_asks_for_exactly_the_same(pipeline):
    settings().use_guidance, settings().guidance, settings().steps = True, 4.5, 7
    generate("a chair", 3)
    settings().use_guidance, settings().random_seed = False, True
    settings().preset = "FINE"
    generate("a lamp")

    bpy.ops.maquette.history_run(index=1)

    first, _, again = pipeline.requests
    assert again == first


def test_generate_again_without_the_picture_says_what_is_missing(pipeline):
    entry = history_file.HistoryEntry(image_source="/gone/chair.png", pack="starter")
    history.change(lambda _: [entry])

    with pytest.raises(RuntimeError, match="Choose an image first"):
        bpy.ops.maquette.history_run(index=0)


def test_one_entry_is_removed_and_the_others_stay(pipeline):
    for seed in range(3):
        generate("a chair", seed)
    sidebar().active_history = 1

    bpy.ops.maquette.history_remove()

    assert shown() == [("a chair", 2), ("a chair", 0)]
    history.refresh()
    assert shown() == [("a chair", 2), ("a chair", 0)]


def test_clear_asks_first_and_leaves_nothing(pipeline, folder):
    generate("a chair")

    bpy.ops.maquette.history_clear()

    assert shown() == []
    assert history_file.read(folder / "history.json") == []
    for name in ("clear", "recall", "run", "remove", "export"):
        with pytest.raises(RuntimeError, match="The history is empty"):
            getattr(bpy.ops.maquette, f"history_{name}")()


def test_what_one_exports_another_imports_beside_their_own(pipeline, folder, tmp_path):
    generate("a chair", 1)
    generate("a lamp", 2)
    exported = tmp_path / "ours.json"
    bpy.ops.maquette.history_export(filepath=str(exported))
    bpy.ops.maquette.history_clear()
    generate("a boat", 3)

    for _ in range(2):
        bpy.ops.maquette.history_import(filepath=str(exported))

    assert sorted(shown()) == [("a boat", 3), ("a chair", 1), ("a lamp", 2)]


def test_an_export_without_its_ending_gets_one(pipeline, tmp_path):
    generate("a chair")

    bpy.ops.maquette.history_export(filepath=str(tmp_path / "mine"))

    assert json.loads((tmp_path / "mine.json").read_text())["entries"][0]["prompt"] == "a chair"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("not json", "File other.json is damaged .not JSON.: choose another"),
        ('{"a": 1}', "File other.json is no prompt history: choose one that Maquette exported"),
        ('{"maquette_history": 99}', "from another Maquette: export it there again"),
        (None, "Cannot read other.json .no such file.: check its folder and permissions"),
    ],
)
def test_a_file_that_cannot_be_imported_is_answered_in_one_sentence(
    pipeline, tmp_path, content, sentence
):
    generate("a chair")
    path = tmp_path / "other.json"
    if content is not None:
        path.write_text(content)

    with pytest.raises(RuntimeError, match=sentence):
        bpy.ops.maquette.history_import(filepath=str(path))

    assert shown() == [("a chair", 0)]


def test_a_damaged_history_is_kept_aside_and_the_user_is_told(pipeline, folder):
    (folder / "history.json").write_text("half a fi")

    history.refresh()

    assert "kept as history.damaged-1.json" in bpy.context.window_manager.maquette.warning
    assert (folder / "history.damaged-1.json").read_text() == "half a fi"
    generate("a chair")
    assert shown() == [("a chair", 0)]


def test_a_history_that_cannot_be_written_does_not_stop_the_run(pipeline, folder, make_result):
    pipeline.results = [make_result()]
    (folder / "history.json").mkdir()

    generate("a chair")

    assert len(bpy.data.objects) == 1
    assert "history.json" in bpy.context.window_manager.maquette.warning


def test_another_blender_that_writes_in_between_loses_nothing(pipeline, folder):
    generate("ours", 1)
    theirs = history_file.HistoryEntry(prompt="theirs", seed=2)
    path = folder / "history.json"
    history_file.write(path, history_file.add(history_file.read(path), theirs))

    generate("ours again", 3)

    assert [name for name, _ in shown()] == ["ours again", "theirs", "ours"]
