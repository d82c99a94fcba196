# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run tells of itself: lines of JSON, and TensorBoard's files where that is installed.

A run that goes on from a checkpoint forgets what it had told beyond it, in both.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

logger = logging.getLogger(__name__)

BOARD_FOLDER = "tensorboard"
"""Under the run's folder: `tensorboard --logdir RUN/tensorboard` shows every stage."""


class Journal:
    """The log of one stage, written by the first process alone."""

    def __init__(self, name: str, folder: Path, *, is_writer: bool) -> None:
        self.path = folder / f"{name}.jsonl"
        self._name = name
        self._board_folder = folder / BOARD_FOLDER / name
        self._is_writer = is_writer
        self._board: Any = None

    def begin(self, step: int) -> None:
        """Go on after `step` steps; what was told beyond is taken back."""
        if not self._is_writer:
            return
        if self.path.exists():
            lines = self.path.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if json.loads(line)["step"] <= step]
            if len(kept) < len(lines):
                self.path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        self._board = _open_board(self._board_folder, step)

    def write(self, step: int, seconds: float, values: Mapping[str, float]) -> None:
        """Tell some numbers of the steps up to `step`."""
        if not self._is_writer:
            return
        row = {"step": step, "seconds": round(seconds, 1)}
        row |= {name: round(value, 5) for name, value in values.items()}
        logger.info("%s %s", self._name, row)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def show(self, step: int, pictures: Mapping[str, Tensor]) -> None:
        """Show pictures, each RGB in [0, 1], [3, H, W]."""
        if self._board is not None:
            for name, picture in pictures.items():
                self._board.add_image(name, picture.clamp(0, 1), step)

    def close(self) -> None:
        """Write what is not on disk yet."""
        if self._board is not None:
            self._board.close()
            self._board = None


def _open_board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        logger.info("TensorBoard is not installed, so only .jsonl logs are written")
        return None
    # Rows of a run that was killed may lie beyond its checkpoint.
    return SummaryWriter(str(folder), purge_step=step + 1)
