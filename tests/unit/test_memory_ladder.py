# SPDX-License-Identifier: GPL-3.0-or-later
"""Running out of memory, and of numbers, at every stage: what is tried next and what is said.

The failures are injected; the GPU of these tests is the CPU under another name.
"""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from maquette.core import latents, memory_ladder, pipeline, resident, variants
from maquette.core.config import GenerationRequest
from maquette.core.errors import (
    CancelledError,
    DeviceMemoryError,
    EmptySurfaceError,
    NonFiniteError,
)
from maquette.core.memory_ladder import Footing, Step, forget, step_down
from maquette.core.mesh import GenerationResult
from maquette.tests.unit.tiny_native_pack import write_tiny_pack
from torch import Tensor

pytestmark = pytest.mark.needs_torch

CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")
OUT_OF_MEMORY = [
    torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.31 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate"),
    MemoryError(),
]
ON_A_GPU = Footing(device=CUDA, dtype=torch.bfloat16, field_device=CUDA, batch=8)
ON_THE_CPU = Footing(device=CPU, dtype=torch.float32, field_device=CPU)


def out_of_memory() -> DeviceMemoryError:
    return DeviceMemoryError("cuda:0", required_bytes=2**30)


def descend(footing: Footing, stage: memory_ladder.Stage) -> list[tuple[Footing, str]]:
    """Fail again and again."""
    steps = []
    while step := step_down(footing, out_of_memory(), stage):
        footing = step.footing
        steps.append((footing, step.note))
    return steps


@pytest.fixture
def half_is(monkeypatch: pytest.MonkeyPatch) -> Callable[[torch.dtype], None]:
    def choose(dtype: torch.dtype) -> None:
        monkeypatch.setattr(memory_ladder, "choose_dtype", lambda device, precision: dtype)

    return choose


def test_sampling_tries_fewer_variants_then_parts_then_everything_on_the_cpu(half_is) -> None:
    half_is(torch.bfloat16)

    steps = descend(ON_A_GPU, "sample")

    assert [footing.batch for footing, _ in steps] == [4, 2, 1, 1, 1]
    assert [footing.field_device for footing, _ in steps] == [CUDA, CUDA, CUDA, CPU, CPU]
    assert [footing.device for footing, _ in steps] == [CUDA, CUDA, CUDA, CUDA, CPU]
    assert [note for _, note in steps] == [
        "cuda:0 ran out of memory: sampled 4 variants at a time",
        "cuda:0 ran out of memory: sampled 2 variants at a time",
        "cuda:0 ran out of memory: sampled one variant at a time",
        "cuda:0 ran out of memory: made the mesh on the CPU",
        "cuda:0 ran out of memory: used the CPU",
    ]


def test_meshes_are_tried_in_smaller_chunks_first_and_leave_the_sampling_alone(half_is) -> None:
    half_is(torch.bfloat16)

    steps = descend(ON_A_GPU, "mesh")

    assert [footing.chunk_size for footing, _ in steps[:3]] == [65536, 16384, 4096]
    assert [footing.field_device for footing, _ in steps[:4]] == [CUDA, CUDA, CUDA, CPU]
    assert {footing.batch for footing, _ in steps[:4]} == {8}
    assert steps[-1][0].device == CPU


@pytest.mark.parametrize("stage", ["load", "sample"])
def test_full_precision_gives_way_to_half_where_half_is_safe(half_is, stage) -> None:
    half_is(torch.float16)
    footing = replace(ON_A_GPU, dtype=torch.float32, batch=1)

    first = step_down(footing, out_of_memory(), stage)

    assert first is not None
    assert (first.footing.dtype, first.footing.device) == (torch.float16, CUDA)
    half_is(torch.float32)  # As on GPUs whose half precision is known to be unsound.
    other = step_down(footing, out_of_memory(), stage)
    assert other is not None and other.footing.dtype == torch.float32


def test_half_precision_that_overflowed_is_not_tried_again(half_is) -> None:
    half_is(torch.bfloat16)
    overflowed = step_down(replace(ON_A_GPU, batch=1), NonFiniteError("sampling"), "sample")

    assert overflowed is not None
    assert overflowed.footing.dtype == torch.float32
    assert overflowed.note == "sampling went out of range: used full precision"
    dtypes = {footing.dtype for footing, _ in descend(overflowed.footing, "sample")}
    assert dtypes == {torch.float32}


def test_the_cpu_has_few_rungs_and_then_the_error_stands(half_is) -> None:
    half_is(torch.float32)
    assert descend(ON_THE_CPU, "sample") == []
    assert [footing.chunk_size for footing, _ in descend(ON_THE_CPU, "mesh")] == [4096]

    half_is(torch.bfloat16)
    assert [footing.dtype for footing, _ in descend(ON_THE_CPU, "load")] == [torch.bfloat16]


@pytest.mark.parametrize("error", [EmptySurfaceError(-1.0), CancelledError()])
def test_nothing_is_tried_against_other_errors(error) -> None:
    assert step_down(ON_A_GPU, error, "mesh") is None


def test_overflow_in_full_precision_is_an_error() -> None:
    assert step_down(ON_THE_CPU, NonFiniteError("sampling"), "sample") is None


def test_what_a_failure_held_is_gone_when_it_is_forgotten() -> None:
    def allocate(kept: list[weakref.ref[Tensor]]) -> None:
        tensor = torch.zeros(1000)
        kept.append(weakref.ref(tensor))
        raise MemoryError

    kept: list[weakref.ref[Tensor]] = []
    failure: BaseException
    try:
        try:
            allocate(kept)
        except MemoryError as error:
            raise out_of_memory() from error
    except DeviceMemoryError as error:
        failure = error
    gc.collect()
    assert kept[0]() is not None

    forget(failure)

    gc.collect()
    assert kept[0]() is None


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("packs") / "tiny"
    write_tiny_pack(folder)
    yield folder
    pipeline.release()


class Failing:
    """A function that fails in some of its calls, and counts them."""

    def __init__(self, wrapped: Any, errors: list[BaseException | None]) -> None:
        self.wrapped = wrapped
        self.errors = errors
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls.append((args, kwargs))
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        return self.wrapped(*args, **kwargs)


def _generate(pack: Path, **settings: Any) -> list[GenerationResult]:
    defaults = {"resolution": 24, "texture_size": 0, "device": "cpu", "seed": 3}
    request = GenerationRequest(prompt="a red mushroom", **(defaults | settings))
    return list(
        pipeline.generate(request, pack, on_progress=lambda *_: None, cancel=threading.Event())
    )


def assert_same(results: list[GenerationResult], others: list[GenerationResult]) -> None:
    assert [result.record.seed for result in results] == [other.record.seed for other in others]
    for result, other in zip(results, others, strict=True):
        np.testing.assert_array_equal(result.mesh.faces, other.mesh.faces)
        np.testing.assert_allclose(result.mesh.vertices, other.mesh.vertices, rtol=0, atol=1e-5)


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_a_mesh_that_did_not_fit_is_made_in_smaller_pieces(
    pack: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    expected = _generate(pack, count=2)
    mesh = Failing(variants.mesh_from_field, [None, error])
    sampled = Failing(latents.sample_latents, [])
    monkeypatch.setattr(variants, "mesh_from_field", mesh)
    monkeypatch.setattr(latents, "sample_latents", sampled)

    results = _generate(pack, count=2)

    assert_same(results, expected)
    assert len(mesh.calls) == 3
    assert len(sampled.calls) == 2  # The latent was kept.
    assert not any("ran out of memory" in warning for warning in results[0].warnings)
    assert "cpu ran out of memory: looked at 4096 points at a time" in results[1].warnings


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_without_a_rung_left_the_error_is_told_and_nothing_kept(
    pack: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    monkeypatch.setattr(variants, "mesh_from_field", Failing(None, [error] * 9))
    monkeypatch.setattr(latents, "sample_latents", held := Failing(latents.sample_latents, []))
    shared: list[weakref.ref[Tensor]] = []
    held.wrapped = _remembering(held.wrapped, shared)

    with pytest.raises(DeviceMemoryError, match="cpu ran out of memory"):
        _generate(pack)

    gc.collect()
    assert shared and all(each() is None for each in shared)


def _remembering(
    sample: Callable[..., Tensor], shared: list[weakref.ref[Tensor]]
) -> Callable[..., Tensor]:
    def run(*args: Any, **kwargs: Any) -> Tensor:
        latents = sample(*args, **kwargs)
        shared.append(weakref.ref(latents))
        return latents

    return run


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that is the CPU: half precision at first, three variants at once."""
    meta = torch.device("meta")
    first = Footing(device=meta, dtype=torch.bfloat16, field_device=meta, batch=3)
    monkeypatch.setattr(pipeline, "first_footing", lambda *_: Step(first, ""))
    opened = resident.open_pack

    def open_there(folder: Path, device: torch.device, dtype: torch.dtype, *args: Any, **_: Any):
        # A native pack on the CPU is fp32 whatever is asked, so the precision is lowered by hand.
        models = opened(folder, CPU, torch.float32, *args)
        models.prior(GenerationRequest(prompt="any")).to(dtype)
        return models

    monkeypatch.setattr(resident, "open_pack", open_there)
    monkeypatch.setattr(variants, "mesh_from_field", _on_the_cpu(variants.mesh_from_field))
    monkeypatch.setattr(memory_ladder, "choose_dtype", lambda device, precision: torch.bfloat16)
    pipeline.release()


def _on_the_cpu(make: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: make(*args, **(kwargs | {"device": CPU}))


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_a_batch_that_did_not_fit_is_halved_until_it_does(
    pack: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    sample = Failing(latents.sample_latents, [error])
    monkeypatch.setattr(latents, "sample_latents", sample)

    results = _generate(pack, count=3)

    assert [call[0][3] for call in sample.calls] == [[3, 4, 5], [3], [4], [5]]
    assert [result.record.seed for result in results] == [3, 4, 5]
    assert all(
        "meta ran out of memory: sampled one variant at a time" in result.warnings
        for result in results
    )
    assert results[0].record.settings["precision"] == "bf16"


@pytest.mark.usefixtures("gpu")
def test_at_the_bottom_the_cpu_takes_over_and_the_record_says_so(
    pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = [torch.cuda.OutOfMemoryError("CUDA out of memory.")] * 3
    monkeypatch.setattr(latents, "sample_latents", Failing(latents.sample_latents, errors))

    results = _generate(pack, count=3)

    assert len(results) == 3
    assert {result.record.settings["device"] for result in results} == {"cpu"}
    assert "meta ran out of memory: used the CPU" in results[0].warnings


@pytest.mark.usefixtures("gpu")
def test_a_pack_that_did_not_fit_is_opened_elsewhere(
    pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = [torch.cuda.OutOfMemoryError("CUDA out of memory.")] * 2
    opened = Failing(resident.open_pack, errors)
    monkeypatch.setattr(resident, "open_pack", opened)

    (result,) = _generate(pack)

    assert [str(call[0][1]) for call in opened.calls] == ["meta", "meta", "cpu"]
    assert [str(call[1]["field_device"]) for call in opened.calls] == ["meta", "cpu", "cpu"]
    assert result.record.settings["device"] == "cpu"


@pytest.mark.usefixtures("gpu")
def test_numbers_out_of_range_in_half_precision_are_made_again_in_full(
    pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = Failing(latents.sample_latents, [NonFiniteError("sampling")])
    monkeypatch.setattr(latents, "sample_latents", sample)

    results = _generate(pack, count=3)

    assert {result.record.settings["precision"] for result in results} == {"fp32"}
    assert "sampling went out of range: used full precision" in results[0].warnings
    assert_same(results, _on_fp32(pack, monkeypatch))


def _on_fp32(pack: Path, monkeypatch: pytest.MonkeyPatch) -> list[GenerationResult]:
    monkeypatch.setattr(pipeline, "first_footing", lambda *_: Step(ON_THE_CPU, ""))
    return _generate(pack, count=3)


def test_numbers_out_of_range_in_full_precision_end_the_run(
    pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = Failing(latents.sample_latents, [NonFiniteError("sampling")])
    monkeypatch.setattr(latents, "sample_latents", sample)

    with pytest.raises(NonFiniteError):
        _generate(pack)
    assert len(sample.calls) == 1


def test_a_cancelled_run_is_not_tried_again(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cancel = threading.Event()

    def fail(*_: Any, **__: Any) -> None:
        cancel.set()
        raise MemoryError

    monkeypatch.setattr(variants, "mesh_from_field", fail)
    request = GenerationRequest(prompt="a chair", resolution=24, texture_size=0, device="cpu")

    with pytest.raises(CancelledError):
        list(pipeline.generate(request, pack, on_progress=lambda *_: None, cancel=cancel))
