# SPDX-License-Identifier: GPL-3.0-or-later
"""Every test starts from Blender's factory settings with the extension enabled.

The extension is loaded under its importable name `maquette`, so that its classes are the ones
that the tests import; the built zip is tried under its real name in test_extension_zip.py.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

EXPECTED_VERSION = os.environ.get("MAQUETTE_EXPECT_BPY", "")

# Read by bpy when it is imported: no test may see or touch the preferences of this machine.
_user_folder = tempfile.TemporaryDirectory(prefix="maquette-blender-")
os.environ["BLENDER_USER_RESOURCES"] = _user_folder.name

collect_ignore_glob: list[str] = []
try:
    import bpy  # isort: skip - it makes addon_utils importable
    import addon_utils
except ImportError:
    if EXPECTED_VERSION:
        raise
    # The other tests run on machines without Blender, and pytest may be given the whole folder.
    collect_ignore_glob.append("test_*.py")

from maquette import weights_fetch  # noqa: E402
from maquette.core.mesh import (  # noqa: E402 - imported after bpy, as in Blender
    GenerationRecord,
    GenerationResult,
    MeshData,
    TextureData,
)

_EXIT_STATUS = pytest.StashKey[int]()

TIMEOUT = 10.0  # Seconds; reached only when something hangs.

FACE_COLORS = np.array(
    [[200, 30, 40], [188, 100, 20], [20, 160, 90], [128, 128, 128], [40, 60, 210], [255, 255, 255]],
    dtype=np.uint8,
)
"""sRGB of each side of the cube, [6, 3]."""


def pytest_report_header() -> str:
    if collect_ignore_glob:
        return "NOT TESTED: tests/blender, since the bpy package is not installed"
    return f"bpy {bpy.app.version_string}, Python {sys.version.split()[0]}"


def pytest_sessionstart() -> None:
    # Two bpy packages can lie on one path; running the wrong one would prove nothing.
    if EXPECTED_VERSION and not bpy.app.version_string.startswith(EXPECTED_VERSION):
        pytest.exit(f"expected bpy {EXPECTED_VERSION}, got {bpy.app.version_string}", 3)


@pytest.fixture(autouse=True)
def extension(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[types.ModuleType]:
    """Enable the extension in an empty scene, and disable it afterwards."""
    monkeypatch.setenv("HOME", str(tmp_path))
    # Some Blenders here have no torch, which only test_engine.py is about.
    monkeypatch.setattr("maquette.engine.loading.missing", lambda *_: ())
    bpy.ops.wm.read_factory_settings(use_empty=True)
    module = addon_utils.enable("maquette", default_set=True)
    assert module is not None
    yield module
    addon_utils.disable("maquette", default_set=True)


class FakePipeline(types.ModuleType):
    """Stands in for core.pipeline, so that no torch is needed and every ending can be tried."""

    def __init__(self) -> None:
        super().__init__("maquette.core.pipeline")
        self.requests = []
        self.results = []
        self.error = None

    def has_models(self):
        return False

    def generate(self, request, pack_dir, *, on_progress, cancel, pack_hash, on_preview=None):
        self.requests.append(request)
        for index, result in enumerate(self.results):
            on_progress("Sampling", index / len(self.results))
            yield result
        if self.error is not None:
            raise self.error


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakePipeline:
    """Replace the pipeline and the look-up of the pack."""
    import maquette.core
    from maquette.operators import packs

    fake = FakePipeline()
    monkeypatch.setitem(sys.modules, fake.__name__, fake)
    monkeypatch.setattr(maquette.core, "pipeline", fake, raising=False)
    # A folder of its own: the worker reads every file in it, while tests write beside it.
    pack = tmp_path / "pack"
    pack.mkdir()
    monkeypatch.setattr(packs, "directory_of", lambda *_: pack)
    return fake


class Timer:
    """The timer of jobs, called by the test instead of by an event loop."""

    def __init__(self) -> None:
        from maquette.operators import jobs
        from maquette.operators.jobs import pump, queue

        self.tick = pump.tick
        self.live = queue.live
        self.stop = jobs.stop

    def until_idle(self) -> None:
        for _ in range(2000):
            if self.tick() is None:
                return
            threading.Event().wait(0.005)
        raise AssertionError("the jobs never ended")

    def wait_for_workers(self) -> None:
        """Return when what the workers made lies ready to be read by the next tick."""
        for job in self.live:
            if job.worker is not None:
                assert job.worker.join(TIMEOUT)


@pytest.fixture
def window_mode(monkeypatch: pytest.MonkeyPatch) -> Iterator[Timer]:
    """Behave as with an event loop: operators return at once, the test calls the timer."""
    from maquette.operators.jobs import host

    monkeypatch.setattr(host, "has_event_loop", lambda: True)
    timer = Timer()
    yield timer
    timer.stop()


@pytest.fixture
def pack_for_prompts(tmp_path: Path) -> Iterator[str]:
    """Return the id of a pack of the user's own that takes no images and reads no meshes."""
    folder = tmp_path / "own packs" / "spoken"
    folder.mkdir(parents=True)
    (folder / "prior.safetensors").write_bytes(b"content")
    entry = {"size": 7, "sha256": hashlib.sha256(b"content").hexdigest()}
    content = {"format": 1, "id": "spoken", "title": "Spoken"}
    content["files"] = {"prior.safetensors": entry}
    (folder / "pack.json").write_text(json.dumps(content), encoding="utf-8")
    known = dict(weights_fetch.PACKS)
    preferences = bpy.context.preferences.addons["maquette"].preferences
    preferences.packs_folder = str(folder.parent)
    yield "spoken"
    preferences.packs_folder = ""
    weights_fetch.PACKS.clear()
    weights_fetch.PACKS.update(known)


class Gate:
    """A pipeline that stands still where the test wants it to."""

    def __init__(self, results) -> None:
        self.results = results
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self, request, pack_dir, *, on_progress, cancel, pack_hash, on_preview=None):
        on_progress("Sampling", 0.25)
        self.reached.set()
        while not self.open.wait(0.001):
            on_progress("Sampling", 0.5)
        yield from self.results


@pytest.fixture
def make_gate(pipeline: FakePipeline) -> Callable[..., Gate]:
    """Return a function that makes the pipeline wait, before it yields its results, for a test."""

    def make(*results: GenerationResult) -> Gate:
        gate = pipeline.generate = Gate(results)
        return gate

    return make


@pytest.fixture
def make_result() -> Callable[..., GenerationResult]:
    """Return a function that makes a finished variant: a cube whose sides have known colours."""
    return _make_result


def _make_result(
    name: str = "Red Cube", *, seed: int = 7, texture: bool = True, warnings: tuple[str, ...] = ()
) -> GenerationResult:
    return GenerationResult(
        name=name,
        mesh=_cube(64 if texture else 0),
        record=GenerationRecord(
            prompt="a red cube, ein roter Würfel 红色立方体",
            image_source="",
            seed=seed,
            pack="starter",
            pack_hash="0123456789abcdef",
            settings={"resolution": 128, "target_size": 1.0, "sampler": "dpmpp_2m"},
            version="0.1.0",
        ),
        stage_seconds={"Sampling": 1.0},
        warnings=warnings,
    )


def _cube(texture_size: int) -> MeshData:
    """A cube of 1 m on the ground; side i has the colour FACE_COLORS[i] in its cell of a 3 x 2
    grid on the texture, and corner (x, y, z) the linear colour (x, y, z) before centring."""
    corners = np.array([[i & 1, i >> 1 & 1, i >> 2] for i in range(8)], dtype=np.float32)
    quads = [[0, 4, 6, 2], [1, 3, 7, 5], [0, 1, 5, 4], [2, 6, 7, 3], [0, 2, 3, 1], [4, 5, 7, 6]]
    faces = np.array([[[a, b, c], [a, c, d]] for a, b, c, d in quads], dtype=np.int32)
    centred = corners - np.array([0.5, 0.5, 0.0], dtype=np.float32)
    outward = centred - np.array([0.0, 0.0, 0.5], dtype=np.float32)
    return MeshData(
        vertices=centred,
        faces=faces.reshape(-1, 3),
        normals=outward / np.linalg.norm(outward, axis=1, keepdims=True),
        vertex_colors=corners,
        texture=_sides(texture_size) if texture_size else None,
    )


def _sides(size: int) -> TextureData:
    pixels = np.full((size, size, 4), 255, dtype=np.uint8)
    uvs = np.empty((6, 2, 3, 2), dtype=np.float32)
    for side, color in enumerate(FACE_COLORS):
        column, row = side % 3, side // 3
        rows = slice(row * size // 2, (row + 1) * size // 2)
        pixels[rows, column * size // 3 : (column + 1) * size // 3 + 1, :3] = color
        low = np.array([column / 3 + 0.05, row / 2 + 0.05])
        high = np.array([(column + 1) / 3 - 0.05, (row + 1) / 2 - 0.05])
        a, b, c, d = low, (high[0], low[1]), high, (low[0], high[1])
        uvs[side] = [[a, b, c], [a, c, d]]
    return TextureData(pixels=pixels, corner_uvs=uvs.reshape(-1, 3, 2), num_islands=6)


@pytest.fixture
def face_colors() -> np.ndarray:
    """sRGB of each side of the cube of make_result, [6, 3]."""
    return FACE_COLORS


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End the process here, because bpy 4.5 now and then never does.

    One of its C++ destructors destroys a condition variable that a thread of its own still waits
    for, and waits for that thread in turn.
    """
    _user_folder.cleanup()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(config.stash.get(_EXIT_STATUS, 1)))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remember how the tests went, for `pytest_unconfigure`."""
    session.config.stash[_EXIT_STATUS] = int(exitstatus)
