# SPDX-License-Identifier: GPL-3.0-or-later
"""From an earlier result: what is asked of the pipeline, and what is said when that cannot be."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import bpy
import pytest
from maquette import weights_fetch
from maquette.core.version import VERSION
from maquette.operators import mesh_build
from maquette.operators.variants.collection import collection_of, members

SETTINGS = {
    "method": "dpmpp_2m",
    "num_steps": 12,
    "guidance_scale": 4.5,
    "sigma_min": 0.1,
    "sigma_max": 160.0,
    "rho": 12.0,
    "convention": "openai",
    "resolution": 96,
    "texture_size": 256,
    "target_size": 1.0,
    "device": "cpu",
    "precision": "fp32",
}


@pytest.fixture
def make(make_result):
    """Return a function that makes a result with a record as the pipeline writes it."""

    def make(name="Red Cube", *, seed=7, **settings):
        result = make_result(name, seed=seed)
        record = replace(result.record, settings=SETTINGS | settings, version=VERSION)
        return replace(result, record=record)

    return make


@pytest.fixture
def earlier(make):
    return mesh_build.add_object(bpy.context, make(), location=(1.0, 2.0, 0.0))


def change_record(subject, **values):
    subject[mesh_build.RECORD_KEY] = json.dumps(json.loads(subject[mesh_build.RECORD_KEY]) | values)


def test_regenerate_asks_for_the_same_again_and_takes_the_place(pipeline, make, earlier):
    earlier.name = "My Name"
    earlier.data.vertices[0].co = (9.0, 9.0, 9.0)
    pipeline.results = [make()]

    assert bpy.ops.maquette.regenerate() == {"FINISHED"}

    (request,) = pipeline.requests
    assert (request.prompt, request.seed, request.count) == (earlier["maquette_prompt"], 7, 1)
    assert (request.resolution, request.texture_size) == (96, 256)
    assert (request.sampler.method, request.sampler.num_steps) == ("dpmpp_2m", 12)
    assert (request.sampler.guidance_scale, request.sampler.sigma_min) == (4.5, 0.1)
    assert request.like is None
    (found,) = bpy.data.objects
    assert (found.name, tuple(found.location)) == ("My Name", (1.0, 2.0, 0.0))
    assert max(vertex.co.x for vertex in found.data.vertices) == 0.5
    assert len(bpy.data.meshes) == 1


def test_the_sidebar_has_no_say_in_it(pipeline, make, earlier):
    settings = bpy.context.scene.maquette
    settings.prompt, settings.resolution, settings.seed = "something else", 32, 99
    pipeline.results = [make()]

    bpy.ops.maquette.regenerate()

    assert (pipeline.requests[0].resolution, pipeline.requests[0].seed) == (96, 7)
    assert (settings.prompt, settings.resolution, settings.seed) == ("something else", 32, 99)


def test_another_seed_makes_another_object_beside_it(pipeline, make, earlier):
    pipeline.results = [make("Other", seed=8)]

    assert bpy.ops.maquette.same_with_new_seed() == {"FINISHED"}

    (request,) = pipeline.requests
    assert request.seed != 7
    assert (request.prompt, request.resolution) == (earlier["maquette_prompt"], 96)
    other = bpy.data.objects["Other"]
    assert other.location.x >= 1.0 + 0.5 + 0.5  # Neither touches the other.
    assert (other.location.y, other.location.z) == (2.0, 0.0)


def test_more_like_this_asks_for_several_near_it(pipeline, make, earlier):
    pipeline.results = [make(seed=seed) for seed in (20, 21, 22)]

    assert bpy.ops.maquette.more_like_this(count=3, strength=0.5) == {"FINISHED"}

    (request,) = pipeline.requests
    assert (request.like.seeds, request.like.strengths) == ((7,), (0.5,))
    assert (request.count, request.resolution) == (3, 96)
    collection = collection_of(bpy.context.view_layer.objects.active)
    assert len(members(collection)) == 3
    assert min(each.location.x for each in members(collection)) >= 2.0


def test_what_was_like_another_keeps_its_ancestors(pipeline, make):
    like = {"like_seeds": "3 5", "like_strengths": "0.75 0.6"}
    mesh_build.add_object(bpy.context, make(seed=9, **like), location=(0, 0, 0))
    pipeline.results = [make()]

    bpy.ops.maquette.regenerate()
    bpy.ops.maquette.same_with_new_seed()

    again, other = pipeline.requests
    assert other.like is None
    assert (again.seed, again.like.seeds, again.like.strengths) == (9, (3, 5), (0.75, 0.6))


def test_the_family_grows_by_the_result_itself(pipeline, make):
    like = {"like_seeds": "3 5", "like_strengths": "0.75 0.6"}
    mesh_build.add_object(bpy.context, make(seed=9, **like), location=(0, 0, 0))
    pipeline.results = [make()]

    bpy.ops.maquette.more_like_this(count=1, strength=0.9)

    (request,) = pipeline.requests
    assert (request.like.seeds, request.like.strengths) == ((3, 5, 9), (0.75, 0.6, 0.9))


def test_pressed_twice_the_sheets_do_not_cover_each_other(pipeline, make, earlier):
    pipeline.results = [make(), make()]
    for _ in range(2):
        bpy.ops.maquette.more_like_this(object_uid=earlier.session_uid, count=2)

    xs = sorted(each.location.x for each in bpy.data.objects)
    assert all(after - before >= 1.0 for before, after in pairwise(xs))
    assert len(xs) == 5


def test_edit_prompt_fills_the_sidebar(earlier):
    settings = bpy.context.scene.maquette
    settings.random_seed = True

    assert bpy.ops.maquette.edit_prompt() == {"FINISHED"}

    assert settings.prompt == earlier["maquette_prompt"]
    assert (settings.seed, settings.resolution, settings.steps) == (7, 96, 12)
    assert settings.guidance == 4.5
    assert not settings.random_seed


@pytest.mark.parametrize("text", ["", "{", "[]", '"text"', "{}", '{"settings": 3}', "null"])
def test_a_damaged_record_is_told_in_words(pipeline, earlier, text):
    earlier[mesh_build.RECORD_KEY] = text

    for action in ("regenerate", "same_with_new_seed", "more_like_this", "edit_prompt"):
        with pytest.raises(RuntimeError, match="record of this object is damaged"):
            getattr(bpy.ops.maquette, action)()
    assert pipeline.requests == []


@pytest.mark.parametrize(
    "values",
    [
        {"seed": "seven"},
        {"seed": -1},
        {"prompt": ""},
        {"prompt": 3},
        {"pack": None},
        {"settings": {"resolution": 10**9}},
        {"settings": {"method": "euler"}},
        {"settings": {"like_seeds": "x", "like_strengths": "0.5"}},
        {"settings": {"like_seeds": "1 2", "like_strengths": "0.5"}},
        {"settings": {"like_seeds": 3}},
    ],
)
def test_a_record_with_unusable_values_is_told_in_words(pipeline, earlier, values):
    change_record(earlier, **values)

    with pytest.raises(RuntimeError, match="record of this object cannot be used"):
        bpy.ops.maquette.regenerate()
    assert pipeline.requests == []


def test_a_record_of_an_earlier_version_may_lack_settings(pipeline, make, earlier):
    change_record(earlier, settings={"resolution": 64})
    pipeline.results = [make()]

    assert bpy.ops.maquette.regenerate() == {"FINISHED"}

    assert pipeline.requests[0].resolution == 64
    assert pipeline.requests[0].sampler is None


def test_a_picture_that_is_gone_is_named(pipeline, earlier):
    change_record(earlier, image_source="chair.png")

    with pytest.raises(RuntimeError, match=r"Cannot use image chair\.png"):
        bpy.ops.maquette.regenerate()


def test_a_pack_that_nobody_knows_is_named(earlier):
    change_record(earlier, pack="somebodys-own")

    with pytest.raises(RuntimeError, match="no pack somebodys-own"):
        bpy.ops.maquette.regenerate()


def test_a_result_that_will_differ_is_announced(pipeline, make, earlier, capfd):
    pipeline.results = [make()]
    change_record(earlier, version="0.0.1")

    bpy.ops.maquette.regenerate()

    said = capfd.readouterr().out
    assert "The pack starter has changed since: this will be another mesh" in said
    assert f"Made by Maquette 0.0.1, now {VERSION}: the mesh may differ" in said


def test_nothing_is_announced_when_all_is_as_it_was(
    pipeline, make, earlier, capfd, tmp_path, monkeypatch
):
    pipeline.results = [make()]
    change_record(earlier, pack_hash=weights_fetch.pack_hash(tmp_path, "text"))

    bpy.ops.maquette.regenerate()

    assert "Warning" not in capfd.readouterr().out


def test_without_a_result_the_buttons_are_grey_and_say_why():
    bpy.ops.object.empty_add()

    for action in ("regenerate", "same_with_new_seed", "more_like_this", "edit_prompt"):
        assert not getattr(bpy.ops.maquette, action).poll()
        with pytest.raises(RuntimeError, match="Select an object that Maquette made"):
            getattr(bpy.ops.maquette, action)()
