# SPDX-License-Identifier: GPL-3.0-or-later
"""A run looks whether to stop before every piece of work, and stops at that very look.

Looks are counted, not timed. How long the longest piece between two looks takes is measured in
docs/decisions.md.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from maquette import weights_fetch
from maquette.core import pipeline
from maquette.core.conditioning.clip_image import ClipImageEncoder
from maquette.core.conditioning.clip_text import ClipTextEncoder
from maquette.core.config import GenerationRequest, Likeness
from maquette.core.errors import CancelledError
from maquette.core.interrupt import checked_blocks
from maquette.core.mesh import GenerationResult
from maquette.core.specs import ClipSpec
from maquette.tests.unit.tiny_native_pack import write_tiny_pack
from maquette.weights.errors import FetchCancelledError

pytestmark = pytest.mark.needs_torch

DEPTH = 24

LOOKED_AT = {
    "load_module": "each tensor that is loaded",
    "latent_of": "an earlier result that is made again",
    "_run": "each block of the prior",
    "coarse_mesh": "previews",
    "evaluate": "each chunk of points of the grid",
    "_descend": "each level of the grid",
    "marching_cubes": "passes over the grid",
    "_triangulate": "passes over the triangles",
    "_colors": "each chunk of vertices",
    "_smooth_labels": "rounds of cutting charts",
    "cut_charts": "rounds of joining charts",
    "project_without_overlap": "rounds of parting charts",
    "pack": "scales of the packing",
    "_place_in_order": "each island that is placed",
    "rasterize": "passes over the texels",
    "_covered_texels": "passes over the texels of triangles",
    "bake_texture": "each chunk of texels",
    "paint": "each level of padding",
    "encode_png": "slabs of the image",
}


class Looks(threading.Event):
    """An event that is found set from its nth look on, and knows who looked."""

    def __init__(self, last: int | None = None) -> None:
        super().__init__()
        self.last = last
        self.places: list[tuple[str, ...]] = []
        self.told: list[int] = []
        """Threads that were told to stop."""

    def is_set(self) -> bool:
        frame, names = sys._getframe(1), []
        while frame is not None and len(names) < DEPTH:
            names.append(frame.f_code.co_name)
            frame = frame.f_back
        self.places.append(tuple(names))
        stops = self.last is not None and len(self.places) >= self.last
        if stops:
            self.told.append(threading.get_ident())
        return stops


def run(pack: Path, looks: Looks) -> list[GenerationResult]:
    """Generate with previews near an earlier result: everything that a run may do."""
    pipeline.release()
    request = GenerationRequest(
        prompt="a chair",
        seed=2,
        resolution=48,
        texture_size=128,
        device="cpu",
        like=Likeness(seeds=(1,), strengths=(0.9,)),
    )
    made = pipeline.generate(
        request,
        pack,
        on_progress=lambda stage, fraction: None,
        cancel=looks,
        on_preview=lambda preview: None,
    )
    return list(made)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("packs") / "tiny"
    write_tiny_pack(folder)
    yield folder
    pipeline.release()


@pytest.fixture(scope="module")
def whole_run(pack: Path) -> Looks:
    looks = Looks()
    assert len(run(pack, looks)) == 1
    return looks


@pytest.mark.parametrize("function", LOOKED_AT, ids=str.strip)
def test_every_stage_looks(whole_run: Looks, function: str) -> None:
    assert any(function in place for place in whole_run.places), LOOKED_AT[function]


def test_whatever_look_says_stop_it_is_the_last_one(pack: Path, whole_run: Looks) -> None:
    """At the first and the last look of every place in the code that looks.

    Two pieces of work may be done at once: then each looks once more at most.
    """
    chosen: dict[tuple[str, ...], tuple[int, int]] = {}
    for number, place in enumerate(whole_run.places, start=1):
        key = tuple(name for name in place if not name.startswith("<"))[:4]
        chosen[key] = chosen.get(key, (number, number))[0], number
    assert len(chosen) >= len(LOOKED_AT)

    for number in sorted({number for pair in chosen.values() for number in pair}):
        looks = Looks(number)
        with pytest.raises(CancelledError):
            run(pack, looks)
        assert 1 <= len(looks.told) <= 2, whole_run.places[number - 1]
        assert len(set(looks.told)) == len(looks.told), whole_run.places[number - 1]
        assert len(looks.places) < number + 2, whole_run.places[number - 1]
        assert not [each for each in threading.enumerate() if "beside" in each.name]


def test_a_run_that_was_stopped_leaves_nothing_that_disturbs_the_next(
    pack: Path, whole_run: Looks
) -> None:
    inside_the_prior = next(
        number for number, place in enumerate(whole_run.places, 1) if "_run" in place
    )
    with pytest.raises(CancelledError):
        run(pack, Looks(inside_the_prior))

    models = pipeline._resident._models
    assert models is not None
    request = GenerationRequest(prompt="a chair")
    hooks = [module._forward_pre_hooks for module in models.prior(request).modules()]
    assert not any(hooks)
    assert len(run(pack, Looks())) == 1


@pytest.mark.parametrize("kind", ["text", "image"])
def test_the_towers_of_clip_stop_before_any_block(kind: str) -> None:
    num_layers = 3
    spec = ClipSpec(
        kind=kind, width=16, num_layers=num_layers, num_heads=2, embedding_width=12, image_size=28
    )
    encoder = (ClipTextEncoder if kind == "text" else ClipImageEncoder)(spec).eval()
    inputs = torch.zeros(1, 77, dtype=torch.long) if kind == "text" else torch.zeros(1, 3, 28, 28)
    calls: list[None] = []

    def stop_at_last() -> None:
        calls.append(None)
        if len(calls) == stop:
            raise CancelledError

    stop = 0
    with checked_blocks(encoder, stop_at_last):
        encoder(inputs)
    total = len(calls)
    assert total >= num_layers

    for stop in range(1, total + 1):
        calls.clear()
        with pytest.raises(CancelledError), checked_blocks(encoder, stop_at_last):
            encoder(inputs)
        assert len(calls) == stop

    calls.clear()
    encoder(inputs)
    assert not calls


def test_looking_changes_no_number(pack: Path) -> None:
    encoder = ClipTextEncoder(
        ClipSpec(kind="text", width=16, num_layers=2, num_heads=2, embedding_width=12)
    ).eval()
    tokens = torch.arange(77)[None]

    with torch.inference_mode():
        plain = encoder(tokens)
        with checked_blocks(encoder, lambda: None):
            checked = encoder(tokens)

    assert torch.equal(plain, checked)


def test_the_hash_of_unknown_files_stops_too(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(bytes(1000))
    cancel = threading.Event()
    before = weights_fetch.pack_hash(tmp_path, "text", cancel=cancel)
    assert before == weights_fetch.pack_hash(tmp_path, "text")

    cancel.set()
    with pytest.raises(FetchCancelledError):
        weights_fetch.pack_hash(tmp_path, "text", cancel=cancel)
