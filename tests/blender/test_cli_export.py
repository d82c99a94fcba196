# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command line writes through Blender, read back by Blender."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import asdict

import bpy
import numpy as np
import pytest
from maquette.cli import blend_export, render
from maquette.cli.destination import Destination
from maquette.cli.errors import OutputError
from maquette.cli.export_check import is_complete
from maquette.cli.save import save_result

resource = pytest.importorskip("resource", reason="limits on files are set as on Unix")

SUFFIXES = [".blend", ".glb", ".obj", ".ply", ".usd", ".usdc", ".stl", ".3mf"]


def save(result, folder, suffix, stem="cube"):
    destination = Destination(folder, suffix, stem=stem, replaces=True)
    return save_result(result, destination, is_numbered=False)


def start_empty():
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)


def import_mesh(path):
    """Read a file back into an empty scene and return its one mesh object."""
    start_empty()
    importers = {
        ".glb": bpy.ops.import_scene.gltf,
        ".obj": bpy.ops.wm.obj_import,
        ".ply": bpy.ops.wm.ply_import,
        ".usd": bpy.ops.wm.usd_import,
        ".usdc": bpy.ops.wm.usd_import,
    }
    importers[path.suffix](filepath=str(path))
    (mesh,) = [each for each in bpy.context.scene.objects if each.type == "MESH"]
    return mesh


def world_corners(mesh):
    points = {tuple(np.round(mesh.matrix_world @ v.co, 4) + 0.0) for v in mesh.data.vertices}
    return sorted(points)


def texture_pixels(mesh):
    (image,) = [
        node.image
        for node in mesh.active_material.node_tree.nodes
        if node.type == "TEX_IMAGE" and node.image
    ]
    values = np.empty(image.size[0] * image.size[1] * 4, dtype=np.float32)
    image.pixels.foreach_get(values)
    return np.rint(values.reshape(image.size[1], image.size[0], 4) * 255).astype(np.uint8)


def glb_json(path):
    content = path.read_bytes()
    (length,) = struct.unpack("<I", content[12:16])
    return json.loads(content[20 : 20 + length])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("texture", [True, False])
def test_files_appear_and_blender_stays_silent(make_result, tmp_path, capfd, suffix, texture):
    files = save(make_result(texture=texture), tmp_path / "out", suffix)

    assert capfd.readouterr() == ("", "")
    assert sorted(files) == sorted((tmp_path / "out").iterdir())
    assert files[0] == tmp_path / "out" / f"cube{suffix}"
    beside = {".obj": [".mtl", "-base-color.png"], ".usd": ["-base-color.png"]}
    ends = beside.get(suffix.replace("usdc", "usd"), [])
    expected = {f"cube{end}" for end in ends if texture or end == ".mtl"}
    assert {path.name for path in files[1:]} == expected


def test_a_blend_file_holds_the_object_its_image_and_its_record(make_result, tmp_path):
    result = make_result()

    (path,) = save(result, tmp_path, ".blend")

    assert path.read_bytes()[:4] == b"\x28\xb5\x2f\xfd"  # Compressed.
    bpy.ops.wm.open_mainfile(filepath=str(path))
    (added,) = bpy.data.objects
    assert json.loads(added["maquette"]) == asdict(result.record)
    np.testing.assert_array_equal(texture_pixels(added), result.mesh.texture.pixels)
    assert bpy.data.images[0].packed_file is not None


@pytest.mark.parametrize("suffix", [".glb", ".obj", ".usd"])
def test_shape_axes_and_texture_survive(make_result, tmp_path, suffix):
    result = make_result()

    path = save(result, tmp_path, suffix)[0]

    mesh = import_mesh(path)
    expected = sorted({tuple(np.round(v, 4) + 0.0) for v in result.mesh.vertices.tolist()})
    np.testing.assert_allclose(world_corners(mesh), expected, atol=1e-4)
    np.testing.assert_array_equal(texture_pixels(mesh), result.mesh.texture.pixels)


@pytest.mark.parametrize("suffix", [".obj", ".usd"])
def test_files_that_belong_together_can_be_moved(make_result, tmp_path, suffix):
    result = make_result()
    path = save(result, tmp_path / "first", suffix)[0]

    (tmp_path / "first").rename(tmp_path / "second")

    mesh = import_mesh(tmp_path / "second" / path.name)
    np.testing.assert_array_equal(texture_pixels(mesh), result.mesh.texture.pixels)


def test_a_glb_has_no_vertex_colors_beside_its_texture(make_result, tmp_path):
    """A viewer would multiply the two."""
    (textured,) = save(make_result(), tmp_path, ".glb", "a")
    (plain,) = save(make_result(texture=False), tmp_path, ".glb", "b")

    (primitive,) = glb_json(textured)["meshes"][0]["primitives"]
    assert set(primitive["attributes"]) == {"POSITION", "NORMAL", "TEXCOORD_0"}
    (primitive,) = glb_json(plain)["meshes"][0]["primitives"]
    assert "COLOR_0" in primitive["attributes"]


def test_a_glb_carries_the_record(make_result, tmp_path):
    result = make_result()

    (path,) = save(result, tmp_path, ".glb")

    (node,) = glb_json(path)["nodes"]
    assert json.loads(node["extras"]["maquette"]) == asdict(result.record)


def test_a_ply_is_one_closed_surface_with_srgb_colors(make_result, tmp_path):
    result = make_result()
    linear = np.linspace(0.0, 1.0, 24, dtype=np.float32).reshape(8, 3)
    object.__setattr__(result.mesh, "vertex_colors", linear)

    (path,) = save(result, tmp_path, ".ply")

    assert len(import_mesh(path).data.vertices) == 8
    head, _, body = path.read_bytes().partition(b"end_header\n")
    assert b"property uchar red" in head and b"property float s" not in head
    stride = 6 * 4 + 4
    rgb = np.array([list(body[i * stride + 24 : i * stride + 27]) for i in range(8)])
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(rgb, srgb * 255, atol=1.0)


def test_without_a_texture_an_obj_has_vertex_colors(make_result, tmp_path):
    path = save(make_result(texture=False), tmp_path, ".obj")[0]

    lines = [line.split() for line in path.read_text().splitlines() if line.startswith("v ")]

    assert {len(line) for line in lines} == {7}


def test_each_file_holds_one_result(make_result, tmp_path):
    save(make_result("First"), tmp_path, ".blend", "a")
    (path,) = save(make_result("Second"), tmp_path, ".blend", "b")

    bpy.ops.wm.open_mainfile(filepath=str(path))

    assert [each.name for each in bpy.data.objects] == ["Second"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_blenders_own_files_are_found_complete_only_when_they_are(make_result, tmp_path, suffix):
    result = make_result()
    num_faces = len(result.mesh.faces)
    for path in save(result, tmp_path, suffix):
        content = path.read_bytes()
        assert is_complete(path, num_faces)
        lengths = {0, 1, 8, 9, 100, 4096, len(content) // 2, len(content) - 1}
        for length in sorted(x for x in lengths if x < len(content)):
            path.write_bytes(content[:length])
            assert not is_complete(path, num_faces), (path.name, length)


@contextmanager
def small_files():
    """Let no file grow beyond 150 bytes, as on a full disk.

    Not a fixture: pytest writes its progress before those end, perhaps to a file that is longer.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_disk_that_takes_only_a_part_is_noticed_and_nothing_remains(
    make_result, tmp_path, suffix
):
    """Several of Blender's exporters report success here."""
    (tmp_path / f"cube{suffix}").write_text("old")
    result = make_result()
    expected = f"cannot write {tmp_path}/cube{suffix}: "

    with pytest.raises(OutputError, match=expected) as caught, small_files():
        save(result, tmp_path, suffix)

    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [f"cube{suffix}"]
    assert (tmp_path / f"cube{suffix}").read_text() == "old"


def test_streams_come_back_after_a_failure(make_result, tmp_path, capfd):
    with pytest.raises(ZeroDivisionError), blend_export.muffled():
        os.write(1, b"chatter")
        print("more chatter")  # noqa: T201 - what Blender's Python does
        raise ZeroDivisionError

    print("mine")  # noqa: T201
    assert capfd.readouterr() == ("mine\n", "")


def test_a_picture_shows_the_object_on_a_light_ground(make_result, tmp_path, face_colors):
    shot = render.Shot(size=96, samples=4, azimuth=0.0, elevation=10.0)
    with blend_export.muffled():
        subject = blend_export.open_scene(make_result())
        render.render_picture(subject, tmp_path / "a.png", shot)

    image = bpy.data.images.load(str(tmp_path / "a.png"))
    assert tuple(image.size) == (96, 96)
    values = np.empty(96 * 96 * 4, dtype=np.float32)
    image.pixels.foreach_get(values)
    rgb = values.reshape(96, 96, 4)[:, :, :3]
    assert rgb[2:10].min() > 0.6 and rgb[-10:-2].min() > 0.6
    # Seen from the front, the side that faces -Y fills the middle.
    front = face_colors[2] / 255.0
    middle = rgb[40:50, 44:52].mean(axis=(0, 1))
    assert np.argmax(middle) == np.argmax(front)
    np.testing.assert_allclose(middle / middle.max(), front / front.max(), atol=0.25)
    is_object = np.ptp(rgb, axis=2) > 0.25
    columns = np.flatnonzero(is_object.any(axis=0))
    assert abs((columns[0] + columns[-1]) / 2.0 - 47.5) < 2.0


def test_a_picture_that_cannot_be_written_is_an_error(make_result, tmp_path):
    (tmp_path / "taken").touch()
    with blend_export.muffled():
        subject = blend_export.open_scene(make_result())
        with pytest.raises(OutputError):
            render.render_picture(
                subject, tmp_path / "taken" / "a.png", render.Shot(size=16, samples=1)
            )


@pytest.mark.needs_torch
def test_the_whole_way_from_a_prompt_to_a_file(tmp_path, monkeypatch, capfd):
    from maquette.cli.main import run_command
    from maquette.tests.unit.tiny_native_pack import write_tiny_pack
    from maquette.weights import state

    write_tiny_pack(tmp_path / "packs" / "starter")
    monkeypatch.setattr(state, "bundled_packs_root", lambda: tmp_path / "packs")
    words = "--resolution 24 --texture-size 64 --device cpu --json".split()

    code = run_command(["generate", "a red mushroom", "-o", f"{tmp_path}/out/", *words])

    out, err = capfd.readouterr()
    assert code == 0, err
    (result,) = json.loads(out)["results"]
    assert out.count("\n") == 1
    assert result["files"] == [f"{tmp_path}/out/a-red-mushroom.blend"]
    bpy.ops.wm.open_mainfile(filepath=result["files"][0])
    (added,) = bpy.data.objects
    assert len(added.data.polygons) == result["triangles"] > 0
    assert added["maquette_pack_hash"] == result["pack_hash"] != ""


PROCESS = """
import sys
from maquette.cli.main import main
from maquette.weights import state
from pathlib import Path
packs = Path(sys.argv.pop(1))
state.bundled_packs_root = lambda: packs
sys.exit(main())
"""


@pytest.mark.needs_torch
@pytest.mark.parametrize("suffix", [".blend", ".glb"])
def test_a_process_ends_as_quietly_as_it_should(tmp_path, suffix):
    """Blender prints on its way out, and 4.2 crashes there after a glTF export."""
    from maquette.tests.unit.tiny_native_pack import write_tiny_pack

    write_tiny_pack(tmp_path / "packs" / "starter")
    words = f"--resolution 24 --texture-size 64 --device cpu --json --quiet -o {tmp_path}/x{suffix}"
    command = [sys.executable, "-c", PROCESS, f"{tmp_path}/packs", "generate", "a red mushroom"]

    done = subprocess.run(
        [*command, *words.split()], capture_output=True, text=True, timeout=300, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["results"][0]["files"] == [f"{tmp_path}/x{suffix}"]
    assert (tmp_path / f"x{suffix}").stat().st_size > 1000


@pytest.mark.needs_torch
def test_a_pack_whose_weights_are_wrong_is_answered_in_one_sentence(tmp_path, monkeypatch, capfd):
    from maquette.cli.main import run_command
    from maquette.tests.unit.tiny_native_pack import write_tiny_pack
    from maquette.weights import state

    folder = tmp_path / "packs" / "starter"
    write_tiny_pack(folder)
    weights = max(folder.glob("*.safetensors"), key=lambda path: path.stat().st_size)
    # The right size, so that only the loader can notice.
    weights.write_bytes(bytes(weights.stat().st_size))
    monkeypatch.setattr(state, "bundled_packs_root", lambda: tmp_path / "packs")

    code = run_command(["generate", "a red mushroom", "-o", f"{tmp_path}/out/", "--json"])

    out, err = capfd.readouterr()
    assert code == 3
    assert json.loads(out)["error"]["kind"] == "CheckpointError"
    assert weights.name in err
    assert not (tmp_path / "out").exists()
