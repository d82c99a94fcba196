# SPDX-License-Identifier: GPL-3.0-or-later
"""Several objects as one field, against closed forms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from maquette.core.decoder.union import Place, UnionField
from maquette.core.geometry.extract import extract_mesh
from maquette.tests.analytic_fields import CPU, Field, ball, block, squashed, union
from torch import Tensor

STEEPNESS = 10.0
PLACES = (Place(0.5, (-0.4, 0.1, 0.0)), Place(0.4, (0.45, -0.2, 0.3)))


class Painted:
    """An object in closed form, in one color."""

    def __init__(self, field: Field, color: tuple[float, float, float]) -> None:
        self._distance, self._color = squashed(field, STEEPNESS), color
        self.num_asked = 0
        self.farthest = 0.0

    def signed_distance(self, points: Tensor) -> Tensor:
        self.num_asked += len(points)
        self.farthest = max(self.farthest, float(points.abs().max()))
        return self._distance(points)

    def color(self, points: Tensor) -> Tensor:
        self.farthest = max(self.farthest, float(points.abs().max()))
        return torch.tensor(self._color).expand(len(points), 3)

    @property
    def draft_distance(self) -> Callable[[Tensor], Tensor] | None:
        return None


class Drafted(Painted):
    """The same with a draft that is a little off."""

    @property
    def draft_distance(self) -> Callable[[Tensor], Tensor] | None:
        return lambda points: self._distance(points + 1e-4)


def _scene(first: Field, second: Field, kind: type[Painted] = Painted) -> UnionField:
    members = (kind(first, (1.0, 0.0, 0.0)), kind(second, (0.0, 0.0, 1.0)))
    return UnionField(members, PLACES)


def _placed(field: Field, place: Place) -> Field:
    """Return the true distance to an object where it was put."""
    return lambda points: place.scale * field((points - torch.tensor(place.offset)) / place.scale)


def _points(count: int) -> Tensor:
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_near_its_surfaces_the_distance_is_that_of_the_union() -> None:
    balls = ball(0.6), ball(0.5, (0.1, 0.0, 0.1))
    truth = union(*(_placed(each, place) for each, place in zip(balls, PLACES, strict=True)))
    points = _points(20_000)
    points = points[truth(points).abs() < 0.1]

    found = _scene(*balls).signed_distance(points).atanh() / STEEPNESS

    assert len(points) > 500
    torch.testing.assert_close(found, truth(points), atol=1e-5, rtol=1e-4)


def test_no_value_claims_a_surface_to_be_farther_than_it_is() -> None:
    balls = ball(0.6), ball(0.5, (0.1, 0.0, 0.1))
    truth = union(*(_placed(each, place) for each, place in zip(balls, PLACES, strict=True)))
    points = _points(20_000)

    values = _scene(*balls).signed_distance(points)

    assert bool((values.sign() == truth(points).sign()).all())
    # Single precision tells no more than seven digits of a tanh.
    points, values = points[values.abs() < 0.99], values[values.abs() < 0.99]
    found = values.atanh() / STEEPNESS
    assert bool((found.abs() <= truth(points).abs() + 1e-3).all())


def test_outside_its_box_an_object_is_nowhere_and_its_network_is_not_asked() -> None:
    everywhere: Field = lambda points: torch.full((len(points),), 0.3)  # noqa: E731
    members = [Painted(everywhere, (1.0, 0.0, 0.0))]
    field = UnionField(members, [Place(0.25, (0.0, 0.0, 0.0))])
    points = _points(5000)
    is_inside = points.abs().amax(dim=1) < 0.25

    values = field.signed_distance(points)
    colors = field.color(points)

    assert bool(((values > 0) == is_inside).all())
    assert members[0].farthest <= 1.0 and members[0].num_asked < 2 * len(points) * 0.5
    assert bool((colors == torch.tensor([1.0, 0.0, 0.0])).all())


def test_colors_are_those_of_the_object_that_is_there() -> None:
    balls = ball(0.6), ball(0.5)
    placed = [_placed(each, place) for each, place in zip(balls, PLACES, strict=True)]
    points = _points(5000)
    near = torch.stack([each(points) for each in placed])
    points = points[near.amax(dim=0) > -0.1]
    is_first = (placed[0](points) > placed[1](points))[:, None]

    colors = _scene(*balls).color(points)

    truth = torch.where(is_first, torch.tensor([1.0, 0, 0]), torch.tensor([0, 0, 1.0]))
    torch.testing.assert_close(colors, truth)


def test_a_draft_is_there_only_if_all_objects_have_one() -> None:
    balls = ball(0.6), ball(0.5)
    members = (Drafted(balls[0], (1, 0, 0)), Painted(balls[1], (0, 0, 1)))

    assert UnionField(members, PLACES).draft_distance is None
    draft = _scene(*balls, Drafted).draft_distance
    assert draft is not None
    points = _points(500)
    exact = _scene(*balls).signed_distance(points)
    assert 0 < float((draft(points) - exact).abs().max()) < 0.02


def test_slats_are_found_as_by_looking_everywhere() -> None:
    """Two cells thick where they are, far from one another, and one object small."""
    slats = union(*(block((0.7, 0.04, 0.6), (0.0, y, 0.0)) for y in (-0.6, -0.2, 0.2, 0.6)))
    field = _scene(slats, union(ball(0.3), block((0.8, 0.05, 0.05), (0.0, 0.0, 0.7))))

    sparse = extract_mesh(field.signed_distance, 97, device=CPU)
    dense = extract_mesh(field.signed_distance, 97, device=CPU, method="dense")

    assert np.array_equal(sparse[0], dense[0]) and np.array_equal(sparse[1], dense[1])


def test_an_object_made_taller_never_claims_its_surface_to_be_farther_than_it_is() -> None:
    place = Place(0.5, (0.1, 0.0, -0.1), stretch=1.3)
    field = UnionField([Painted(ball(0.6), (1.0, 0.0, 0.0))], [place])
    axes = 0.3 * np.array([1.0, 1.0, 1.3])
    spread = torch.randn(40_000, 3, generator=torch.Generator().manual_seed(3)).double().numpy()
    surface = axes * spread / np.linalg.norm(spread, axis=1, keepdims=True) + place.offset

    on_it = field.signed_distance(torch.from_numpy(surface).float())
    points = 0.5 * _points(400).numpy()
    claimed = field.signed_distance(torch.from_numpy(points)).atanh().numpy() / STEEPNESS
    nearest = np.linalg.norm(points[:, None] - surface[None], axis=2).min(axis=1)

    assert float(on_it.abs().max()) < 1e-4
    assert (np.abs(claimed) <= nearest + 2e-3).all()
    is_inside = (((points - place.offset) / axes) ** 2).sum(axis=1) < 1
    assert 20 < is_inside.sum() < 380
    np.testing.assert_array_equal(claimed > 0, is_inside)
