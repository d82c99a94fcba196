# SPDX-License-Identifier: GPL-3.0-or-later
"""Enabling and disabling leave Blender as it was, and cost next to nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import addon_utils
import bpy


def footprint():
    """Everything of ours that Blender could still hold."""
    handlers = [
        (name, f"{each.__module__}.{each.__name__}")
        for name in dir(bpy.app.handlers)
        if isinstance(getattr(bpy.app.handlers, name), list)
        for each in getattr(bpy.app.handlers, name)
        if "maquette" in getattr(each, "__module__", "")
    ]
    types = [name for name in dir(bpy.types) if "maquette" in name.lower()]
    pointers = [
        owner.__name__
        for owner in (bpy.types.Scene, bpy.types.WindowManager, bpy.types.Object)
        if hasattr(owner, "maquette")
    ]
    operators = dir(bpy.ops.maquette)
    return handlers, types, pointers, operators


def test_disabling_leaves_nothing_and_enabling_brings_everything_back():
    enabled = footprint()
    assert all(enabled)

    for _ in range(2):
        addon_utils.disable("maquette", default_set=True)
        assert footprint() == ([], [], [], [])

        addon_utils.enable("maquette", default_set=True)
        assert footprint() == enabled


def test_each_handler_is_there_once():
    handlers, *_ = footprint()

    assert len(handlers) == len(set(handlers))
    assert {name for name, _ in handlers} >= {"load_pre", "load_post"}


def test_settings_survive_disabling_and_saving(tmp_path):
    bpy.context.scene.maquette.prompt = "a chair 椅子"
    path = str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    addon_utils.disable("maquette", default_set=True)
    addon_utils.enable("maquette", default_set=True)

    bpy.ops.wm.open_mainfile(filepath=path)

    assert bpy.context.scene.maquette.prompt == "a chair 椅子"


def run(code: str, tmp_path) -> subprocess.CompletedProcess:
    environment = os.environ | {"BLENDER_USER_RESOURCES": str(tmp_path), "HOME": str(tmp_path)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300
    )


# Each script ends its process itself: bpy's own destructors now and then hang, which is not ours.


def test_nothing_heavy_is_imported_at_start_up(tmp_path):
    code = (
        "import os, sys, bpy, addon_utils\n"
        "addon_utils.enable('maquette')\n"
        "heavy = {'torch', 'open_clip', 'huggingface_hub', 'PIL', 'skimage', 'safetensors'}\n"
        "print('loaded', sorted(heavy & set(sys.modules)))\n"
        "print('pipeline', 'maquette.core.pipeline' in sys.modules, flush=True)\n"
        "os._exit(0)\n"
    )

    finished = run(code, tmp_path)

    assert finished.stdout.splitlines()[-2:] == ["loaded []", "pipeline False"], finished.stderr


def test_a_run_is_stopped_before_the_interpreter_ends(tmp_path):
    """A thread that is inside torch by then aborts the process."""
    code = (
        "import atexit, os, time, bpy, addon_utils\n"
        "def check():\n"
        "    print('alive', worker._thread.is_alive(), flush=True)\n"
        "    os._exit(0)\n"
        "atexit.register(check)\n"  # The last registered runs first: ours, then this.
        "addon_utils.enable('maquette')\n"
        "from maquette.core.config import GenerationRequest\n"
        "from maquette.operators import jobs\n"
        "from maquette.operators.jobs import queue\n"
        "from maquette.core.worker import Worker\n"
        "def task(report, cancel):\n"
        "    while True:\n"
        "        report('Sampling', 0.5)\n"
        "        time.sleep(0.001)\n"
        "    yield\n"
        "worker = Worker(task)\n"
        "spec = jobs.JobSpec(request=GenerationRequest(prompt='x'))\n"
        "queue.live.append(queue.Job(1, spec, None, 0, worker=worker))\n"
        "worker.start()\n"
    )

    finished = run(code, tmp_path)

    assert finished.stdout.splitlines()[-1:] == ["alive False"], finished.stderr
    assert "did not stop" not in finished.stderr
