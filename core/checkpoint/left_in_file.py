# SPDX-License-Identifier: GPL-3.0-or-later
"""A tensor that stays in its file: read when it is needed, and then given back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from ..errors import CheckpointError
from .key_maps import Entry
from .reader import WeightsFile


class LeftInFile:
    """Values in a file that was checked when the rest of it was loaded."""

    def __init__(self, weights: WeightsFile, entry: Entry) -> None:
        self._weights, self._entry = weights, entry
        self._stamp = self._look()

    @property
    def is_as_it_was(self) -> bool:
        """Whether the file is still the one that was checked."""
        return self._look() == self._stamp

    @contextmanager
    def __call__(self) -> Iterator[Tensor]:
        """Map the values, read-only; they must not outlive the block.

        Raises:
            CheckpointError: the file is not what it was any more.
        """
        if not self.is_as_it_was:
            raise CheckpointError(self._weights.path, "was changed while in use: try again")
        with self._weights.mapped() as tensor_of:
            yield self._entry.layout.assemble([tensor_of(each) for each in self._entry.sources])

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self._weights.path.stat()
        except OSError:
            return None
        return found.st_size, found.st_mtime_ns
