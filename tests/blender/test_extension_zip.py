# SPDX-License-Identifier: GPL-3.0-or-later
"""The built zip goes through Blender's own installer, works, and leaves nothing behind."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import addon_utils
import bpy
import pytest
from maquette.tools import build_extension

MODULE = "bl_ext.user_default.maquette"


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    return build_extension.build(tmp_path_factory.mktemp("dist"))


@pytest.fixture
def installed(built):
    """Install and enable the zip, and remove it afterwards."""
    # Both have the same operators, and Blender knows each name once.
    addon_utils.disable("maquette", default_set=True)
    bpy.ops.extensions.package_install_files(
        filepath=str(built), repo="user_default", enable_on_install=True
    )
    assert MODULE in bpy.context.preferences.addons
    bpy.context.window_manager.maquette_engine.is_missing = False
    yield sys.modules[MODULE]
    uninstall()


def uninstall():
    repos = bpy.context.preferences.extensions.repos
    index = next(i for i, repo in enumerate(repos) if repo.module == "user_default")
    bpy.ops.extensions.package_uninstall(repo_index=index, pkg_id="maquette")


def test_the_zip_holds_what_blender_needs_and_nothing_else(built):
    build_extension.check(built)


def test_an_installed_extension_generates(installed, monkeypatch, make_result, tmp_path):
    core = sys.modules[f"{MODULE}.core"]
    packs = sys.modules[f"{MODULE}.operators.packs"]
    monkeypatch.setattr(packs, "directory_of", lambda context, pack_id: tmp_path)
    fake = types.ModuleType("pipeline")
    fake.generate = lambda *_, **__: [make_result()]
    monkeypatch.setattr(core, "pipeline", fake, raising=False)
    bpy.context.scene.maquette.prompt = "a red cube"

    assert bpy.ops.maquette.generate() == {"FINISHED"}

    assert [each.name for each in bpy.data.objects] == ["Red Cube"]


def test_the_preferences_belong_to_the_installed_name(installed, tmp_path):
    preferences = bpy.context.preferences.addons[MODULE].preferences
    preferences.packs_folder = str(tmp_path)

    assert sys.modules[f"{MODULE}.operators.packs"].folder(bpy.context) == tmp_path


def test_installing_again_over_it_works(installed, built):
    bpy.ops.extensions.package_install_files(
        filepath=str(built), repo="user_default", enable_on_install=True
    )

    assert MODULE in bpy.context.preferences.addons
    bpy.context.window_manager.maquette_engine.is_missing = False
    bpy.context.scene.maquette.prompt = "a red cube"
    assert bpy.ops.maquette.generate.poll()


def test_uninstalling_leaves_nothing(installed):
    folder = Path(installed.__file__).parent
    assert folder.is_dir()

    uninstall()

    assert not folder.exists()
    assert MODULE not in bpy.context.preferences.addons
    assert not hasattr(bpy.types.Scene, "maquette")
    assert not [name for name in dir(bpy.types) if name.startswith("MAQUETTE")]
