# SPDX-License-Identifier: GPL-3.0-or-later
"""argparse with one-sentence errors, and the types of our arguments."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from .errors import UsageError

if TYPE_CHECKING:
    # Generic to type checkers only.
    Subparsers: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Subparsers = argparse._SubParsersAction


class Parser(argparse.ArgumentParser):
    """Raises UsageError, where argparse would print a page of usage and exit."""

    def error(self, message: str) -> NoReturn:
        """Raise the message as one sentence.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{message} (see {self.prog} --help)")


def whole_number(text: str) -> int:
    """Parse an integer argument; limits are checked by the configuration."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, got {text!r}") from None


def number(text: str) -> float:
    """Parse a number argument; limits, and NaN, are checked by the configuration."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}") from None
