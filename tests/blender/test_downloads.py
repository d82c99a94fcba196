# SPDX-License-Identifier: GPL-3.0-or-later
"""Model packs from the preferences: fetched from a hub on the loopback interface, and so on."""

from __future__ import annotations

import threading
from pathlib import Path

import bpy
import pytest
from maquette import weights_fetch
from maquette.operators import downloads, machine, tasks
from maquette.tests.unit.hub_server import HubServer
from maquette.tests.unit.tiny_pack import (
    ENCODER,
    ON_HUB,
    PRIOR,
    RENDERER,
    TEXT_BYTES,
    TEXT_FILES,
    WEIGHTS,
    tiny_pack,
)

# Where torch is not, huggingface_hub is not either.
hub_needed = pytest.mark.needs_torch
PRIOR_PATH = f"prior/{WEIGHTS}"


@pytest.fixture(autouse=True)
def packs(monkeypatch, tmp_path) -> Path:
    """A packs folder of its own, and the tiny pack beside the real ones."""
    monkeypatch.setitem(weights_fetch.PACKS, "tiny", tiny_pack())
    preferences().packs_folder = str(tmp_path / "packs")
    bpy.context.preferences.system.use_online_access = True
    machine.refresh(bpy.context)
    return tmp_path / "packs"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    from huggingface_hub import close_session
    from maquette.weights import download, hub

    for module in (hub, download):
        monkeypatch.setattr(module, "RETRY_WAIT_SECONDS", 0.01)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf-home"))
    close_session()
    with HubServer(dict(ON_HUB)) as server:
        # The client builds addresses from what HF_ENDPOINT was when it was imported.
        monkeypatch.setattr(weights_fetch, "_endpoint_or_default", lambda *_: server.url)
        yield server
    close_session()


def preferences():
    return bpy.context.preferences.addons["maquette"].preferences


def shown():
    return bpy.context.window_manager.maquette_downloads


def row():
    return shown().packs["tiny"]


def fetch(part: str = "TEXT"):
    return bpy.ops.maquette.pack_fetch(pack_id="tiny", part=part)


def put_text_part(packs: Path) -> None:
    """Lay the files of the text part down as a fetch would."""
    contents = (ON_HUB["maker/tiny@main/prior/config.json"], PRIOR, ENCODER, RENDERER)
    for name, content in zip((*TEXT_FILES, f"renderer/{WEIGHTS}"), contents, strict=True):
        (packs / "tiny" / name).parent.mkdir(parents=True, exist_ok=True)
        (packs / "tiny" / name).write_bytes(content)
    machine.refresh(bpy.context)


def test_before_anything_is_there_the_table_says_what_to_fetch():
    assert (row().title, row().words, row().is_present) == ("Tiny", "Not on this machine", False)
    assert row().fetch_text == weights_fetch.describe_bytes(TEXT_BYTES)
    starter = shown().packs["starter"]
    assert (starter.is_bundled, starter.words) == (True, "Ready for prompts and images")
    assert starter.fetch_text == starter.fetch_image == ""


@hub_needed
def test_a_part_is_fetched_and_the_table_knows(hub, packs):
    assert fetch() == {"FINISHED"}

    assert (packs / "tiny" / TEXT_FILES[1]).read_bytes() == PRIOR
    assert (row().words, row().fetch_text) == ("Ready for prompts", "")
    assert row().fetch_image
    assert shown().message == "Tiny was fetched"
    assert not shown().is_running and not shown().error


@hub_needed
def test_a_download_that_is_cancelled_goes_on_where_it_was(hub):
    hub.fault(PRIOR_PATH).stall_after = 70_000
    # As Cancel does in a window; here the main thread waits for the download.
    stopper = threading.Thread(target=lambda: hub.has_stalled.wait(60) and downloads.cancel())
    stopper.start()

    fetch()

    stopper.join()
    assert shown().message == "The download was stopped: start it again to go on where it was"
    assert not shown().error
    hub.faults.clear()
    hub.requests.clear()
    assert fetch() == {"FINISHED"}
    (resumed,) = hub.gets(PRIOR_PATH)
    assert int(resumed.headers["range"].removeprefix("bytes=").rstrip("-")) > 0
    assert row().words == "Ready for prompts"


@hub_needed
def test_a_hub_that_does_not_have_it_is_told_in_one_sentence(hub):
    hub.fault(PRIOR_PATH).status = 404

    with pytest.raises(RuntimeError, match=r"Cannot fetch model\.fp16\.safetensors: check"):
        fetch()

    assert shown().error.startswith("Cannot fetch")
    assert not shown().is_running


@hub_needed
def test_while_offline_nothing_is_fetched_and_the_button_says_where_to_allow_it(hub):
    bpy.context.preferences.system.use_online_access = False

    with pytest.raises(RuntimeError, match="allow it in Preferences, System, Network"):
        fetch()

    assert hub.requests == []


def test_without_its_package_nothing_is_fetched():
    bpy.context.window_manager.maquette_engine.is_partial = True

    with pytest.raises(RuntimeError, match="Set up the engine first"):
        fetch()


def test_one_thing_at_a_time():
    shown().is_running, shown().title = True, "Tiny"

    for operator in ("pack_fetch", "pack_import", "pack_verify", "pack_delete"):
        assert not getattr(bpy.ops.maquette, operator).poll()
    assert bpy.ops.maquette.pack_cancel.poll()


def test_a_damaged_file_is_found_and_shown(packs):
    put_text_part(packs)
    assert bpy.ops.maquette.pack_verify(pack_id="tiny") == {"FINISHED"}
    assert shown().message.startswith("Tiny is as it was published")
    damaged = bytearray(PRIOR)
    damaged[0] ^= 1
    (packs / "tiny" / TEXT_FILES[1]).write_bytes(damaged)

    with pytest.raises(RuntimeError, match="Pack tiny is damaged"):
        bpy.ops.maquette.pack_verify(pack_id="tiny")

    assert row().status == "damaged"
    assert row().words == f"Damaged: {TEXT_FILES[1]} is not as it was published"


def test_a_pack_is_imported_from_a_folder(packs, tmp_path):
    for path, content in ON_HUB.items():
        repository, _, name = path.partition("@")
        target = tmp_path / "stick" / repository / name.replace("refs/pr/8/", "main/")
        target = Path(str(target).replace("/main/", "/"))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    stick = str(tmp_path / "stick")
    assert bpy.ops.maquette.pack_import(pack_id="tiny", directory=stick) == {"FINISHED"}

    assert row().words == "Ready for prompts and images"
    assert (row().fetch_text, row().fetch_image) == ("", "")
    with pytest.raises(RuntimeError, match="choose the folder that holds the files"):
        bpy.ops.maquette.pack_delete(pack_id="tiny")
        bpy.ops.maquette.pack_import(pack_id="tiny", directory=str(packs))


def test_deleting_frees_the_disk_and_spares_what_is_not_ours(packs):
    put_text_part(packs)
    assert row().is_present
    other = packs / "tiny" / "notes.txt"
    other.write_text("mine")

    assert bpy.ops.maquette.pack_delete(pack_id="tiny") == {"FINISHED"}

    assert shown().message == "Tiny was deleted"
    assert [path for path in packs.rglob("*") if path.is_file()] == [other]


def test_the_bundled_pack_cannot_be_deleted():
    with pytest.raises(RuntimeError, match="starter"):
        bpy.ops.maquette.pack_delete(pack_id="starter")

    assert shown().packs["starter"].words == "Ready for prompts and images"


def test_another_packs_folder_is_looked_at_at_once(packs, tmp_path):
    put_text_part(packs)
    assert row().words == "Ready for prompts"

    preferences().packs_folder = str(tmp_path / "elsewhere")

    assert row().words == "Not on this machine"


def test_a_file_that_was_saved_during_a_download_does_not_show_it_for_ever(tmp_path):
    shown().is_running, shown().error = True, "from another day"
    path = str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)

    bpy.ops.wm.open_mainfile(filepath=path)

    assert (shown().is_running, shown().error) == (False, "")
    assert "starter" in shown().packs


def test_progress_is_told_in_bytes_speed_and_time():
    rate = weights_fetch.TransferRate()
    assert downloads.words(500_000, 2_000_000, rate) == "500.0 kB of 2.0 MB"

    rate.add(0.0, 0)
    rate.add(2.0, 500_000)
    words = downloads.words(500_000, 2_000_000, rate)
    assert words == "500.0 kB of 2.0 MB, 250.0 kB/s, 6 s left"

    rate.add(4.0, 500_000)
    assert downloads.words(500_000, 10**9, rate).endswith("2 h left")


def test_a_task_shows_its_progress_and_ends_on_the_main_thread():
    heard = []

    def run(task):
        task.progress = "half"
        return threading.current_thread() is threading.main_thread()

    tasks.start(
        tasks.Task(
            run=run,
            on_tick=lambda task: heard.append(task.progress),
            on_end=lambda result, error: heard.append((result, error)),
        )
    )

    assert heard == ["half", (False, None)]


def test_a_task_that_fails_hands_the_error_over_and_spares_the_others(caplog):
    heard = []
    tasks.start(tasks.Task(run=lambda task: 1 / 0, on_end=lambda *given: heard.append(given)))
    tasks.start(tasks.Task(run=lambda task: None, on_end=lambda *given: 1 / 0))
    tasks.start(tasks.Task(run=lambda task: 7, on_end=lambda *given: heard.append(given)))

    assert isinstance(heard[0][1], ZeroDivisionError)
    assert heard[1] == (7, None)
    assert "a task could not be shown" in caplog.text


def test_stopping_ends_every_thread():
    task = tasks.Task(run=lambda task: task.cancel.wait(60), on_end=lambda *given: None)
    tasks._tasks.append(task)
    task.begin()

    tasks.stop()

    assert not task.is_alive
    assert tasks.tick() is None  # The timer has nothing more to do.
