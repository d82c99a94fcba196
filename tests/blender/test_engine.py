# SPDX-License-Identifier: GPL-3.0-or-later
"""Set Up Engine in Blender: what it says, what keeps it from running, and what becomes of it."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import bpy
import pytest
from maquette.engine import installer, loading, plan
from maquette.engine.errors import EngineInstallError
from maquette.engine.folder import EngineFolder, Receipt
from maquette.operators import engine, engine_plan, engine_setup, machine
from maquette.operators.report import without_home
from maquette.panels.machine import MAQUETTE_PT_engine
from maquette.tests.unit.wheels import make_wheel


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path) -> EngineFolder:
    """An engine folder of its own, and a search path that is put back."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    preferences().engine_folder = str(tmp_path / "engine")
    bpy.context.preferences.system.use_online_access = True
    return EngineFolder(tmp_path / "engine")


@pytest.fixture
def without_torch(monkeypatch):
    """Return a function that says which modules are missing from now on."""

    def lack(*names: str) -> None:
        monkeypatch.setattr(
            loading, "missing", lambda _folder, modules: tuple(m for m in modules if m in names)
        )
        machine.refresh(bpy.context)

    return lack


@pytest.fixture
def install(monkeypatch):
    """Stands in for pip: puts a complete engine into place, or fails as told."""
    calls = []

    def fake(plan, *, online, on_progress, cancel, log):
        calls.append((plan, online))
        log.append("what pip wrote")
        on_progress("Fetching torch", 0.5)
        if fake.error is not None:
            raise fake.error
        receipt = Receipt(variant="cpu", packages={}, torch="9.9", size=2_000_000)
        plan.folder.unfinished.mkdir(parents=True)
        plan.folder.write_receipt(receipt)
        plan.folder.log.write_text("\n".join(log))
        plan.folder.finish()
        return receipt

    fake.error = None
    fake.calls = calls
    monkeypatch.setattr(installer, "install", fake)
    return fake


def preferences():
    return bpy.context.preferences.addons["maquette"].preferences


def shown():
    return bpy.context.window_manager.maquette_engine


def set_up(**settings):
    return bpy.ops.maquette.engine_setup(**settings)


def test_without_torch_the_sidebar_says_what_is_missing_and_generate_is_greyed(without_torch):
    without_torch("torch", "safetensors")
    bpy.context.scene.maquette.prompt = "a chair"

    assert shown().is_missing
    words = "Maquette needs PyTorch and safetensors, which this Blender does not have yet"
    assert shown().words == words
    with pytest.raises(RuntimeError, match="Set up the engine first"):
        bpy.ops.maquette.generate()


def test_what_only_shap_e_needs_does_not_keep_the_starter_pack_from_working(without_torch):
    without_torch("open_clip")
    bpy.context.scene.maquette.prompt = "a chair"

    assert not shown().is_missing and shown().is_partial
    assert shown().words == "Ready for the starter pack; Shap-E needs OpenCLIP as well"
    assert bpy.ops.maquette.generate.poll()
    assert not MAQUETTE_PT_engine.poll(bpy.context)

    bpy.context.scene.maquette.pack = "shap-e"

    assert bpy.context.scene.maquette.hindrance.startswith("Set up the engine first")
    assert MAQUETTE_PT_engine.poll(bpy.context)


def test_a_set_up_that_went_well_is_there_and_told(install, folder):
    assert set_up() == {"FINISHED"}

    ((plan, online),) = install.calls
    assert (plan.folder, online) == (folder, True)
    assert shown().is_installed and not shown().is_running
    assert shown().words == "Ready: PyTorch 9.9 for the CPU, 2.0 MB"
    assert shown().log == "what pip wrote"


def test_the_engine_is_searched_only_once_something_is_generated(install, folder, pipeline):
    set_up()
    assert str(folder.packages) not in sys.path
    bpy.context.scene.maquette.prompt = "a chair"

    bpy.ops.maquette.generate()

    assert sys.path[-1] == str(folder.packages)


def test_a_set_up_that_failed_says_why_and_leaves_a_log(install):
    install.error = EngineInstallError("the disk is full", "make room and try again")

    with pytest.raises(RuntimeError, match="Engine not set up, the disk is full: make room"):
        set_up()

    assert shown().error == "Engine not set up, the disk is full: make room and try again"
    assert shown().log == "what pip wrote"
    assert not shown().is_installed


def test_without_permission_nothing_is_downloaded(install):
    bpy.context.preferences.system.use_online_access = False

    with pytest.raises(RuntimeError, match="allow it in Preferences, System, Network"):
        set_up()

    assert install.calls == []


def test_a_folder_of_wheels_needs_no_permission(install, tmp_path):
    bpy.context.preferences.system.use_online_access = False
    preferences().wheels_folder = str(tmp_path)

    assert set_up() == {"FINISHED"}

    ((plan, online),) = install.calls
    assert not online
    assert "--no-index" in plan.arguments and f"--find-links={tmp_path}" in plan.arguments


def test_the_index_and_the_build_can_be_chosen(install, monkeypatch):
    monkeypatch.setattr(loading, "absent_without", lambda _folder, modules: frozenset(modules))
    set_up(variant="CPU", index="https://mirror.example/whl")

    ((plan, _),) = install.calls
    assert plan.variant == "cpu"
    assert "--extra-index-url=https://mirror.example/whl" in plan.arguments


def test_8_bit_integers_are_asked_for_and_remembered(install, monkeypatch, folder):
    monkeypatch.setattr(loading, "absent_without", lambda _folder, modules: frozenset(modules))
    monkeypatch.setattr(plan, "offers_int8", lambda: True)
    set_up()
    set_up(with_int8=True)

    without, with_it = (made.requirements for made, _ in install.calls)
    assert set(with_it) - set(without) == {"openvino==2026.4.1"}
    assert not engine.has_int8(bpy.context)

    folder.unfinished.mkdir(parents=True)
    folder.write_receipt(Receipt(variant="cpu", packages={"openvino": "1"}, torch="9.9", size=1))
    folder.finish()
    assert engine.has_int8(bpy.context)


def test_while_it_is_set_up_it_is_not_set_up_again(install):
    shown().is_running = True

    assert not bpy.ops.maquette.engine_setup.poll()
    assert not bpy.ops.maquette.engine_remove.poll()
    assert bpy.ops.maquette.engine_cancel.poll()


def test_removing_leaves_no_folder(install, folder):
    set_up()
    engine.activate(bpy.context)

    assert bpy.ops.maquette.engine_remove() == {"FINISHED"}

    assert not folder.root.exists()
    assert str(folder.packages) not in sys.path
    assert not shown().is_installed
    assert not bpy.ops.maquette.engine_remove.poll()


def test_an_engine_in_use_is_removed_at_the_next_start(install, folder, monkeypatch):
    set_up()
    monkeypatch.setattr(loading, "is_loaded", lambda _folder: True)

    bpy.ops.maquette.engine_remove()

    assert folder.is_installed
    assert shown().words == "The engine is deleted when Blender starts the next time"
    with pytest.raises(RuntimeError, match="PyTorch is in use: restart Blender"):
        set_up()
    monkeypatch.undo()
    machine._first_look()
    assert not folder.root.exists()


def test_the_log_can_be_copied_also_after_a_restart(install):
    with pytest.raises(RuntimeError, match="There is no log"):
        bpy.ops.maquette.engine_copy_log()
    set_up()
    shown().log = ""

    assert bpy.ops.maquette.engine_copy_log() == {"FINISHED"}


def test_everything_is_shown_before_it_is_done(monkeypatch, tmp_path):
    from maquette.engine.plan import make_plan
    from maquette.tests.blender.test_panels import Recorder

    monkeypatch.setattr(loading, "absent_without", lambda _folder, modules: frozenset(modules))
    recorder = Recorder()
    plan = make_plan(EngineFolder(tmp_path), "cpu")

    engine_plan.draw(recorder, plan)

    text = "".join(name for _, name, _ in recorder.calls if name).replace(" ", "")
    for piece in map(without_home, (str(plan.folder.packages), *plan.arguments)):
        assert piece.replace(" ", "") in text


@pytest.mark.needs_torch
def test_the_real_pip_in_blenders_own_python(monkeypatch, tmp_path, folder):
    """From a folder of wheels of a few bytes; torch itself is there already."""
    from maquette.engine.packages import Package

    package = Package("maquette-test-three", "1.0", "maquette_test_three", 1_000)
    monkeypatch.setattr(plan, "PACKAGES", (package,))
    monkeypatch.setattr(installer, "_LOADED_IN_CHECK", (package.module,))
    make_wheel(tmp_path / "wheels", package.name, "1.0", {f"{package.module}.py": "x = 3\n"})
    preferences().wheels_folder = str(tmp_path / "wheels")
    ticks = threading.Event()
    monkeypatch.setattr(engine_setup, "_show", lambda task: ticks.set())

    assert set_up() == {"FINISHED"}

    assert ticks.is_set()
    assert Path(folder.packages, "maquette_test_three.py").read_text() == "x = 3\n"
    assert "Successfully installed" in shown().log
