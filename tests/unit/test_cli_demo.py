# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette demo`; its pictures are tried in tests/blender."""

from __future__ import annotations

import numpy as np
import pytest
from maquette.cli import demo, render
from maquette.cli.render import Shot, frame
from maquette.core import errors
from maquette.tests.unit.cli_harness import CommandLine, build_command_line


@pytest.fixture
def maquette(monkeypatch, capsys, tmp_path) -> CommandLine:
    monkeypatch.setattr(
        render, "render_picture", lambda subject, path, shot=None: path.write_text("picture")
    )
    return build_command_line(monkeypatch, capsys, tmp_path)


def test_each_prompt_leaves_a_scene_a_mesh_and_a_picture(maquette):
    assert maquette("demo", "-o", "out") == 0

    stems = ["a-blue-car-with-black-wheels", "a-red-mushroom-with-a-white-stem", "a-wooden-chair"]
    expected = [f"out/{stem}.{suffix}" for stem in stems for suffix in ("blend", "glb", "png")]
    assert maquette.files == ["out", *expected]


def test_it_asks_for_the_cpu(maquette):
    maquette("demo")

    assert [request.prompt for request in maquette.pipeline.requests] == list(demo.PROMPTS)
    assert {request.device for request in maquette.pipeline.requests} == {"cpu"}


def test_a_second_demo_replaces_the_first(maquette):
    maquette("demo", "-o", "out")
    before = maquette.files
    maquette("demo", "-o", "out")

    assert maquette.files == before


def test_one_table_at_the_end(maquette):
    maquette("demo", "-o", "out", "--seed", "3")

    head, rule, *rows, last = maquette.out.splitlines()
    assert head.split() == (
        "prompt seed triangles sample s mesh s write s render s total s".split()
    )
    assert set(rule) == {"-"}
    assert [row.split("  ")[0] for row in rows] == list(demo.PROMPTS)
    for row in rows:
        seed, triangles, sample, mesh, write, picture, total = row.split()[-7:]
        assert (seed, triangles, sample, mesh) == ("3", "4", "0.50", "0.25")
        assert float(total) == pytest.approx(0.75 + float(write) + float(picture), abs=0.02)
    assert last == "Files in out"


def test_json(maquette):
    assert maquette("demo", "-o", "out", "--json") == 0

    results = maquette.answer["results"]
    assert [len(each["files"]) for each in results] == [3, 3, 3]
    assert set(results[0]["seconds"]) == {"sample", "mesh", "write", "render"}


def test_a_failure_keeps_what_is_finished(maquette):
    maquette.pipeline.error = errors.EmptySurfaceError(-0.5)
    maquette.pipeline.fails_at = 1

    assert maquette("demo", "-o", "out") == 1

    assert len(maquette.files) == 4


@pytest.mark.parametrize("size", [(1.0, 1.0, 1.0), (4.0, 0.1, 0.1), (0.1, 0.1, 3.0)])
@pytest.mark.parametrize("fill", [0.5, 0.9])
def test_the_camera_centres_the_object_and_fills_the_picture_as_told(size, fill):
    points = np.random.default_rng(0).uniform(-1.0, 1.0, (500, 3)) * size + [3.0, 1.0, 2.0]
    axes = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    shot = Shot(fill=fill, field_of_view=40.0)

    position = frame(points, axes, shot)

    # Where each point is seen, in half pictures from the middle.
    seen = (points - position) @ axes
    on_screen = seen[:, :2] / -seen[:, 2:] / np.tan(np.radians(20.0))
    low, high = on_screen.min(axis=0), on_screen.max(axis=0)
    assert (seen[:, 2] < 0).all()  # In front of the camera.
    assert max(high - low) == pytest.approx(2.0 * fill, rel=0.25)
    assert np.abs(on_screen).max() <= fill + 1e-9
    widest = int(np.argmax(high - low))
    assert high[widest] == pytest.approx(fill) and low[widest] == pytest.approx(-fill)
