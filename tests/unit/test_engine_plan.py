# SPDX-License-Identifier: GPL-3.0-or-later
"""What set-up would do, and where: nothing here starts a program."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import pytest
from maquette.engine import loading, plan, tools
from maquette.engine.errors import EngineFolderError, EngineToolError, EngineUnsupportedError
from maquette.engine.folder import EngineFolder, Receipt, check_path_length, tree_size
from maquette.engine.packages import PACKAGES
from maquette.engine.plan import make_plan, suggest_variant, variants_here
from maquette.engine.tools import Pip


@pytest.fixture
def folder(tmp_path) -> EngineFolder:
    return EngineFolder(tmp_path / "engine")


@pytest.fixture
def computer(monkeypatch):
    """Return a function that makes plans for another computer, without any of the packages."""

    def become(system: str, machine: str) -> None:
        monkeypatch.setattr(plan, "_system", lambda: system)
        monkeypatch.setattr(plan, "_machine", lambda: machine)
        monkeypatch.setattr(loading, "absent_without", lambda _folder, modules: frozenset(modules))

    return become


def test_the_command_is_complete_and_resolves_nothing(folder, computer):
    computer("linux", "x86_64")

    made = make_plan(folder, "cpu")

    assert made.arguments[1:4] == ("-I", "-m", "pip")
    for option in ("--no-deps", "--only-binary=:all:", "--no-input"):
        assert option in made.arguments
    assert f"--target={folder.unfinished}" in made.arguments
    assert f"--cache-dir={folder.cache}" in made.arguments
    assert "--extra-index-url=https://download.pytorch.org/whl/cpu" in made.arguments
    assert "torch==2.13.0+cpu" in made.arguments
    asked = [each for each in made.arguments if "==" in each]
    always = [p for p in PACKAGES if "linux" in p.systems and not p.is_cuda and not p.is_int8]
    assert len(asked) == len(always)
    assert not [each for each in made.arguments if each.startswith("numpy")]


@pytest.mark.parametrize(
    ("system", "machine", "variant", "torch", "index", "num_nvidia"),
    [
        ("linux", "x86_64", "cuda", "torch==2.13.0", None, 15),
        ("linux", "x86_64", "rocm", "torch==2.13.0+rocm7.2", "rocm7.2", 0),
        ("win32", "x86_64", "cpu", "torch==2.13.0", None, 0),
        ("win32", "x86_64", "cuda", "torch==2.13.0+cu130", "cu130", 0),
        ("darwin", "arm64", "mps", "torch==2.13.0", None, 0),
    ],
)
def test_each_computer_gets_its_own_build(
    folder, computer, system, machine, variant, torch, index, num_nvidia
):
    computer(system, machine)

    made = make_plan(folder, variant)

    assert torch in made.requirements
    indexes = [each for each in made.arguments if each.startswith("--extra-index-url")]
    assert [each.rpartition("/")[2] for each in indexes] == ([index] if index else [])
    assert len([each for each in made.requirements if each.startswith("nvidia")]) == num_nvidia
    assert ("colorama==0.4.6" in made.requirements) == (system == "win32")


def test_the_download_is_the_sum_of_the_wheels(folder, computer):
    computer("linux", "x86_64")

    assert 0.2e9 < make_plan(folder, "cpu").download_bytes < 0.25e9
    assert 2.3e9 < make_plan(folder, "cuda").download_bytes < 2.8e9
    assert make_plan(folder, "rocm").download_bytes is None
    assert make_plan(folder, "rocm").disk_bytes > 10e9


@pytest.mark.parametrize(
    ("system", "machine", "variant", "is_there"),
    [
        ("linux", "x86_64", "cpu", True),
        ("win32", "x86_64", "cuda", True),
        ("linux", "aarch64", "cpu", False),
        ("darwin", "arm64", "mps", False),
    ],
)
def test_8_bit_integers_are_added_where_they_are_asked_for_and_of_use(
    folder, computer, system, machine, variant, is_there
):
    computer(system, machine)

    made = make_plan(folder, variant, with_int8=True)

    assert plan.offers_int8() == is_there
    assert [each for each in made.requirements if each.startswith("openvino")] == (
        ["openvino==2026.4.1"] if is_there else []
    )
    without = make_plan(folder, variant)
    assert not [each for each in without.requirements if each.startswith("openvino")]
    assert made.download_bytes is None or (
        (made.download_bytes - (without.download_bytes or 0) == 84_970_000) == is_there
    )


def test_without_an_index_any_build_of_the_version_will_do(folder, computer):
    computer("linux", "x86_64")

    made = make_plan(folder, "cpu", index="")

    assert "torch==2.13.0" in made.requirements
    assert not [each for each in made.arguments if "index-url" in each]


def test_from_wheels_nothing_is_asked_over_the_network(folder, computer, tmp_path):
    computer("linux", "x86_64")

    made = make_plan(folder, "cpu", wheels=tmp_path)

    assert "--no-index" in made.arguments
    assert f"--find-links={tmp_path}" in made.arguments
    assert not [each for each in made.arguments if "://" in each]


def test_what_blender_has_already_is_left_alone(folder, monkeypatch):
    absent = {"open_clip", "timm"}
    monkeypatch.setattr(loading, "absent_without", lambda _folder, modules: frozenset(absent))

    made = make_plan(folder, variants_here()[0])

    assert {package.module for package in made.packages} == absent
    assert "torch" in [package.name for package in made.present]
    assert made.index == ""  # Where torch is not installed, its index has nothing to offer.


@pytest.mark.parametrize(
    ("system", "machine", "variant", "advice"),
    [
        ("darwin", "x86_64", "cpu", "use another computer"),
        ("win32", "x86_64", "rocm", "choose the CPU or NVIDIA GPUs"),
        ("linux", "x86_64", "mps", "choose the CPU"),
    ],
)
def test_a_build_that_does_not_exist_is_refused_with_the_others(
    folder, computer, system, machine, variant, advice
):
    computer(system, machine)

    with pytest.raises(EngineUnsupportedError) as caught:
        make_plan(folder, variant)

    assert caught.value.advice.startswith(advice)


def test_a_gpu_that_shows_itself_is_suggested(computer, monkeypatch):
    computer("linux", "x86_64")
    monkeypatch.setattr(plan, "_has_nvidia_driver", lambda: True)
    assert suggest_variant() == "cuda"

    computer("darwin", "arm64")
    assert suggest_variant() == "mps"


def test_an_old_pip_is_not_asked_for_bytes():
    assert Pip(("pip",), (24, 1)).progress == "raw"
    assert Pip(("pip",), (23, 2)).progress == "off"


def test_without_pip_one_is_run_from_its_wheel(monkeypatch, tmp_path):
    monkeypatch.setattr(tools, "_wheel_folders", lambda _wheels: [tmp_path / "no", tmp_path])
    monkeypatch.setattr(tools.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(EngineToolError, match="pip"):
        tools.find_pip(Path(sys.executable))

    (tmp_path / "pip-26.1-py3-none-any.whl").write_bytes(b"")

    found = tools.find_pip(Path("/python"))
    assert found.command == ("/python", "-I", str(tmp_path / "pip-26.1-py3-none-any.whl" / "pip"))
    assert found.version == (26, 1)


def test_blender_itself_is_not_taken_for_python(monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / f"python3.{sys.version_info.minor}"
    program.write_bytes(b"")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", "/opt/blender/blender")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert tools.blender_python() == program

    monkeypatch.setattr(sys, "prefix", str(tmp_path / "nowhere"))
    with pytest.raises(EngineToolError):
        tools.blender_python()


def test_an_engine_appended_is_found_last_and_only_if_complete(folder, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    folder.packages.mkdir(parents=True)
    (folder.packages / "onlyhere.py").write_text("x = 1")
    (folder.packages / "numpy").mkdir()
    (folder.packages / "numpy" / "__init__.py").write_text("raise SystemExit")
    assert loading.missing(folder, ("onlyhere", "nowhere")) == ("nowhere",)

    loading.activate(folder)
    assert str(folder.packages) not in sys.path  # No receipt: it was never finished.

    complete(folder)
    loading.activate(folder)
    loading.activate(folder)
    assert sys.path[-1] == str(folder.packages)
    assert sys.path.count(str(folder.packages)) == 1
    found = importlib.util.find_spec("onlyhere")
    assert found is not None and str(found.origin).startswith(str(folder.packages))
    numpy = PathFinder.find_spec("numpy", sys.path)
    assert numpy is not None and not str(numpy.origin).startswith(str(folder.packages))
    assert loading.absent_without(folder, ("onlyhere2", "numpy")) == {"onlyhere2"}

    loading.deactivate(folder)
    assert str(folder.packages) not in sys.path


def complete(folder: EngineFolder) -> None:
    receipt = Receipt(variant="cpu", packages={"torch": "2.13.0"}, torch="2.13.0+cpu", size=1)
    folder.unfinished.mkdir(parents=True, exist_ok=True)
    folder.write_receipt(receipt)
    (folder.unfinished / "maquette-engine.json").rename(folder.packages / "maquette-engine.json")


def test_a_folder_without_code_is_no_package(folder):
    (folder.packages / "torchless").mkdir(parents=True)

    assert loading.missing(folder, ("torchless",)) == ("torchless",)


def test_removing_takes_only_what_set_up_wrote(folder):
    for place in (folder.packages, folder.unfinished, folder.cache, folder.temporary):
        place.mkdir(parents=True)
        (place / "file").write_bytes(b"12345")
    folder.log.write_text("log")
    folder.remove_later()
    other = folder.root / "of the user.txt"
    other.write_text("mine")
    assert folder.is_to_be_removed
    assert tree_size(folder.packages) == 5

    folder.remove()

    assert list(folder.root.iterdir()) == [other]
    other.unlink()
    folder.remove()
    assert not folder.root.exists()


def test_a_receipt_that_cannot_be_read_counts_as_none(folder):
    folder.packages.mkdir(parents=True)
    (folder.packages / "maquette-engine.json").write_text('{"variant": "cpu"')

    assert folder.receipt() is None


def test_a_folder_that_cannot_be_written_is_told_before_anything_starts(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(EngineFolderError):
        EngineFolder(tmp_path / "file" / "engine").check()


def test_a_full_disk_is_told_before_anything_starts(folder):
    folder.require_space(1)

    with pytest.raises(EngineFolderError, match=r"it needs 1000000000\.0 GB"):
        folder.require_space(10**18)


def test_on_windows_a_path_must_leave_room_for_the_longest_file_of_torch():
    check_path_length(Path(r"C:\Users\SomeArtist\AppData\Local\maquette\engine"))

    with pytest.raises(EngineFolderError, match="longer than 54"):
        check_path_length(Path("C:/" + "x" * 52))
