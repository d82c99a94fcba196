# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette check` on files that Blender wrote."""

from __future__ import annotations

import json

import addon_utils
import bpy
import numpy as np
import pytest
from maquette.cli import check
from maquette.cli.blend_export import muffled
from maquette.cli.errors import EXPECTED
from maquette.cli.output import Console
from maquette.cli.parser import Parser
from maquette.operators import mesh_build

WRITERS = {
    ".blend": lambda path: bpy.ops.wm.save_as_mainfile(filepath=path, copy=True),
    ".glb": lambda path: bpy.ops.export_scene.gltf(filepath=path, export_format="GLB"),
    ".obj": lambda path: bpy.ops.wm.obj_export(filepath=path),
    ".stl": lambda path: bpy.ops.wm.stl_export(filepath=path, global_scale=1000.0),
    ".ply": lambda path: bpy.ops.wm.ply_export(filepath=path),
}


@pytest.fixture
def command(capsys):
    def call(*words):
        # Without the other commands, some of which need torch.
        parser = Parser(prog="maquette")
        check.add_parser(parser.add_subparsers(parser_class=Parser))
        console = Console(json_mode="--json" in words)
        try:
            arguments = parser.parse_args(["check", *map(str, words)])
            code = arguments.run(arguments, console)
        except EXPECTED as error:
            code = console.report(error)
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def add(make_result):
    """Put a cube of 20 mm onto the ground."""

    def make(name="Red Cube", x=0.0, **more):
        result = make_result(name, **more)
        added = mesh_build.add_object(bpy.context, result, location=(x, 0.0, 0.0))
        added.scale = (0.02, 0.02, 0.02)
        bpy.context.view_layer.update()
        return added

    return make


def save(path):
    addon_utils.enable("io_scene_gltf2")
    with muffled():
        WRITERS[path.suffix](str(path))
    return path


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_kind_of_file_tells_the_same(add, tmp_path, command, suffix):
    add()
    path = save(tmp_path / f"cube{suffix}")

    code, out, _ = command(path, "--json", "--quiet")

    answer = json.loads(out)
    (found,) = answer["objects"]
    assert (code, answer["printable"]) == (0, True)
    assert found["closed"] and found["manifold"] and found["oriented"]
    np.testing.assert_allclose(found["size_mm"], 20.0, rtol=1e-4)
    assert found["volume_cm3"] == pytest.approx(8.0, rel=1e-3)
    assert {problem["severity"] for problem in found["problems"]} <= {"note"}


def test_problems_are_told_and_are_the_exit_code(add, tmp_path, command):
    cube = add()
    cube.scale.z = 0.0005
    add("Second", x=0.1)
    path = save(tmp_path / "two.blend")

    code, out, err = command(path)

    assert code == 1
    assert out.splitlines()[:3] == [
        "Red Cube: has problems; 20.0 x 20.0 x 0.5 mm, 0.20 cm³",
        "  thinnest wall 0.50 mm",
        "  warning: walls thinner than 1.2 mm: 95.2 % of the surface",
    ]
    assert out.splitlines()[3].startswith("Second: prints as it is; 20.0 x 20.0 x 20.0 mm")
    assert "Traceback" not in err


def test_size_printer_wall_and_unit_can_be_set(add, tmp_path, command):
    add()
    path = save(tmp_path / "cube.obj")

    def kinds(*words):
        code, out, _ = command(path, "--json", *words)
        (found,) = json.loads(out)["objects"]
        return code, [each["kind"] for each in found["problems"]], found["size_mm"][0]

    assert kinds("--unit", "mm", "--min-wall", "0.01") == (0, [], 0.02)
    assert kinds("--size", "100") == (1, ["size"], pytest.approx(100))
    assert kinds("--printer", "10", "50", "50") == (1, ["too large"], pytest.approx(20))
    assert kinds("--min-wall", "21") == (1, ["thin"], pytest.approx(20))


def test_what_is_hidden_is_not_checked(add, tmp_path, command):
    add()
    add("Hidden", x=1.0).hide_set(True)
    path = save(tmp_path / "two.blend")

    _, out, _ = command(path, "--json")

    assert [each["name"] for each in json.loads(out)["objects"]] == ["Red Cube"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("none.glb", None, "there is no such file"),
        ("damaged.glb", b"glTF", "is it whole"),
        ("damaged.blend", b"BLENDER", "is it whole"),
        ("text.txt", b"", "use one of .blend"),
        ("empty.obj", b"v 0 0 0\n", "no visible mesh|no surface"),
    ],
)
def test_what_cannot_be_read_is_told_in_a_sentence(tmp_path, command, name, content, reason):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)

    code, out, err = command(path)

    assert code in (1, 2)
    assert any(word in out + err for word in reason.split("|"))
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "words", [["--min-wall", "0"], ["--size", "nan"], ["--printer", "1", "2", "-3"]]
)
def test_numbers_out_of_range_are_refused(tmp_path, command, words):
    code, _, err = command(tmp_path / "any.glb", *words)

    assert code == 2
    assert "must be above 0" in err
