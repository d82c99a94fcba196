# SPDX-License-Identifier: GPL-3.0-or-later
"""From a field to a finished mesh: surface, normals, place, colours, texture."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import torch
from numpy.typing import NDArray

from .config import GenerationRequest
from .decoder.stf import SignedDistanceField
from .geometry.cleanup import remove_specks
from .geometry.extract import extract_mesh
from .geometry.normals import area_normals
from .geometry.orient import place
from .interrupt import Check
from .mesh import MeshData, TextureData
from .texture.bake import bake_texture
from .texture.color import srgb_to_linear
from .texture.unwrap import unwrap

Report = Callable[[str, float], None]
"""Called with the stage and the fraction of the meshing done."""

StageTimer = Callable[[str], AbstractContextManager[None]]

_COLOR_CHUNK = 65536


def mesh_from_field(
    field: SignedDistanceField,
    request: GenerationRequest,
    *,
    min_component_share: float,
    device: torch.device,
    stage: StageTimer,
    check: Check,
    report: Report,
) -> tuple[MeshData, tuple[str, ...]]:
    """Return the mesh of a field, and notes for the user.

    Args:
        field: signed distance and colour over the box [-1, 1]^3.
        request: resolution, texture size and size in metres.
        min_component_share: loose pieces below this share of the largest are dropped.
        device: where the field is evaluated.
        stage: times a stage of that name.
        check: cancellation hook.
        report: progress hook.

    Raises:
        EmptySurfaceError: the field has no surface.
    """
    with stage("surface"):
        vertices, faces = extract_mesh(
            field.signed_distance,
            request.resolution,
            device=device,
            check=check,
            on_progress=lambda fraction: report("Finding the surface", 0.4 * fraction),
        )
        check()
        vertices, faces, num_specks = remove_specks(vertices, faces, min_component_share)
        # At 128 samples they differ from the field's gradient by 1.4 to 2.5 degrees (median, three
        # prompts) and cost no queries; `surface_normals` is for meshes with fewer triangles.
        check()
        normals = area_normals(vertices, faces)
        placed, _ = place(vertices, request.target_size)
    with stage("colours"):
        colors = srgb_to_linear(_vertex_colors(field, vertices, device, check))
    texture = None
    if request.texture_size:
        texture = _texture(
            field, request.texture_size, vertices, faces, device, stage, check, report
        )
    mesh = MeshData(
        vertices=placed, faces=faces, normals=normals, vertex_colors=colors, texture=texture
    )
    return mesh, _notes(num_specks)


def _texture(
    field: SignedDistanceField,
    size: int,
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    device: torch.device,
    stage: StageTimer,
    check: Check,
    report: Report,
) -> TextureData:
    with stage("unwrap"):
        report("Unwrapping", 0.5)
        islands = unwrap(vertices, faces, size, check=check)
    with stage("texture"):
        return bake_texture(
            field.color,
            vertices,
            faces,
            islands,
            size,
            device=device,
            check=check,
            on_progress=lambda fraction: report("Painting the texture", 0.6 + 0.4 * fraction),
        )


def _vertex_colors(
    field: SignedDistanceField,
    vertices: NDArray[np.float32],
    device: torch.device,
    check: Check,
) -> NDArray[np.float32]:
    """Return sRGB at field coordinates [V, 3]."""
    colors = np.empty_like(vertices)
    for start in range(0, len(vertices), _COLOR_CHUNK):
        check()
        part = slice(start, start + _COLOR_CHUNK)
        points = torch.from_numpy(vertices[part]).to(device)
        colors[part] = field.color(points).cpu().numpy()
    return colors


def _notes(num_specks: int) -> tuple[str, ...]:
    if num_specks == 0:
        return ()
    return (
        "1 loose speck was removed"
        if num_specks == 1
        else f"{num_specks} loose specks were removed",
    )
