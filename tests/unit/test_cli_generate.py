# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette generate` as its users see it: files, sentences, JSON and exit codes."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from maquette import weights_fetch
from maquette.cli import blend_export
from maquette.cli.errors import OutputError
from maquette.core import errors
from maquette.core.config import SamplerChanges, SurfaceConfig
from maquette.tests.unit.cli_harness import (
    IMAGE_SAMPLER,
    TEXT_SAMPLER,
    CommandLine,
    build_command_line,
    write_file,
)
from PIL import Image


@pytest.fixture
def maquette(monkeypatch, capsys, tmp_path) -> CommandLine:
    return build_command_line(monkeypatch, capsys, tmp_path)


# What is written, and where


def test_a_prompt_becomes_a_blend_file_named_after_it(maquette):
    assert maquette("generate", "a red mushroom") == 0

    assert maquette.files == ["a-red-mushroom.blend"]
    assert "a-red-mushroom.blend" in maquette.out


def test_several_prompts_and_variants(maquette):
    assert maquette("generate", "a cat", "a dog", "--count", "2", "--seed", "5") == 0

    contents = {name: Path(name).read_text() for name in maquette.files}
    assert contents == {
        "a-cat-1.blend": "a cat 5",
        "a-cat-2.blend": "a cat 6",
        "a-dog-1.blend": "a dog 5",
        "a-dog-2.blend": "a dog 6",
    }


def test_a_name_from_a_prompt_never_overwrites(maquette):
    Path("a-cat.blend").write_text("mine")

    assert maquette("generate", "a cat") == 0

    assert Path("a-cat.blend").read_text() == "mine"
    assert Path("a-cat-2.blend").read_text() == "a cat 0"


def test_equal_prompts_get_different_names(maquette):
    assert maquette("generate", "a cat", "a cat!") == 0

    assert maquette.files == ["a-cat-2.blend", "a-cat.blend"]


def test_a_file_named_with_o_is_replaced(maquette):
    Path("x.glb").write_text("old")

    assert maquette("generate", "a cat", "-o", "x.glb") == 0

    assert maquette.files == ["x.glb"]
    assert Path("x.glb").read_text() == "a cat 0"


def test_several_results_for_one_name_are_numbered_and_overwrite_nothing(maquette):
    Path("x-1.glb").write_text("mine")

    assert maquette("generate", "a cat", "-o", "x.glb", "--count", "2") == 0

    assert maquette.files == ["x-1.glb", "x-2.glb", "x-3.glb"]
    assert Path("x-1.glb").read_text() == "mine"


@pytest.mark.parametrize("words", [("new/deep", "--format", "obj"), ("new/deep/a-cat.obj",)])
def test_a_folder_is_made(maquette, words):
    assert maquette("generate", "a cat", "-o", *words) == 0

    assert maquette.files == ["new", "new/deep", "new/deep/a-cat.mtl", "new/deep/a-cat.obj"]


def test_a_picture_names_its_result(maquette, tmp_path):
    Image.fromarray(np.eye(64, dtype=np.uint8) * 255).save(tmp_path / "my chair.png")

    assert maquette("generate", "--image", str(tmp_path / "my chair.png"), "--pack", "shap-e") == 0

    assert maquette.files == ["my-chair.blend"]
    assert maquette.pipeline.requests[0].image is not None


# What the pipeline is asked for


def test_settings_reach_the_request(maquette):
    words = "--resolution 64 --texture-size 512 --size 2.5 --device cuda:1 --precision fp16"

    assert maquette("generate", "a cat", *words.split()) == 0

    (request,) = maquette.pipeline.requests
    assert (request.resolution, request.texture_size, request.target_size) == (64, 512, 2.5)
    assert (request.device, request.precision) == ("cuda:1", "fp16")


def test_what_becomes_of_the_surface_reaches_the_request(maquette):
    words = "--triangles 5000 --symmetry x --shading auto --normal-map --occlusion-map"
    words += " --speck-share 0.1 --lods 3 --collision convex"

    assert maquette("generate", "a cat") == 0
    assert maquette("generate", "a cat", *words.split()) == 0

    plain, asked = (request.surface for request in maquette.pipeline.requests)
    assert plain == SurfaceConfig()
    assert asked == SurfaceConfig(
        triangles=5000,
        symmetry="x",
        shading="auto",
        normal_map=True,
        occlusion_map=True,
        speck_share=0.1,
        num_lods=3,
        collision="convex",
    )


@pytest.mark.parametrize("option", [("--lods", "1"), ("--collision", "box")])
@pytest.mark.parametrize("suffix", ["obj", "ply", "usd"])
def test_formats_of_one_mesh_are_refused_levels_before_anything_is_made(maquette, option, suffix):
    assert maquette("generate", "a cat", "--format", suffix, *option) == 2

    assert f".{suffix} holds one mesh: use .blend or .glb" in maquette.err
    assert maquette.files == [] and maquette.pipeline.requests == []


def test_the_sampler_is_the_packs_own_unless_told(maquette, tmp_path):
    Image.new("RGB", (64, 64), "red").save(tmp_path / "a.png")

    maquette("generate", "a cat")
    maquette("generate", "a cat", "--steps", "3", "--guidance", "1.5", "--sampler", "heun")

    first, second = (request.sampler for request in maquette.pipeline.requests)
    assert first == TEXT_SAMPLER
    assert (second.num_steps, second.guidance_scale, second.method) == (3, 1.5, "heun")
    assert second.sigma_max == TEXT_SAMPLER.sigma_max


def test_fast_changes_the_sampler_and_asks_for_8_bits_where_nobody_chose_otherwise(maquette):
    maquette("generate", "a cat", "--fast")
    maquette("generate", "a cat", "--fast", "--precision", "fp32", "--guidance", "1.5")

    first, second = maquette.pipeline.requests
    assert first.sampler == SamplerChanges.fast().apply(TEXT_SAMPLER)
    assert second.sampler == replace(first.sampler, guidance_scale=1.5)
    assert (first.precision, second.precision) == ("prefer_int8", "fp32")


def test_a_picture_takes_the_packs_image_sampler(maquette, tmp_path):
    Image.fromarray(np.eye(64, dtype=np.uint8) * 255).save(tmp_path / "a.png")

    maquette("generate", "--image", str(tmp_path / "a.png"), "--pack", "shap-e")

    assert maquette.pipeline.requests[0].sampler == IMAGE_SAMPLER


def test_the_packs_hash_goes_into_the_record(maquette):
    maquette("generate", "a cat")

    assert maquette.pipeline.pack_hashes == ["0123456789abcdef"]


# What is told


def test_json_is_one_object_with_everything(maquette):
    maquette.pipeline.warnings = ("the starter pack does not know 'blorp'",)

    assert maquette("generate", "a cat", "--json", "--seed", "4") == 0

    (result,) = maquette.answer["results"]
    write_seconds = result["seconds"].pop("write")
    assert result == {
        "prompt": "a cat",
        "image": "",
        "mesh": "",
        "seed": 4,
        "files": [str(maquette.folder / "a-cat.blend")],
        "triangles": 4,
        "vertices": 4,
        "texture_size": 0,
        "seconds": {"sample": 0.5, "mesh": 0.25},
        "warnings": ["the starter pack does not know 'blorp'"],
        "pack": "starter",
        "pack_hash": "0123456789abcdef",
        "device": "cpu",
    }
    assert 0.0 <= write_seconds < 60.0
    assert maquette.answer["peak_memory_bytes"] > 1e6


def test_warnings_are_told_beside_the_result(maquette):
    maquette.pipeline.warnings = ("the starter pack does not know 'blorp'",)

    maquette("generate", "a cat", "--quiet")

    assert maquette.out == ""
    assert maquette.err == "warning: the starter pack does not know 'blorp'\n"


def test_without_a_terminal_progress_is_one_line_for_each_stage(maquette):
    maquette("generate", "a cat", "a dog")

    assert maquette.err.splitlines() == [
        "  0 % 1/2 Sampling",
        " 45 % 1/2 Meshing",
        " 50 % 2/2 Sampling",
        " 95 % 2/2 Meshing",
    ]


# What is refused: one sentence, its exit code, and nothing on disk

BAD_ARGUMENTS = {
    "no prompt": ([], "say what to make"),
    "empty prompt": ([""], "the prompt is empty"),
    "blank prompt": ([" \t "], "the prompt is empty"),
    "10,000 characters": (["x" * 10_000], "10000 characters"),
    "unprintable": (["a\x00b"], "unprintable"),
    "undecodable": (["a\udcffb"], "unprintable"),
    "one bad of two": (["a cat", ""], "the prompt is empty"),
    "steps 0": (["a", "--steps", "0"], "steps must be a whole number from 1 to 1024, got 0"),
    "steps nan": (["a", "--steps", "nan"], "--steps: must be a whole number, got 'nan'"),
    "steps 2.5": (["a", "--steps", "2.5"], "--steps: must be a whole number, got '2.5'"),
    "steps of fast": (["a", "--fast", "--steps", "9"], "--fast sets sampler and steps"),
    "sampler of fast": (["a", "--fast", "--sampler", "heun"], "--fast sets sampler and steps"),
    "map of no texture": (["a", "--normal-map", "--texture-size", "0"], "are textures"),
    "light of no texture": (["a", "--occlusion-map", "--texture-size", "0"], "are textures"),
    "guidance nan": (["a", "--guidance", "nan"], "guidance must be a number from 0 to 100"),
    "guidance inf": (["a", "--guidance", "inf"], "guidance must be a number from 0 to 100"),
    "guidance word": (["a", "--guidance", "much"], "--guidance: must be a number, got 'much'"),
    "resolution 1": (["a", "--resolution", "1"], "from 16 to 512, got 1"),
    "resolution 5000": (["a", "--resolution", "5000"], "from 16 to 512, got 5000"),
    "texture 1": (["a", "--texture-size", "1"], "from 64 to 8192, got 1"),
    "triangles 5": (["a", "--triangles", "5"], "triangles must be a whole number from 100"),
    "lods 9": (["a", "--lods", "9"], "levels of detail must be a whole number from 0 to 4, got 9"),
    "shading": (["a", "--shading", "rough"], "choose from"),
    "size nan": (["a", "--size", "nan"], "target size must be a number"),
    "size 0": (["a", "--size", "0"], "target size must be a number"),
    "count 0": (["a", "--count", "0"], "count must be a whole number from 1 to 64, got 0"),
    "seed -1": (["a", "--seed", "-1"], "seed must be a whole number"),
    "seed huge": (["a", "--seed", str(2**31)], "seed must be a whole number"),
    "pack": (["a", "--pack", "blorp"], "invalid choice: 'blorp'"),
    "sampler": (["a", "--sampler", "ddim"], "invalid choice: 'ddim'"),
    "option": (["a", "--blorp"], "unrecognized arguments: --blorp"),
    "suffix": (["a", "-o", "x.fbx"], "cannot write .fbx files"),
    "contradiction": (["a", "-o", "x.glb", "--format", "obj"], "contradict each other"),
    "empty -o": (["a", "-o", ""], "-o is empty"),
    "missing image": (["--image", "no.png", "--pack", "shap-e"], "there is no such file"),
    "folder as image": (["--image", ".", "--pack", "shap-e"], "it is a folder"),
    "two names": (["a", "b", "--image", "x.png"], "--image takes at most one prompt"),
}


@pytest.mark.parametrize(("words", "part"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS)
def test_bad_input_is_answered_in_one_sentence(maquette, words, part):
    assert maquette("generate", *words, "--json") == 2

    assert part in maquette.sentence
    assert maquette.answer["error"]["message"] == maquette.sentence
    assert len(maquette.err.splitlines()) == 1
    assert maquette.files == []
    assert maquette.pipeline.requests == []


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("🍄", "maquette.blend"),
        ("🍄 mushroom ❤️", "mushroom.blend"),
        ("一个红色的蘑菇", "一个红色的蘑菇.blend"),
        ("eine grüne Gießkanne", "eine-grüne-Gießkanne.blend"),
        ("../../etc/passwd", "etc-passwd.blend"),
        ("nul", "nul-object.blend"),
    ],
)
def test_prompts_of_every_alphabet_make_safe_names(maquette, prompt, name):
    assert maquette("generate", prompt, "--json") == 0

    assert maquette.files == [name]
    assert maquette.answer["results"][0]["prompt"] == prompt


@pytest.mark.parametrize(
    ("save", "part"),
    [
        (lambda path: path.write_text("not a picture"), "it is not a picture"),
        (lambda path: Image.new("RGB", (1, 1)).save(path), "1 x 1 pixels are too few"),
        (lambda path: Image.new("RGB", (64, 64)).save(path), "nothing but its background"),
    ],
)
def test_a_bad_picture_is_answered_in_one_sentence(maquette, tmp_path, save, part):
    save(tmp_path / "a.png")

    assert maquette("generate", "--image", str(tmp_path / "a.png"), "--pack", "shap-e") == 2

    assert part in maquette.sentence
    assert maquette.files == []


def test_an_animated_picture_is_used_with_a_warning(maquette, tmp_path):
    first = Image.fromarray(np.pad(np.eye(100, dtype=np.uint8) * 255, 20))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[first.rotate(90)])

    words = ("--image", str(tmp_path / "a.gif"), "--pack", "shap-e", "--json")
    assert maquette("generate", *words) == 0

    (warning,) = maquette.answer["results"][0]["warnings"]
    assert "2 frames" in warning
    assert maquette.err.count(warning) == 1


def test_a_pack_without_an_image_model_names_the_one_that_has_it(maquette, tmp_path):
    Image.fromarray(np.eye(64, dtype=np.uint8) * 255).save(tmp_path / "a.png")
    own = tmp_path / "packs" / "spoken"
    own.mkdir(parents=True)
    (own / "pack.json").write_text('{"format": 1, "id": "spoken", "files": {}}')

    assert maquette("generate", "--image", str(tmp_path / "a.png"), "--pack", "spoken") == 3

    assert maquette.sentence == (
        "model pack 'spoken': it has no image model, use --pack starter or shap-e"
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.EmptySurfaceError(-0.5), 1),
        (errors.NonFiniteError("the prior"), 1),
        (errors.UnknownPromptError("starter", (("blorp", None),)), 2),
        (errors.PackError("starter", "is empty"), 3),
        (errors.CheckpointError(Path("prior.safetensors"), "ends too early"), 3),
        (errors.DeviceUnavailableError("cuda", ("cpu",)), 4),
        (errors.DeviceMemoryError("cuda:0", required_bytes=2**30), 4),
    ],
)
def test_a_failure_of_the_pipeline_has_its_sentence_and_code(maquette, error, code):
    maquette.pipeline.error = error

    assert maquette("generate", "a cat", "--json") == code

    assert maquette.answer["error"] == {"kind": type(error).__name__, "message": str(error)}
    assert maquette.files == []


def test_what_was_finished_before_a_failure_stays_and_is_told(maquette):
    maquette.pipeline.error = errors.EmptySurfaceError(-0.5)
    maquette.pipeline.fails_at = 1

    assert maquette("generate", "a cat", "a dog", "--json") == 1

    assert maquette.files == ["a-cat.blend"]
    assert [each["prompt"] for each in maquette.answer["results"]] == ["a cat"]


def test_a_bug_is_called_a_bug_and_is_still_json(maquette):
    maquette.pipeline.error = ZeroDivisionError("division by zero")

    assert maquette("generate", "a cat", "--json") == 1

    assert "this is a bug" in maquette.answer["error"]["message"]
    assert "Traceback" in maquette.err
    assert maquette.files == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_stops_at_the_next_step_and_leaves_nothing(maquette, number):
    maquette.pipeline.during = lambda: os.kill(os.getpid(), number)
    before = signal.getsignal(number)

    assert maquette("generate", "a cat", "-o", "new/", "--json") == 130

    assert "error" in maquette.answer
    assert maquette.files == []
    assert signal.getsignal(number) is before


def test_an_interrupt_while_blender_writes_lets_it_finish_that_file(maquette, monkeypatch):
    def write_and_interrupt(result, path):
        os.kill(os.getpid(), signal.SIGINT)
        write_file(result, path)

    monkeypatch.setattr(blend_export, "write_file", write_and_interrupt)

    assert maquette("generate", "a cat", "a dog") == 130

    assert maquette.files == ["a-cat.blend"]


def test_the_second_interrupt_does_not_wait(maquette):
    def hang():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("not reached")

    maquette.pipeline.during = hang

    assert maquette("generate", "a cat") == 130

    assert maquette.files == []


# Packs that are not as they should be


def test_a_pack_that_is_not_there(maquette, monkeypatch):
    monkeypatch.undo()
    monkeypatch.chdir(maquette.folder)
    monkeypatch.setattr(blend_export, "require_bpy", lambda: None)

    words = ("--pack", "shap-e", "--packs-dir", str(maquette.folder / "none"))
    assert maquette("generate", "a cat", *words) == 3

    assert "lacks" in maquette.sentence
    assert maquette.files == []


def test_a_pack_with_a_truncated_file(maquette, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(blend_export, "require_bpy", lambda: None)
    monkeypatch.chdir(maquette.folder)
    root = maquette.folder.parent / "packs"
    for component in weights_fetch.PACKS["shap-e"].components:
        for file in component.files:
            path = root / "shap-e" / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"half of it")

    assert maquette("generate", "a cat", "--pack", "shap-e", "--packs-dir", str(root)) == 3

    assert "differs from the published file" in maquette.sentence
    assert maquette.files == []


# Output that cannot be written


@pytest.mark.parametrize(
    ("output", "part"),
    [
        ("/dev/full", "it is not a folder"),
        ("/dev/full/x.glb", "a part of the path is a file"),
        ("/proc/x.glb", "cannot write"),
        ("a" * 300 + "/", "the name is too long"),
    ],
)
def test_a_place_that_cannot_be_written_is_told_before_any_work(maquette, output, part):
    assert maquette("generate", "a cat", "-o", output) == 5

    assert part in maquette.sentence
    assert maquette.pipeline.requests == []
    assert maquette.files == []


def test_a_device_is_never_replaced_by_a_file(maquette):
    Path("x.glb").symlink_to("/dev/full")

    assert maquette("generate", "a cat", "-o", "x.glb") == 5

    assert "not a file" in maquette.sentence
    assert Path("/dev/full").is_char_device()


def test_a_link_stays_a_link(maquette):
    Path("real.glb").write_text("old")
    Path("x.glb").symlink_to("real.glb")

    assert maquette("generate", "a cat", "-o", "x.glb") == 0

    assert Path("x.glb").is_symlink()
    assert Path("real.glb").read_text() == "a cat 0"


def test_a_companion_of_somebody_else_is_not_overwritten(maquette):
    Path("x.mtl").write_text("mine")

    assert maquette("generate", "a cat", "-o", "x.obj") == 5

    assert "x.mtl beside it would be lost" in maquette.sentence
    assert Path("x.mtl").read_text() == "mine"


def test_a_disk_that_fills_up_leaves_the_old_file(maquette, monkeypatch):
    def fill_up(result, path):
        path.write_text("half")
        raise OutputError(path, "the disk is full")

    Path("x.glb").write_text("old")
    monkeypatch.setattr(blend_export, "write_file", fill_up)

    assert maquette("generate", "a cat", "-o", "x.glb") == 5

    assert maquette.sentence == "cannot write x.glb: the disk is full"
    assert maquette.files == ["x.glb"]
    assert Path("x.glb").read_text() == "old"


def test_a_folder_made_for_a_result_that_failed_goes_away(maquette, monkeypatch):
    def fill_up(result, path):
        raise OutputError(path, "the disk is full")

    monkeypatch.setattr(blend_export, "write_file", fill_up)

    assert maquette("generate", "a cat", "-o", "new/deep/") == 5

    assert maquette.files == []


def test_without_blender_it_says_what_to_install(maquette, monkeypatch):
    monkeypatch.undo()
    monkeypatch.chdir(maquette.folder)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    assert maquette("generate", "a cat") == 5

    assert "pip install bpy" in maquette.sentence
