# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings in the sidebar: presets, what keeps Generate from being pressed, stored records."""

from __future__ import annotations

from dataclasses import asdict, replace

import bpy
import pytest
from maquette.core.config import MAX_SEED, SamplerChanges, SamplerConfig
from maquette.operators import pack_states, presets, properties


@pytest.fixture
def settings():
    return bpy.context.scene.maquette


def put_cube():
    cube = bpy.data.objects.new("Cube", None)
    bpy.context.scene.collection.objects.link(cube)
    bpy.context.view_layer.objects.active = cube


def set_pack_state(key, kind):
    bpy.context.window_manager.maquette_sidebar.pack_states[key].kind = kind


def values_of(settings):
    names = ("steps", "resolution", "texture_size", "target_size", "count", "seed")
    return {name: getattr(settings, name) for name in names}


@pytest.mark.parametrize("name", ["DRAFT", "FAST", "NORMAL", "FINE"])
def test_a_preset_sets_its_values_and_shows_as_chosen(settings, name):
    settings.preset = name

    chosen = presets.PRESETS[name]
    assert (settings.steps, settings.resolution, settings.texture_size) == (
        chosen.steps,
        chosen.resolution,
        chosen.texture_size,
    )
    assert settings.preset == name


def test_presets_ask_for_more_and_more():
    draft, normal, fine = (presets.PRESETS[name] for name in ("DRAFT", "NORMAL", "FINE"))

    for key in ("steps", "resolution", "texture_size"):
        assert getattr(draft, key) < getattr(normal, key) < getattr(fine, key)


def test_fast_is_normal_but_for_the_sampling(settings):
    settings.prompt = "a chair"
    normal = properties.request_of(settings)

    settings.preset = "FAST"

    fast = properties.request_of(settings)
    assert fast == replace(normal, sampler=SamplerChanges.fast())
    sampler = fast.settle_sampler(SamplerConfig(guidance_scale=2.0, sigma_min=0.1))
    assert (sampler.guidance_scale, sampler.sigma_min) == (2.0, 0.1)


def test_fast_sampling_has_its_own_steps_and_gives_the_others_back(settings):
    settings.fast_sampling = True
    assert (settings.preset, settings.steps) == ("FAST", 16)

    settings.fast_sampling = False
    assert (settings.preset, settings.steps) == ("NORMAL", SamplerConfig().num_steps)

    settings.fast_sampling, settings.use_guidance, settings.guidance = True, True, 7.0
    settings.prompt = "a chair"
    assert properties.request_of(settings).sampler.guidance_scale == 7.0


@pytest.mark.parametrize(
    ("pack", "chosen", "precision"),
    [
        ("shap-e", "AUTO", "prefer_int8"),
        ("shap-e", "FP32", "fp32"),
        ("shap-e", "PREFER_INT8", "prefer_int8"),
        ("starter", "AUTO", "auto"),
    ],
)
def test_fast_sampling_takes_8_bits_for_large_packs_unless_told_otherwise(
    settings, pack, chosen, precision
):
    preferences = bpy.context.preferences.addons["maquette"].preferences
    settings.prompt, settings.pack = "a chair", pack
    preferences.precision = chosen

    settings.preset = "FAST"

    assert properties.request_of(settings, preferences).precision == precision


def test_fast_sampling_comes_back_from_a_record_and_ends_with_one_of_another_kind(settings):
    sampled = asdict(SamplerChanges.fast().apply(SamplerConfig()))

    properties.show_record(settings, {"settings": sampled})
    assert (settings.fast_sampling, settings.steps) == (True, 16)
    properties.show_record(settings, {"settings": {"resolution": 64}})
    assert settings.fast_sampling

    properties.show_record(settings, RECORD)
    assert (settings.fast_sampling, settings.steps) == (False, 30)


@pytest.mark.parametrize(("name", "value"), [("steps", 9), ("resolution", 65), ("texture_size", 0)])
def test_any_other_value_makes_it_custom_and_the_old_one_brings_the_preset_back(
    settings, name, value
):
    before = getattr(settings, name)

    setattr(settings, name, value)
    assert settings.preset == "CUSTOM"
    settings.preset = "CUSTOM"
    assert getattr(settings, name) == value

    setattr(settings, name, before)
    assert settings.preset == "NORMAL"


def test_a_preset_leaves_the_rest_alone(settings):
    settings.use_guidance, settings.guidance, settings.seed, settings.target_size = (
        True,
        7.0,
        5,
        2.0,
    )

    settings.preset = "FINE"

    assert (settings.use_guidance, settings.guidance) == (True, 7.0)
    assert (settings.seed, settings.target_size) == (5, 2.0)


def test_the_model_decides_about_guidance_unless_it_is_set(settings):
    settings.prompt, settings.guidance = "a chair", 7.0
    own = SamplerConfig(num_steps=20, guidance_scale=3.0)

    assert properties.request_of(settings).settle_sampler(own).guidance_scale == 3.0
    settings.use_guidance = True
    assert properties.request_of(settings).settle_sampler(own).guidance_scale == 7.0


def test_each_hindrance_is_named_and_the_last_one_gone_frees_the_button(settings):
    settings.prompt, settings.location = " \t", "PLACEHOLDER"
    assert settings.hindrance == "Enter a prompt first"

    settings.source = "IMAGE"
    assert settings.hindrance == "Choose an image first"

    settings.source, settings.prompt = "TEXT", "a chair"
    assert settings.hindrance == "Select the object to take the place of first"

    put_cube()
    assert settings.hindrance == ""
    assert bpy.ops.maquette.generate.poll()


@pytest.mark.parametrize("kind", ["MISSING", "DAMAGED", "NO_MODEL"])
def test_a_pack_that_cannot_be_used_is_a_hindrance(settings, kind):
    settings.prompt = "a chair"
    set_pack_state("starter TEXT", kind)

    assert settings.hindrance
    with pytest.raises(RuntimeError, match=settings.hindrance):
        bpy.ops.maquette.generate()


def test_drawn_seeds_differ_and_leave_room_for_variants(settings):
    drawn = set()
    for _ in range(20):
        bpy.ops.maquette.draw_seed()
        drawn.add(settings.seed)

    assert len(drawn) > 15
    assert max(drawn) < properties.MAX_DRAWN_SEED < MAX_SEED


RECORD = {
    "prompt": "a blue lamp",
    "image_source": "",
    "seed": 42,
    "pack": "shap-e",
    "settings": {
        "method": "unipc_2",
        "num_steps": 30,
        "guidance_scale": 3.5,
        "resolution": 96,
        "texture_size": 512,
        "target_size": 2.5,
        "device": "cuda",
    },
}


def test_a_record_is_written_back_into_the_settings(settings):
    settings.random_seed, settings.count, settings.location = True, 4, "ORIGIN"

    properties.show_record(settings, RECORD)

    assert (settings.source, settings.prompt, settings.pack) == ("TEXT", "a blue lamp", "shap-e")
    assert (settings.seed, settings.random_seed, settings.count) == (42, False, 1)
    assert (settings.steps, settings.resolution, settings.texture_size) == (30, 96, 512)
    assert (settings.use_guidance, settings.guidance) == (True, 3.5)
    assert settings.target_size == 2.5
    assert (settings.location, settings.device) == ("ORIGIN", "PREFERENCES")


def test_a_request_made_of_a_shown_record_asks_for_the_same(settings):
    properties.show_record(settings, RECORD)

    request = properties.request_of(settings)

    assert (request.prompt, request.seed, request.count) == ("a blue lamp", 42, 1)
    sampler = request.settle_sampler(SamplerConfig())
    assert (sampler.num_steps, sampler.guidance_scale) == (30, 3.5)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_steps", "many"),
        ("num_steps", -1),
        ("resolution", 10**6),
        ("resolution", None),
        ("target_size", float("nan")),
        ("texture_size", True),
        ("count", 0),
    ],
)
def test_a_value_that_cannot_be_used_leaves_the_setting_as_it_is(settings, key, value):
    before = values_of(settings)

    properties.show_record(settings, {"settings": {key: value}})

    assert values_of(settings) == before


@pytest.mark.parametrize(
    "record", [{}, {"settings": 3}, {"pack": "no-such-pack"}, {"prompt": None, "seed": 1.5}]
)
def test_a_record_that_says_nothing_changes_nothing(settings, record):
    settings.prompt = "a chair"

    properties.show_record(settings, record)

    assert (settings.prompt, settings.pack, settings.seed) == ("a chair", "starter", 0)


def test_the_picture_of_a_record_is_found_again(settings, tmp_path):
    image = bpy.data.images.new("Chair", 32, 32)
    image.filepath_raw, image.file_format = str(tmp_path / "chair.png"), "PNG"
    image.save()
    other = bpy.data.images.new("Other", 8, 8)

    properties.show_record(settings, {"image_source": "Other"})
    assert (settings.source, settings.image) == ("IMAGE", other)

    bpy.data.images.remove(image)
    properties.show_record(settings, {"image_source": str(tmp_path / "chair.png")})
    assert settings.image.name == "chair.png"

    properties.show_record(settings, {"image_source": str(tmp_path / "gone.png")})
    assert settings.image is None
    assert settings.hindrance == "Choose an image first"


def state(key):
    return bpy.context.window_manager.maquette_sidebar.pack_states[key]


def test_the_state_of_each_pack_is_in_words(tmp_path):
    preferences = bpy.context.preferences.addons["maquette"].preferences
    preferences.packs_folder = str(tmp_path)

    pack_states.refresh(bpy.context)

    assert (state("starter TEXT").kind, state("starter TEXT").words) == ("READY", "Ready")
    assert (state("starter IMAGE").kind, state("starter MESH").kind) == ("READY", "READY")
    assert state("shap-e TEXT").kind == "MISSING"
    # 631.4 and 247.3 MB for prompts beside 452.6 MB for the decoder; pictures have larger ones.
    assert state("shap-e TEXT").words == "Not on this machine, 1.3 GB to fetch"
    assert state("shap-e IMAGE").words == "Not on this machine, 1.7 GB to fetch"


def test_a_pack_that_takes_no_images_names_one_that_does(pack_for_prompts):
    settings = bpy.context.scene.maquette
    settings.prompt, settings.pack = "a chair", pack_for_prompts
    assert (state("spoken TEXT").kind, settings.hindrance) == ("READY", "")

    settings.source, settings.image = "IMAGE", bpy.data.images.new("Chair", 8, 8)

    found = state("spoken IMAGE")
    assert (found.kind, found.words) == ("NO_MODEL", "It takes no images: choose Maquette Starter")
    assert settings.hindrance == "This model takes no images: choose another"


def test_what_is_there_already_is_not_to_be_fetched(tmp_path):
    preferences = bpy.context.preferences.addons["maquette"].preferences
    preferences.packs_folder = str(tmp_path)
    weights = tmp_path / "shap-e/shap_e_renderer/diffusion_pytorch_model.fp16.safetensors"
    weights.parent.mkdir(parents=True)
    with weights.open("wb") as file:
        file.truncate(452_630_034)

    bpy.context.scene.maquette.pack = "shap-e"  # Choosing looks again.
    assert state("shap-e TEXT").words == "Incomplete, 878.8 MB to fetch"

    with weights.open("wb") as file:
        file.truncate(7)
    bpy.context.scene.maquette.pack = "shap-e"
    assert (state("shap-e TEXT").kind, state("shap-e TEXT").words) == (
        "DAMAGED",
        "Damaged: fetch it again",
    )
