# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a failed job: enough to find the fault, and nothing about the user's folders."""

from __future__ import annotations

from pathlib import Path

import bpy
import pytest
from maquette.core.config import GenerationRequest, SamplerChanges
from maquette.core.errors import EmptySurfaceError
from maquette.core.version import VERSION
from maquette.operators import report


def status():
    return bpy.context.window_manager.maquette


def fail(pipeline, error):
    pipeline.error = error
    bpy.context.scene.maquette.prompt = "a red cube"
    with pytest.raises(RuntimeError):
        bpy.ops.maquette.generate()


def test_it_names_versions_settings_pack_and_error():
    request = GenerationRequest(
        prompt="a red cube",
        seed=17,
        resolution=96,
        device="cpu",
        sampler=SamplerChanges(num_steps=12),
    )

    text = report.compose(bpy.context, request, EmptySurfaceError(-0.5), "Sampling")

    rows = dict(line.split(maxsplit=1) for line in text.splitlines() if len(line.split()) > 1)
    assert rows["Maquette"] == VERSION
    assert rows["Blender"].startswith(bpy.app.version_string)
    assert rows["Device"] == "cpu, auto"
    assert rows["Prompt"] == "a red cube"
    assert rows["Seed"].startswith("17")
    assert rows["Resolution"] == "96"
    assert rows["Sampler"] == "changed, 12 steps, guidance the pack's"
    assert rows["Stage"] == "Sampling"
    assert rows["Error"].startswith("EmptySurfaceError: ")
    name, pack_hash = rows["Pack"].split()
    assert name == "starter"
    assert len(pack_hash) == 16 and int(pack_hash, 16)


def test_only_a_bug_has_a_traceback():
    request = GenerationRequest(prompt="a red cube")
    try:
        raise ZeroDivisionError("oh")
    except ZeroDivisionError as error:
        of_bug = report.compose(bpy.context, request, error)

    assert "Traceback (most recent call last)" in of_bug
    assert __name__.rpartition(".")[2] in of_bug
    assert "Traceback" not in report.compose(bpy.context, request, EmptySurfaceError(-0.5))


def test_the_home_folder_is_not_told():
    home = str(Path.home())
    try:
        raise OSError(f"cannot open {home}/secret/file.png")
    except OSError as error:
        text = report.compose(bpy.context, GenerationRequest(prompt="a cube"), error)

    assert home not in text
    assert "~/secret/file.png" in text


def test_a_failed_job_leaves_a_report_to_copy(pipeline):
    fail(pipeline, ZeroDivisionError("oh"))

    assert "ZeroDivisionError: oh" in status().report
    assert "a red cube" in status().report
    (job,) = status().jobs
    assert job.report == status().report
    assert bpy.ops.maquette.copy_report() == {"FINISHED"}
    assert bpy.ops.maquette.copy_report(job_id=job.job_id) == {"FINISHED"}


def test_without_a_failure_there_is_nothing_to_copy():
    with pytest.raises(RuntimeError, match="There is no report"):
        bpy.ops.maquette.copy_report()


def test_messages_are_dismissed_one_by_one(pipeline):
    fail(pipeline, EmptySurfaceError(-0.5))
    status().warning = "What to know"

    bpy.ops.maquette.dismiss(message="ERROR")
    assert (status().error, status().report, status().warning) == ("", "", "What to know")

    bpy.ops.maquette.dismiss(message="WARNING")
    assert status().warning == ""
