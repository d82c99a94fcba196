# SPDX-License-Identifier: GPL-3.0-or-later
"""From a field to what is delivered: every option keeps its promise, alone and together."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from maquette.core.config import GenerationRequest, SurfaceConfig
from maquette.core.errors import CancelledError
from maquette.core.geometry.health import inspect_mesh
from maquette.core.mesh import MeshData
from maquette.core.meshing import FinishedMesh, mesh_from_field
from maquette.tests.analytic_fields import CPU, ball, block, lumpy, squashed, union
from torch import Tensor


class Shape:
    """A lopsided lump with a speck, red on one side."""

    def __init__(self) -> None:
        self._distance = squashed(union(lumpy(), ball(0.05, (0.9, 0.9, 0.9))))

    def signed_distance(self, points: Tensor) -> Tensor:
        return self._distance(points)

    def color(self, points: Tensor) -> Tensor:
        return torch.sigmoid(torch.stack([3 * points[:, 0], points[:, 1], points[:, 2]], dim=1))


class Log:
    """What meshing reports, and how often it looks whether to stop."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, float]] = []
        self.num_checks = 0
        self.stop_at = 0

    def report(self, stage: str, fraction: float) -> None:
        self.stages.append((stage, fraction))

    def check(self) -> None:
        self.num_checks += 1
        if self.num_checks == self.stop_at:
            raise CancelledError


def meshed(log: Log | None = None, texture_size: int = 0, **surface: Any) -> FinishedMesh:
    log = log or Log()
    return mesh_from_field(
        Shape(),
        GenerationRequest(
            prompt="a lump",
            resolution=40,
            texture_size=texture_size,
            target_size=2.0,
            surface=SurfaceConfig(**surface),
        ),
        min_component_share=0.02,
        device=CPU,
        stage=lambda name: nullcontext(),
        check=log.check,
        report=log.report,
    )


def is_sound(mesh: MeshData) -> bool:
    return inspect_mesh(mesh.vertices, mesh.faces).is_sound


def assert_symmetric(mesh: MeshData) -> None:
    rows = np.concatenate([mesh.vertices, mesh.normals, mesh.vertex_colors], axis=1)
    image = rows * np.array([-1, 1, 1, -1, 1, 1, 1, 1, 1], np.float32)
    order, image_order = np.lexsort(rows[:, :3].T), np.lexsort(image[:, :3].T)
    assert np.array_equal(rows[order, :3], image[image_order, :3])
    assert np.array_equal(rows[order, 3:6], image[image_order, 3:6])
    assert np.abs(rows[order, 6:] - image[image_order, 6:]).max() < 1e-5


def test_by_default_every_triangle_stays() -> None:
    made = meshed()

    assert is_sound(made.mesh)
    assert made.lods == () and made.collision is None and made.mesh.texture is None
    assert made.mesh.shading == "smooth" and not made.mesh.has_field_normals
    assert made.notes == ("1 loose speck was removed",)


def test_a_share_of_ones_own_overrules_the_packs() -> None:
    made = meshed(speck_share=0.0)

    assert made.notes == ()
    assert inspect_mesh(made.mesh.vertices, made.mesh.faces).num_parts == 2


def test_a_budget_is_met_and_takes_the_normals_of_the_field() -> None:
    made = meshed(triangles=801)

    assert len(made.mesh.faces) == 800 and is_sound(made.mesh)
    assert made.mesh.has_field_normals
    # The field's normals, turned outward, at places in metres brought back to the field's box.
    fine = meshed()
    assert len(fine.mesh.faces) > 3000
    nearest = np.square(made.mesh.vertices[:, None] - fine.mesh.vertices[None, ::3]).sum(-1)
    cosine = (made.mesh.normals * fine.mesh.normals[::3][nearest.argmin(axis=1)]).sum(axis=1)
    assert np.median(cosine) > 0.99 and cosine.min() > 0.8


@pytest.mark.parametrize("shading", ["flat", "auto"])
def test_shading_is_carried_and_needs_no_normals_of_the_field(shading: str) -> None:
    made = meshed(triangles=800, shading=shading)

    assert made.mesh.shading == shading and not made.mesh.has_field_normals


@pytest.mark.parametrize("triangles", [0, 900])
def test_a_symmetric_result_is_so_in_places_normals_and_colors(triangles: int) -> None:
    made = meshed(symmetry="x", triangles=triangles)

    assert is_sound(made.mesh)
    assert_symmetric(made.mesh)
    assert not triangles or 898 <= len(made.mesh.faces) <= 900


def test_levels_share_the_texture_and_the_place_of_the_result() -> None:
    made = meshed(texture_size=128, num_lods=2, shading="auto")

    assert made.mesh.texture is not None
    count = len(made.mesh.faces)
    for number, level in enumerate(made.lods, 1):
        assert is_sound(level) and level.shading == "auto"
        assert count / 2**number - 2 < len(level.faces) <= count / 2**number
        assert level.texture is not None
        assert level.texture.pixels is made.mesh.texture.pixels
        assert level.vertices.min(axis=0) == pytest.approx(made.mesh.vertices.min(0), abs=0.02)
        assert level.vertices.max(axis=0) == pytest.approx(made.mesh.vertices.max(0), abs=0.02)


def test_everything_together_is_delivered() -> None:
    made = meshed(
        texture_size=128,
        triangles=600,
        symmetry="x",
        normal_map=True,
        occlusion_map=True,
        num_lods=1,
        collision="convex",
    )

    assert made.mesh.texture is not None and made.collision is not None
    assert made.mesh.texture.normal is not None and made.mesh.texture.occlusion is not None
    assert_symmetric(made.mesh)
    assert is_sound(made.mesh) and is_sound(made.lods[0]) and len(made.lods[0].faces) == 300
    hull = inspect_mesh(made.collision.vertices, made.collision.faces)
    assert hull.is_sound
    a, b, c = made.collision.vertices[made.collision.faces].astype(np.float64).transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    heights = made.mesh.vertices @ normals.T - np.einsum("fi,fi->f", normals, a)
    assert heights.max() <= 0


def test_a_box_stands_where_the_result_stands() -> None:
    made = meshed(collision="box")

    assert made.collision is not None
    assert np.array_equal(made.collision.vertices.min(axis=0), made.mesh.vertices.min(axis=0))
    assert np.array_equal(made.collision.vertices.max(axis=0), made.mesh.vertices.max(axis=0))


def test_halves_that_do_not_join_leave_the_object_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from maquette.core.geometry import surface

    monkeypatch.setattr(surface, "mirror_half", lambda vertices, faces: (vertices, faces))

    made = meshed(symmetry="x")

    assert is_sound(made.mesh)
    assert made.notes[-1].startswith("The object was not made symmetric because")


def test_stages_come_in_order_and_the_bar_never_goes_back() -> None:
    log = Log()

    meshed(log, texture_size=64, triangles=700, num_lods=1)

    names = list(dict.fromkeys(name for name, _ in log.stages))
    assert names == [
        "Finding the surface",
        "Simplifying",
        "Unwrapping",
        "Painting the texture",
        "Making levels of detail",
    ]
    fractions = [fraction for _, fraction in log.stages]
    assert fractions == sorted(fractions) and 0 <= fractions[0] and fractions[-1] <= 1


def test_meshing_can_be_stopped_at_every_check() -> None:
    log = Log()
    options = {"triangles": 700, "symmetry": "x", "num_lods": 1, "collision": "convex"}
    meshed(log, **options)

    for stop_at in range(1, log.num_checks, 7):
        stopped = Log()
        stopped.stop_at = stop_at
        with pytest.raises(CancelledError):
            meshed(stopped, **options)
        assert stopped.num_checks == stop_at


def test_results_are_the_same_each_time() -> None:
    options = {"texture_size": 64, "triangles": 700, "symmetry": "x", "num_lods": 1}
    first, second = meshed(**options), meshed(**options)

    assert np.array_equal(first.mesh.vertices, second.mesh.vertices)
    assert np.array_equal(first.mesh.faces, second.mesh.faces)
    assert first.mesh.texture is not None and second.mesh.texture is not None
    assert np.array_equal(first.mesh.texture.pixels, second.mesh.texture.pixels)
    assert np.array_equal(first.lods[0].vertices, second.lods[0].vertices)


def test_a_flat_box_needs_few_triangles() -> None:
    class Board(Shape):
        def __init__(self) -> None:
            self._distance = squashed(block((0.6, 0.4, 0.2), (0.0, 0.0, 0.0)))

    made = mesh_from_field(
        Board(),
        GenerationRequest(
            prompt="x", resolution=40, texture_size=0, surface=SurfaceConfig(triangles=100)
        ),
        min_component_share=0.02,
        device=CPU,
        stage=lambda name: nullcontext(),
        check=lambda: None,
        report=lambda stage, fraction: None,
    )

    health = inspect_mesh(made.mesh.vertices, made.mesh.faces)
    assert health.is_sound and len(made.mesh.faces) == 100
    assert health.volume == pytest.approx(1.0 * (2 / 3) * (1 / 3), rel=0.06)
