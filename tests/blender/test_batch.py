# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of prompts as jobs: a job for each line, or nothing at all."""

from __future__ import annotations

from typing import get_args, get_type_hints

import bpy
import pytest
from maquette.core.config import MAX_SEED
from maquette.core.errors import EmptySurfaceError, LineFault
from maquette.operators import batch, prompt_words


def settings():
    return bpy.context.scene.maquette


def write(content: str, name="Prompts") -> str:
    bpy.data.texts.new(name).write(content)
    return name


def jobs():
    return [(job.label, job.state) for job in bpy.context.window_manager.maquette.jobs]


def test_each_line_of_a_text_is_a_job(pipeline, make_result):
    pipeline.results = [make_result()]
    text = write("a red chair\n# later\n\na blue mug\n")

    assert bpy.ops.maquette.batch(text=text) == {"FINISHED"}

    assert [request.prompt for request in pipeline.requests] == ["a red chair", "a blue mug"]
    assert jobs() == [("a red chair", "DONE"), ("a blue mug", "DONE")]
    assert len(bpy.data.objects) == 2


def test_a_row_says_only_what_differs_from_the_sidebar(pipeline):
    settings().seed, settings().count, settings().resolution = 5, 2, 96
    settings().prompt = "not this one"
    text = write("prompt,seed,count,preset,name\na chair,,,,\na mug,7,3,fine,Blue Mug\n")

    bpy.ops.maquette.batch(text=text)

    plain, own = pipeline.requests
    assert (plain.prompt, plain.seed, plain.count, plain.name) == ("a chair", 5, 2, "")
    assert (plain.resolution, plain.sampler.num_steps) == (96, settings().steps)
    assert (own.prompt, own.seed, own.count, own.name) == ("a mug", 7, 3, "Blue Mug")
    settings().preset = "FINE"
    assert (own.resolution, own.texture_size, own.sampler.num_steps) == (
        settings().resolution,
        settings().texture_size,
        settings().steps,
    )
    assert [label for label, _ in jobs()] == ["a chair", "Blue Mug"]


def test_prompts_are_made_even_where_the_sidebar_shows_an_image(pipeline):
    settings().source = "IMAGE"

    bpy.ops.maquette.batch(text=write("a chair\n"))

    (request,) = pipeline.requests
    assert (request.prompt, request.image) == ("a chair", None)


def test_every_line_gets_another_seed_where_that_is_asked_for(pipeline):
    settings().random_seed = True

    bpy.ops.maquette.batch(text=write("a chair\na mug\na lamp\na cup\n"))

    assert len({request.seed for request in pipeline.requests}) > 1


def test_results_do_not_stand_in_one_another(pipeline, make_result):
    pipeline.results = [make_result()]
    bpy.context.scene.cursor.location = (10.0, 0.0, 1.0)
    settings().target_size = 2.0

    bpy.ops.maquette.batch(text=write("prompt,count\na,1\nb,4\nc,1\n"))

    places = [tuple(added.location) for added in bpy.data.objects]
    # Four variants are a sheet of 2 x 2, 4.5 m wide; the largest one and a quarter part them.
    assert sorted(places) == [
        (7.1875, -2.8125, 1.0),
        (7.1875, 2.8125, 1.0),
        (12.8125, -2.8125, 1.0),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file(pipeline, tmp_path, encoding):
    path = tmp_path / "list.csv"
    path.write_text("prompt;seed\nein grüner Stuhl;7\n", encoding=encoding)

    assert bpy.ops.maquette.batch(filepath=str(path)) == {"FINISHED"}

    (request,) = pipeline.requests
    assert (request.prompt, request.seed) == ("ein grüner Stuhl", 7)


def test_one_that_fails_does_not_keep_the_rest_from_being_made(pipeline, make_result):
    def generate(request, *_args, **_options):
        pipeline.requests.append(request)
        if request.prompt == "a mug":
            raise EmptySurfaceError(-0.5)
        yield make_result(request.prompt)

    pipeline.generate = generate

    bpy.ops.maquette.batch(text=write("a chair\na mug\na lamp\n"))

    assert [state for _, state in jobs()] == ["DONE", "FAILED", "DONE"]
    assert {"a chair", "a lamp"} <= set(bpy.data.objects.keys())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            "prompt,seed\na chair,1\na mug,x\n",
            "Line 3 of Prompts: x is no seed: write a whole number",
        ),
        ("prompt,count\na chair,0\n", "Line 2 of Prompts: 0 is no count: write 1 to 64"),
        ("# nothing\n", "Prompts: write a prompt on each line"),
        ("", "Prompts: write a prompt on each line"),
        (f"prompt,seed,count\na,{MAX_SEED},2\n", "leaves no room for 2 variants"),
    ],
)
def test_nothing_is_made_until_all_of_it_is_right(pipeline, content, words):
    with pytest.raises(RuntimeError, match=words):
        bpy.ops.maquette.batch(text=write(content))

    assert pipeline.requests == []
    assert jobs() == []


@pytest.mark.parametrize("name", ["gone.csv", "picture.csv", "."])
def test_a_file_that_cannot_be_read(pipeline, tmp_path, name):
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")

    with pytest.raises(RuntimeError, match=r"choose another|save it as UTF-8 text"):
        bpy.ops.maquette.batch(filepath=str(tmp_path / name))

    assert pipeline.requests == []


def test_a_setting_of_the_sidebar_that_cannot_be_used(pipeline):
    settings().texture_size = 3

    with pytest.raises(RuntimeError, match="Texture size must be a whole number from 64"):
        bpy.ops.maquette.batch(text=write("a chair\n"))


def test_the_dialog_says_how_many_and_names_the_first(pipeline):
    rows = batch.prompts.parse_lines("\n".join(f"chair {i}" for i in range(9)), "Text")
    settings().count = 2

    head, *rest = batch._summary(batch.specs_of(bpy.context, rows)).splitlines()

    assert head == "9 prompts, 18 meshes"
    assert rest == [*(f"chair {i}" for i in range(batch.MAX_LISTED)), "and 4 more"]


def test_every_kind_of_fault_has_words():
    for kind in get_args(get_type_hints(LineFault)["kind"]):
        sentence = prompt_words.of_fault(LineFault(7, kind, "x" * 500))
        assert sentence.startswith("Line 7: ") and len(sentence) <= 80
        assert "{" not in sentence
