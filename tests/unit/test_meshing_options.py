# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is asked of the surface, and with whatever else: all that is delivered is sound.

What decides the triangles is combined in every way; what only adds to them goes round.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from itertools import product

import numpy as np
import pytest
import torch
from maquette.core.config import GenerationRequest, SurfaceConfig
from maquette.core.geometry.health import inspect_mesh
from maquette.core.mesh import HullData, MeshData
from maquette.core.meshing import FinishedMesh, mesh_from_field
from maquette.tests.analytic_fields import (
    CPU,
    Field,
    ball,
    block,
    lumpy,
    ring,
    ripples,
    rod,
    squashed,
    union,
)
from torch import Tensor

RESOLUTION, BUDGET, NUM_LODS = 24, 301, 2

FIELDS: dict[str, Field] = {
    "lump and speck": union(lumpy(), ball(0.09, (0.85, 0.85, 0.85))),
    "ring off the middle": union(ring(0.5, 0.2), ball(0.25, (0.6, 0.3, 0.2))),
    "waves": ripples(9.0, 0.1),
    "two apart": union(ball(0.35, (-0.5, 0.0, 0.0)), ball(0.3, (0.55, 0.1, 0.2))),
    "table": union(
        block((0.7, 0.5, 0.09), (0.0, 0.0, 0.3)),
        *[rod((x, y, 0.3), (x, y, -0.6), 0.1) for x in (-0.5, 0.6) for y in (-0.4, 0.4)],
    ),
}


class Painted:
    """A shape in colors that tell left from right."""

    def __init__(self, distance: Field) -> None:
        self._distance = squashed(distance)

    def signed_distance(self, points: Tensor) -> Tensor:
        return self._distance(points)

    def color(self, points: Tensor) -> Tensor:
        return torch.sigmoid(torch.stack([3 * points[:, 0], points[:, 1], points[:, 2]], dim=1))


def requests() -> Iterator[GenerationRequest]:
    decisive = product(("none", "x"), (0, BUDGET), (0, 64), (0, NUM_LODS), (None, 0.0))
    shadings, collisions = ("smooth", "flat", "auto"), ("convex", "none", "box")
    for number, (symmetry, triangles, texture, num_lods, share) in enumerate(decisive):
        surface = SurfaceConfig(
            symmetry=symmetry,  # type: ignore[arg-type]
            triangles=triangles,
            num_lods=num_lods,
            speck_share=share,
            shading=shadings[number % 3],  # type: ignore[arg-type]
            collision=collisions[number % 5 % 3],  # type: ignore[arg-type]
            normal_map=bool(texture) and number % 3 > 0,
            occlusion_map=bool(texture) and number % 7 == 0,
        )
        yield GenerationRequest(
            prompt="any", resolution=RESOLUTION, texture_size=texture, surface=surface
        )


def made_by(field: Field, request: GenerationRequest) -> FinishedMesh:
    return mesh_from_field(
        Painted(field),
        request,
        min_component_share=0.02,
        device=CPU,
        stage=lambda name: nullcontext(),
        check=lambda: None,
        report=lambda stage, fraction: None,
    )


def assert_sound(mesh: MeshData | HullData) -> None:
    health = inspect_mesh(mesh.vertices, mesh.faces)
    assert health.is_closed and health.is_manifold and health.is_oriented, health
    assert health.is_clean and health.num_unused_vertices == 0 and health.volume > 0, health


def assert_textured(mesh: MeshData, request: GenerationRequest) -> None:
    asked, texture = request.surface, mesh.texture
    assert (texture is not None) == bool(request.texture_size)
    if texture is not None:
        assert (texture.normal is not None) == asked.normal_map
        assert (texture.occlusion is not None) == asked.occlusion_map
        assert texture.corner_uvs.shape == (len(mesh.faces), 3, 2)
        # Rounding leaves some 3e-17 below 0.
        assert -1e-6 < texture.corner_uvs.min() and texture.corner_uvs.max() < 1.0 + 1e-6


def assert_mirrored(mesh: MeshData) -> None:
    """Each vertex has an image with the mirrored normal, and each face has one the other way."""
    number = {tuple(place): index for index, place in enumerate(mesh.vertices.tolist())}
    assert len(number) == len(mesh.vertices)
    image = np.array([number[-x, y, z] for x, y, z in mesh.vertices.tolist()])
    assert np.array_equal(mesh.normals[image], mesh.normals * np.array([-1, 1, 1], np.float32))
    turned = image[mesh.faces][:, ::-1]
    assert as_set(turned) == as_set(mesh.faces)


def as_set(faces: np.ndarray) -> set[tuple[int, ...]]:
    first = faces.argmin(axis=1)[:, None]
    return set(map(tuple, np.take_along_axis(faces, (first + np.arange(3)) % 3, axis=1).tolist()))


@pytest.mark.parametrize("name", FIELDS)
def test_every_combination_gives_closed_manifold_meshes(name: str) -> None:
    num_symmetric = 0
    for request in requests():
        made, asked = made_by(FIELDS[name], request), request.surface
        is_symmetric = asked.symmetry == "x" and not any("symmetric" in n for n in made.notes)
        num_symmetric += is_symmetric
        finer = 2 * len(made.mesh.faces)
        for mesh in (made.mesh, *made.lods):
            assert_sound(mesh)
            assert_textured(mesh, request)
            assert 2 * len(mesh.faces) <= 1.5 * finer
            finer = len(mesh.faces)
            if is_symmetric:
                assert_mirrored(mesh)
        assert len(made.lods) == asked.num_lods or any("levels" in note for note in made.notes)
        assert not asked.triangles or len(made.mesh.faces) <= BUDGET or made.notes
        assert (made.collision is None) == (asked.collision == "none")
        if made.collision is not None:
            assert_sound(made.collision)
    assert num_symmetric == 16
