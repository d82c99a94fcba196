# SPDX-License-Identifier: GPL-3.0-or-later
"""One Blender with the built extension for all tests, each of which begins with a new file.

`make test-gui` runs these; they need the program that BLENDER names and what tools/gui_blender.sh
sets up beside it. After a failure, build/gui has a picture and Blender's output.
"""

from __future__ import annotations

import os
import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from maquette.tests.gui.driver.application import Application
from maquette.tests.gui.driver.panel import Panel, open_tab
from maquette.tests.gui.driver.screen import Rectangle, Screen
from maquette.tests.gui.driver.viewport import Viewport

ROOT = Path(__file__).resolve().parents[2]
REPORTS = ROOT / "build" / "gui"
GUIDE_IMAGES = ROOT / "docs" / "user-guide" / "images"
PROGRAM = os.environ.get("BLENDER", "")

NEW_FILE = "bpy.ops.wm.read_homefile(app_template='')"

collect_ignore_glob = [] if PROGRAM else ["test_*.py"]


def pytest_report_header() -> str:
    if not PROGRAM:
        return "NOT TESTED: tests/gui, which `make test-gui` runs in the real application"
    return f"Blender at {PROGRAM}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--zip", type=Path, help="the extension to test instead of that in dist")
    parser.addoption(
        "--save-pictures", action="store_true", help="renew the pictures of docs/user-guide"
    )


@pytest.fixture(scope="session")
def built_zip(request: pytest.FixtureRequest) -> Path:
    """Return the extension's zip, which `make build` has left."""
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    default = ROOT / "dist" / f"{manifest['id']}-{manifest['version']}.zip"
    path = request.config.getoption("--zip") or default
    assert path.is_file(), f"{path} is missing: run make build"
    return path


@pytest.fixture(scope="session")
def screen() -> Iterator[Screen]:
    screen = Screen()
    yield screen
    screen.close()


@pytest.fixture(scope="session")
def installed(built_zip: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """Install the zip with Blender's own command into a new profile; no window yet."""
    app = Application(PROGRAM, tmp_path_factory.mktemp("profile"))
    app.command(
        "--command",
        "extension",
        "install-file",
        "--repo",
        "user_default",
        "--enable",
        str(built_zip),
    )
    yield app
    app.close()


@pytest.fixture
def app(installed: Application, screen: Screen) -> Application:
    """Return the running Blender with a new file open; after a crash, another one."""
    if not installed.is_running:
        installed.close()
        installed.start(screen)
    installed.ask(NEW_FILE)
    screen.press("Escape")  # The splash, or a menu that a failed test has left open.
    installed.settle()
    return installed


@pytest.fixture
def sidebar(app: Application, screen: Screen) -> Panel:
    """Return the sidebar of the 3D viewport with our tab open."""
    return open_tab(app, screen, "Maquette")


@pytest.fixture
def viewport(app: Application, screen: Screen) -> Viewport:
    """Return the 3D viewport."""
    return Viewport(app, screen)


@pytest.fixture
def picture(
    request: pytest.FixtureRequest, app: Application, screen: Screen
) -> Callable[..., None]:
    """Return a function that takes a picture for the guide; all of it or a part."""

    def take(name: str, crop: Rectangle | None = None) -> None:
        REPORTS.mkdir(parents=True, exist_ok=True)
        app.settle()
        screen.still_picture(REPORTS / name, crop)
        if request.config.getoption("--save-pictures"):
            GUIDE_IMAGES.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPORTS / name, GUIDE_IMAGES / name)

    return take


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """After a failure keep what was on the screen, and what Blender has said."""
    report = yield
    if report.failed:
        REPORTS.mkdir(parents=True, exist_ok=True)
        path = REPORTS / f"failed-{item.name}"
        if "screen" in item.funcargs:
            item.funcargs["screen"].picture(path.with_suffix(".png"))
        if "installed" in item.funcargs:
            shutil.copy(item.funcargs["installed"].log, path.with_suffix(".log"))
    return report
