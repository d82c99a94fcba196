# SPDX-License-Identifier: GPL-3.0-or-later
"""What fails on the command line itself, and the exit code of every failure."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

from ..core import errors as core_errors
from ..weights.errors import (
    DiskSpaceError,
    FetchCancelledError,
    PackBusyError,
    PackFolderError,
    UnknownPackError,
    WeightsError,
)


class ExitCode(IntEnum):
    """What the shell is told; part of the documented interface."""

    OK = 0
    FAILED = 1
    BAD_INPUT = 2
    PACK = 3
    DEVICE = 4
    OUTPUT = 5
    INTERRUPTED = 130


EXIT_CODES_HELP = """\
exit codes:
  0    done
  1    the generation failed, or a mesh that was checked has problems
  2    the command line, the prompt, the image or a setting cannot be used
  3    the model pack is missing, damaged or has no model for this
  4    the device is not there or ran out of memory
  5    the output cannot be written
  130  interrupted
"""


class CommandError(Exception):
    """Base of the failures that only the command line knows; each message is one sentence."""


class UsageError(CommandError):
    """The arguments do not fit together."""


class OutputError(CommandError):
    """A file, or standard output, cannot be written."""

    def __init__(self, target: Path | str, reason: str) -> None:
        super().__init__(f"cannot write {target}: {reason}")
        self.target = target
        self.reason = reason


class MissingPackageError(CommandError):
    """A Python package that the command needs is not installed."""

    def __init__(self, package: str, advice: str) -> None:
        super().__init__(f"this needs the Python package {package}, which is not there: {advice}")
        self.package = package


class InterruptedByUserError(CommandError):
    """Ctrl-C, or a request to terminate."""

    def __init__(self) -> None:
        super().__init__("interrupted; nothing was left half-written")


EXPECTED = (CommandError, core_errors.GenerationError, WeightsError)
"""Failures that the user can do something about; anything else is a bug."""


def exit_code(error: Exception) -> ExitCode:
    """Return the exit code for a failure."""
    match error:
        case InterruptedByUserError() | core_errors.CancelledError() | FetchCancelledError():
            return ExitCode.INTERRUPTED
        case UsageError() | core_errors.InvalidRequestError() | UnknownPackError():
            return ExitCode.BAD_INPUT
        case PackBusyError():
            return ExitCode.PACK
        case OutputError() | DiskSpaceError() | PackFolderError():
            return ExitCode.OUTPUT
        case core_errors.PackError() | core_errors.CheckpointError() | WeightsError():
            return ExitCode.PACK
        case (
            core_errors.DeviceUnavailableError()
            | core_errors.PrecisionUnavailableError()
            | core_errors.DeviceMemoryError()
        ):
            return ExitCode.DEVICE
        case MissingPackageError(package="bpy"):
            return ExitCode.OUTPUT
        case _:
            return ExitCode.FAILED


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn the system's errors into an OutputError that names the target."""
    try:
        yield
    except OSError as error:
        raise output_error(target, error) from error


def output_error(target: Path | str, error: OSError) -> OutputError:
    """Say in words why the system refused to write."""
    elsewhere = "choose another place with -o"
    match error.errno:
        case errno.ENOENT:
            reason = "its folder does not exist, create it first"
        case errno.ENOSPC | errno.EDQUOT:
            reason = f"the disk is full, make room or {elsewhere}"
        case errno.EFBIG:
            reason = f"a limit on the size of files was reached, {elsewhere}"
        case errno.EACCES | errno.EPERM:
            reason = f"no permission, {elsewhere}"
        case errno.EROFS:
            reason = f"the disk is read-only, {elsewhere}"
        case errno.ENAMETOOLONG:
            reason = "the name is too long, choose a shorter one with -o"
        case errno.ENOTDIR:
            reason = f"a part of the path is a file, {elsewhere}"
        case _:
            reason = (error.strerror or str(error)).lower()
    return OutputError(target, reason)
