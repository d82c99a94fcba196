# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line without networks and without Blender: both are replaced where it calls them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from maquette import weights_fetch
from maquette.cli import blend_export, engine
from maquette.cli.main import run_command
from maquette.core.config import GenerationRequest, SamplerConfig
from maquette.core.errors import CancelledError
from maquette.core.mesh import GenerationRecord, GenerationResult, MeshData
from maquette.core.naming import object_name

TEXT_SAMPLER = SamplerConfig(num_steps=7, guidance_scale=3.0)
IMAGE_SAMPLER = SamplerConfig(num_steps=9, guidance_scale=2.0)


def tetrahedron() -> MeshData:
    """Return the smallest closed mesh."""
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=np.float32)
    return MeshData(
        vertices=corners,
        faces=np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], dtype=np.int32),
        normals=np.full((4, 3), 3**-0.5, dtype=np.float32),
        vertex_colors=corners,
    )


@dataclass
class FakeDescription:
    """What describe_pack answers."""

    sampler: SamplerConfig = TEXT_SAMPLER
    image_sampler: SamplerConfig | None = IMAGE_SAMPLER


@dataclass
class FakePipeline:
    """Yields a tetrahedron for each variant, unless told to fail."""

    requests: list[GenerationRequest] = field(default_factory=list)
    pack_hashes: list[str] = field(default_factory=list)
    error: Exception | None = None
    """Raised instead of the variant whose number is `fails_at`."""
    fails_at: int = 0
    during: Callable[[], None] = lambda: None
    """Called in the middle of each variant."""
    warnings: tuple[str, ...] = ()
    num_made: int = 0

    def describe_pack(self, pack_dir: Path) -> Any:
        return FakeDescription()

    def generate(
        self,
        request: GenerationRequest,
        pack_dir: Path,
        *,
        on_progress: Callable[[str, float], None],
        cancel: threading.Event,
        pack_hash: str = "",
    ) -> Iterator[GenerationResult]:
        self.requests.append(request)
        self.pack_hashes.append(pack_hash)
        for index in range(request.count):
            on_progress("Sampling", index / request.count)
            if self.error is not None and self.num_made == self.fails_at:
                raise self.error
            self.during()
            if cancel.is_set():
                raise CancelledError
            on_progress("Meshing", (index + 0.9) / request.count)
            self.num_made += 1
            yield self._result(request, request.seed + index)

    def _result(self, request: GenerationRequest, seed: int) -> GenerationResult:
        source = request.image.source if request.image else ""
        return GenerationResult(
            name=object_name(request.prompt or source),
            mesh=tetrahedron(),
            record=GenerationRecord(
                prompt=request.prompt,
                image_source=source,
                seed=seed,
                pack=request.pack,
                pack_hash="0123456789abcdef",
                settings={"device": "cpu"},
                version="0",
            ),
            stage_seconds={"sample": 0.5, "mesh": 0.25},
            warnings=self.warnings,
        )


@dataclass
class CommandLine:
    """`maquette` in a folder of its own."""

    folder: Path
    pipeline: FakePipeline
    capture: pytest.CaptureFixture[str]
    out: str = ""
    err: str = ""

    def __call__(self, *words: str) -> int:
        code = run_command(words)
        self.out, self.err = self.capture.readouterr()
        return code

    @property
    def answer(self) -> dict[str, Any]:
        """The one JSON object on standard output."""
        assert self.out.count("\n") == 1
        answer = json.loads(self.out)
        assert isinstance(answer, dict)
        return answer

    @property
    def sentence(self) -> str:
        """The one line on standard error that tells what went wrong."""
        (line,) = [x for x in self.err.splitlines() if x.startswith("maquette: ")]
        return line.removeprefix("maquette: ")

    @property
    def files(self) -> list[str]:
        """Everything in the folder, hidden files included."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))


def build_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> CommandLine:
    """Return a command line whose pipeline and Blender are fakes, in an empty folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MAQUETTE_PACKS", str(tmp_path / "packs"))
    pipeline = FakePipeline()
    monkeypatch.setattr(engine, "load_pipeline", lambda: pipeline)
    monkeypatch.setattr(weights_fetch, "pack_directory", lambda *_: tmp_path)
    monkeypatch.setattr(weights_fetch, "pack_hash", lambda *_: "0123456789abcdef")
    monkeypatch.setattr(blend_export, "require_bpy", lambda: None)
    monkeypatch.setattr(blend_export, "open_scene", lambda result, *, with_levels=False: None)
    monkeypatch.setattr(blend_export, "write_file", write_file)
    return CommandLine(folder, pipeline, capsys)


def write_file(result: GenerationResult, path: Path) -> None:
    """Stand in for Blender: the file tells what would be in it."""
    path.write_text(f"{result.record.prompt} {result.record.seed}", encoding="utf-8")
    if path.suffix == ".obj":
        path.with_suffix(".mtl").write_text("materials")
