# SPDX-License-Identifier: GPL-3.0-or-later
"""torch's libraries are in the process before torch is imported, and torch still works."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOOK = """
import sys
from pathlib import Path
from maquette.engine import preload

def mapped():
    return "libtorch_cpu" in Path("/proc/self/maps").read_text()

assert not mapped()
preload.load_libraries()
print(mapped(), "torch" in sys.modules)
import torch
print(int(torch.ones(3) @ torch.ones(3)))
preload.load_libraries()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_libraries_are_loaded_without_importing_torch():
    finished = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True)

    assert finished.stderr == ""
    assert finished.stdout.split() == ["True", "False", "3"]


WITHOUT = """
import sys
sys.path[:] = [place for place in sys.path if "site-packages" not in place]
from importlib.util import find_spec
assert find_spec("torch") is None
preload.load_libraries()
"""


def test_without_torch_nothing_happens():
    code = f"from maquette.engine import preload\n{WITHOUT}"

    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (finished.returncode, finished.stderr) == (0, "")
