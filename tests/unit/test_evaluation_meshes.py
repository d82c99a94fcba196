# SPDX-License-Identifier: GPL-3.0-or-later
"""Health, pictures and sheets of meshes whose answers are known beforehand."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from maquette.core.errors import EmptySurfaceError
from maquette.core.mesh import MeshData
from maquette.evaluation import asking
from maquette.evaluation.mesh_facts import mesh_facts
from maquette.evaluation.pictures import retrieval_view
from maquette.evaluation.sheet import SIDE, make_sheet, tile
from maquette.tests.unit.tiny_native_pack import write_tiny_pack
from PIL import Image

pytestmark = pytest.mark.needs_torch

CORNERS = np.array([[x, y, z] for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)], dtype=np.float32)
SIDES = [(0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5)]
FACES = np.array([face for a, b, c, d in SIDES for face in ((a, b, c), (a, c, d))], dtype=np.int32)


def box(half: tuple[float, float, float], color: tuple[float, float, float]) -> MeshData:
    vertices = CORNERS * np.array(half, dtype=np.float32)
    return MeshData(
        vertices=vertices,
        faces=FACES,
        normals=(CORNERS / np.sqrt(3)).astype(np.float32),
        vertex_colors=np.tile(np.array(color, dtype=np.float32), (8, 1)),
    )


def joined(first: MeshData, second: MeshData, offset: tuple[float, float, float]) -> MeshData:
    moved = second.vertices + np.array(offset, dtype=np.float32)
    return MeshData(
        vertices=np.concatenate([first.vertices, moved]),
        faces=np.concatenate([first.faces, second.faces + np.int32(len(first.vertices))]),
        normals=np.concatenate([first.normals, second.normals]),
        vertex_colors=np.concatenate([first.vertex_colors, second.vertex_colors]),
    )


def test_a_slab_is_sound_and_as_thick_as_it_is() -> None:
    facts = mesh_facts(box((1.0, 1.0, 0.1), (1, 0, 0)))

    assert (facts.is_closed, facts.is_sound, facts.num_parts) == (True, True, 1)
    assert facts.num_triangles == 12
    assert facts.thickness == pytest.approx(0.1)  # 0.2 of a longest side of 2
    assert facts.thin_share == 0.0


def test_a_sheet_of_paper_is_thin_all_over() -> None:
    facts = mesh_facts(box((1.0, 1.0, 0.005), (1, 0, 0)))

    # Its edges are as wide as it is long, and make half a percent of its surface.
    assert facts.thin_share > 0.98


def test_an_open_box_in_two_pieces_is_found_out() -> None:
    mesh = joined(box((1, 1, 1), (1, 0, 0)), box((1, 1, 1), (1, 0, 0)), (5, 0, 0))
    opened = MeshData(
        vertices=mesh.vertices,
        faces=mesh.faces[2:],
        normals=mesh.normals,
        vertex_colors=mesh.vertex_colors,
    )

    facts = mesh_facts(opened)

    assert (facts.is_closed, facts.is_sound, facts.num_parts) == (False, False, 2)


def test_captions_are_matched_with_a_view_from_above() -> None:
    # Blue at the bottom, green at the top: from above there is more green, whatever the side.
    mesh = box((1, 1, 1), (0, 0, 1))
    colors = np.where(CORNERS[:, 2:] > 0, [[0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]])
    mesh = MeshData(
        vertices=mesh.vertices,
        faces=FACES,
        normals=mesh.normals,
        vertex_colors=colors.astype(np.float32),
    )

    for azimuth in (0.0, 2.0, 4.0):
        picture = retrieval_view(mesh, azimuth).astype(int)

        assert picture.shape == (224, 224, 3)
        assert picture[0, 0].tolist() == [255, 255, 255]
        shown = picture[(picture != 255).any(axis=2)]
        assert (shown[:, 1] > shown[:, 2]).mean() > 0.5


def test_cells_stand_in_rows_of_ten() -> None:
    cells = [Image.new("RGB", (4, 6), (index, 0, 0)) for index in range(12)]

    sheet = tile(cells)

    assert sheet.size == (40, 12)
    assert sheet.getpixel((39, 0)) == (9, 0, 0)
    assert sheet.getpixel((5, 11)) == (11, 0, 0)


def test_a_sheet_leaves_nothing_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tiny_pack(tmp_path / "tiny")
    asked = []

    def generate(request, pack_dir, **hooks):
        asked.append(request.prompt)
        raise EmptySurfaceError(-0.5)
        yield

    monkeypatch.setattr(asking.pipeline, "generate", generate)
    path = tmp_path / "sheet.png"

    facts = make_sheet(
        tmp_path / "tiny",
        path,
        count=3,
        seed=0,
        on_progress=lambda stage, fraction: None,
        cancel=threading.Event(),
    )

    assert facts["empty_meshes"] == 3
    assert len(asked) == 3
    with Image.open(path) as sheet:
        assert sheet.width > 3 * SIDE
