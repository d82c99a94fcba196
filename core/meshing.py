# SPDX-License-Identifier: GPL-3.0-or-later
"""From a field to a finished mesh: surface, normals, place, colours, texture, levels of detail."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from .beside import beside
from .config import GenerationRequest
from .geometry.hull import box_around, convex_hull
from .geometry.levels import Level, coarser_levels, finest_level
from .geometry.normals import area_normals, surface_normals
from .geometry.orient import place
from .geometry.surface import Field, Report, StageTimer, Surface, SurfaceMaker
from .geometry.symmetry import mirror_normals
from .interrupt import Check
from .mesh import HullData, MeshData, TextureData
from .texture.bake import bake_texture
from .texture.band import SurfaceBand, sample_band
from .texture.color import srgb_to_linear
from .texture.maps import Canvas, MapSources, lay_out
from .texture.shading import corner_normals
from .texture.unwrap import Unwrapping, unwrap
from .thumbnail import View, draw, look_at

_COLOR_CHUNK = 1 << 15

_FAR_FROM_FINE = 5.0
"""Times fewer triangles from which on texels look for the surface of the field: before, the
mesh's own is within a few hundredths of a cell of it."""
_MOST_FIELD_NORMALS = 120_000
"""Triangles up to which normals of the field are worth a tenth of a second of Blender's window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedMesh:
    """What a field became."""

    mesh: MeshData
    lods: tuple[MeshData, ...]
    """Coarser ones on the same texture, each with half the triangles of the one before."""
    collision: HullData | None
    notes: tuple[str, ...]
    """Sentences for the user."""
    thumbnail: NDArray[np.uint8] | None
    """From `thumbnail.render_thumbnail`, if it was asked for."""


def mesh_from_field(
    field: Field,
    request: GenerationRequest,
    *,
    min_component_share: float,
    device: torch.device,
    stage: StageTimer,
    check: Check,
    report: Report,
    has_thumbnail: bool = False,
) -> FinishedMesh:
    """Return the mesh of a field, what belongs to it, and notes for the user.

    Args:
        field: signed distance and colour over the box [-1, 1]^3.
        request: resolution, texture size, size in metres and what becomes of the surface.
        min_component_share: loose pieces below this share of the largest are dropped, unless
            the request names a share of its own.
        device: where the field is evaluated.
        stage: times a stage of that name.
        check: cancellation hook.
        report: progress hook.
        has_thumbnail: whether to draw the mesh too, beside everything else.

    Raises:
        EmptySurfaceError: the field has no surface.
        NonFiniteError: the field returned NaN or infinity.
    """
    asked = request.surface
    maker = SurfaceMaker(
        config=asked,
        resolution=request.resolution,
        min_share=min_component_share if asked.speck_share is None else asked.speck_share,
        device=device,
        stage=stage,
        check=check,
        report=report,
        notes=[],
    )
    finisher = _Finisher(maker.make(field), request, device, stage, check, report)
    mesh, thumbnail = finisher.mesh(has_thumbnail)
    lods = finisher.lods(maker.notes)
    collision = finisher.collision()
    return FinishedMesh(
        mesh=mesh, lods=lods, collision=collision, notes=tuple(maker.notes), thumbnail=thumbnail
    )


class _Finisher:
    """Turns a surface in the field's box into what is delivered."""

    def __init__(
        self,
        surface: Surface,
        request: GenerationRequest,
        device: torch.device,
        stage: StageTimer,
        check: Check,
        report: Report,
    ) -> None:
        self._surface, self._request, self._asked = surface, request, request.surface
        self._device, self._stage, self._check, self._report = device, stage, check, report
        self._texture: TextureData | None = None
        self._islands: Unwrapping | None = None
        self._canvas: Canvas | None = None
        self._placed, self._placement = place(surface.vertices, request.target_size)

    def mesh(self, has_thumbnail: bool) -> tuple[MeshData, NDArray[np.uint8] | None]:
        """Return the mesh with its colours and its texture, and its picture if that is wanted."""
        self._check()
        faces = self._surface.faces

        def look() -> View | None:
            return look_at(self._placed, faces) if has_thumbnail else None

        def picture() -> NDArray[np.uint8] | None:
            view = looked()
            return draw(view, faces, normals, colors) if view else None

        with beside(look) as looked:
            with beside(self._look_at_field) as seen:
                if self._request.texture_size:
                    self._unwrap()
                with self._stage("colours"):
                    normals, colors, band = seen()
            with beside(picture) as drawn:
                if self._request.texture_size:
                    self._paint(normals, band)
                with self._stage("thumbnail"):
                    thumbnail = drawn()
        mesh = MeshData(
            vertices=self._placed,
            faces=faces,
            normals=normals,
            vertex_colors=colors,
            texture=self._texture,
            shading=self._asked.shading,
            has_field_normals=self._has_field_normals,
        )
        return mesh, thumbnail

    def _look_at_field(
        self,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], SurfaceBand | None]:
        """Return normals and colours of the vertices, and what the texture will look up."""
        surface = self._surface
        normals = self._normals(surface.vertices, surface.faces, self._has_field_normals)
        if half := surface.num_half:
            normals = mirror_normals(surface.vertices[:half], normals[:half])
        return normals, self._colors(surface.vertices), self._band()

    @property
    def _has_field_normals(self) -> bool:
        surface = self._surface
        is_coarse = surface.is_simplified and len(surface.faces) <= _MOST_FIELD_NORMALS
        return is_coarse and self._asked.shading == "smooth"

    def _normals(
        self, vertices: NDArray[np.float32], faces: NDArray[np.int32], from_field: bool
    ) -> NDArray[np.float32]:
        """Return unit normals of vertices in the field's box, [V, 3]."""
        if not from_field:
            # At 128 samples they differ from the field's gradient by 1.4 to 2.5 degrees (median,
            # three prompts) and cost no queries.
            return area_normals(vertices, faces)
        return surface_normals(
            self._surface.field.signed_distance,
            vertices,
            faces,
            device=self._device,
            step=1.0 / (self._request.resolution - 1),
            check=self._check,
        )

    def _colors(self, vertices: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return linear colours at field coordinates, [V, 3]."""
        colors = np.empty_like(vertices)
        for start in range(0, len(vertices), _COLOR_CHUNK):
            self._check()
            part = slice(start, start + _COLOR_CHUNK)
            points = torch.from_numpy(vertices[part]).to(self._device)
            colors[part] = self._surface.field.color(points).cpu().numpy()
        return srgb_to_linear(colors)

    def _unwrap(self) -> None:
        surface, size = self._surface, self._request.texture_size
        with self._stage("unwrap"):
            self._report("Unwrapping", 0.5)
            self._islands = unwrap(surface.vertices, surface.faces, size, check=self._check)
        with self._stage("texture"):
            self._canvas = lay_out(
                surface.vertices,
                surface.faces,
                self._islands,
                size,
                has_maps=self._has_maps,
                check=self._check,
            )

    def _paint(self, normals: NDArray[np.float32], band: SurfaceBand | None) -> None:
        """Bake the texture of the mesh, which is unwrapped."""
        assert self._islands is not None
        surface = self._surface
        length = 0.35 if self._asked.num_lods else 0.4
        with self._stage("texture"):
            self._texture = bake_texture(
                surface.field.color,
                surface.vertices,
                surface.faces,
                self._islands,
                self._request.texture_size,
                device=self._device,
                project=band.project if band else None,
                maps=self._maps(normals, band),
                canvas=self._canvas,
                check=self._check,
                on_progress=lambda share: self._report(
                    "Painting the texture", 0.6 + length * share
                ),
            )

    def _band(self) -> SurfaceBand | None:
        """Return the field around its surface, if anything is going to look there."""
        is_far = self._surface.reduction > _FAR_FROM_FINE
        if not self._request.texture_size or not (self._asked.normal_map or is_far):
            return None
        return sample_band(
            self._surface.field.signed_distance,
            self._surface.fine_vertices,
            self._request.resolution,
            device=self._device,
            is_far=is_far,
            known=self._surface.grid,
            check=self._check,
        )

    @property
    def _has_maps(self) -> bool:
        return self._asked.normal_map or self._asked.occlusion_map

    def _maps(self, normals: NDArray[np.float32], band: SurfaceBand | None) -> MapSources | None:
        if not self._has_maps:
            return None
        own = normals if self._has_field_normals else None
        surface = self._surface
        return MapSources(
            corner_normals=corner_normals(
                surface.vertices, surface.faces, self._asked.shading, own
            ),
            settle=band.settle if band and self._asked.normal_map else None,
            occlusion=self._asked.occlusion_map,
        )

    def lods(self, notes: list[str]) -> tuple[MeshData, ...]:
        """Return the levels of detail that were asked for, finest first."""
        if not self._asked.num_lods:
            return ()
        self._report("Making levels of detail", 0.95)
        islands = self._islands
        with self._stage("levels"):
            finest = finest_level(
                self._surface.vertices,
                self._surface.faces,
                islands.islands if islands else None,
                islands.corner_uvs if islands else None,
                self._surface.num_half,
            )
            levels, note = coarser_levels(finest, self._asked.num_lods, check=self._check)
            if note:
                notes.append(note)
            return tuple(self._level_mesh(level) for level in levels)

    def _level_mesh(self, level: Level) -> MeshData:
        uvs, texture = level.corner_uvs, None
        if self._texture is not None and uvs is not None:
            texture = replace(self._texture, corner_uvs=uvs)
        # Smooth levels all show the field's normals, so that they fit the one normal map.
        is_smooth = self._asked.shading == "smooth"
        normals = self._normals(level.vertices, level.faces, is_smooth)
        if half := level.num_half:
            normals = mirror_normals(level.vertices[:half], normals[:half])
        return MeshData(
            vertices=self._placement.to_metres(level.vertices),
            faces=level.faces,
            normals=normals,
            vertex_colors=self._colors(level.vertices),
            texture=texture,
            shading=self._asked.shading,
            has_field_normals=is_smooth,
        )

    def collision(self) -> HullData | None:
        """Return the collision mesh that was asked for."""
        if self._asked.collision == "none":
            return None
        with self._stage("collision"):
            if self._asked.collision == "box":
                return box_around(self._placed)
            return convex_hull(self._placed, check=self._check)
