# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run would take, in the words of the sidebar, and the countdown of the one at work."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace

import bpy
import pytest
from maquette.core.config import GenerationRequest, SamplerChanges
from maquette.core.experience import Experience
from maquette.operators import estimates, events, mesh_settings

STAGES = {
    "load": 2.0,
    "condition": 0.01,
    "sample": 4.0,
    "field": 0.1,
    "surface": 3.0,
    "colours": 0.4,
    "unwrap": 0.5,
    "texture": 2.0,
}
DEFAULT_STEPS = 24


def status():
    return bpy.context.window_manager.maquette


def settings():
    return bpy.context.scene.maquette


@pytest.fixture(autouse=True)
def no_times_of_other_tests(extension):
    estimates.path().unlink(missing_ok=True)
    estimates._session = estimates._Session()
    estimates.refresh(bpy.context)
    yield
    estimates.path().unlink(missing_ok=True)


@pytest.fixture
def make_timed(make_result):
    """Return a function that makes a result of a run at the default settings, with times."""

    def make(**stages):
        result = make_result()
        used = {"method": "unipc_2", "num_steps": DEFAULT_STEPS, "guidance_scale": 3.0}
        record = replace(result.record, settings=result.record.settings | used | {"device": "cpu"})
        return replace(result, record=record, stage_seconds=STAGES | stages)

    return make


def run(pipeline, *results):
    pipeline.results = list(results)
    settings().prompt = "a red cube"
    bpy.ops.maquette.generate()


def test_before_the_first_run_the_time_is_not_guessed():
    assert status().estimate == "Time unknown, 0.5 GiB of memory"


def test_memory_follows_the_settings_at_once():
    settings().texture_size = 4096
    assert status().estimate == "Time unknown, 1.1 GiB of memory"

    settings().preset = "DRAFT"
    assert status().estimate == "Time unknown, 0.4 GiB of memory"


def test_after_a_run_the_time_is_known(pipeline, make_timed):
    run(pipeline, make_timed())

    # The pack has to be loaded again, since the pipeline of this test keeps nothing in memory.
    assert status().estimate == "About 10 s, 0.5 GiB of memory"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"count": 3}, "About 30 s"),  # 2 + 3 * 10
        ({"count": 60}, "About 10 min"),
        ({"texture_size": 0}, "About 10 s"),  # 2 + 7.5 = 9.5, and 10 is the next round number
        ({"steps": 2 * DEFAULT_STEPS, "count": 3}, "About 45 s"),  # 2 + 3 * 14 = 44
        ({"resolution": 256}, "About 25 s"),  # 8.1 + 4.6 * 3.0 + 4 * 0.9 = 25.5
        ({"guidance": 1.0, "use_guidance": True}, "About 10 s"),
        ({"guidance": 1.0, "use_guidance": True, "texture_size": 0}, "About 8 s"),
        ({"device": "CPU"}, "About 10 s"),
        ({"device": "CUDA"}, "Time unknown"),
        ({"pack": "shap-e"}, "Time unknown"),
    ],
)
def test_the_words_follow_every_setting(pipeline, make_timed, changes, words):
    run(pipeline, make_timed())

    for name, value in changes.items():
        setattr(settings(), name, value)

    assert status().estimate.rpartition(", ")[0] == words


def test_pictures_have_an_estimate_of_their_own(pack_for_prompts, pipeline, make_timed):
    run(pipeline, make_timed())

    settings().source = "IMAGE"
    assert status().estimate.startswith("Time unknown, ")
    settings().pack = pack_for_prompts
    assert status().estimate == ""  # It takes none.
    settings().pack = "shap-e"
    assert status().estimate == "Time unknown, 3.6 GiB of memory"


def test_settings_that_cannot_be_used_have_no_estimate():
    settings().texture_size = 3
    assert status().estimate == ""

    settings().texture_size = 64
    assert status().estimate != ""


def test_undo_brings_the_estimate_back(pipeline):
    bpy.ops.ed.undo_push(message="Before")
    settings().texture_size = 4096
    bpy.ops.ed.undo_push(message="Texture")
    before = status().estimate

    bpy.ops.ed.undo()

    assert status().estimate != before
    bpy.ops.ed.redo()
    assert status().estimate == before


def test_times_survive_the_session(pipeline, make_timed):
    run(pipeline, make_timed())
    words = status().estimate

    estimates._session = estimates._Session()
    status().estimate = ""
    bpy.ops.wm.read_homefile(use_empty=True)

    assert status().estimate == words


def test_a_damaged_file_costs_the_times_only(pipeline, make_timed, caplog):
    estimates.path().write_text("{")
    estimates._session = estimates._Session()

    run(pipeline, make_timed())

    assert status().error == ""
    assert status().estimate.startswith("About 10 s")
    assert caplog.text == ""


def test_a_file_that_cannot_be_written_stops_nothing(pipeline, make_timed, monkeypatch, caplog):
    def full(self, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Experience, "save", full)

    run(pipeline, make_timed())

    assert [each.name for each in bpy.data.objects] == ["Red Cube"]
    assert status().estimate.startswith("About 10 s")
    assert "No space left" in caplog.text


def test_a_failed_run_teaches_nothing(pipeline, make_timed):
    pipeline.error = ValueError("no")

    with pytest.raises(RuntimeError):
        run(pipeline)

    assert status().estimate.startswith("Time unknown")


def teach(make_timed, **stages):
    """Let the machine have run the default settings once."""
    request = GenerationRequest(
        prompt="any",
        sampler=SamplerChanges(num_steps=DEFAULT_STEPS),
        surface=mesh_settings.surface_of(settings()),
        reserved_cores=1,
    )
    experience = Experience()
    experience.learn(request, make_timed(**stages))
    experience.save(estimates.path())
    estimates._session = estimates._Session()


def test_the_seconds_left_are_those_of_the_plan(pipeline, make_timed, make_gate, window_mode):
    teach(make_timed)
    gate = make_gate(make_timed())
    run(pipeline)
    assert gate.reached.wait(10.0)
    assert status().seconds_left == pytest.approx(12.0, abs=1.5)

    gate.open.set()
    window_mode.until_idle()
    assert status().seconds_left == -1.0


def test_a_first_run_does_not_pretend_to_know(pipeline, make_timed, make_gate, window_mode):
    gate = make_gate(make_timed())
    run(pipeline)
    assert gate.reached.wait(10.0)
    window_mode.tick()

    assert status().seconds_left == -1.0


def test_a_run_cut_off_by_another_file_is_forgotten(pipeline, make_timed, make_gate, window_mode):
    teach(make_timed)
    gate = make_gate(make_timed())
    run(pipeline)
    assert gate.reached.wait(10.0)

    bpy.ops.wm.read_homefile(use_empty=True)

    events.call(events.shown)
    assert status().seconds_left == -1.0


def test_blender_may_start_without_a_file():
    """Extensions enabled on the command line are registered with a context that has no scene."""
    restricted = SimpleNamespace(window_manager=bpy.context.window_manager)

    estimates.refresh(restricted)

    assert status().estimate.startswith("Time unknown")


def test_torch_in_memory_is_not_counted_as_a_start(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", object())
    estimates.unregister()
    estimates.register()

    assert estimates._session.has_started


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.02, "1 s"),
        (2.6, "3 s"),
        (9.4, "9 s"),
        (12.0, "10 s"),
        (88.0, "90 s"),
        (89.9, "90 s"),
        (95.0, "2 min"),
        (600.0, "10 min"),
        (7300.0, "2 h"),
    ],
)
def test_durations_are_as_exact_as_they_deserve(seconds, words):
    assert estimates.in_words(seconds, 2**30) == f"About {words}, 1.0 GiB of memory"
