# SPDX-License-Identifier: GPL-3.0-or-later
"""From a field to pictures of its mesh, differentiable all the way: marching cubes, light, raster.

The third objective of stage 1 (arXiv:2305.02463, section 4): L2 between pictures of the extracted
mesh and the views, under the light of the views.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..core.assets_in.views import AMBIENT, DIFFUSE, LIGHT
from ..core.decoder.stf import Decoder, SignedDistanceField
from ..core.geometry.grid import NodeEvaluator, evaluate_dense
from ..core.geometry.marching_cubes import marching_cubes
from .outlines import blend_outlines
from .raster import interpolate, project, visible_faces
from .source import Pictures


class PaintedMesh(NamedTuple):
    """A mesh whose vertices and colours carry gradients."""

    vertices: Tensor
    """[V, 3]."""
    faces: Tensor
    """[F, 3]."""
    colors: Tensor
    """sRGB of the base colour at each vertex, [V, 3]."""


def picture_loss(
    decoder: Decoder, weights: list[Tensor], pictures: Pictures, resolution: int
) -> dict[str, Tensor]:
    """Return `picture`, the mean squared error of colour over black and coverage of B meshes.

    Coverage counts besides the paper's colours, since a black object on black would say nothing of
    its shape. Vertices are placed in fp32 whatever autocast says.
    """
    error = weights[0].new_zeros(())
    with torch.autocast(weights[0].device.type, enabled=False):
        for index in range(len(pictures.rgba)):
            matrices = [each[index : index + 1].float() for each in weights]
            mesh = extract_mesh(SignedDistanceField(decoder.mlp, matrices), resolution)
            shown = mesh_pictures(mesh, pictures, index)
            error = error + (shown - pictures.rgba[index]).square().mean()
    return {"picture": error / len(pictures.rgba)}


def extract_mesh(field: SignedDistanceField, resolution: int) -> PaintedMesh:
    """Return the surface of a field, differentiable by its parameters.

    The grid is evaluated without gradients and only tells which edges the surface crosses; where it
    crosses them is asked again at the ends of those edges. Colours do not pull at vertices: the
    octaves of the position's encoding would make that noise.
    """
    device = field.weights[0].device
    with torch.no_grad():
        values = evaluate_dense(NodeEvaluator(field.signed_distance, resolution, device)).values

    def crossing(start: Tensor, end: Tensor, at_start: Tensor, at_end: Tensor) -> Tensor:
        inner, outer = field.signed_distance(start), field.signed_distance(end)
        # Rounding may tell the signs at hand from those of the grid.
        gap = torch.where(at_start > at_end, 1, -1) * (inner - outer).abs().clamp(min=1e-6)
        return inner / gap

    vertices, faces = marching_cubes(values, crossing=crossing)
    colors = field.color(vertices.detach()) if len(vertices) else vertices
    return PaintedMesh(vertices, faces.long(), colors)


def mesh_pictures(mesh: PaintedMesh, cameras: Pictures, index: int) -> Tensor:
    """Return pictures by the cameras of one asset, sRGB over black and coverage, [V, S, S, 4]."""
    size = cameras.rgba.shape[2]
    if not len(mesh.faces):
        return torch.zeros_like(cameras.rgba[index])
    values = torch.cat([srgb_to_linear(mesh.colors), vertex_normals(mesh)], dim=1)
    return torch.stack(
        [
            _picture(mesh, values, origin, axes, cameras.fov, size)
            for origin, axes in zip(cameras.origins[index], cameras.axes[index], strict=True)
        ]
    )


def vertex_normals(mesh: PaintedMesh) -> Tensor:
    """Return unit normals, of faces by their area, [V, 3]."""
    corners = mesh.vertices[mesh.faces]
    across = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    spread = across.repeat_interleave(3, dim=0)
    sums = torch.zeros_like(mesh.vertices).index_add(0, mesh.faces.flatten(), spread)
    return F.normalize(sums, dim=1, eps=1e-12)


def lit(linear: Tensor, normals: Tensor) -> Tensor:
    """Return sRGB of linear base colours under the light of the views, both [P, 3]."""
    light = torch.from_numpy(LIGHT).to(normals)
    brightness = AMBIENT + DIFFUSE * (F.normalize(normals, dim=-1) @ light).abs()
    return linear_to_srgb(linear * brightness[..., None])


def srgb_to_linear(srgb: Tensor) -> Tensor:
    """Return linear colours of sRGB in [0, 1], IEC 61966-2-1."""
    curved = ((srgb + 0.055) / 1.055).clamp(min=0.05).pow(2.4)
    return torch.where(srgb <= 0.04045, srgb / 12.92, curved)


def linear_to_srgb(linear: Tensor) -> Tensor:
    """Return sRGB of linear colours in [0, 1]."""
    # Below the knee the power's slope would be infinite, and gradients no numbers.
    curved = 1.055 * linear.clamp(min=0.0031308).pow(1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, curved)


def _picture(
    mesh: PaintedMesh, values: Tensor, origin: Tensor, axes: Tensor, fov: float, size: int
) -> Tensor:
    """Return one picture, [S, S, 4]; `values` are linear colour and normal of vertices."""
    projection = project(mesh.vertices, origin, axes, fov, size)
    fragments = visible_faces(projection, mesh.faces, size)
    shown = interpolate(projection, mesh.faces, fragments, values, size)
    color = lit(shown[:, :3], shown[:, 3:])
    covered = torch.cat([color, torch.ones_like(color[:, :1])], dim=1)
    flat = covered.new_zeros(size * size, 4).index_copy(0, fragments.pixels, covered)
    return blend_outlines(flat.view(size, size, 4), projection, mesh.faces, fragments)
