# SPDX-License-Identifier: GPL-3.0-or-later
"""Two objects in one scene: where they go, and the way from a prompt to a mesh."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from maquette.core import pipeline
from maquette.core.config import GenerationRequest, KnownLatent, Likeness
from maquette.core.decoder.union import UnionField
from maquette.core.errors import CancelledError, EmptySurfaceError
from maquette.core.geometry.extract import extract_mesh
from maquette.core.mesh import GenerationResult, PreviewMesh
from maquette.core.native_pack import NativePack
from maquette.core.scene import SceneMaker
from maquette.tests.analytic_fields import CPU, Field, ball, block, union
from maquette.tests.unit.test_union_field import Painted
from maquette.tests.unit.tiny_clip_pack import write_tiny_clip_pack
from numpy.typing import NDArray

CELL = 2.0 / 127
TABLE = union(
    block((0.85, 0.6, 0.05), (0.0, 0.0, 0.45)),
    *(block((0.06, 0.06, 0.45), (x, y, 0.0)) for x in (-0.75, 0.75) for y in (-0.5, 0.5)),
)
CHAIR = union(
    block((0.5, 0.5, 0.06), (0.0, 0.0, 0.0)),
    block((0.5, 0.06, 0.45), (0.0, 0.44, 0.4)),
    block((0.45, 0.45, 0.4), (0.0, 0.0, -0.4)),
)
BALL = ball(0.8)
HOUSE = block((0.6, 0.6, 0.8), (0.0, 0.0, 0.0))


def _scene(first: Field, second: Field, relation: str, count: int = 1) -> UnionField:
    """Arrange two objects in closed form, red and blue, or several red ones."""
    kinds = [Painted(first, (1.0, 0.0, 0.0))] * count + [Painted(second, (0.0, 0.0, 1.0))]
    decoder: Any = SimpleNamespace(
        spec=SimpleNamespace(num_latents=1),
        field=lambda latent, **_: kinds[int(latent[0, 0])],
    )
    maker = SceneMaker(decoder=decoder, relation=relation, min_component_share=0.02, device=CPU)
    made = maker.field(torch.arange(len(kinds), dtype=torch.float32)[:, None])
    assert isinstance(made, UnionField)
    return made


def _parts(field: UnionField) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the vertices of both objects, told apart by their colors."""
    vertices, _ = extract_mesh(field.signed_distance, 128, device=CPU)
    red = field.color(torch.from_numpy(vertices))[:, 0].numpy() > 0.5
    return vertices[red], vertices[~red]


def test_side_by_side_is_on_one_ground_with_a_gap_and_the_first_at_the_left() -> None:
    field = _scene(BALL, HOUSE, "next to")
    first, second = _parts(field)

    scale = field.places[0].scale
    gap = float(second[:, 0].min() - first[:, 0].max())
    assert 0.1 < gap / scale < 0.3
    assert float(first[:, 2].min()) == pytest.approx(float(second[:, 2].min()), abs=1.5 * CELL)
    assert field.places[1].scale == pytest.approx(scale)
    reach = np.abs(np.concatenate([first, second])).max(axis=0)
    assert float(reach.max()) == pytest.approx(0.95, abs=CELL)


def test_three_of_a_kind_stand_in_a_row() -> None:
    decoder: Any = SimpleNamespace(
        spec=SimpleNamespace(num_latents=1),
        field=lambda latent, **_: Painted(BALL, (1.0, 0.0, 0.0)),
    )
    maker = SceneMaker(decoder=decoder, relation="in a row", min_component_share=0.02, device=CPU)

    made = maker.field(torch.zeros(3, 1))

    assert isinstance(made, UnionField)
    scale = made.places[0].scale
    assert [place.scale for place in made.places] == pytest.approx([scale] * 3)
    x, y, z = np.array([place.offset for place in made.places]).T
    assert np.diff(x) == pytest.approx((2 * 0.8 + 0.2) * scale, abs=CELL)
    assert max(np.ptp(y), np.ptp(z)) < CELL
    assert x[2] + 0.8 * scale == pytest.approx(0.95, abs=CELL)


@pytest.mark.parametrize("relation", ["on", "under"])
def test_what_stands_on_something_touches_it_and_hardly_crosses_it(relation: str) -> None:
    """Nothing fits under a house, so it carries what it should be under."""
    upper = 0 if relation == "on" else 1
    things = (BALL, TABLE) if relation == "on" else (HOUSE, BALL)
    field = _scene(*things, relation)
    ball_place, support = field.places[upper], field.places[1 - upper]

    lowest = ball_place.offset[2] - 0.8 * ball_place.scale
    top = (0.5 if relation == "on" else 0.8) * support.scale + support.offset[2]
    sink = 0.012 * ball_place.scale
    assert lowest - top == pytest.approx(-sink, abs=1.5 * CELL)
    assert lowest > top - sink - CELL
    assert abs(ball_place.offset[0] - support.offset[0]) < 0.2
    parts = _parts(field)
    assert float(parts[upper][:, 2].max()) > float(parts[1 - upper][:, 2].max())


@pytest.mark.parametrize("count", [2, 3])
def test_several_stand_side_by_side_on_one_thing(count: int) -> None:
    field = _scene(BALL, TABLE, "on", count)
    *balls, table = field.places

    x, y, z = np.array([each.offset for each in balls]).T
    scale = balls[0].scale
    assert [ball.scale for ball in balls] == pytest.approx([scale] * count)
    assert np.diff(x) == pytest.approx((2 * 0.8 + 0.2) * scale, abs=CELL)
    assert np.ptp(y) < CELL and np.ptp(z) < CELL
    # All of them stand on the board, whose top is at 0.5, and none beyond its ends.
    assert z[0] - 0.8 * scale == pytest.approx(0.5 * table.scale + table.offset[2], abs=2 * CELL)
    assert np.abs(x - table.offset[0]).max() < 0.85 * table.scale
    # Each has more room than a share of what one alone would have.
    assert scale > _scene(BALL, TABLE, "on").places[0].scale / count


def test_several_find_room_under_one_thing() -> None:
    field = _scene(BALL, TABLE, "under", 2)
    *balls, table = field.places

    ground = table.offset[2] - table.stretch * 0.45 * table.scale
    for each in balls:
        assert each.offset[2] - 0.8 * each.scale == pytest.approx(ground, abs=1.5 * CELL)
        assert each.offset[2] + 0.8 * each.scale < table.offset[2] + 0.4 * table.scale * 1.3
    assert balls[1].offset[0] - balls[0].offset[0] == pytest.approx(1.8 * balls[0].scale, abs=CELL)


def test_several_carry_what_they_should_be_under() -> None:
    field = _scene(HOUSE, BALL, "under", 2)
    *houses, upper = field.places

    top = houses[0].offset[2] + 0.8 * houses[0].scale
    assert houses[1].offset[2] == pytest.approx(houses[0].offset[2], abs=CELL)
    assert upper.offset[2] - 0.8 * upper.scale == pytest.approx(top, abs=0.1)
    assert upper.offset[2] > top


def test_a_chair_bears_things_on_its_seat() -> None:
    field = _scene(block((0.6, 0.6, 0.6), (0.0, 0.0, 0.0)), CHAIR, "on")
    box, chair = field.places

    seat = 0.06 * chair.scale + chair.offset[2]
    assert box.offset[2] - 0.6 * box.scale == pytest.approx(seat, abs=1.5 * CELL)
    # In front of the back, whose face is at 0.38.
    assert (box.offset[1] - chair.offset[1] + 0.6 * box.scale) / chair.scale < 0.4


def test_what_is_under_a_table_stands_on_the_ground_and_touches_nothing() -> None:
    field = _scene(BALL, TABLE, "under")
    lower, cover = field.places
    middle = np.array(lower.offset)
    points = torch.nn.functional.normalize(
        torch.randn(4000, 3, generator=torch.Generator().manual_seed(2)), dim=1
    )
    surface = points * 0.8 * lower.scale + torch.tensor(middle).float()

    own = (surface - torch.tensor(cover.offset)) / cover.scale
    in_table = TABLE(own / torch.tensor([1.0, 1.0, 1.3]))
    ground = cover.offset[2] - 1.3 * 0.45 * cover.scale

    assert cover.stretch == 1.3  # The ball is as high as the table's legs let it be, and more.
    assert float(in_table.max()) < 0
    assert lower.scale / cover.scale * 1.6 > 0.5 * 1.7
    assert lower.offset[2] - 0.8 * lower.scale == pytest.approx(ground, abs=CELL)
    assert abs(middle[0] - cover.offset[0]) < 0.85 * cover.scale
    assert lower.offset[2] < cover.offset[2] + 1.3 * 0.4 * cover.scale


def test_a_small_object_beside_a_large_one_is_told_from_a_speck() -> None:
    thin = block((0.85, 0.09, 0.1), (0.0, 0.0, 0.0))
    field = _scene(thin, HOUSE, "next to")

    volumes = 0.85 * 0.09 * 0.1, 0.6 * 0.6 * 0.8
    assert field.size_ratio == pytest.approx(volumes[0] / volumes[1], rel=0.2)


def test_an_object_without_a_surface_is_an_error() -> None:
    with pytest.raises(EmptySurfaceError):
        _scene(ball(-0.5), HOUSE, "next to")


WORDS = {"next": "relation", "to": "filler", "on": "relation"}
PROMPT = "a red mushroom next to a chair"


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("packs") / "tiny"
    write_tiny_clip_pack(folder, WORDS)
    yield folder
    pipeline.release()


def _generate(
    pack: Path, cancel: threading.Event | None = None, **settings: Any
) -> list[GenerationResult]:
    known = {"prompt": PROMPT, "resolution": 32, "texture_size": 0, "device": "cpu", "seed": 3}
    shown = settings.pop("shown", None)
    request = GenerationRequest(**(known | settings))
    cancel = cancel or threading.Event()
    hook = None if shown is None else shown.append
    return list(
        pipeline.generate(
            request, pack, on_progress=lambda *_: None, cancel=cancel, on_preview=hook
        )
    )


def test_each_object_is_told_its_own_half_of_the_prompt(pack: Path) -> None:
    models = NativePack(pack, CPU, torch.float32)

    both = models.condition(GenerationRequest(prompt=PROMPT))
    halves = [
        models.condition(GenerationRequest(prompt=each)) for each in ("a red mushroom", "a chair")
    ]

    assert both.scene is not None and both.scene.relation == "next to"
    torch.testing.assert_close(both.scene.tokens, torch.cat([each.tokens for each in halves]))
    assert both.tokens.shape == (1, 4, 8)
    assert [each.scene for each in halves] == [None, None]


def test_what_began_with_a_mesh_stays_one_object(pack: Path) -> None:
    known = KnownLatent(values=np.zeros((32, 4), np.float16), source="cube")
    like = Likeness(latent=known)

    condition = NativePack(pack, CPU, torch.float32).condition(
        GenerationRequest(prompt=PROMPT, like=like)
    )

    assert condition.scene is None


def test_the_same_seed_gives_the_same_scene_with_and_without_previews(pack: Path) -> None:
    shown: list[PreviewMesh] = []

    first, second = _generate(pack, count=2, shown=shown)
    (again,) = _generate(pack, seed=4)

    assert np.array_equal(again.mesh.vertices, second.mesh.vertices)
    assert not np.array_equal(first.mesh.vertices[:50], second.mesh.vertices[:50])
    assert {each.index for each in shown} == {0, 1}


def test_a_scene_has_results_like_it(pack: Path) -> None:
    (first,) = _generate(pack)
    (same,) = _generate(pack, seed=9, like=Likeness(seeds=(3,), strengths=(0.0,)))
    (other,) = _generate(pack, seed=9)

    def size(result: GenerationResult) -> NDArray[np.float32]:
        spread: NDArray[np.float32] = np.ptp(result.mesh.vertices, axis=0)
        return spread

    assert np.abs(size(same) - size(first)).max() < np.abs(size(other) - size(first)).max()


def test_a_scene_is_cancelled(pack: Path) -> None:
    cancel = threading.Event()
    cancel.set()

    with pytest.raises(CancelledError):
        _generate(pack, cancel)


def test_arranging_looks_whether_to_go_on() -> None:
    def stop() -> None:
        raise CancelledError

    decoder: Any = SimpleNamespace(
        spec=SimpleNamespace(num_latents=1), field=lambda latent, **_: Painted(BALL, (1, 0, 0))
    )
    maker = SceneMaker(
        decoder=decoder, relation="on", min_component_share=0.02, device=CPU, check=stop
    )

    with pytest.raises(CancelledError):
        maker.field(torch.zeros(2, 1))
