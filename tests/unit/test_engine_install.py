# SPDX-License-Identifier: GPL-3.0-or-later
"""The real pip, on wheels of a few bytes in a folder, without any connection."""

from __future__ import annotations

import importlib.util
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from maquette.engine import installer, loading, plan, process
from maquette.engine.errors import (
    EngineCancelledError,
    EngineError,
    EngineFolderError,
    EngineInstallError,
    EngineLoadError,
    EngineOfflineError,
)
from maquette.engine.folder import EngineFolder, Receipt
from maquette.engine.packages import Package
from maquette.engine.pip_output import PipOutput
from maquette.engine.plan import SetupPlan, make_plan, variants_here
from maquette.tests.unit.wheels import make_wheel

TINY = (
    Package("maquette-test-one", "1.2", "maquette_test_one", 1_000),
    Package("maquette-test-two", "3.0", "maquette_test_two", 3_000),
)


@pytest.fixture
def folder(tmp_path) -> EngineFolder:
    return EngineFolder(tmp_path / "engine")


@pytest.fixture
def wheels(tmp_path, monkeypatch) -> Path:
    """Two packages that no index has."""
    return tiny_wheels(tmp_path / "wheels", monkeypatch)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Iterator[Run]:
    """One installation that went well, for every test that only looks at it."""
    place = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        run = Run(EngineFolder(place / "engine"), tiny_wheels(place / "wheels", patch))
        run.receipt = run()
        yield run


def tiny_wheels(place: Path, patch: pytest.MonkeyPatch) -> Path:
    patch.setattr(plan, "PACKAGES", TINY)
    # Torch is there, from this environment; the check would otherwise load much.
    patch.setattr(installer, "_LOADED_IN_CHECK", ("maquette_test_one", "maquette_test_two"))
    for package in TINY:
        files = {f"{package.module}/__init__.py": "x = 1\n"}
        make_wheel(place, package.name, package.version, files)
    return place


def planned(folder: EngineFolder, wheels: Path | None) -> SetupPlan:
    return make_plan(folder, variants_here()[0], wheels=wheels)


class Run:
    """One call of `install`, and what it told."""

    def __init__(self, folder: EngineFolder, wheels: Path | None) -> None:
        self.folder = folder
        self.plan = planned(folder, wheels)
        self.log: list[str] = []
        self.stages: list[tuple[str, float]] = []
        self.cancel = threading.Event()
        self.receipt: Receipt

    def __call__(self, *, online: bool = False) -> Receipt:
        return installer.install(
            self.plan,
            online=online,
            on_progress=lambda stage, fraction: self.stages.append((stage, fraction)),
            cancel=self.cancel,
            log=self.log,
        )

    def assert_nothing_is_left_over(self) -> None:
        assert not self.folder.unfinished.exists()
        assert not self.folder.temporary.exists()


def test_packages_from_a_folder_end_up_complete_and_importable(finished, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    folder = finished.folder

    assert finished.receipt.packages == {"maquette-test-one": "1.2", "maquette-test-two": "3.0"}
    assert finished.receipt.size > 0
    assert folder.is_installed and folder.receipt() == finished.receipt
    finished.assert_nothing_is_left_over()
    loading.activate(folder)
    found = importlib.util.find_spec("maquette_test_two")
    assert found is not None and Path(str(found.origin)).is_relative_to(folder.packages)


def test_progress_never_goes_back_and_names_the_packages(finished):
    fractions = [fraction for _, fraction in finished.stages]

    assert fractions == sorted(fractions)
    assert 0.9 < fractions[-1] <= 1.0
    names = [stage for stage, _ in finished.stages]
    assert {"Starting", "Reading maquette-test-one", "Unpacking", "Checking"} <= set(names)


def test_the_log_has_the_command_and_stays_on_disk(finished):
    assert finished.plan.command in finished.log
    stored = finished.folder.log.read_text(encoding="utf-8")
    assert "Successfully installed maquette-test-one-1.2" in stored


def test_a_package_that_does_not_load_is_not_put_into_place(folder, wheels):
    before = installed_before(folder)
    make_wheel(
        wheels, "maquette-test-two", "3.0", {"maquette_test_two/__init__.py": "import nosuchlib\n"}
    )
    run = Run(folder, wheels)

    with pytest.raises(EngineLoadError, match="nosuchlib"):
        run()

    assert folder.receipt() == before
    assert (folder.packages / "works.py").is_file()
    run.assert_nothing_is_left_over()


def installed_before(folder: EngineFolder) -> Receipt:
    receipt = Receipt(variant="cpu", packages={}, torch="2.0", size=1)
    folder.unfinished.mkdir(parents=True)
    (folder.unfinished / "works.py").write_text("")
    folder.write_receipt(receipt)
    folder.finish()
    return receipt


def test_a_wheel_that_is_not_there_is_named(folder, wheels):
    for each in wheels.glob("maquette_test_two*"):
        each.unlink()
    run = Run(folder, wheels)

    with pytest.raises(EngineInstallError, match="maquette-test-two is not offered there"):
        run()

    assert not folder.is_installed
    assert any("maquette-test-two" in line for line in run.log)
    run.assert_nothing_is_left_over()


def test_without_permission_no_program_is_started(folder, wheels, monkeypatch):
    monkeypatch.setattr(installer, "run", None)

    with pytest.raises(EngineOfflineError):
        Run(folder, None)(online=False)

    assert not folder.root.exists()


def test_a_disk_without_room_is_told_before_pip_runs(folder, wheels, monkeypatch):
    monkeypatch.setattr(installer, "run", None)
    monkeypatch.setattr(plan, "UNPACKED_FACTOR", 1e15)

    with pytest.raises(EngineFolderError, match="free"):
        Run(folder, wheels)()


def test_a_set_up_that_is_cancelled_leaves_nothing(folder, wheels):
    run = Run(folder, wheels)
    run.cancel.set()

    with pytest.raises(EngineCancelledError):
        run()

    assert not folder.is_installed
    run.assert_nothing_is_left_over()


def test_a_command_that_cannot_be_started_is_an_error_of_ours(folder, wheels, monkeypatch):
    run = Run(folder, wheels)
    object.__setattr__(run.plan.pip, "command", (str(folder.root / "no such python"),))

    with pytest.raises(EngineError):
        run()


def listen(*lines: str) -> PipOutput:
    output = PipOutput(make_plan(EngineFolder(Path("/x")), variants_here()[0]), ignore, [])
    for line in lines:
        output(line)
    return output


def ignore(stage: str, fraction: float) -> None:
    """Take a report of progress and do nothing with it."""


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
         "the disk is full"),
        ("WARNING: Retrying after connection broken by 'NewConnectionError(...)'",
         "the index could not be reached"),
        ("ERROR: No matching distribution found for torch==2.13.0+cpu",
         "torch is not offered there"),
        ("ERROR: something nobody thought of", "something nobody thought of"),
        ("Killed", "pip ended with an error"),
    ],
)  # fmt: skip
def test_what_pip_says_last_becomes_a_reason(line, reason):
    assert listen("Collecting torch", line).error().reason == reason


def test_a_broken_connection_explains_a_package_that_was_not_found():
    output = listen(
        "WARNING: Retrying after connection broken by 'ReadTimeoutError'",
        "ERROR: No matching distribution found for torch==2.13.0+cpu",
    )

    assert output.error().reason == "the index could not be reached"


def test_bytes_move_the_bar_within_the_share_of_their_wheel(monkeypatch):
    monkeypatch.setattr(plan, "PACKAGES", TINY)
    monkeypatch.setattr(loading, "absent_without", lambda _folder, modules: frozenset(modules))
    heard = []
    output = PipOutput(
        make_plan(EngineFolder(Path("/x")), variants_here()[0]),
        lambda stage, fraction: heard.append((stage, round(fraction, 4))),
        [],
    )

    for line in (
        "  Downloading maquette_test_one-1.2-py3-none-any.whl.metadata (1 kB)",
        "  Downloading maquette_test_one-1.2-py3-none-any.whl (1 kB)",
        "Progress 500 of 1000",
        "  Downloading maquette_test_two-3.0-py3-none-any.whl (3 kB)",
        "Progress 1500 of 3000",
        "Progress 3000 of 3000",
    ):
        output(line)

    one, two = "Fetching maquette-test-one", "Fetching maquette-test-two"
    assert heard == [(one, 0.0), (one, 0.0875), (two, 0.175), (two, 0.4375), (two, 0.7)]
    assert not [line for line in output.lines if line.startswith("Progress")]


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_both_streams_are_heard_line_by_line():
    lines: list[str] = []
    code = "import sys; print('one', flush=True); print('zwei ü', file=sys.stderr); sys.exit(7)"

    status = process.run(
        python(code),
        environment={"PYTHONIOENCODING": "utf-8"},
        on_line=lines.append,
        cancel=threading.Event(),
    )

    assert (status, sorted(lines)) == (7, ["one", "zwei ü"])


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_program_that_does_not_want_to_stop_is_stopped_with_its_children():
    cancel = threading.Event()
    code = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    pids: list[int] = []

    def on_line(line: str) -> None:
        pids.append(int(line))
        cancel.set()

    with pytest.raises(EngineCancelledError):
        process.run(python(code), environment={}, on_line=on_line, cancel=cancel)

    deadline = time.monotonic() + 20.0
    while is_running(pids[0]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(pids[0])


def is_running(pid: int) -> bool:
    """A child whose parent is gone may stay a zombie for a moment."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
