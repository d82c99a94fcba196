# SPDX-License-Identifier: GPL-3.0-or-later
"""Several variants at once: the same ones as one by one, whichever thread makes their meshes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from maquette.core import footing, latents, pipeline, preview, resident, variants
from maquette.core.config import GenerationRequest, Likeness
from maquette.core.errors import CancelledError, EmptySurfaceError
from maquette.core.memory_ladder import Footing, Step
from maquette.core.mesh import GenerationResult, PreviewMesh
from maquette.core.sampling import sample_latent, sample_latents
from maquette.tests.unit.tiny_native_pack import write_tiny_pack
from scipy.spatial import KDTree

pytestmark = pytest.mark.needs_torch

CPU, META = torch.device("cpu"), torch.device("meta")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("packs") / "tiny"
    write_tiny_pack(folder)
    yield folder
    pipeline.release()


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that is the CPU under another name and takes two variants at once."""
    first = Footing(device=META, dtype=torch.float32, field_device=META, batch=2)
    monkeypatch.setattr(pipeline, "first_footing", lambda *_: Step(first, ""))
    opened, made = resident.open_pack, variants.mesh_from_field
    monkeypatch.setattr(
        resident,
        "open_pack",
        lambda folder, device, dtype, check, **_: opened(folder, CPU, dtype, check),
    )
    monkeypatch.setattr(
        variants, "mesh_from_field", lambda *a, **more: made(*a, **(more | {"device": CPU}))
    )
    shown = preview.coarse_mesh
    monkeypatch.setattr(
        preview, "coarse_mesh", lambda *a, **more: shown(*a, **(more | {"device": CPU}))
    )
    pipeline.release()


def _request(**settings: Any) -> GenerationRequest:
    defaults = {"resolution": 24, "texture_size": 0, "device": "cpu", "seed": 7, "count": 5}
    return GenerationRequest(prompt="a red mushroom", **(defaults | settings))


def _run(
    pack: Path, request: GenerationRequest, cancel: threading.Event | None = None, **hooks: Any
) -> Iterator[GenerationResult]:
    defaults = {"on_progress": lambda *_: None}
    return pipeline.generate(
        request, pack, cancel=cancel or threading.Event(), **(defaults | hooks)
    )


@torch.inference_mode()
def test_latents_of_a_batch_are_those_drawn_alone(pack: Path) -> None:
    """To a few units of the last place per evaluation: sums are added in another order."""
    models = resident.open_pack(pack, CPU, torch.float32)
    request = _request()
    prior, tokens = models.prior(request), models.condition(request).tokens
    sampler, earlier = models.sampler(request), torch.zeros(32, 4)

    for near in ({}, {"earlier": earlier, "strength": 0.8}):
        batch = sample_latents(prior, tokens, sampler, [7, 8, 9], on_step=lambda *_: None, **near)
        for seed, latent in zip((7, 8, 9), batch, strict=True):
            alone = sample_latent(prior, tokens, sampler, seed, on_step=lambda *_: None, **near)
            torch.testing.assert_close(latent, alone, rtol=1e-4, atol=1e-5)
            assert not torch.equal(latent, batch[0]) or seed == 7


@pytest.mark.parametrize("like", [None, Likeness(seeds=(1,), strengths=(0.8,))])
def test_batches_give_the_results_of_one_by_one_in_order(
    pack: Path, request: pytest.FixtureRequest, like: Likeness | None
) -> None:
    alone = list(_run(pack, _request(like=like)))
    request.getfixturevalue("gpu")

    batched = list(_run(pack, _request(like=like)))

    assert [result.record.seed for result in batched] == [7, 8, 9, 10, 11]
    for result, expected in zip(batched, alone, strict=True):
        assert result.name == expected.name
        assert {"sample", "field", "surface"} <= set(result.stage_seconds)
        # Rounding of the latents moves vertices by less than 1e-4 of the size. On some processors
        # it takes a sample of the field across zero as well, which gives a cell another corner.
        for one, other in ((result, expected), (expected, result)):
            away = _distances(one.mesh.vertices, other.mesh.vertices)
            assert (away < 1e-4).mean() > 0.99
            assert away.max() < 2.0 / 23


def _distances(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return how far each of some points is from the nearest of others."""
    nearest = KDTree(others).query(points)[0]
    return np.asarray(nearest)


@pytest.mark.usefixtures("gpu")
def test_meshes_are_made_beside_the_sampling_of_the_next_batch(
    pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first mesh waits until the second batch is being sampled, which would be for good."""
    sampling_again = threading.Event()
    calls: list[int] = []
    sample, make = latents.sample_latents, variants.mesh_from_field

    def sampled(*args: Any, **more: Any) -> Any:
        calls.append(threading.get_ident())
        if len(calls) == 2:
            sampling_again.set()
        return sample(*args, **more)

    def made(*args: Any, **more: Any) -> Any:
        assert sampling_again.wait(30)
        assert threading.get_ident() not in calls
        return make(*args, **more)

    monkeypatch.setattr(latents, "sample_latents", sampled)
    monkeypatch.setattr(variants, "mesh_from_field", made)

    assert len(list(_run(pack, _request(count=4)))) == 4
    assert len(calls) == 2


@pytest.mark.usefixtures("gpu")
def test_the_bar_never_goes_back_with_two_threads(pack: Path) -> None:
    fractions: list[float] = []

    list(_run(pack, _request(), on_progress=lambda stage, fraction: fractions.append(fraction)))

    assert fractions == sorted(fractions)
    assert fractions[0] == 0 and fractions[-1] > 0.9


@pytest.mark.usefixtures("gpu")
def test_every_variant_of_a_batch_has_its_previews(pack: Path) -> None:
    shown: list[PreviewMesh] = []

    list(_run(pack, _request(count=2), on_preview=shown.append))

    assert {preview.index for preview in shown} == {0, 1}
    assert {preview.record.seed for preview in shown} == {7, 8}


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("stage", ["Sampling", "Finding the surface"])
def test_both_threads_stop_when_the_run_is_cancelled(pack: Path, stage: str) -> None:
    cancel = threading.Event()

    def on_progress(current: str, fraction: float) -> None:
        if current.startswith(stage) and fraction > 0.3:
            cancel.set()

    with pytest.raises(CancelledError):
        list(_run(pack, _request(), cancel, on_progress=on_progress))
    assert not [each for each in threading.enumerate() if each.name.startswith("maquette-mesh")]


@pytest.mark.usefixtures("gpu")
def test_a_run_that_nobody_reads_on_ends_its_thread(pack: Path) -> None:
    run = _run(pack, _request())

    assert next(run).record.seed == 7
    run.close()

    assert not [each for each in threading.enumerate() if each.name.startswith("maquette-mesh")]


@pytest.mark.usefixtures("gpu")
def test_what_was_finished_before_a_failure_stays(
    pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = variants.mesh_from_field
    calls: list[None] = []

    def fail_at_third(*args: Any, **more: Any) -> Any:
        calls.append(None)
        if len(calls) == 3:
            raise EmptySurfaceError(-1.0)
        return make(*args, **more)

    monkeypatch.setattr(variants, "mesh_from_field", fail_at_third)
    results: list[GenerationResult] = []

    with pytest.raises(EmptySurfaceError):
        results.extend(_run(pack, _request()))
    assert [result.record.seed for result in results] == [7, 8]


def test_the_cpu_takes_one_variant_at_a_time_and_gpus_what_fits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free = {"bytes": 40 * 2**30}
    monkeypatch.setattr(footing, "available_memory_bytes", lambda device: free["bytes"])
    cuda = torch.device("cuda:0")

    assert footing.first_batch(CPU, 8) == 1
    assert [footing.first_batch(cuda, count) for count in (1, 8, 64)] == [1, 8, 16]
    free["bytes"] = 2**31 + 3 * 2**27
    assert footing.first_batch(cuda, 8) == 3
    free["bytes"] = 0
    assert footing.first_batch(cuda, 8) == 1
