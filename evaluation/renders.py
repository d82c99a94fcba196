# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of ground truth that no training has seen: Blender's Cycles, in a process of its own.

Training renders shapes by its own rasteriser under its own lights. Here light bounces, shadows
fall, lenses and surfaces differ, so that a pack which learnt one renderer by heart is found out.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.errors import CancelledError, PackError
from ..training.shapes.builder import Shape
from .ground_truth import shape_surface

SIDE = 224
"""Pixels per side."""

_RESOLUTION = 96
_LOOK_SECONDS = 0.2
_ADVICE = "pip install bpy, on Python 3.11 for Blender up to 5.0 and on 3.13 from 5.1"


def missing_blender() -> str:
    """Return why there can be no renders on this machine; empty if there can."""
    if importlib.util.find_spec("bpy") is None:
        return f"needs Blender's module for its pictures: {_ADVICE}"
    return ""


class Studio:
    """Takes pictures; a context manager that ends its process.

    The process starts with the first picture, which then takes some seconds more.
    """

    def __init__(self, cancel: threading.Event) -> None:
        self._cancel = cancel
        self._folder = tempfile.TemporaryDirectory(prefix="maquette-renders-")
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Studio:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._folder.cleanup()

    def picture(
        self, shape: Shape, *, seed: int, has_background: bool, side: int = SIDE
    ) -> NDArray[np.uint8]:
        """Return one picture of a shape, sRGB with straight alpha, top row first, [S, S, 4].

        Args:
            shape: what to show.
            seed: of camera, lights, surface and surroundings.
            has_background: a floor and a sky; else the object alone on a transparent ground.
            side: pixels per side, S.

        Raises:
            CancelledError: cancelled in between.
            PackError: Blender failed.
        """
        folder = Path(self._folder.name)
        vertices, faces, colors = shape_surface(shape, _RESOLUTION)
        np.savez(folder / "shape.npz", vertices=vertices, faces=faces, colors=colors)
        task = {
            "shape": str(folder / "shape.npz"),
            "picture": str(folder / "picture.png"),
            "seed": seed,
            "has_background": has_background,
            "side": side,
        }
        answer = self._ask(json.dumps(task))
        if answer != "ok":
            raise PackError("blender", f"Cycles made no picture: {answer or 'it ended'}")
        with Image.open(folder / "picture.png") as picture:
            return np.array(picture.convert("RGBA"), dtype=np.uint8)

    def _ask(self, line: str) -> str:
        """Send a task and return the answer, which is empty if the process has ended."""
        process = self._ready()
        assert process.stdin is not None and process.stdout is not None
        answers: list[str] = []
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
        except OSError:
            return ""
        stream = process.stdout
        reader = threading.Thread(target=lambda: answers.append(stream.readline()), daemon=True)
        reader.start()
        while reader.is_alive():
            reader.join(_LOOK_SECONDS)
            if self._cancel.is_set():
                process.kill()
                raise CancelledError
        return answers[0].strip()

    def _ready(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.renders_blender"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
        return self._process
