# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether freed memory really goes back to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import torch
from maquette.core.device import release_cached_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

for _ in range(3):  # The allocator of glibc keeps what is freed from the second time on.
    layers = [torch.ones(1024, 1024) for _ in range(100)]
    held = resident()
    del layers
release_cached_memory()
print(held - resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_a_model_took_is_given_back():
    finished = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, timeout=300, check=True
    )

    assert int(finished.stdout) > 0.9 * 400 * 2**20
