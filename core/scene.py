# SPDX-License-Identifier: GPL-3.0-or-later
"""One field of all objects of a scene, each from a latent of its own.

A scene's latent is those of its objects one above the other. Where they go is found out anew
whenever its field is made: from coarse surfaces, without any chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .arrange import (
    AT_HOME,
    TALLER,
    UPPER,
    Spot,
    beneath,
    beside,
    falls_near,
    fitted,
    raised,
    upon,
)
from .decoder.stf import Decoder, SignedDistanceField
from .decoder.union import Place, UnionField
from .errors import NonFiniteError
from .geometry.cleanup import remove_specks
from .geometry.extract import extract_mesh
from .interrupt import Check, ignore

COARSE = 49
"""Samples per axis by which objects are arranged."""

_SINK = 0.012
"""How far what stands sinks in, so that both are one solid, in units of its own box."""
_REACH = 0.1
"""How far coarse contact may be off."""
_NUM_STEPS = 51
_NUM_CONTACTS = 400
"""Points that look for contact, at most."""
_CHUNK = 4096

Field = SignedDistanceField | UnionField


@dataclass(frozen=True, slots=True)
class _Body:
    """One object, or several as one, roughly."""

    field: Field
    vertices: NDArray[np.float32]
    """Of its surface without specks, in its own box, [V, 3]."""
    volume: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneMaker:
    """Makes fields of latents: of one object, or of several with a relation."""

    decoder: Decoder
    relation: str
    """How the objects lie to each other, see `conditioning.scene_words`; "" for one."""
    min_component_share: float
    """Loose parts of an object below this share of its largest are not looked at."""
    device: torch.device
    check: Check = ignore

    def field(
        self,
        latent: Tensor,
        *,
        chunk_size: int | None = None,
        color_dtype: torch.dtype | None = None,
    ) -> Field:
        """Return the field of a latent [N * L, C]; options are those of `Decoder.field`.

        Raises:
            EmptySurfaceError: one of the objects has no surface.
            NonFiniteError: one of their fields returned NaN or infinity.
        """
        if not self.relation:
            return self.decoder.field(latent, chunk_size=chunk_size, color_dtype=color_dtype)
        own = latent.view(-1, self.decoder.spec.num_latents, latent.shape[1])
        fields = [
            self.decoder.field(each, chunk_size=chunk_size, color_dtype=color_dtype) for each in own
        ]
        bodies = [self._body(each) for each in fields]
        spots = fitted(self._arranged(*bodies), tuple(body.vertices for body in bodies))
        volumes = [
            body.volume * spot.scale**3 * spot.stretch
            for body, spot in zip(bodies, spots, strict=True)
        ]
        return UnionField(fields, [_place(spot) for spot in spots], min(volumes) / max(volumes))

    def _body(self, field: SignedDistanceField) -> _Body:
        surface = extract_mesh(
            field.signed_distance,
            COARSE,
            device=self.device,
            method="quick",
            chunk_size=_CHUNK if self.device.type == "cpu" else None,
            check=self.check,
        )
        vertices, faces, _ = remove_specks(*surface, self.min_component_share)
        a, b, c = vertices[faces].astype(np.float64).transpose(1, 0, 2)
        volume = float(np.einsum("fi,fi->", a, np.cross(b, c))) / 6.0
        return _Body(field, vertices, max(volume, 1e-6))

    def _arranged(self, *bodies: _Body) -> tuple[Spot, ...]:
        if self.relation in ("next to", "in a row"):
            return beside(*(body.vertices for body in bodies))
        *alike, second = bodies
        first, own = _together(alike)
        spot, of_second = self._over_each_other(first, second, math.sqrt(len(alike)))
        return *(spot.around(each) for each in own), of_second

    def _over_each_other(self, first: _Body, second: _Body, width: float) -> tuple[Spot, Spot]:
        """Return where two are that lie on or under each other; several may be wider than one."""
        if self.relation == "on":
            upper = upon(first.vertices, second.vertices, width * UPPER)
            return self._lowered(upper, first, second), AT_HOME
        for cover in (AT_HOME, TALLER):
            lower = beneath(first.vertices, cover.of(second.vertices).astype(np.float32))
            if lower is not None:
                return lower, cover
        upper = raised(second.vertices, first.vertices)
        return AT_HOME, self._lowered(upper, second, first)

    def _lowered(self, spot: Spot, upper: _Body, support: _Body) -> Spot:
        """Return a place at which an object touches what it stands on, and hardly crosses it."""
        self.check()
        points = spot.of(upper.vertices)
        points = points[falls_near(points, support.vertices)]
        if not len(points):
            return spot  # Nothing lies below it, not even roughly.
        points = points[:: -(-len(points) // _NUM_CONTACTS)]
        lifts = np.linspace(_REACH, -_REACH, _NUM_STEPS)
        inside = np.flatnonzero(self._crosses(support.field, points, lifts))
        lift = float(lifts[max(0, int(inside[0]) - 1)]) if len(inside) else 0.0
        return replace(spot, offset=spot.offset + np.array([0.0, 0.0, lift - _SINK * spot.scale]))

    def _crosses(
        self, field: Field, points: NDArray[np.float64], lifts: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Return at which of several heights some of the points [P, 3] are inside, [H]."""
        moved = np.repeat(points[None], len(lifts), axis=0)
        moved[..., 2] += lifts[:, None]
        places = torch.from_numpy(moved.reshape(-1, 3).astype(np.float32)).to(self.device)
        is_in_box = (places.abs() <= 1.0).all(dim=1)
        with torch.inference_mode():
            distance = field.signed_distance(places.clamp(-1.0, 1.0))
        if not bool(torch.isfinite(distance).all()):
            raise NonFiniteError("the signed distance")
        inside = (distance > 0) & is_in_box
        return inside.view(len(lifts), -1).any(dim=1).cpu().numpy()


def _together(bodies: Sequence[_Body]) -> tuple[_Body, tuple[Spot, ...]]:
    """Return objects side by side as one, and where each of them is in its box."""
    if len(bodies) == 1:
        return bodies[0], (AT_HOME,)
    surfaces = tuple(body.vertices for body in bodies)
    spots = fitted(beside(*surfaces), surfaces)
    pairs = list(zip(spots, bodies, strict=True))
    field = UnionField([body.field for body in bodies], [_place(spot) for spot in spots])
    vertices = np.concatenate([spot.of(body.vertices) for spot, body in pairs]).astype(np.float32)
    volume = sum(body.volume * spot.scale**3 for spot, body in pairs)
    return _Body(field, vertices, volume), spots


def _place(spot: Spot) -> Place:
    x, y, z = spot.offset.tolist()
    return Place(spot.scale, (x, y, z), spot.stretch)
