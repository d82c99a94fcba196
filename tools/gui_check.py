# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside Blender: tell whether tests/gui can run in it, by an exit status and a sentence."""

from __future__ import annotations

import sys
import time

import bpy

OLDEST = (4, 2, 0)
SLOW = 0.1
"""Seconds of one core for the product below: 0.01 with any tuned BLAS, 0.3 with the reference."""


def main() -> None:
    if bpy.app.version < OLDEST:
        sys.exit(f"Blender {bpy.app.version_string} is older than 4.2")
    try:
        import safetensors
        import torch
    except ImportError as error:
        sys.exit(f"Blender's Python cannot import what Maquette needs: {error}")
    seconds = _product_seconds(torch)
    if seconds > SLOW:
        sys.exit(f"torch multiplies {seconds / SLOW:.0f} times too slowly: its BLAS is not tuned")
    sys.stdout.write(
        f"Blender {bpy.app.version_string}, Python {sys.version.split()[0]}, torch "
        f"{torch.__version__}, safetensors {safetensors.__version__}: ready\n"
    )


def _product_seconds(torch) -> float:
    """Return what a layer of the starter pack costs; processor time, since others may be busy."""
    torch.set_num_threads(1)
    rows, weights = torch.randn(16384, 128), torch.randn(128, 128)
    best = float("inf")
    for _ in range(4):
        started = time.process_time()
        rows @ weights
        best = min(best, time.process_time() - started)
    return best


main()
