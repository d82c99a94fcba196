# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading keeps about one copy of the weights in memory, whatever is converted on the way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.needs_torch

MEMORY_PROGRAM = """
import os, sys
from pathlib import Path
import torch
from torch import nn
from safetensors.torch import save_file
from maquette.core.checkpoint.key_maps import KeyMap
from maquette.core.checkpoint.loader import load_module

folder = Path(sys.argv[1])

def kilobytes(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))

width = 2

def build():
    return nn.Sequential(*(nn.Linear(width, width, bias=False) for _ in range(12)))

def load(name, dtype):
    path = folder / f"{width}-{name}"
    return load_module(build, path, lambda names: KeyMap(holds="", entries=None), dtype=dtype)

def in_a_fresh_process(task, *args):
    # Memory that one task frees would otherwise be there for the next one.
    child = os.fork()
    if child == 0:
        task(*args)
        sys.stdout.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0

def prepare():
    with torch.device("meta"):
        shapes = {name: t.shape for name, t in build().state_dict().items()}
    state = {name: torch.full(shape, 0.5) for name, shape in shapes.items()}
    torch.save(state, folder / f"{width}-full.pt")
    save_file({name: t.half() for name, t in state.items()}, folder / f"{width}-half.safetensors")

def measure(name, dtype):
    # What torch itself loads on first use, much in a build for GPUs, is not what is measured.
    global width
    load(name, dtype)
    width = 2048
    Path("/proc/self/clear_refs").write_text("5")  # Resets the high-water mark.
    before = kilobytes("VmRSS")
    module = load(name, dtype)
    size = sum(p.numel() * p.element_size() for p in module.parameters())
    print((kilobytes("VmHWM") - before) * 1024 / size)

def prepare_both():
    global width
    prepare()
    width = 2048
    prepare()

in_a_fresh_process(prepare_both)
in_a_fresh_process(measure, "full.pt", torch.float32)
in_a_fresh_process(measure, "half.safetensors", torch.float32)
in_a_fresh_process(measure, "full.pt", torch.bfloat16)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_peak_memory_stays_near_one_copy(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", MEMORY_PROGRAM, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr

    same, widened, narrowed = (float(line) for line in result.stdout.split())
    # Copies of the loaded weights, the window of the file included. Less than one would mean
    # that the measurement has missed the load.
    assert 0.95 < same < 1.3
    assert 0.95 < widened < 1.3
    assert 0.95 < narrowed < 1.6
