# SPDX-License-Identifier: GPL-3.0-or-later
"""On what a run begins, above all where 8-bit numbers are preferred and cannot be had."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch
from maquette.core import footing, pipeline
from maquette.core.config import GenerationRequest
from maquette.core.errors import PrecisionUnavailableError
from maquette.core.memory_ladder import Footing, Step
from maquette.tests.unit.tiny_native_pack import write_tiny_pack

pytestmark = pytest.mark.needs_torch

CPU = torch.device("cpu")


class Machine:
    """What this machine has, as far as `first_footing` asks."""

    device = CPU
    half = torch.bfloat16
    has_vnni = True
    has_openvino = True
    kind = "published"

    def dtype(self, device: torch.device, precision: str) -> torch.dtype:
        if precision != "int8":
            return self.half if precision == "auto" else torch.float32
        if not self.has_vnni:
            raise PrecisionUnavailableError("int8", missing="a CPU with VNNI")
        return torch.int8


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    here = Machine()
    monkeypatch.setattr(footing, "choose_device", lambda name: here.device)
    monkeypatch.setattr(footing, "choose_dtype", here.dtype)
    monkeypatch.setattr(footing.int8, "is_installed", lambda: here.has_openvino)
    monkeypatch.setattr(footing, "read_layout", lambda folder: here)
    monkeypatch.setattr(footing, "available_memory_bytes", lambda device: None)
    return here


def begin(precision: str) -> tuple[torch.dtype, str]:
    request = GenerationRequest(prompt="a chair", precision=precision)  # type: ignore[arg-type]
    first = footing.first_footing(request, Path())
    return first.footing.dtype, first.note


def test_8_bit_numbers_are_taken_where_everything_is_there(machine: Machine) -> None:
    assert begin("prefer_int8") == (torch.int8, "")


@pytest.mark.parametrize(
    ("half", "used"), [(torch.bfloat16, "half precision"), (torch.float32, "full precision")]
)
def test_what_is_missing_is_said_and_what_is_used_instead(
    machine: Machine, half: torch.dtype, used: str
) -> None:
    machine.half, machine.has_openvino = half, False
    note = f"8-bit numbers need OpenVINO, which the engine can have: used {used}"
    assert begin("prefer_int8") == (half, note)

    # Without the instructions, OpenVINO would not help.
    machine.has_vnni = False
    note = f"8-bit numbers need a processor with VNNI: used {used}"
    assert begin("prefer_int8") == (half, note)


def test_gpus_and_small_packs_go_their_own_way_without_a_word(machine: Machine) -> None:
    machine.has_vnni = machine.has_openvino = False
    machine.kind = "native"
    assert begin("prefer_int8") == (torch.float32, "")

    machine.device = torch.device("cuda:0")
    assert begin("prefer_int8") == (torch.bfloat16, "")


def test_whoever_asks_for_nothing_else_is_refused(machine: Machine) -> None:
    machine.has_vnni = False

    with pytest.raises(PrecisionUnavailableError):
        begin("int8")


def test_a_run_says_so_with_every_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tiny_pack(tmp_path / "tiny")
    first = Step(Footing(device=CPU, dtype=torch.float32, field_device=CPU), "used the other one")
    monkeypatch.setattr(pipeline, "first_footing", lambda *_: first)
    request = GenerationRequest(
        prompt="a red mushroom", resolution=16, texture_size=0, count=2, device="cpu"
    )

    run = pipeline.generate(
        request, tmp_path / "tiny", on_progress=lambda *_: None, cancel=threading.Event()
    )

    assert all("used the other one" in result.warnings for result in run)
    pipeline.release()
