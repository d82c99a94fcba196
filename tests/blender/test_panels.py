# SPDX-License-Identifier: GPL-3.0-or-later
"""Panels drawn into a recorder, which checks every property and operator that they name."""

from __future__ import annotations

from types import SimpleNamespace

import blf
import bpy
import pytest
from maquette.operators import packs, status
from maquette.panels import generate, history, running, statusbar, wrapping
from maquette.panels.preferences import MaquettePreferences

PARAMETERS = bpy.types.UILayout.bl_rna.functions
ICONS = set(PARAMETERS["label"].parameters["icon"].enum_items.keys())
PANELS = [
    generate.MAQUETTE_PT_generate,
    generate.MAQUETTE_PT_advanced,
    running.MAQUETTE_PT_running,
    running.MAQUETTE_PT_message,
    running.MAQUETTE_PT_jobs,
    history.MAQUETTE_PT_history,
]
SENTENCE = "The starter pack does not know 'zeppelinoid': try 'balloon', or name another object"


class Properties:
    """What `operator` returns: refuses what the operator does not have."""

    def __init__(self, name):
        module, function = name.split(".")
        self.__dict__["known"] = getattr(getattr(bpy.ops, module), function).get_rna_type()

    def __setattr__(self, name, value):
        assert name in self.known.properties, name


class Recorder:
    """Takes a panel's calls as a UILayout does, and fails where Blender would print an error."""

    def __init__(self, calls=None, enabled=True):
        self.calls = [] if calls is None else calls
        self.enabled = enabled

    def __getattr__(self, name):
        function = PARAMETERS[name]  # KeyError: there is no such function.

        def call(*arguments, **keywords):
            names = [each.identifier for each in function.parameters if not each.is_output]
            # Blender has some that the list of parameters does not show, such as the texts'.
            given = dict(zip(names, arguments, strict=False)) | keywords
            assert set(given) <= {*names, "text_ctxt", "translate", "placeholder"}, given
            assert given.get("icon", "NONE") in ICONS, given["icon"]
            return self.record(name, given)

        return call

    def record(self, name, given):
        if name in ("row", "column", "box", "split", "grid_flow"):
            return Recorder(self.calls, self.enabled)
        if name == "panel":
            return Recorder(self.calls), Recorder(self.calls)
        if name in ("prop", "prop_enum", "template_ID"):
            shown = given["data"].bl_rna.properties[given["property"]]
            if name == "prop_enum":
                assert given["value"] in shown.enum_items
            self.calls.append((name, given.get("value", given["property"]), self.enabled))
        elif name == "operator":
            self.calls.append((name, given["operator"], self.enabled))
            return Properties(given["operator"])
        elif name == "template_list":
            assert hasattr(bpy.types, given["listtype_name"])
            assert given["propname"] in given["dataptr"].bl_rna.properties
            assert given["active_propname"] in given["active_dataptr"].bl_rna.properties
            self.calls.append((name, given["propname"], self.enabled))
        else:
            self.calls.append((name, given.get("text", given.get("menu")), self.enabled))
        return None


# UILayout keeps plain attributes beside its functions.
for _name in ("scale_x", "scale_y", "alert", "active", "emboss", "alignment", "ui_units_x"):
    setattr(Recorder, _name, None)
for _name in ("use_property_split", "use_property_decorate"):
    setattr(Recorder, _name, None)


def draw(function, context=None):
    """Return (call, what it names) of everything that was drawn."""
    return [(kind, name) for kind, name, _ in draw_enabled(function, context)]


def draw_enabled(function, context=None):
    recorder = Recorder()
    function(SimpleNamespace(layout=recorder), context or bpy.context)
    return recorder.calls


def texts(calls):
    return " ".join(str(name) for kind, name in calls if kind == "label")


def shown():
    return bpy.context.window_manager.maquette


def settings():
    return bpy.context.scene.maquette


def add_job(state, *, label="a chair", error=""):
    job = shown().jobs.add()
    job.job_id, job.state, job.label, job.error = len(shown().jobs), state, label, error
    return job


def start_run():
    status.show_start(shown())
    status.show_progress(shown(), "Sampling", 0.5)


def test_at_rest_there_is_a_prompt_a_model_a_quality_a_place_and_a_button():
    settings().prompt, shown().estimate = "a chair", ""

    calls = draw(generate.MAQUETTE_PT_generate.draw)

    assert [call for call in calls if call[0] not in ("label", "menu")] == [
        ("prop", "source"),
        ("prop", "prompt"),
        ("prop", "pack"),
        ("prop_enum", "DRAFT"),
        ("prop_enum", "FAST"),
        ("prop_enum", "NORMAL"),
        ("prop_enum", "FINE"),
        ("prop", "count"),
        ("prop", "location"),
        ("operator", "maquette.generate"),
    ]
    assert texts(calls) == "Ready"


def test_what_keeps_generate_greyed_stands_below_it():
    assert "Enter a prompt first" in texts(draw(generate.MAQUETTE_PT_generate.draw))


def test_custom_is_shown_only_where_it_is_the_case():
    settings().steps = 9

    assert ("prop_enum", "CUSTOM") in draw(generate.MAQUETTE_PT_generate.draw)


def test_a_prompt_that_its_field_cannot_hold_is_shown_in_full():
    settings().prompt = "a wooden rowing boat with two oars and a lantern at its bow"

    assert settings().prompt in texts(draw(generate.MAQUETTE_PT_generate.draw))


def test_with_an_image_there_is_a_picker_in_place_of_the_prompt():
    settings().source = "IMAGE"

    calls = draw(generate.MAQUETTE_PT_generate.draw)

    assert ("template_ID", "image") in calls
    assert ("prop", "prompt") not in calls


def test_a_model_that_is_not_there_can_be_fetched_and_one_for_images_is_offered():
    sidebar = bpy.context.window_manager.maquette_sidebar
    for kind, operator in (
        ("MISSING", "maquette.pack_fetch"),
        ("NO_MODEL", "maquette.offer_image_pack"),
    ):
        sidebar.pack_states["starter TEXT"].kind = kind
        sidebar.pack_states["starter TEXT"].words = f"It is {kind}"

        calls = draw(generate.MAQUETTE_PT_generate.draw)

        assert f"It is {kind}" in texts(calls)
        assert ("operator", operator) in calls


def test_the_estimate_is_shown_until_the_run_starts():
    settings().prompt, shown().estimate = "a chair", "About 12 s, 0.9 GB"
    assert "About 12 s, 0.9 GB" in texts(draw(generate.MAQUETTE_PT_generate.draw))

    start_run()
    assert "About 12 s" not in texts(draw(generate.MAQUETTE_PT_generate.draw))


def test_only_a_placeholder_asks_what_becomes_of_it_and_decides_the_size():
    def sizes():
        drawn = draw_enabled(generate.MAQUETTE_PT_advanced.draw)
        return [enabled for _, name, enabled in drawn if name == "target_size"]

    assert ("prop", "placeholder_action") not in draw(generate.MAQUETTE_PT_generate.draw)
    assert sizes() == [True]

    settings().location = "PLACEHOLDER"
    assert ("prop", "placeholder_action") in draw(generate.MAQUETTE_PT_generate.draw)
    assert sizes() == [False]


def test_a_seed_that_will_be_drawn_anew_is_greyed():
    settings().random_seed = True

    drawn = draw_enabled(generate.MAQUETTE_PT_advanced.draw)

    assert ("prop", "seed", False) in drawn
    assert ("operator", "maquette.draw_seed", False) in drawn
    assert ("prop", "random_seed", True) in drawn


def test_guidance_has_a_value_only_where_it_is_set():
    assert ("prop", "guidance") not in draw(generate.MAQUETTE_PT_advanced.draw)

    settings().use_guidance = True
    assert ("prop", "guidance") in draw(generate.MAQUETTE_PT_advanced.draw)


def test_during_a_run_there_is_a_bar_with_cancel_and_generate_queues_another():
    settings().prompt = "a chair"
    assert not running.MAQUETTE_PT_running.poll(bpy.context)
    start_run()

    calls = draw(running.MAQUETTE_PT_running.draw)

    assert running.MAQUETTE_PT_running.poll(bpy.context)
    assert ("progress", "Sampling") in calls
    assert ("operator", "maquette.cancel") in calls
    assert ("operator", "maquette.generate", True) in draw_enabled(
        generate.MAQUETTE_PT_generate.draw
    )
    assert bpy.ops.maquette.generate.poll()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1.0, "Time left: not known yet"),
        (0.0, "A few seconds left"),
        (12.0, "About 10 s left"),
        (88.0, "About 90 s left"),
        (91.0, "About 2 min left"),
        (3600.0, "About 60 min left"),
        (3 * 3600.0, "About 3 h left"),
    ],
)
def test_the_time_left_is_in_words(seconds, words):
    assert running.time_left(seconds) == words


def test_the_status_bar_shows_the_run_and_nothing_else():
    assert draw(statusbar.draw) == []

    start_run()
    shown().seconds_left = 40.0
    assert draw(statusbar.draw) == [
        ("progress", "Sampling"),
        ("operator", "maquette.cancel"),
        ("label", "About 40 s left"),
    ]


def test_an_error_and_a_warning_stay_in_the_panel_until_they_are_dismissed():
    assert not running.MAQUETTE_PT_message.poll(bpy.context)
    shown().error, shown().report, shown().warning = SENTENCE, "All about it", "what to know"

    calls = draw(running.MAQUETTE_PT_message.draw)

    assert running.MAQUETTE_PT_message.poll(bpy.context)
    assert SENTENCE in texts(calls)
    assert "What to know" in texts(calls)
    assert [name for kind, name in calls if kind == "operator"] == [
        "maquette.dismiss",
        "maquette.copy_report",
        "maquette.dismiss",
    ]


@pytest.mark.parametrize(
    ("state", "buttons"),
    [
        ("WAITING", ["maquette.job_cancel"]),
        ("RUNNING", ["maquette.job_cancel"]),
        ("DONE", ["maquette.job_jump", "maquette.job_remove"]),
        ("FAILED", ["maquette.job_retry", "maquette.job_remove"]),
        ("CANCELLED", ["maquette.job_retry", "maquette.job_remove"]),
    ],
)
def test_each_job_has_the_buttons_of_its_state(state, buttons):
    job = add_job(state)

    recorder = Recorder()
    running.MAQUETTE_UL_jobs.draw_item(
        None, bpy.context, recorder, shown(), job, 0, shown(), "active_job", 0
    )

    assert [name for kind, name, _ in recorder.calls if kind == "operator"] == buttons
    assert "a chair" in [name for _, name, _ in recorder.calls]
    # The one bar of a run stands above the list.
    assert "progress" not in [kind for kind, _, _ in recorder.calls]


def test_steps_cannot_be_set_where_fast_sampling_sets_them():
    def is_enabled(name):
        calls = draw_enabled(generate.MAQUETTE_PT_advanced.draw)
        return next(enabled for kind, each, enabled in calls if (kind, each) == ("prop", name))

    assert is_enabled("steps")
    settings().fast_sampling = True
    assert not is_enabled("steps")
    assert is_enabled("fast_sampling") and is_enabled("resolution")


def test_the_failure_of_the_chosen_job_is_shown_once():
    add_job("DONE")
    add_job("FAILED", error=SENTENCE)

    shown().active_job = 0
    assert SENTENCE not in texts(draw(running.MAQUETTE_PT_jobs.draw))
    shown().active_job = 1
    assert SENTENCE in texts(draw(running.MAQUETTE_PT_jobs.draw))
    shown().error = SENTENCE  # It stands above the list then.
    assert SENTENCE not in texts(draw(running.MAQUETTE_PT_jobs.draw))


def test_the_list_of_jobs_is_there_when_there_is_a_job():
    assert not running.MAQUETTE_PT_jobs.poll(bpy.context)

    add_job("DONE")

    assert running.MAQUETTE_PT_jobs.poll(bpy.context)
    assert ("template_list", "jobs") in draw(running.MAQUETTE_PT_jobs.draw)


def test_the_history_lists_and_offers_everything():
    calls = draw(history.MAQUETTE_PT_history.draw) + draw(history.MAQUETTE_MT_history.draw)

    assert ("template_list", "history") in calls
    assert {name for kind, name in calls if kind == "operator"} == {
        f"maquette.history_{name}"
        for name in ("recall", "run", "remove", "clear", "export", "import")
    }


@pytest.mark.parametrize("width", [180, 240, 291, 900])
@pytest.mark.parametrize(
    "text",
    [
        SENTENCE,
        "Cannot open /home/someone/pictures/references/chairs/2026/november/a_very_long_name.png",
        "无法使用此图像:它已损坏或不完整,请重新保存后再试一次,或者选择另一张图像作为参考",
    ],
)
def test_texts_are_broken_so_that_nothing_is_cut_off_or_lost(width, text):
    context = SimpleNamespace(
        preferences=bpy.context.preferences, region=SimpleNamespace(width=width)
    )

    lines = wrapping.wrap(context, text)

    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    blf.size(0, bpy.context.preferences.ui_styles[0].widget.points)
    assert max(blf.dimensions(0, line)[0] for line in lines) <= width - wrapping.MARGINS


def test_the_preferences_show_the_packs_folder():
    preferences = bpy.context.preferences.addons["maquette"].preferences
    recorder = Recorder()
    view = SimpleNamespace(layout=recorder, bl_rna=preferences.bl_rna, precision="AUTO")

    MaquettePreferences.draw(view, bpy.context)

    assert ("prop", "packs_folder", True) in recorder.calls


def test_an_empty_packs_folder_means_the_usual_one(tmp_path):
    preferences = bpy.context.preferences.addons["maquette"].preferences
    assert packs.folder(bpy.context) is None

    preferences.packs_folder = str(tmp_path)
    assert packs.folder(bpy.context) == tmp_path


@pytest.mark.parametrize("cls", PANELS)
def test_panels_are_in_the_sidebar_of_the_viewport(cls):
    assert (cls.bl_space_type, cls.bl_region_type, cls.bl_category) == (
        "VIEW_3D",
        "UI",
        "Maquette",
    )
