# SPDX-License-Identifier: GPL-3.0-or-later
"""Variants to choose from, results in the Asset Browser, and results made again."""

from __future__ import annotations

import pytest
from maquette.tests.gui.driver.panel import open_tab

PROMPT = "a wooden chair"
NAME = "Wooden chair"
RUN_SECONDS = 120.0

DRAFT = f"probes.choose(prompt={PROMPT!r}, preset='DRAFT', texture_size=128)"


@pytest.fixture
def generated(app, sidebar, viewport):
    """Return Blender after a generation in an empty scene."""
    viewport.press("a", "Delete")
    viewport.show_textures()
    app.ask(DRAFT)
    sidebar.click("maquette.generate")
    app.wait_until("probes.last_job() == 'DONE'", RUN_SECONDS)
    return app


def test_variants_stand_in_a_collection_and_one_can_be_kept(app, sidebar, viewport, picture):
    viewport.press("a", "Delete")
    viewport.show_textures()
    app.ask(DRAFT)
    app.ask("probes.choose(count=4)")
    sidebar.click("maquette.generate")
    app.wait_until("probes.last_job() == 'DONE'", RUN_SECONDS)
    names = app.ask("probes.objects()")
    assert len(names) == 4
    assert app.ask("list(probes.variants().values())") == [4]
    viewport.press("Home")
    viewport.zoom_out()
    picture("variants.png", viewport.rectangle)

    sidebar.click("maquette.variant_keep_only")

    assert len(app.ask("probes.objects()")) == 1
    viewport.press("ctrl+z")
    assert sorted(app.ask("probes.objects()")) == sorted(names)


def test_a_result_is_saved_to_the_asset_browser(generated, screen, sidebar, viewport, picture):
    generated.ask("probes.show('ASSETS', 'DOPESHEET_EDITOR')")
    sidebar.find("maquette.asset_save")
    # Under the mouse at the screen's edge the dialog would have a text field, which Return enters.
    viewport.point()
    generated.ask("probes.run('maquette.asset_save')")
    picture("asset-dialog.png")
    assert generated.ask(f"bpy.data.objects[{NAME!r}].asset_data") is None

    screen.press("Return")

    generated.wait_until(f"bpy.data.objects[{NAME!r}].asset_data is not None")
    tags = generated.ask(f"[each.name for each in bpy.data.objects[{NAME!r}].asset_data.tags]")
    assert {"wooden", "chair"} <= set(tags)
    picture("asset.png")


def test_a_result_is_made_again_after_reopening_the_file(
    generated, screen, viewport, tmp_path, picture
):
    before = generated.ask(f"probes.corners({NAME!r})")
    path = tmp_path / "again.blend"
    generated.ask(f"bpy.ops.wm.save_as_mainfile(filepath={str(path)!r})")
    generated.close()
    generated.start(screen, str(path))
    # Something of the user's own stands on the object, which making it again must keep.
    generated.ask(f"bpy.data.objects[{NAME!r}].location.x = 1.5")
    generated.ask(
        f"bpy.data.objects[{NAME!r}].data.vertices.foreach_set('co', [0.0] * {len(before)})"
    )
    sidebar = open_tab(generated, screen, "Maquette")

    sidebar.click("maquette.regenerate")
    generated.wait_until("probes.last_job() == 'DONE'", RUN_SECONDS)

    assert generated.ask("probes.objects()") == [NAME]
    assert generated.ask(f"bpy.data.objects[{NAME!r}].location.x") == pytest.approx(1.5)
    assert generated.ask(f"probes.corners({NAME!r})") == pytest.approx(before, abs=1e-5)
    viewport.press("KP_Decimal")
    viewport.zoom_out()
    picture("regenerated.png", viewport.rectangle)
