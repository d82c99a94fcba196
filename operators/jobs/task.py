# SPDX-License-Identifier: GPL-3.0-or-later
"""What the worker thread runs: no Blender, and the first import of torch."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ... import weights_fetch
from ...core.config import GenerationRequest
from ...core.mesh import GenerationResult
from ...core.worker import OnPreview, OnProgress
from ...engine import preload


@dataclass(frozen=True, slots=True)
class Task:
    """One request, with the folder of its pack."""

    request: GenerationRequest
    pack_dir: Path

    def __call__(
        self,
        on_progress: OnProgress,
        cancel: threading.Event,
        on_preview: OnPreview | None = None,
    ) -> Iterable[GenerationResult]:
        preload.load_libraries()  # Else the import below freezes the window for most of a second.
        from ...core import pipeline

        part = "text" if self.request.image is None else "image"
        return pipeline.generate(
            self.request,
            self.pack_dir,
            on_progress=on_progress,
            cancel=cancel,
            pack_hash=weights_fetch.pack_hash(self.pack_dir, part, cancel=cancel),
            on_preview=on_preview,
        )
