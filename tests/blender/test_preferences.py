# SPDX-License-Identifier: GPL-3.0-or-later
"""The preferences: their defaults, what they draw in every state, and what follows from them."""

from __future__ import annotations

import sys
import types
from types import SimpleNamespace

import bpy
import pytest
from maquette.core import config
from maquette.core.errors import CheckpointError
from maquette.engine import examine
from maquette.engine.self_test import SelfTest
from maquette.operators import diagnostics, estimates, machine, memory, packs, properties
from maquette.panels import machine as machine_panels
from maquette.panels import preferences as panel
from maquette.panels import shortcuts
from maquette.tests.blender.test_panels import Recorder, texts


def preferences():
    return bpy.context.preferences.addons["maquette"].preferences


def manager():
    return bpy.context.window_manager


def draw(monkeypatch, cls=panel.MaquettePreferences):
    """Return (call, what it names) of everything that was drawn."""
    # Blender's own code draws a shortcut, deep inside a layout.
    monkeypatch.setattr(panel, "draw_shortcuts", lambda layout, context: None)
    recorder = Recorder()
    shown = preferences()
    view = SimpleNamespace(layout=recorder, bl_rna=shown.bl_rna, precision=shown.precision)
    cls.draw(view, bpy.context)
    return [(kind, name) for kind, name, _ in recorder.calls]


def test_the_defaults_stand_in_two_places_and_agree():
    assert packs.preferences_of(bpy.context) == packs.Preferences()


def test_without_preferences_there_are_defaults(monkeypatch):
    monkeypatch.setattr(packs, "EXTENSION", "not.enabled")

    assert packs.preferences_of(bpy.context) == packs.Preferences()


def test_what_is_set_arrives_as_plain_values(tmp_path):
    preferences().packs_folder = str(tmp_path)
    preferences().device, preferences().precision = "CPU", "FP16"
    preferences().reserved_cores, preferences().idle_minutes = 3, 0
    preferences().show_preview = False

    assert packs.preferences_of(bpy.context) == packs.Preferences(
        packs_folder=tmp_path,
        device="cpu",
        precision="fp16",
        reserved_cores=3,
        idle_minutes=0,
        show_preview=False,
    )


def test_device_precision_and_cores_reach_the_request():
    preferences().device, preferences().precision, preferences().reserved_cores = "CPU", "BF16", 5
    settings = bpy.context.scene.maquette
    settings.prompt = "a chair"

    request = properties.request_of(settings, preferences())

    assert (request.device, request.precision, request.reserved_cores) == ("cpu", "bf16", 5)


def test_8_bit_integers_that_cannot_be_had_are_said_to_be_where_they_are_chosen(monkeypatch):
    engine = bpy.context.window_manager.maquette_engine
    words = "OpenVINO is not there"
    engine.lacks_int8 = True
    assert words not in texts(draw(monkeypatch))

    preferences().precision = "PREFER_INT8"
    assert words in texts(draw(monkeypatch))

    engine.lacks_int8 = False
    assert words not in texts(draw(monkeypatch))


def test_every_precision_is_one_that_a_request_takes():
    for item in preferences().bl_rna.properties["precision"].enum_items:
        config.GenerationRequest(prompt="x", precision=item.identifier.lower())


def test_devices_that_were_found_can_be_chosen_and_stay_chosen():
    with pytest.raises(TypeError):
        preferences().device = "CUDA:1"

    preferences().devices_found = "cuda:0\tGPU A\ncuda:1\tGPU B\ncpu\tCPU, 8 threads"
    preferences().device = "CUDA:1"
    # Another order, and one less: the number that Blender stores is still that of the same one.
    preferences().devices_found = "cuda:1\tGPU B\ncpu\tCPU, 8 threads"

    assert preferences().device == "CUDA:1"
    assert packs.preferences_of(bpy.context).device == "cuda:1"


def test_detecting_fills_the_list(monkeypatch):
    found = [("mps", "Apple GPU (MPS, 16.0 GiB)"), ("cpu", "CPU, 8 threads")]
    monkeypatch.setattr(diagnostics, "list_devices", lambda: found)

    assert bpy.ops.maquette.detect_devices() == {"FINISHED"}

    preferences().device = "MPS"
    assert packs.preferences_of(bpy.context).device == "mps"
    assert not manager().maquette_diagnostics.is_detecting


def test_detecting_without_a_working_torch_is_told(monkeypatch):
    def fail():
        raise ImportError("libc10.so: cannot open", name="torch")

    monkeypatch.setattr(diagnostics, "list_devices", fail)

    bpy.ops.maquette.detect_devices()

    assert "cannot load torch" in manager().maquette_diagnostics.error


def test_every_preference_is_drawn(monkeypatch):
    drawn = {name for kind, name in draw(monkeypatch) if kind == "prop"}

    hidden = {"devices_found", "bl_idname", "rna_type"}
    assert {p.identifier for p in preferences().bl_rna.properties} - hidden <= drawn


def test_each_pack_is_drawn_with_its_state_and_its_buttons(monkeypatch):
    calls = draw(monkeypatch)

    states = ("Ready for prompts and images", "Not on this machine")
    for text in ("Maquette Starter", "OpenAI Shap-E", *states):
        assert ("label", text) in calls
    for row in manager().maquette_downloads.packs:
        assert ("label", row.folder) in calls
    names = [name for kind, name in calls if kind == "operator"]
    assert names.count("maquette.pack_verify") == len(manager().maquette_downloads.packs)
    assert names.count("maquette.pack_fetch") == 2
    assert names.count("maquette.pack_delete") == names.count("maquette.pack_import") == 1


def test_whether_connections_are_allowed_is_said_and_can_be_changed(monkeypatch):
    bpy.context.preferences.system.use_online_access = False
    calls = draw(monkeypatch)
    assert ("prop", "use_online_access") in calls
    assert "Online access is off" in texts(calls)

    bpy.context.preferences.system.use_online_access = True
    calls = draw(monkeypatch)
    assert ("prop", "use_online_access") not in calls
    assert "Online access is allowed" in texts(calls)


def test_a_download_is_drawn_in_the_preferences_and_in_the_sidebar(monkeypatch):
    shown = manager().maquette_downloads
    assert not machine_panels.MAQUETTE_PT_downloads.poll(bpy.context)
    shown.is_running, shown.title, shown.fraction, shown.text = True, "Shap-E", 0.5, "1 of 2 GB"

    assert machine_panels.MAQUETTE_PT_downloads.poll(bpy.context)
    for cls in (panel.MaquettePreferences, machine_panels.MAQUETTE_PT_downloads):
        calls = draw(monkeypatch, cls)
        assert ("progress", "50%") in calls
        assert "1 of 2 GB" in texts(calls)
        assert ("operator", "maquette.pack_cancel") in calls


@pytest.mark.parametrize("is_running", [False, True])
def test_a_missing_engine_is_drawn_in_the_sidebar_with_what_to_do(monkeypatch, is_running):
    shown = manager().maquette_engine
    assert not machine_panels.MAQUETTE_PT_engine.poll(bpy.context)
    shown.is_missing, shown.words, shown.is_running = True, "Maquette needs PyTorch", is_running
    shown.stage = "Fetching torch"

    assert machine_panels.MAQUETTE_PT_engine.poll(bpy.context)
    calls = draw(monkeypatch, machine_panels.MAQUETTE_PT_engine)

    if is_running:
        assert ("progress", "Fetching torch") in calls
        assert ("operator", "maquette.engine_cancel") in calls
    else:
        assert "Maquette needs PyTorch" in texts(calls)
        assert ("operator", "maquette.engine_setup") in calls
        assert ("prop", "use_online_access") in calls


def test_shortcuts_are_drawn_in_blenders_own_way(monkeypatch):
    heard = []
    monkeypatch.setattr(panel, "draw_shortcuts", lambda *given: heard.append(given))
    recorder = Recorder()

    panel.MaquettePreferences.draw(
        SimpleNamespace(layout=recorder, bl_rna=preferences().bl_rna, precision="AUTO"), bpy.context
    )

    assert len(heard) == 1
    assert callable(shortcuts.draw_shortcuts)


def test_a_default_place_holds_for_scenes_in_which_nobody_chose():
    other = bpy.data.scenes.new("Other")
    other.maquette.location = "PLACEHOLDER"

    preferences().default_location = "ORIGIN"

    assert bpy.context.scene.maquette.location == "ORIGIN"
    assert other.maquette.location == "PLACEHOLDER"


class FakeModels(types.ModuleType):
    """Stands in for core.pipeline with a model in memory."""

    def __init__(self) -> None:
        super().__init__("maquette.core.pipeline")
        self.is_open = True

    def has_models(self) -> bool:
        return self.is_open

    def release(self) -> None:
        self.is_open = False


@pytest.fixture
def models(monkeypatch) -> FakeModels:
    fake = FakeModels()
    monkeypatch.setitem(sys.modules, fake.__name__, fake)
    return fake


def test_memory_is_released_when_asked_and_the_estimate_hears_of_it(models, monkeypatch):
    seen = []
    monkeypatch.setattr(estimates, "in_words", lambda *_: seen.append(models.is_open) or "")

    assert bpy.ops.maquette.release_memory() == {"FINISHED"}

    assert not models.is_open
    assert seen == [False]
    assert not bpy.ops.maquette.release_memory.poll()


def test_memory_is_not_released_under_a_run(models):
    manager().maquette.is_running = True

    assert not bpy.ops.maquette.release_memory.poll()


def test_without_torch_there_is_nothing_to_release(monkeypatch):
    monkeypatch.delitem(sys.modules, "maquette.core.pipeline", raising=False)

    assert not bpy.ops.maquette.release_memory.poll()
    assert "maquette.core.pipeline" not in sys.modules


def test_a_pipeline_that_a_thread_is_importing_is_not_asked(monkeypatch):
    half = types.ModuleType("maquette.core.pipeline")
    monkeypatch.setitem(sys.modules, half.__name__, half)

    assert not bpy.ops.maquette.release_memory.poll()
    assert memory.look() > 0


@pytest.mark.parametrize(("minutes", "is_open"), [(10, False), (20, True), (0, True)])
def test_an_idle_model_leaves_memory_after_its_time(models, monkeypatch, minutes, is_open):
    preferences().idle_minutes = minutes
    manager().maquette.is_running = True
    memory.idle_seconds(1_000.0)
    manager().maquette.is_running = False
    monkeypatch.setattr(memory.time, "monotonic", lambda: 1_000.0 + 15 * 60)

    assert memory.look() > 0

    assert models.is_open is is_open


def test_a_run_keeps_the_model_however_long_it_takes(models, monkeypatch):
    preferences().idle_minutes = 1
    manager().maquette.is_running = True
    monkeypatch.setattr(memory.time, "monotonic", lambda: 1e9)

    memory.look()

    assert models.is_open


@pytest.fixture
def self_test(monkeypatch):
    """Return a function that makes the next self-test end as told."""
    monkeypatch.setattr(examine, "compute", lambda: examine.Compute(
        devices=(), chosen="cpu", dtype="float32", reason="a test", num_threads=1
    ))  # fmt: skip
    monkeypatch.setattr(examine, "versions", lambda _tried: {"maquette": "0.0"})

    def end_as(test):
        def run(root, load_pipeline, *, device, on_progress, cancel):
            on_progress("Sampling", 0.5)
            if isinstance(test, Exception):
                raise test
            return test

        monkeypatch.setattr(diagnostics, "run_self_test", run)

    return end_as


def test_a_self_test_that_passed_can_be_read_and_copied(self_test, monkeypatch):
    self_test(SelfTest(status="passed", message="'a red mushroom' in 1.0 s"))

    assert bpy.ops.maquette.self_test() == {"FINISHED"}

    shown = manager().maquette_diagnostics
    assert shown.has_passed and not shown.is_running
    assert shown.words == "Passed: 'a red mushroom' in 1.0 s"
    for line in ("Versions", "Model packs", "blender", bpy.app.version_string, "Self-test"):
        assert line in shown.report
    assert bpy.ops.maquette.diagnostics_copy() == {"FINISHED"}
    assert ("label", "Versions") in draw(monkeypatch)


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (
            SelfTest(
                status="failed", message="x", error=CheckpointError("a/b.safetensors", "is short")
            ),
            "Failed: File b.safetensors cannot be used: fetch or import the pack again",
        ),
        (ImportError("no", name="torch"), "Failed: Blender's Python cannot load torch"),
        (SelfTest(status="skipped", message="no pack"), "Not passed: no pack"),
    ],
)
def test_a_self_test_that_did_not_pass_says_what_to_do(self_test, outcome, words):
    self_test(outcome)

    bpy.ops.maquette.self_test()

    shown = manager().maquette_diagnostics
    assert shown.words.startswith(words)
    assert not shown.has_passed and shown.report


def test_there_is_nothing_to_copy_before_the_self_test():
    with pytest.raises(RuntimeError, match="Run the self-test first"):
        bpy.ops.maquette.diagnostics_copy()


@pytest.mark.needs_torch
def test_the_self_test_really_generates():
    machine.refresh(bpy.context)

    bpy.ops.maquette.self_test()

    shown = manager().maquette_diagnostics
    assert shown.has_passed, shown.words
    assert "closed" in shown.words
