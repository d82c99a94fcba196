# SPDX-License-Identifier: GPL-3.0-or-later
"""Measurements that need a process of their own: peak memory, and Blender as a module.

Usage: python -m maquette.benchmarks.children official|starter|scene [arguments], prints JSON.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from .timing import Load

PROMPT = "a red mushroom with a white stem"
_STATUS = Path("/proc/self/status")


def ask(task: str, *arguments: object) -> dict[str, Any]:
    """Run a task in a fresh process and return what it found.

    Raises:
        RuntimeError: the process failed; the message is the end of what it wrote.
    """
    command = [sys.executable, "-m", __spec__.name, task, *map(str, arguments)]
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(f"{task} failed: {done.stderr.strip()[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def official(folder: str, num_steps: str, precision: str) -> dict[str, object]:
    """Make one textured mesh with networks of the published size."""
    from ..core.config import SamplerChanges

    sampler = SamplerChanges(num_steps=int(num_steps)) if int(num_steps) else None
    return _generate(Path(folder), pack="shap-e", sampler=sampler, precision=precision)


def starter() -> dict[str, object]:
    """Make one textured mesh with the starter pack."""
    from ..weights_fetch import pack_directory

    return _generate(pack_directory("starter", None), pack="starter")


def _generate(folder: Path, **asked: Any) -> dict[str, object]:
    from ..core import pipeline
    from ..core.config import GenerationRequest

    with Load() as load:
        (result,) = pipeline.generate(
            GenerationRequest(prompt=PROMPT, device="cpu", **asked),
            folder,
            on_progress=lambda stage, fraction: None,
            cancel=threading.Event(),
        )
    return {
        "peak_bytes": _peak_bytes(),
        "stage_seconds": result.stage_seconds,
        "triangles": len(result.mesh.faces),
        "precision": result.record.settings["precision"],
        "wall_seconds": load.wall_seconds,
        "cpu_seconds": load.cpu_seconds,
        "foreign_load": load.foreign_load,
    }


def scene(runs: str, way: str) -> dict[str, object]:
    """Make objects in Blender's scene with the starter pack, the first one uncounted.

    Args:
        runs: how many are counted.
        way: `texture` for all that the preset Normal sets, `colors` for its latent and grid with
            colors at the vertices of all triangles.
    """
    import bpy

    from ..core import pipeline
    from ..core.config import GenerationRequest, SamplerChanges, SurfaceConfig
    from ..operators import mesh_build, presets
    from ..weights_fetch import pack_directory

    normal, is_painted = presets.PRESETS["NORMAL"], way == "texture"
    found = []
    for seed in range(int(runs) + 1):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        request = GenerationRequest(
            prompt=PROMPT,
            seed=seed,
            device="cpu",
            sampler=SamplerChanges(num_steps=normal.steps),
            resolution=normal.resolution,
            texture_size=normal.texture_size if is_painted else 0,
            surface=SurfaceConfig(
                triangles=normal.triangles if is_painted else 0,
                normal_map=normal.normal_map and is_painted,
            ),
        )
        with Load() as load:
            (result,) = pipeline.generate(
                request,
                pack_directory("starter", None),
                on_progress=lambda stage, fraction: None,
                cancel=threading.Event(),
            )
            built = time.perf_counter()
            mesh_build.add_object(bpy.context, result, location=(0.0, 0.0, 0.0))
        stages = result.stage_seconds | {"object": time.perf_counter() - built}
        found.append(
            {
                "wall_seconds": load.wall_seconds,
                "cpu_seconds": load.cpu_seconds,
                "foreign_load": load.foreign_load,
                "stage_seconds": stages,
                "triangles": len(result.mesh.faces),
            }
        )
    return {"first": found[0], "warm": found[1:], "peak_bytes": _peak_bytes()}


def _peak_bytes() -> int:
    """Return the largest resident size of this process so far."""
    peak = re.search(r"^VmHWM:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    if peak is None:
        raise RuntimeError(f"{_STATUS} does not say how large this process was")
    return int(peak[1]) * 1024


TASKS = {"official": official, "starter": starter, "scene": scene}


if __name__ == "__main__":
    # torch is imported by core.device, which sets the thread policy first.
    from ..core import device

    device.limit_threads(0)
    sys.stdout.write(json.dumps(TASKS[sys.argv[1]](*sys.argv[2:])) + "\n")
