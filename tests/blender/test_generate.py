# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate and Cancel without a window, with a pipeline that needs no torch."""

from __future__ import annotations

import sys
from dataclasses import replace

import bpy
import pytest
from maquette.core.errors import CancelledError, EmptySurfaceError
from maquette.operators import messages, properties


def status():
    return bpy.context.window_manager.maquette


def enter(prompt="a red cube"):
    bpy.context.scene.maquette.prompt = prompt


def generate():
    enter()
    return bpy.ops.maquette.generate()


def test_generate_adds_the_result_at_the_cursor(pipeline, make_result):
    pipeline.results = [make_result()]
    bpy.context.scene.cursor.location = (1.0, 2.0, 0.5)

    assert generate() == {"FINISHED"}

    (added,) = bpy.data.objects
    assert tuple(added.location) == (1.0, 2.0, 0.5)
    assert not status().is_running
    assert status().error == ""


def test_the_request_is_what_the_panel_shows(pipeline):
    settings = bpy.context.scene.maquette
    settings.seed, settings.resolution = 42, 64
    settings.texture_size, settings.target_size = 512, 2.0

    generate()

    (request,) = pipeline.requests
    assert (request.prompt, request.seed, request.count) == ("a red cube", 42, 1)
    assert (request.resolution, request.texture_size, request.target_size) == (64, 512, 2.0)
    assert request.pack == "starter"
    assert request.sampler.num_steps == settings.steps
    assert request.sampler.guidance_scale is None


def test_untouched_settings_are_the_defaults_of_the_request():
    from maquette.core.config import GenerationRequest, SamplerConfig, SurfaceConfig

    enter("a chair")
    of_normal = SurfaceConfig(triangles=20_000, normal_map=True)

    request = properties.request_of(bpy.context.scene.maquette)

    assert request.settle_sampler(SamplerConfig()) == SamplerConfig()
    assert replace(request, sampler=None) == GenerationRequest(
        prompt="a chair", reserved_cores=1, surface=of_normal
    )


def test_a_warning_of_the_result_is_shown(pipeline, make_result):
    pipeline.results = [make_result(warnings=("The pack does not know 'zeppelin'",))]

    generate()

    assert status().warning == "The pack does not know 'zeppelin'"


def test_the_next_run_clears_the_last_error_and_warning(pipeline, make_result):
    status().error, status().warning = "old error", "old warning"
    pipeline.results = [make_result()]

    generate()

    assert (status().error, status().warning) == ("", "")


def test_generate_is_greyed_out_without_a_prompt():
    enter("  ")

    assert not bpy.ops.maquette.generate.poll()
    with pytest.raises(RuntimeError, match="Enter a prompt first"):
        bpy.ops.maquette.generate()


def test_cancel_is_greyed_out_while_none_runs():
    with pytest.raises(RuntimeError, match="No generation is running"):
        bpy.ops.maquette.cancel()


def test_a_setting_that_cannot_be_used_is_named(pipeline):
    bpy.context.scene.maquette.texture_size = 3

    with pytest.raises(RuntimeError, match="Texture size must be a whole number from 64"):
        generate()
    assert pipeline.requests == []


def test_an_expected_failure_is_told_in_one_sentence(pipeline):
    pipeline.error = EmptySurfaceError(-0.5)

    with pytest.raises(RuntimeError, match="try another Seed"):
        generate()

    assert status().error == messages.for_user(pipeline.error)
    assert not status().is_running
    assert not bpy.data.objects


def test_a_bug_is_named_so_and_its_traceback_is_logged(pipeline, caplog):
    pipeline.error = ZeroDivisionError("division by zero")

    with pytest.raises(RuntimeError, match="because of a bug"):
        generate()

    assert "ZeroDivisionError" in caplog.text


def test_a_missing_package_is_named(pipeline, caplog):
    pipeline.error = ModuleNotFoundError("No module named 'torch'", name="torch")

    with pytest.raises(RuntimeError, match="cannot load torch"):
        generate()

    assert caplog.text == ""


def test_without_torch_the_real_pipeline_says_so(monkeypatch, tmp_path):
    import maquette.core
    from maquette.operators import packs

    monkeypatch.setattr(packs, "directory_of", lambda *_: tmp_path)
    monkeypatch.setitem(sys.modules, "torch", None)  # As if it were not installed.
    monkeypatch.delitem(sys.modules, "maquette.core.pipeline", raising=False)
    monkeypatch.delattr(maquette.core, "pipeline", raising=False)

    with pytest.raises(RuntimeError, match="Blender's Python cannot load torch"):
        generate()


def test_what_was_done_before_a_failure_stays(pipeline, make_result):
    pipeline.results = [make_result("A")]
    pipeline.error = EmptySurfaceError(-0.5)

    with pytest.raises(RuntimeError, match="try another Seed"):
        generate()

    assert [each.name for each in bpy.data.objects] == ["A"]


def test_a_pack_that_is_not_there_is_told_before_anything_starts(pipeline, monkeypatch):
    from maquette.operators import packs
    from maquette.weights.errors import WeightsMissingError

    def missing(context, pack_id, *_):
        raise WeightsMissingError(pack_id, ("prior.safetensors",), "install Maquette again")

    monkeypatch.setattr(packs, "directory_of", missing)

    with pytest.raises(RuntimeError, match="Pack starter lacks"):
        generate()
    assert not status().is_running


def test_a_cancelled_run_without_a_window_is_not_an_error(pipeline):
    pipeline.error = CancelledError()

    assert generate() == {"FINISHED"}
    assert status().error == ""
