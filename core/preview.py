# SPDX-License-Identifier: GPL-3.0-or-later
"""Coarse meshes of what a run is about to make, while it samples.

A diffusion sampler asks in each step what the clean sample looks like; from about a third of the
run on, that answer has a surface worth showing. Previews only read it, so the result is the same
bit for bit with and without them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .errors import EmptySurfaceError, NonFiniteError
from .geometry.cleanup import remove_specks
from .geometry.extract import extract_mesh
from .geometry.normals import area_normals
from .geometry.orient import place
from .mesh import GenerationRecord, MeshData, PreviewMesh
from .scene import Field
from .texture.color import srgb_to_linear

OnPreview = Callable[[PreviewMesh], None]
"""Called with what the variant at work looks like so far."""

PREVIEW_RESOLUTION = 41
"""Samples per axis: 40 cells halve evenly from the ten that the quick descent starts with."""

_SHARE = 0.04
"""Of the sampling time that may go into previews beyond the two that every run makes."""

_INTERVALS = 8
"""No more previews than this over a whole run."""

_CHUNK = 4096
"""Points per query: previews ask for few, and small chunks stay in a CPU's cache."""


class Pace:
    """Decides after which sampler steps a preview is made.

    Two are made whatever they cost: after a third of the steps, and after the last, to be looked
    at while the surface is found and painted. Others are made where the sampling is slow enough
    that all of them together stay a small share of it.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._started = clock()
        self._spent = 0.0
        self._count = 0

    def is_due(self, done: int, total: int) -> bool:
        """Tell whether to make a preview now that `done` of `total` steps are done."""
        if done in (-(-total // 3), total):
            return True
        if done < total / 3 or done % max(1, total // _INTERVALS) or not self._count:
            return False
        elapsed = self._clock() - self._started
        return self._spent * (1 + 1 / self._count) <= _SHARE * elapsed

    def run(self, make: Callable[[], None]) -> None:
        """Make a preview and remember what it cost."""
        before = self._clock()
        make()
        self._spent += self._clock() - before
        self._count += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewer:
    """Hands over previews of one variant."""

    index: int
    name: str
    record: GenerationRecord
    min_component_share: float
    device: torch.device
    decode: Callable[[Tensor], Field]
    """Latent [L, C] to field."""
    check: Callable[[], None]
    """Cancellation hook."""
    on_preview: OnPreview
    pace: Pace

    def after_step(self, done: int, total: int, latent: Tensor) -> None:
        """Hand over a preview of the estimated clean latent [L, C] if one is due."""
        if self.pace.is_due(done, total):
            self.pace.run(lambda: self._show(latent, f"step {done} of {total}"))

    def _show(self, latent: Tensor, progress: str) -> None:
        size = self.record.settings["target_size"]
        try:
            mesh = coarse_mesh(
                self.decode(latent),
                float(size),
                min_component_share=self.min_component_share,
                device=self.device,
                check=self.check,
            )
        except (EmptySurfaceError, NonFiniteError):
            # An unfinished estimate need not have a surface; the run itself goes on.
            return
        record = replace(self.record, settings=self.record.settings | {"preview": progress})
        self.on_preview(PreviewMesh(mesh=mesh, index=self.index, name=self.name, record=record))


def coarse_mesh(
    field: Field,
    target_size: float,
    *,
    min_component_share: float,
    device: torch.device,
    check: Callable[[], None],
) -> MeshData:
    """Return the mesh of a field at `PREVIEW_RESOLUTION`, placed and scaled as the final one.

    Raises:
        EmptySurfaceError: no surface was seen.
        NonFiniteError: the field holds NaN or infinity.
    """
    vertices, faces = extract_mesh(
        field.signed_distance,
        PREVIEW_RESOLUTION,
        device=device,
        method="quick",
        chunk_size=_CHUNK if device.type == "cpu" else None,
        check=check,
    )
    vertices, faces, _ = remove_specks(vertices, faces, min_component_share * field.size_ratio)
    placed, _ = place(vertices, target_size)
    return MeshData(
        vertices=placed,
        faces=faces,
        normals=area_normals(vertices, faces),
        vertex_colors=_linear_colors(field, vertices, device),
    )


def _linear_colors(
    field: Field, vertices: NDArray[np.float32], device: torch.device
) -> NDArray[np.float32]:
    colors = field.color(torch.from_numpy(vertices).to(device)).cpu().numpy()
    if not np.isfinite(colors).all():
        raise NonFiniteError("the color")
    return srgb_to_linear(colors)
