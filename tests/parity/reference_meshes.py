# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparison with the meshes of diffusers, whose marching cubes code stands on its own.

diffusers ships that code without its tables, so that ours are filled in: edges, orientation,
interpolation and the numbering of vertices are what is compared. Imported by tests as
`maquette.tests.parity.reference_meshes`.
"""

from __future__ import annotations

import torch
from diffusers.pipelines.shap_e.renderer import MeshDecoder, MeshDecoderOutput
from maquette.core.geometry.grid import axis_coordinates
from maquette.core.geometry.mc_tables import triangle_table
from torch import Tensor


def fill_tables(decoder: MeshDecoder) -> None:
    triangles, counts = triangle_table()
    decoder.cases.copy_(torch.from_numpy(triangles.copy()))
    decoder.masks.copy_(torch.arange(5) < torch.from_numpy(counts.copy())[:, None])


def grid_points(resolution: int) -> Tensor:
    # The field has octaves up to 2^14, so coordinates must agree to the last bit.
    axis = axis_coordinates(resolution, torch.device("cpu"))
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).view(-1, 3)


def assert_same_mesh(
    actual: tuple[Tensor, Tensor], expected: MeshDecoderOutput, tolerance: float = 1e-5
) -> None:
    """Compare vertices in their order, and faces with their winding but in any order."""
    vertices, faces = actual
    torch.testing.assert_close(vertices, expected.verts, rtol=0, atol=tolerance)
    assert sorted_faces(faces) == sorted_faces(expected.faces)


def sorted_faces(faces: Tensor) -> list[tuple[int, ...]]:
    """Return faces in a fixed order, each starting at its smallest vertex, so winding counts."""
    rows = faces.long()
    first = rows.argmin(dim=1, keepdim=True)
    rolled = rows.gather(1, (first + torch.arange(3)) % 3)
    return sorted(map(tuple, rolled.tolist()))
