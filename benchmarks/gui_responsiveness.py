# SPDX-License-Identifier: GPL-3.0-or-later
"""How the real application feels while the starter pack generates: stalls, cancelling, endurance.

Without a GPU the viewport is drawn by the processor, on which everything else waits; compare with
`redraws_alone` and `blenders_own_mesh`, and see `longest_of_our_own_ms` for what Maquette itself
takes.

Usage: tools/gui_blender.sh python -m maquette.benchmarks.gui_responsiveness [--save]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..tests.gui.driver.application import Application
from ..tests.gui.driver.panel import Panel, open_tab
from ..tests.gui.driver.screen import Screen
from ..tests.gui.driver.viewport import Viewport
from .timing import load, save

ROOT = Path(__file__).resolve().parents[1]
PROBES = Path(__file__).parent / "gui_probes.py"
PROMPT = "a red mushroom with a white stem"
STAGES = (
    "Starting",
    "Sampling",
    "Finding the surface",
    "Unwrapping",
    "Painting the texture",
)
LARGE = "resolution=192, triangle_budget='KEEP'"
"""Makes about 200,000 triangles of the prompt above."""

LANDING = "Adding to the scene"

RUN_SECONDS = 600.0
DONE = "probes.last_job() == 'DONE'"


def main() -> None:
    """Print and perhaps save the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--zip", type=Path, default=next((ROOT / "dist").glob("*.zip"), None))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--only", nargs="+", help="measure these; --save keeps the others")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/")
    arguments = parser.parse_args()
    with _blender(arguments.zip) as (app, screen):
        sidebar = open_tab(app, screen, "Maquette")
        parts: dict[str, Callable[[], dict[str, object]]] = {
            "idle": lambda: _idle(app),
            "redraws_alone": lambda: _redraws(app),
            "blenders_own_mesh": lambda: _own_mesh(app),
            "first_run": lambda: _stalls(app, sidebar, 1),
            "warm_runs": lambda: _stalls(app, sidebar, arguments.runs),
            "large_mesh": lambda: _stalls(app, sidebar, 1, LARGE),
            "cancel": lambda: _cancels(app, sidebar),
            "endurance": lambda: _endurance(app, screen, arguments.cycles),
            "quit": lambda: _quit(app, screen),
        }
        results: dict[str, object] = {"blender": app.ask("bpy.app.version_string")}
        for name in arguments.only or parts:
            before = os.getloadavg()[0]
            results[name] = parts[name]() | {"load_average": [before, os.getloadavg()[0]]}
            sys.stdout.write(f"{name}: {results[name]}\n")
            sys.stdout.flush()
    if arguments.save:
        sys.stdout.write(
            f"saved {save('gui_responsiveness', load('gui_responsiveness') | results)}\n"
        )


@contextmanager
def _blender(built_zip: Path) -> Iterator[tuple[Application, Screen]]:
    with tempfile.TemporaryDirectory() as folder:
        app, screen = Application(os.environ["BLENDER"], Path(folder)), Screen()
        try:
            install = ("--command", "extension", "install-file", "--repo", "user_default")
            app.command(*install, "--enable", str(built_zip))
            app.start(screen)
            app.ask("bpy.ops.wm.read_homefile(app_template='')")
            app.ask(PROBES.read_text(encoding="utf-8"))
            app.ask("own = Own()")
            yield app, screen
        finally:
            app.close()
            screen.close()


def _choose(app: Application, settings: str = "") -> None:
    app.ask(f"probes.choose(prompt={PROMPT!r}, preset='NORMAL')")
    if settings:
        app.ask(f"probes.choose({settings})")


def _idle(app: Application) -> dict[str, object]:
    """What the ticks are worth on this machine when Blender does nothing."""
    app.ask("ticks = Ticks()")
    time.sleep(5.0)
    return _summary(app.ask("ticks.stop()"))


def _redraws(app: Application) -> dict[str, object]:
    """What drawing the viewport costs here without a generation; much, without a GPU."""
    app.ask("redraws = Redraws()")
    try:
        return _idle(app)
    finally:
        app.ask("redraws.stop()")


def _own_mesh(app: Application) -> dict[str, object]:
    """How long the window stands still when Blender adds a mesh of 200,000 triangles itself."""
    gaps = []
    for _ in range(3):
        app.ask("ticks = Ticks()")
        app.ask("bpy.ops.mesh.primitive_grid_add(x_subdivisions=316, y_subdivisions=316)")
        time.sleep(2.0)
        gaps += app.ask("ticks.stop()")
        app.ask("clear()")
    return _summary(gaps)


def _stalls(app: Application, sidebar: Panel, runs: int, settings: str = "") -> dict[str, object]:
    """Generate, and tell the gaps in which the result came in from all others."""
    _choose(app, settings)
    app.ask("own.longest = 0.0")
    gaps = []
    for _ in range(runs):
        app.ask("clear()")  # Each finds the same scene.
        sidebar.find("maquette.generate")
        known = app.ask("len(bpy.context.window_manager.maquette.jobs)")
        app.ask("ticks = Ticks()")
        sidebar.click("maquette.generate")
        app.wait_until(
            f"len(bpy.context.window_manager.maquette.jobs) > {known} and {DONE}", RUN_SECONDS
        )
        gaps += app.ask("ticks.stop()")
    return {
        "generating": _summary([gap for gap in gaps if gap[2] != LANDING]),
        "landing": _summary([gap for gap in gaps if gap[2] == LANDING]),
        "longest_of_our_own_ms": _ms(app.ask("own.longest")),
        "triangles": app.ask("len(bpy.context.object.data.polygons)"),
    }


def _summary(gaps: list[tuple[float, float, str]]) -> dict[str, object]:
    walls = sorted(gap[0] for gap in gaps)
    longest = sorted(gaps, reverse=True)[:4]
    return {
        "ticks": len(gaps),
        "median_ms": _ms(statistics.median(walls)),
        "p99_ms": _ms(walls[int(len(walls) * 0.99)]),
        "longest_ms": [
            {"wall": _ms(wall), "computing": _ms(computing), "stage": stage}
            for wall, computing, stage in longest
        ],
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 1)


def _cancels(app: Application, sidebar: Panel) -> dict[str, object]:
    """Cancel in each stage: until the panel is free again, and until the thread has ended."""
    _choose(app, LARGE)
    found: dict[str, object] = {}
    for stage in STAGES:
        sidebar.find("maquette.generate")
        app.ask(f"cancel = Cancel({stage!r})")
        sidebar.click("maquette.generate")
        app.wait_until("cancel.is_over", RUN_SECONDS)
        shown, thread = app.ask("[cancel.shown_seconds, cancel.thread_seconds]")
        found[stage] = {"shown_s": round(shown, 3), "thread_s": round(thread, 3)}
    return found


def _endurance(app: Application, screen: Screen, cycles: int) -> dict[str, object]:
    """Generate, undo, redo and load again and again; the file stays of one size."""
    viewport = Viewport(app, screen)
    path = str(app.profile / "endurance.blend")
    app.ask("bpy.ops.wm.read_homefile(app_template='')")
    sidebar = open_tab(app, screen, "Maquette")  # Saved with the file, so open when it is loaded.
    app.ask(f"probes.choose(prompt={PROMPT!r}, preset='DRAFT', texture_size=128)")
    app.ask(f"bpy.ops.wm.save_as_mainfile(filepath={path!r})")
    memory: list[int] = []
    started = time.monotonic()
    for cycle in range(cycles):
        app.ask(f"probes.choose(seed={cycle})")
        sidebar.click("maquette.generate")
        app.wait_until(f"len(probes.objects()) == 1 and not probes.running() and {DONE}", 120.0)
        viewport.press("ctrl+z")
        app.wait_until("not probes.objects()")
        viewport.press("ctrl+shift+z")
        app.wait_until("len(probes.objects()) == 1")
        app.ask(f"bpy.ops.wm.open_mainfile(filepath={path!r})")
        app.wait_until("not probes.objects()")
        memory.append(_resident_bytes(app.process_id))
    warm = min(20, cycles // 4)
    before = statistics.median(memory[warm : warm + 10])
    after = statistics.median(memory[-10:])
    return {
        "cycles": cycles,
        "seconds": round(time.monotonic() - started, 1),
        "memory_mib_every_20": [round(each / 2**20) for each in memory[::20]],
        "growth_percent": round(100.0 * (after / before - 1.0), 2),
    }


def _quit(app: Application, screen: Screen) -> dict[str, object]:
    """Quit in the middle of a run: how long it takes until the process has ended, and how."""
    viewport = Viewport(app, screen)
    _choose(app, "steps=1024")
    app.ask(f"bpy.ops.wm.save_as_mainfile(filepath={str(app.profile / 'quit.blend')!r})")
    app.ask("probes.run('maquette.generate')")
    app.wait_until("bpy.context.window_manager.maquette.fraction > 0.02", RUN_SECONDS)
    viewport.point()
    screen.press("ctrl+q")
    status, seconds = app.wait_for_end(60.0)
    return {"status": status, "seconds": round(seconds, 2)}


def _resident_bytes(process_id: int) -> int:
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmRSS")))


if __name__ == "__main__":
    main()
