# SPDX-License-Identifier: GPL-3.0-or-later
"""The command as a process, and the exit code of every failure that there is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from maquette.cli import errors as cli_errors
from maquette.cli.errors import EXIT_CODES_HELP, CommandError, ExitCode, exit_code
from maquette.cli.main import build_parser, run_command
from maquette.core import errors as core_errors
from maquette.core.history import HistoryFileError
from maquette.core.version import VERSION
from maquette.weights import errors as weights_errors

CODES = {
    core_errors.GenerationError: 1,
    HistoryFileError: 1,  # Only Blender reads such files.
    core_errors.EmptySurfaceError: 1,
    core_errors.NonFiniteError: 1,
    core_errors.InvalidRequestError: 2,
    core_errors.ImageInputError: 2,
    core_errors.LatentFileError: 2,
    core_errors.MeshInputError: 2,
    core_errors.UnknownPromptError: 2,
    core_errors.PromptListError: 2,
    core_errors.PackError: 3,
    core_errors.CheckpointError: 3,
    core_errors.DeviceUnavailableError: 4,
    core_errors.PrecisionUnavailableError: 4,
    core_errors.DeviceMemoryError: 4,
    core_errors.CancelledError: 130,
    weights_errors.WeightsError: 3,
    weights_errors.UnknownPackError: 2,
    weights_errors.WeightsMissingError: 3,
    weights_errors.WeightsDamagedError: 3,
    weights_errors.DownloadError: 3,
    weights_errors.OfflineError: 3,
    weights_errors.ImportFolderError: 3,
    weights_errors.DiskSpaceError: 5,
    weights_errors.PackFolderError: 5,
    weights_errors.PackBusyError: 3,
    weights_errors.FetchCancelledError: 130,
    cli_errors.CommandError: 1,
    cli_errors.UsageError: 2,
    cli_errors.OutputError: 5,
    cli_errors.InterruptedByUserError: 130,
}


def family(base: type[Exception]) -> Iterator[type[Exception]]:
    yield base
    for child in base.__subclasses__():
        yield from family(child)


@pytest.mark.parametrize("kind", CODES, ids=lambda kind: kind.__name__)
def test_every_failure_has_its_exit_code(kind):
    # Without its arguments: only the class decides.
    assert exit_code(kind.__new__(kind)) == CODES[kind]


def test_no_failure_is_forgotten():
    bases = (core_errors.GenerationError, weights_errors.WeightsError, CommandError)
    ours = {kind for base in bases for kind in family(base) if kind.__module__.startswith("maq")}

    assert ours - set(CODES) == {cli_errors.MissingPackageError}


@pytest.mark.parametrize(("package", "code"), [("bpy", 5), ("torch", 1)])
def test_a_missing_package_counts_as_what_it_is_for(package, code):
    assert exit_code(cli_errors.MissingPackageError(package, "install it")) == code


def test_the_help_of_each_command_documents_every_exit_code(capsys):
    for code in ExitCode:
        assert f"\n  {code.value} " in EXIT_CODES_HELP
    for command in ("generate", "doctor", "evaluate", "demo", "dataset"):
        with pytest.raises(SystemExit) as caught:
            build_parser().parse_args([command, "--help"])
        assert caught.value.code == 0
        assert EXIT_CODES_HELP.strip() in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [(), ("blorp",), ("generate", "--blorp"), ("weights",), ("doctor", "more"), ("evaluate", "-n")],
)
def test_wrong_arguments_get_one_line(capsys, words):
    assert run_command(words) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "--help)" in err


def run(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "maquette", *words]
    defaults = {"capture_output": True, "text": True, "timeout": 120, "check": False}
    return subprocess.run(command, **(defaults | options))


def test_python_m_maquette_is_the_command():
    done = run("--version")

    assert (done.returncode, done.stdout) == (0, f"maquette {VERSION}\n")


def test_help_needs_neither_torch_nor_blender():
    done = run("generate", "--help", env=os.environ | {"PYTHONPROFILEIMPORTTIME": "1"})

    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "maquette.cli.generate" in loaded
    assert not {"torch", "bpy", "open_clip", "huggingface_hub"} & loaded


def test_a_full_standard_output_is_told_and_has_its_code(tmp_path: Path):
    with open("/dev/full", "w") as full:
        done = run(
            "weights",
            "list",
            "--packs-folder",
            str(tmp_path),
            capture_output=False,
            stdout=full,
            stderr=subprocess.PIPE,
        )

    assert done.returncode == 5
    assert done.stderr == "maquette: cannot write standard output: no space left on device\n"


def test_a_reader_that_leaves_early_gets_no_traceback(tmp_path: Path):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = run(
            "weights",
            "list",
            "--packs-folder",
            str(tmp_path),
            capture_output=False,
            stdout=writer,
            stderr=subprocess.PIPE,
        )
    finally:
        os.close(writer)

    assert done.returncode == 1
    assert done.stderr == ""


def test_a_terminal_without_unicode_gets_escapes(tmp_path: Path):
    done = run(
        "generate",
        "蘑菇",
        "-o",
        "蘑.stl",
        env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )
    assert done.returncode == 2

    done = run(
        "generate",
        "x",
        "--image",
        "蘑.png",
        env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )

    assert done.stderr.startswith("maquette: cannot use image \\u8611.png: there is no such file")
