# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette generate --latent`: what `maquette encode` wrote, and how a request begins with it."""

from __future__ import annotations

import argparse
from typing import TypedDict

from ..core.config import KnownLatent, Likeness
from ..core.latent_file import LatentFile, read_latent
from .errors import UsageError


class Beginning(TypedDict, total=False):
    """What a request begins with."""

    latent: KnownLatent
    like: Likeness


def read_latent_of(arguments: argparse.Namespace) -> LatentFile | None:
    """Return the latent that `--latent` names, if it does.

    Raises:
        UsageError: arguments do not fit together.
        LatentFileError: the file cannot be used.
    """
    if arguments.latent is None:
        if arguments.strength is not None:
            raise UsageError("--strength is how far to go from --latent: give that too")
        return None
    if arguments.image is not None:
        raise UsageError("--latent and --image exclude each other: give one of them")
    held = read_latent(arguments.latent)
    if held.pack != arguments.pack:
        raise UsageError(f"this latent was made with another pack: use --pack {held.pack}")
    return held


def beginning(arguments: argparse.Namespace, held: LatentFile | None) -> Beginning:
    """Return the latent itself where its mesh is asked for, or others near it."""
    if held is None:
        return {}
    if not arguments.prompts and arguments.count == 1 and arguments.strength is None:
        return {"latent": held.latent}
    if arguments.strength is None:
        return {"like": Likeness(latent=held.latent)}
    return {"like": Likeness(latent=held.latent, strengths=(arguments.strength,))}
