# SPDX-License-Identifier: GPL-3.0-or-later
"""3MF files read back by the rules of the specification, with nothing of the writer's."""

from __future__ import annotations

import io
import zipfile
from xml.etree import ElementTree

import numpy as np
import pytest
from maquette.core.three_mf import PrintObject, write_three_mf

CORE = "{http://schemas.microsoft.com/3dmanufacturing/core/2015/02}"
MATERIALS = "{http://schemas.microsoft.com/3dmanufacturing/material/2015/02}"
TYPES = "{http://schemas.openxmlformats.org/package/2006/content-types}"
RELATIONS = "{http://schemas.openxmlformats.org/package/2006/relationships}"

CORNERS = np.array([[0, 0, 0], [30, 0, 0], [0, 20, 0], [0, 0, 10]], dtype=np.float32)
FACES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], dtype=np.int32)
COLORS = np.array([[1, 0, 0], [0, 0.5, 0], [0, 0, 1], [1, 0, 0]], dtype=np.float32)


def tetrahedron(name="Tooth", *, colors=None, offset=(0, 0, 0)):
    return PrintObject(
        name=name, vertices=CORNERS + np.float32(offset), faces=FACES, vertex_colors=colors
    )


def write(*objects):
    target = io.BytesIO()
    write_three_mf(target, objects)
    return target.getvalue()


def model_of(content):
    """Find the model as a reader has to: from the relationships of the package."""
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        assert package.testzip() is None
        relations = ElementTree.fromstring(package.read("_rels/.rels"))
        (start,) = [
            each.get("Target")
            for each in relations.findall(f"{RELATIONS}Relationship")
            if each.get("Type") == "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"
        ]
        types = ElementTree.fromstring(package.read("[Content_Types].xml"))
        known = {each.get("Extension") for each in types.findall(f"{TYPES}Default")}
        assert {name.rpartition(".")[2] for name in package.namelist()} <= {*known, "xml"}
        return ElementTree.fromstring(package.read(start.lstrip("/")))


def read(content):
    """Return the unit, and of each item its name, moved vertices, faces and corner colors."""
    model = model_of(content)
    assert [child.tag for child in model] == [f"{CORE}metadata", f"{CORE}resources", f"{CORE}build"]
    resources, build = model.find(f"{CORE}resources"), model.find(f"{CORE}build")
    ids = [int(each.get("id")) for each in resources]
    assert len(set(ids)) == len(ids)
    colors = {
        each.get("id"): [color.get("color") for color in each]
        for each in resources.findall(f"{MATERIALS}colorgroup")
    }
    objects = {each.get("id"): each for each in resources.findall(f"{CORE}object")}
    found = []
    for item in build:
        each = objects[item.get("objectid")]
        assert each.get("type") == "model"
        (mesh,) = each
        assert [child.tag for child in mesh] == [f"{CORE}vertices", f"{CORE}triangles"]
        points = np.array([[float(vertex.get(axis)) for axis in "xyz"] for vertex in mesh[0]])
        matrix = np.array([float(value) for value in item.get("transform").split()]).reshape(4, 3)
        faces = np.array([[int(t.get(key)) for key in ("v1", "v2", "v3")] for t in mesh[1]])
        seen = [
            [colors[t.get("pid")][int(t.get(key))] for key in ("p1", "p2", "p3")]
            for t in mesh[1]
            if t.get("pid")
        ]
        found.append((each.get("name"), points @ matrix[:3] + matrix[3], faces, seen))
    return model.get("unit"), found


def test_positions_are_millimetres_and_volume_comes_back():
    unit, ((name, points, faces, colors),) = read(write(tetrahedron(offset=(-7, 3, -100))))

    assert unit == "millimeter"
    assert name == "Tooth"
    np.testing.assert_allclose(points, CORNERS, atol=1e-4)
    np.testing.assert_array_equal(faces, FACES)
    a, b, c = points[faces].transpose(1, 0, 2)
    assert np.einsum("fi,fi->", a, np.cross(b, c)) / 6 == pytest.approx(1000.0, rel=1e-5)
    assert colors == []


def test_objects_keep_their_places_to_each_other_where_all_is_positive():
    _, ((_, first, _, _), (_, second, _, _)) = read(
        write(tetrahedron("A", offset=(-50, 0, 0)), tetrahedron("B", offset=(0, -60, 5)))
    )

    np.testing.assert_allclose(second - first, np.broadcast_to([50, -60, 5], (4, 3)), atol=1e-4)
    np.testing.assert_allclose(np.minimum(first.min(0), second.min(0)), 0.0, atol=1e-4)


def test_colors_of_vertices_come_back_as_srgb_at_every_corner():
    _, ((_, _, faces, colors),) = read(write(tetrahedron(colors=COLORS)))

    # 0.5 linear is 0.7354 in sRGB.
    expected = ["#FF0000", "#00BC00", "#0000FF", "#FF0000"]
    assert colors == [[expected[corner] for corner in face] for face in faces]


def test_each_object_has_its_own_colors():
    _, found = read(
        write(tetrahedron(), tetrahedron(colors=COLORS), tetrahedron(colors=1 - COLORS))
    )

    assert [len(colors) for *_, colors in found] == [0, 4, 4]
    assert found[1][3][0][0] == "#FF0000"
    assert found[2][3][0][0] == "#00FFFF"


def test_the_same_meshes_give_the_same_bytes():
    assert write(tetrahedron(colors=COLORS)) == write(tetrahedron(colors=COLORS))


@pytest.mark.parametrize("name", ['a "b" <c> & d', "椅子 🪑", "tab\tnull\0end\ud800"])
def test_names_survive_as_far_as_xml_allows(name):
    _, ((read_name, *_),) = read(write(tetrahedron(name)))

    assert read_name == "".join(letter for letter in name if letter.isprintable())


def test_more_rows_than_are_written_at_once_come_back_in_order(monkeypatch):
    monkeypatch.setattr("maquette.core.three_mf._ROWS_AT_ONCE", 2)

    _, ((_, points, faces, _),) = read(write(tetrahedron()))

    np.testing.assert_allclose(points, CORNERS)
    np.testing.assert_array_equal(faces, FACES)


def test_a_file_on_disk_is_replaced(tmp_path):
    path = tmp_path / "tooth.3mf"
    path.write_text("old")

    write_three_mf(path, [tetrahedron()])

    assert path.read_bytes() == write(tetrahedron())


def test_nothing_is_not_written():
    empty = PrintObject(name="", vertices=CORNERS, faces=FACES[:0])
    for objects in ([], [empty]):
        with pytest.raises(ValueError, match="needs objects with faces"):
            write(*objects)
