# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told about a result that is on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..core.mesh import GenerationResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """One result on disk."""

    result: GenerationResult
    files: tuple[Path, ...]
    """The main one first."""
    extra_seconds: dict[str, float]
    """Wall seconds of what came after the pipeline, such as `write`."""
    image_warnings: tuple[str, ...] = ()

    @property
    def seconds(self) -> dict[str, float]:
        """Wall seconds by stage, in the order the stages ran."""
        return self.result.stage_seconds | self.extra_seconds

    def to_json(self) -> dict[str, object]:
        """Return what `--json` tells about it."""
        mesh, record = self.result.mesh, self.result.record
        return {
            "prompt": record.prompt,
            "image": record.image_source,
            "mesh": record.settings.get("mesh_source", ""),
            "seed": record.seed,
            "files": [str(path) for path in self.files],
            "triangles": len(mesh.faces),
            "vertices": len(mesh.vertices),
            "texture_size": len(mesh.texture.pixels) if mesh.texture else 0,
            "seconds": {stage: round(value, 3) for stage, value in self.seconds.items()},
            "warnings": [*self.image_warnings, *self.result.warnings],
            "pack": record.pack,
            "pack_hash": record.pack_hash,
            "device": record.settings.get("device", ""),
        }

    def to_text(self) -> str:
        """Return one line about it."""
        triangles = f"{len(self.result.mesh.faces):,} triangles"
        seconds = f"{sum(self.seconds.values()):.1f} s"
        return f"{self.files[0]}  ({triangles}, seed {self.result.record.seed}, {seconds})"
