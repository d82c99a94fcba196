# SPDX-License-Identifier: GPL-3.0-or-later
"""From a prompt to a textured .blend with the starter pack on the CPU, warm, stage by stage.

Usage: python -m maquette.benchmarks.starter [--runs 5] [--threads 2] [--save]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from .timing import peak_memory_bytes, save

_PROMPT = "a red mushroom with a white stem"


def main() -> None:
    """Print the stage table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/")
    arguments = parser.parse_args()
    # torch is imported by core.device, which sets the thread policy first.
    from ..core import device  # noqa: F401
    import torch  # isort: skip

    torch.set_num_threads(arguments.threads)
    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for run in range(arguments.runs + 1):
            rows.append(_one(Path(folder) / f"{run}.blend", seed=run))
    first, warm = rows[0], rows[1:]
    medians = {stage: statistics.median(row[stage] for row in warm) for stage in warm[0]}
    lines = [f"{'stage':12} {'warm median s':>14} {'first s':>9}"]
    lines += [f"{stage:12} {medians[stage]:14.3f} {first[stage]:9.3f}" for stage in medians]
    lines.append(f"peak memory {peak_memory_bytes() / 2**20:.0f} MiB, Blender's own included")
    sys.stdout.write("\n".join(lines) + "\n")
    if arguments.save:
        results = {
            "prompt": _PROMPT,
            "runs": arguments.runs,
            "threads": arguments.threads,
            "warm_median_seconds": medians,
            "first_seconds": first,
            "peak_memory_bytes": peak_memory_bytes(),
        }
        sys.stdout.write(f"saved {save('starter', results)}\n")


def _one(path: Path, seed: int) -> dict[str, float]:
    import bpy

    from ..core import pipeline
    from ..core.config import GenerationRequest
    from ..operators import mesh_build
    from ..weights_fetch import pack_directory

    started = time.perf_counter()
    request = GenerationRequest(prompt=_PROMPT, seed=seed, device="cpu")
    (result,) = pipeline.generate(
        request,
        pack_directory("starter", None),
        on_progress=lambda stage, fraction: None,
        cancel=threading.Event(),
    )
    generated = time.perf_counter()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    mesh_build.add_object(bpy.context, result, location=(0.0, 0.0, 0.0))
    built = time.perf_counter()
    bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=True)
    saved = time.perf_counter()
    return result.stage_seconds | {
        "object": built - generated,
        "save": saved - built,
        "whole": saved - started,
    }


if __name__ == "__main__":
    main()
