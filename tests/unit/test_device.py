# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing a device on machines that this one is not, by standing in for torch's answers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from maquette.core import device as devices
from maquette.core.device import (
    available_devices,
    available_memory_bytes,
    choose_device,
    choose_dtype,
    describe_device,
    limit_threads,
    translate_memory_errors,
)
from maquette.core.errors import (
    DeviceMemoryError,
    DeviceUnavailableError,
    InvalidRequestError,
    PrecisionUnavailableError,
)

CPU = torch.device("cpu")
CUDA = torch.device("cuda:0")
MPS = torch.device("mps")

RTX_4060 = ("NVIDIA GeForce RTX 4060", (8, 9))
WHEEL_TARGETS = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_120", "compute_120"]


class Machine:
    """Replaces what torch says about the machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.patch = monkeypatch
        self.has_gpus()
        self.has_mps(False)

    def has_gpus(
        self,
        *gpus: tuple[str, tuple[int, int]],
        targets: list[str] | None = None,
        hip: str | None = None,
    ) -> None:
        cuda = torch.cuda
        self.patch.setattr(cuda, "is_available", lambda: bool(gpus))
        self.patch.setattr(cuda, "device_count", lambda: len(gpus))
        self.patch.setattr(cuda, "get_arch_list", lambda: targets or WHEEL_TARGETS)
        self.patch.setattr(cuda, "get_device_name", lambda device: gpus[_index(device)][0])
        self.patch.setattr(cuda, "get_device_capability", lambda device: gpus[_index(device)][1])
        self.patch.setattr(
            cuda,
            "get_device_properties",
            lambda device: SimpleNamespace(name=gpus[_index(device)][0], total_memory=8 * 2**30),
        )
        self.patch.setattr(torch.version, "hip", hip)

    def has_mps(self, present: bool) -> None:
        self.patch.setattr(torch.backends.mps, "is_available", lambda: present)

    def has_cpu_flags(self, *flags: str, onednn: bool = True) -> None:
        capabilities = dict.fromkeys(flags, True) | {"avx2": True, "avx512_vp2intersect": False}
        self.patch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
        self.patch.setattr(torch.backends.mkldnn, "is_available", lambda: onednn)


def _index(device: int | torch.device) -> int:
    return device if isinstance(device, int) else device.index


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


@pytest.fixture
def keep_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_auto_is_the_cpu_where_there_is_nothing_else(machine: Machine) -> None:
    assert choose_device("auto") == CPU


def test_auto_takes_a_gpu_first_and_then_apples(machine: Machine) -> None:
    machine.has_mps(True)
    assert choose_device("auto") == MPS

    machine.has_gpus(RTX_4060)
    assert choose_device("auto") == CUDA


@pytest.mark.parametrize("name", ["cuda", "cuda:0", " CUDA "])
def test_cuda_without_a_number_is_the_first_gpu(machine: Machine, name: str) -> None:
    machine.has_gpus(RTX_4060, RTX_4060)

    assert choose_device(name) == CUDA


def test_a_second_gpu_is_chosen_by_number(machine: Machine) -> None:
    machine.has_gpus(RTX_4060, RTX_4060)

    assert choose_device("cuda:1") == torch.device("cuda:1")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_an_absent_device_is_refused_and_never_replaced(machine: Machine, name: str) -> None:
    with pytest.raises(DeviceUnavailableError, match="not available here: use cpu") as caught:
        choose_device(name)

    assert caught.value.device == name
    assert caught.value.available == ("cpu",)


def test_a_refusal_names_what_there_is(machine: Machine) -> None:
    machine.has_gpus(RTX_4060)

    with pytest.raises(DeviceUnavailableError, match=r"'cuda:3' is not .* use cuda:0 or cpu"):
        choose_device("cuda:3")


@pytest.mark.parametrize("name", ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "cuda:0 ; rm", "cuda:²"])
def test_a_name_that_is_no_device_is_a_mistake_in_the_request(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="device must be auto, cpu"):
        choose_device(name)


def test_a_gpu_older_than_this_build_of_torch_is_not_offered(machine: Machine) -> None:
    machine.has_gpus(("NVIDIA GeForce GTX 1060", (6, 1)), RTX_4060)

    assert available_devices() == ("cuda:1", "cpu")
    assert choose_device("cuda") == torch.device("cuda:1")
    with pytest.raises(DeviceUnavailableError):
        choose_device("cuda:0")


@pytest.mark.parametrize(
    ("targets", "capability", "is_usable"),
    [
        (["sm_80"], (8, 9), True),
        (["sm_86"], (8, 0), False),
        (["sm_80"], (9, 0), False),
        (["sm_80", "compute_80"], (9, 0), True),
        (["sm_90a"], (9, 0), True),
        (["sm_120"], (12, 0), True),
        (["compute_90"], (8, 9), False),
    ],
)
def test_kernels_run_on_later_minor_versions_of_their_gpu(
    machine: Machine, targets: list[str], capability: tuple[int, int], is_usable: bool
) -> None:
    machine.has_gpus(("some GPU", capability), targets=targets)

    assert (available_devices() == ("cuda:0", "cpu")) is is_usable


def test_rocm_is_used_through_cuda_and_named_rocm(machine: Machine) -> None:
    machine.has_gpus(("AMD Radeon RX 7900 XTX", (11, 0)), targets=["gfx1100"], hip="6.4")

    assert choose_device("auto") == CUDA
    assert describe_device(CUDA) == "AMD Radeon RX 7900 XTX (ROCm, 8.0 GiB)"
    assert choose_dtype(CUDA, "auto") == torch.bfloat16


def test_devices_are_named_with_their_memory(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.has_gpus(RTX_4060)
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 12 * 2**30)

    assert describe_device(CUDA) == "NVIDIA GeForce RTX 4060 (CUDA, 8.0 GiB)"
    assert describe_device(MPS) == "Apple GPU (MPS, 12.0 GiB)"


@pytest.mark.usefixtures("keep_threads")
def test_the_cpu_is_named_with_its_threads() -> None:
    torch.set_num_threads(2)
    assert describe_device(CPU) == "CPU, 2 threads"

    torch.set_num_threads(1)
    assert describe_device(CPU) == "CPU, 1 thread"


@pytest.mark.parametrize(
    ("name", "capability", "dtype"),
    [
        ("NVIDIA H100", (9, 0), torch.bfloat16),
        ("NVIDIA A100", (8, 0), torch.bfloat16),
        ("Tesla V100", (7, 0), torch.float16),
        ("NVIDIA GeForce RTX 2060", (7, 5), torch.float16),
        ("NVIDIA GeForce GTX 1660 SUPER", (7, 5), torch.float32),
        ("NVIDIA GeForce GTX 1650", (7, 5), torch.float32),
        ("NVIDIA T600 Laptop GPU", (7, 5), torch.float32),
        ("NVIDIA GeForce GTX 1080", (6, 1), torch.float32),
    ],
)
def test_gpus_compute_in_what_they_are_fast_and_sound_at(
    machine: Machine, name: str, capability: tuple[int, int], dtype: torch.dtype
) -> None:
    machine.has_gpus((name, capability))

    assert choose_dtype(CUDA, "auto") == dtype


def test_apple_gpus_compute_in_fp16() -> None:
    assert choose_dtype(MPS, "auto") == torch.float16


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16", "bf16", "sve_bf16"])
def test_a_cpu_with_bf16_instructions_uses_them(machine: Machine, flag: str) -> None:
    machine.has_cpu_flags(flag)

    assert choose_dtype(CPU, "auto") == torch.bfloat16


def test_a_cpu_without_bf16_instructions_computes_in_fp32(machine: Machine) -> None:
    machine.has_cpu_flags("avx512_f", "avx512_vnni")

    assert choose_dtype(CPU, "auto") == torch.float32


def test_bf16_instructions_that_torch_does_not_use_do_not_count(machine: Machine) -> None:
    machine.has_cpu_flags("bf16", onednn=False)

    assert choose_dtype(CPU, "auto") == torch.float32


@pytest.mark.parametrize(
    ("text", "dtype"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2 avx512_bf16\n", torch.bfloat16),
        ("processor\t: 0\nFeatures\t: fp asimd bf16\n", torch.bfloat16),
        ("processor\t: 0\nflags\t\t: fpu avx2 avx512f\n", torch.float32),
        ("", torch.float32),
        (None, torch.float32),
    ],
)
def test_older_torch_leaves_the_question_to_the_kernel(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None, dtype: torch.dtype
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    if text is not None:
        cpuinfo.write_text(text)
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.setattr(devices, "_CPUINFO", cpuinfo)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)

    assert choose_dtype(CPU, "auto") == dtype


@pytest.mark.parametrize("device", [CPU, CUDA, MPS])
def test_a_precision_that_was_asked_for_is_used(device: torch.device) -> None:
    assert choose_dtype(device, "fp32") == torch.float32
    assert choose_dtype(device, "bf16") == torch.bfloat16
    assert choose_dtype(device, "fp16") == torch.float16


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="got 'int4'"):
        choose_dtype(CPU, "int4")


@pytest.mark.parametrize("flag", ["avx512_vnni", "avx_vnni", "amx_int8"])
def test_int8_is_used_where_it_was_asked_for_and_the_cpu_can(machine: Machine, flag: str) -> None:
    machine.has_cpu_flags(flag)

    assert choose_dtype(CPU, "int8") == torch.int8
    assert choose_dtype(CPU, "auto") != torch.int8


def test_int8_is_refused_where_products_would_saturate(machine: Machine) -> None:
    machine.has_cpu_flags("avx512_bw")

    with pytest.raises(PrecisionUnavailableError, match="int8 needs a CPU with VNNI"):
        choose_dtype(CPU, "int8")


@pytest.mark.parametrize("device", [CUDA, MPS])
def test_int8_is_not_for_gpus(device: torch.device) -> None:
    with pytest.raises(InvalidRequestError, match=f"for the CPU alone, got device {device}"):
        choose_dtype(device, "int8")


@pytest.mark.usefixtures("keep_threads")
@pytest.mark.parametrize(
    ("initial", "allowed", "reserved", "expected"),
    [(8, 8, 1, 7), (8, 4, 1, 3), (1, 8, 0, 1), (2, 2, 2, 1), (2, 2, 5, 1)],
)
def test_reserved_cores_stay_free_and_one_is_always_used(
    monkeypatch: pytest.MonkeyPatch, initial: int, allowed: int, reserved: int, expected: int
) -> None:
    monkeypatch.setattr(devices, "_INITIAL_THREADS", initial)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(allowed)), raising=False)

    assert limit_threads(reserved) == expected
    assert torch.get_num_threads() == expected


@pytest.mark.skipif(sys.platform != "linux", reason="the report is that of GNU's OpenMP")
def test_waiting_threads_sleep_when_torch_is_loaded_by_this_module() -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY",)}

    result = subprocess.run(
        [sys.executable, "-c", "import maquette.core.device"],
        env=environment | {"OMP_DISPLAY_ENV": "verbose"},
        capture_output=True,
        text=True,
        check=True,
    )

    # Without the policy it is 300000 turns of a busy loop.
    assert "GOMP_SPINCOUNT = '0'" in result.stderr


def test_main_memory_is_read_from_the_kernel(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       25000000 kB\nMemAvailable:    1048576 kB\n")
    monkeypatch.setattr(devices, "_MEMINFO", meminfo)
    monkeypatch.setattr(sys, "platform", "linux")

    assert available_memory_bytes(CPU) == 2**30


def test_unknown_main_memory_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(devices, "_MEMINFO", tmp_path / "missing")
    monkeypatch.setattr(sys, "platform", "darwin")

    assert available_memory_bytes(CPU) is None


def test_gpu_memory_is_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (3 * 2**30, 8 * 2**30))
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 12 * 2**30)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 5 * 2**30)

    assert available_memory_bytes(CUDA) == 3 * 2**30
    assert available_memory_bytes(MPS) == 7 * 2**30


def test_a_real_allocation_that_fails_becomes_a_memory_error() -> None:
    with (
        pytest.raises(DeviceMemoryError, match="cpu ran out of memory") as caught,
        translate_memory_errors(CPU, required_bytes=3 * 2**30),
    ):
        torch.empty(2**60, dtype=torch.uint8)

    assert caught.value.device == "cpu"
    assert caught.value.required_bytes == 3 * 2**30


def test_numpy_and_gpus_running_out_become_memory_errors() -> None:
    with pytest.raises(DeviceMemoryError), translate_memory_errors(CPU, required_bytes=1):
        np.empty(2**60, dtype=np.uint8)

    for error in (
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.31 GiB"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ):
        with (
            pytest.raises(DeviceMemoryError, match="cuda:0 ran out"),
            translate_memory_errors(CUDA, required_bytes=1),
        ):
            raise error


def test_other_errors_pass_unchanged() -> None:
    with (
        pytest.raises(RuntimeError, match="shapes cannot be multiplied"),
        translate_memory_errors(CPU, required_bytes=1),
    ):
        torch.zeros(2, 3) @ torch.zeros(2, 3)
