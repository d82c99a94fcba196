# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette dataset build` with real workers, over assets that Blender wrote."""

from __future__ import annotations

import io
import itertools
import json
import os
import subprocess
import sys
import tarfile
import time

import bpy
import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image", reason="pictures are written with Pillow")

from maquette.cli.main import run_command  # noqa: E402
from maquette.datasets import pool  # noqa: E402
from maquette.datasets.layout import from_npy, read_tar  # noqa: E402
from maquette.datasets.settings import BuildSettings  # noqa: E402

SMALL = ["--points", "512", "--views", "3", "--size", "32", "--distances", "400"]


def start_empty():
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)


def textured_cube(path):
    """Write a cube whose sides all show an image: red on the left half, blue on the right."""
    start_empty()
    bpy.ops.mesh.primitive_cube_add(size=6, location=(5, 1, 2))
    image = bpy.data.images.new("Halves", 8, 8)
    row = [1, 0, 0, 1] * 4 + [0, 0, 1, 1] * 4
    image.pixels.foreach_set(np.array(row * 8, dtype=np.float32))
    image.pack()
    material = bpy.data.materials.new("Halves")
    if bpy.app.version < (5, 0):
        material.use_nodes = True
    tree = material.node_tree
    (shader,) = [node for node in tree.nodes if node.type == "BSDF_PRINCIPLED"]
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    tree.links.new(node.outputs[0], shader.inputs["Base Color"])
    cube = bpy.context.object
    cube.data.materials.append(material)
    cube.data.uv_layers.active.uv.foreach_set("vector", _uvs(cube.data))
    bpy.ops.export_scene.gltf(filepath=str(path))


def _uvs(mesh):
    """Lay every side out over the whole image."""
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float32)
    return np.tile(corners, (len(mesh.polygons), 1)).ravel()


def painted_ball(path):
    """Write a ball of radius 0.5 that is green above and red below, without a material."""
    start_empty()
    bpy.ops.mesh.primitive_uv_sphere_add(radius=0.5, segments=32, ring_count=17)
    mesh = bpy.context.object.data
    colors = mesh.color_attributes.new("Color", "FLOAT_COLOR", "POINT")
    for vertex, item in zip(mesh.vertices, colors.data, strict=True):
        item.color = (0, 1, 0, 1) if vertex.co.z > 0 else (1, 0, 0, 1)
    bpy.ops.wm.obj_export(filepath=str(path), export_colors=True, export_materials=False)


def monkey(path):
    """Write an open mesh that says what it is."""
    start_empty()
    bpy.ops.mesh.primitive_monkey_add()
    bpy.context.object["caption"] = "a monkey's head"
    bpy.ops.wm.save_as_mainfile(filepath=str(path), check_existing=False)


def contents(folder):
    """Return every file of a data set, but for what a build keeps for itself."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Return a folder with good, open, empty and broken assets."""
    folder = tmp_path_factory.mktemp("library")
    (folder / "balls").mkdir()
    textured_cube(folder / "TexturedCube_01.glb")
    painted_ball(folder / "balls" / "model.obj")
    monkey(folder / "suzanne.blend")
    start_empty()
    bpy.ops.mesh.primitive_torus_add()
    bpy.ops.export_scene.fbx(filepath=str(folder / "ring.fbx"))
    start_empty()
    bpy.ops.mesh.primitive_plane_add()
    bpy.ops.wm.ply_export(filepath=str(folder / "sheet.ply"))
    start_empty()
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "nothing.blend"))
    (folder / "broken.glb").write_bytes(b"glTF but not really")
    (folder / "notes.txt").write_text("not an asset")
    return folder


@pytest.fixture(scope="module")
def built(library, tmp_path_factory):
    """Return the folder of a data set of the whole library."""
    output = tmp_path_factory.mktemp("built") / "set"
    table = output.with_name("captions.csv")
    table.write_text("file,caption\nring.fbx,a donut\nring.fbx,a swimming ring\nno.glb,nobody\n")
    words = ["--captions", str(table), "--jobs", "2", "--shard-size", "3", "--quiet"]
    assert run_command(["dataset", "build", str(library), "-o", str(output), *SMALL, *words]) == 0
    return output


@pytest.fixture(scope="module")
def samples(built):
    found = {}
    for shard in sorted(built.glob("shard-*.tar")):
        for key, members in read_tar(shard):
            about = json.loads(members["json"])
            assert about["key"] == key
            found[about["file"]] = (about, members)
    return found


def test_every_usable_asset_is_in_a_shard_and_every_other_in_the_report(built, samples):
    report = json.loads((built / "report.json").read_text())
    summary = json.loads((built / "dataset.json").read_text())

    good = {"TexturedCube_01.glb", "balls/model.obj", "ring.fbx", "sheet.ply", "suzanne.blend"}
    assert samples.keys() == good
    reasons = {each["file"]: each["reason"] for each in report["bad"]}
    assert reasons.keys() == {"broken.glb", "nothing.blend"}
    assert reasons["broken.glb"].startswith("Blender cannot read it (GLB version must be 2")
    assert reasons["nothing.blend"] == "it has no faces that would be rendered"
    assert summary["samples"] == 5 and summary["closed"] == 3
    assert sum(shard["samples"] for shard in summary["shards"]) == 5
    assert list((built / ".build" / "parts").iterdir()) == []


def test_captions_come_from_the_table_then_the_asset_then_its_name(samples):
    said = {
        file: (about["captions"], about["caption_source"]) for file, (about, _) in samples.items()
    }

    assert said["ring.fbx"] == (["a donut", "a swimming ring"], "table")
    assert said["suzanne.blend"] == (["a monkey's head"], "asset")
    assert said["TexturedCube_01.glb"] == (["textured cube"], "name")
    # "model" tells nothing, its folder does.
    assert said["balls/model.obj"] == (["balls"], "name")


def test_shards_are_what_webdataset_reads(built):
    for shard in built.glob("shard-*.tar"):
        with tarfile.open(shard) as archive:
            infos = archive.getmembers()
        assert {(info.mtime, info.uid, info.gid, info.uname) for info in infos} == {(0, 0, 0, "")}
        keys = [info.name.partition(".")[0] for info in infos]
        # The members of a sample stand side by side.
        assert len(list(itertools.groupby(keys))) == len(set(keys))


def test_points_lie_on_the_cube_in_the_colours_of_its_image(samples):
    about, members = samples["TexturedCube_01.glb"]
    points = from_npy(members["points.npy"])

    assert points.shape == (512, 6) and points.dtype == np.float32
    np.testing.assert_allclose(np.abs(points[:, :3]).max(axis=1), 1, atol=1e-6)
    assert about["box"]["scale"] == pytest.approx(3)
    np.testing.assert_allclose(about["box"]["center"], [5, 1, 2], atol=1e-5)
    is_red = (points[:, 3] > 0.99) & (points[:, 5] < 0.01)
    is_blue = (points[:, 5] > 0.99) & (points[:, 3] < 0.01)
    # Between both colours pixels blend, over an eighth of the image and another at its edges.
    assert is_red.mean() == pytest.approx(0.375, abs=0.06)
    assert is_blue.mean() == pytest.approx(0.375, abs=0.06)


def test_distances_of_a_ball_are_its_own(samples):
    about, members = samples["balls/model.obj"]
    rows = from_npy(members["distances.npy"])

    expected = 1 - np.linalg.norm(rows[:, :3], axis=1)
    assert about["is_closed"] and rows.shape == (400, 7)
    # A ball of 32 by 17 faces lies up to 0.02 within the sphere.
    np.testing.assert_allclose(rows[:, 3], expected, atol=0.025)
    assert (rows[:, 3] > 0).sum() > 50 and (rows[:, 3] < 0).sum() > 50
    # OBJ is Y up, and its importer turns it back.
    high = rows[:, 2] > 0.3
    assert rows[high, 4:].mean(axis=0) == pytest.approx((0, 1, 0), abs=0.02)


def test_open_meshes_have_no_distances(samples):
    for file in ("sheet.ply", "suzanne.blend"):
        about, members = samples[file]
        assert not about["is_closed"] and "distances.npy" not in members


def test_views_show_the_points(samples):
    """Each point is projected into each view; where it is nearest, its depth is the view's."""
    about, members = samples["ring.fbx"]
    points = from_npy(members["points.npy"])[:, :3]
    cameras = about["cameras"]

    num_seen = 0
    for index, (origin, axes) in enumerate(zip(cameras["origins"], cameras["axes"], strict=True)):
        rgba = np.array(Image.open(io.BytesIO(members[f"view{index:02d}.png"])))
        steps = np.array(Image.open(io.BytesIO(members[f"depth{index:02d}.png"]))).astype(float)
        assert rgba.shape == (32, 32, 4) and steps.shape == (32, 32)
        seen = (points - origin) @ np.array(axes).T
        fractions = seen[:, :2] / seen[:, 2:] / np.tan(cameras["fov"] / 2)
        columns, rows = np.floor((fractions + 1) * 16).astype(int).T
        depth = np.where(steps == 65535, np.inf, steps * cameras["depth_max"] / 65534)
        # At an outline a pixel's own ray may miss what a point in it shows; one beside it hits.
        around = np.pad(depth, 1, constant_values=np.inf)
        nearest = np.min([around[i : i + 32, j : j + 32] for i in range(3) for j in range(3)], 0)
        assert np.isfinite(nearest[rows, columns]).mean() > 0.99
        covered = np.isfinite(depth[rows, columns])
        # Nothing lies in front of what the view shows, but for the slope within a pixel.
        assert (seen[:, 2] > nearest[rows, columns] - 0.05).mean() > 0.99
        num_seen += (np.abs(seen[covered, 2] - depth[rows, columns][covered]) < 0.05).sum()
        assert ((rgba[..., 3] == 255) == np.isfinite(depth)).all()
    assert num_seen > 200


def test_a_build_that_is_done_is_left_alone_and_answers_the_same(built, library, capsys):
    before = contents(built)

    words = ["--jobs", "2", "--shard-size", "3", "--json"]
    assert run_command(["dataset", "build", str(library), "-o", str(built), *SMALL, *words]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert answer["samples"] == 5 and answer["closed"] == 3
    assert len(answer["bad"]) == 2 and answer["shards"]
    assert contents(built) == before


def test_a_killed_build_continues_to_the_same_bytes(built, library, tmp_path):
    output = tmp_path / "again"
    words = ["dataset", "build", str(library), "-o", str(output), *SMALL]
    words += ["--jobs", "1", "--shard-size", "3", "--quiet"]
    table = built.with_name("captions.csv")
    words += ["--captions", str(table)]
    verdicts = output / ".build" / "verdicts"
    process = subprocess.Popen([sys.executable, "-m", "maquette", *words])
    deadline = time.monotonic() + 120
    while len(list(verdicts.glob("*.json"))) < 2 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait()
    done = {path.name: path.stat().st_mtime_ns for path in verdicts.glob("*.json")}
    assert done and not (output / "dataset.json").exists()

    assert run_command(words) == 0

    after = {path.name: path.stat().st_mtime_ns for path in verdicts.glob("*.json")}
    assert done.items() <= after.items()
    assert contents(output) == contents(built)


def test_new_assets_are_added(built, library, tmp_path, monkeypatch):
    folder, output = tmp_path / "assets", tmp_path / "set"
    folder.mkdir()
    words = ["dataset", "build", str(folder), "-o", str(output), *SMALL, "--quiet"]
    (folder / "one.ply").write_bytes((library / "sheet.ply").read_bytes())
    assert run_command(words) == 0
    first = (output / "shard-00000.tar").read_bytes()

    (folder / "two.ply").write_bytes((library / "sheet.ply").read_bytes())
    assert run_command(words) == 0

    assert (output / "shard-00000.tar").read_bytes() == first
    ((_, members),) = read_tar(output / "shard-00001.tar")
    assert json.loads(members["json"])["file"] == "two.ply"


def test_a_folder_of_bad_assets_fails_with_a_report(library, tmp_path, capsys):
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "broken.glb").write_bytes(b"nothing")

    code = run_command(["dataset", "build", str(folder), "-o", str(tmp_path / "set"), "--json"])

    assert code == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["samples"] == 0 and answer["bad"][0]["file"] == "broken.glb"


def _task(tmp_path, name):
    return pool.Task(f"{name}-000000000001", name, tmp_path / name, tmp_path / f"{name}.tar")


def test_blenders_that_crash_or_hang_are_started_anew(library, tmp_path, monkeypatch):
    """A worker of the test's own ends or sleeps on some files, and answers otherwise."""
    script = tmp_path / "worker.py"
    script.write_text(
        "import json, os, signal, sys, time\n"
        "for line in sys.stdin:\n"
        "    name = json.loads(line)['file']\n"
        "    if name == 'crash': os.kill(os.getpid(), signal.SIGSEGV)\n"
        "    if name == 'hang': time.sleep(600)\n"
        "    print(json.dumps({'notes': [name]}), flush=True)\n"
    )
    popen = subprocess.Popen

    def start(words, **options):
        return popen([sys.executable, str(script)], **options)

    monkeypatch.setattr(pool.subprocess, "Popen", start)
    tasks = [_task(tmp_path, name) for name in ("crash", "fine", "hang", "also")]
    outcomes = {
        outcome.task.file: outcome
        for outcome in pool.run_tasks(
            tasks, BuildSettings(), jobs=1, limit_seconds=2.0, cancel=pool.threading.Event()
        )
    }

    assert outcomes["crash"].reason.startswith("Blender crashed while reading it")
    assert outcomes["hang"].reason == "it took longer than 2 s"
    assert outcomes["fine"].notes == ("fine",) and outcomes["also"].notes == ("also",)


def test_nothing_of_a_worker_is_left_when_it_is_stopped(tmp_path, monkeypatch):
    script = tmp_path / "worker.py"
    script.write_text("import sys, time\nfor line in sys.stdin: time.sleep(600)\n")
    popen, processes = subprocess.Popen, []

    def start(words, **options):
        processes.append(popen([sys.executable, str(script)], **options))
        return processes[-1]

    monkeypatch.setattr(pool.subprocess, "Popen", start)
    cancel = pool.threading.Event()
    pool.threading.Timer(0.5, cancel.set).start()

    outcomes = list(
        pool.run_tasks(
            [_task(tmp_path, name) for name in "ab"],
            BuildSettings(),
            jobs=2,
            limit_seconds=60,
            cancel=cancel,
        )
    )

    assert outcomes == []
    assert [process.wait(10) for process in processes] == [-9, -9]
    assert os.listdir(tmp_path) == ["worker.py"]
