# SPDX-License-Identifier: GPL-3.0-or-later
"""The exceptions that core raises on purpose; anything else is a bug.

GenerationError
├── InvalidRequestError      a setting or prompt that cannot be used
│   ├── ImageInputError      a reference image that cannot be used
│   ├── LatentFileError      a file that holds no latent, or one that cannot be used
│   ├── MeshInputError       a mesh that cannot be read
│   ├── PromptListError      a list of prompts of which a line cannot be used
│   └── UnknownPromptError   a prompt that names nothing the pack has learnt
├── CheckpointError          a weights file that is foreign, truncated or mixed up
├── PackError                a model pack that is missing, incomplete or lacks what was asked
├── EmptySurfaceError        the field has no surface inside the box
├── NonFiniteError           the networks produced NaN or infinity
├── DeviceUnavailableError   the device asked for is not on this machine
├── PrecisionUnavailableError the precision asked for needs what is not on this machine
├── DeviceMemoryError        the device ran out of memory
└── CancelledError           the caller asked to stop

Each message is one sentence that names the bad value or file, fit for a command line;
`operators/messages.py` turns the same exceptions into sentences for the sidebar.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


class GenerationError(Exception):
    """Base of every error that the user can do something about."""


class InvalidRequestError(GenerationError):
    """A setting is out of range; the message names it and the value."""


class ImageInputError(InvalidRequestError):
    """A reference image cannot be used."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"cannot use image {source}: {reason}")
        self.source = source
        self.reason = reason


class MeshInputError(InvalidRequestError):
    """A mesh cannot be read by any encoder."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"cannot read mesh {source}, {reason}: choose one with faces and depth")
        self.source = source
        self.reason = reason


class LatentFileError(InvalidRequestError):
    """A file holds no latent, or one that cannot be used."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"cannot use latent {path}: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class LineFault:
    """What is wrong with a line of a list of prompts."""

    line: int
    """From 1; 0 for the list as a whole."""
    kind: Literal[
        "empty prompt",
        "long prompt",
        "unprintable",
        "seed",
        "count",
        "unknown preset",
        "more cells than columns",
        "no prompt column",
        "unknown column",
        "doubled column",
        "no table",
        "no text",
        "no file",
        "no prompt",
        "many prompts",
    ]
    value: str = ""
    """What stands there instead."""


class PromptListError(InvalidRequestError):
    """A list of prompts cannot be used as it is; nothing of it has been."""

    def __init__(self, source: str, faults: tuple[LineFault, ...]) -> None:
        first = faults[0]
        where = f"line {first.line} of {source}" if first.line else source
        super().__init__(f"cannot use {where}: {first.kind} {first.value}".rstrip())
        self.source = source
        self.faults = faults


class UnknownPromptError(InvalidRequestError):
    """A prompt names no object that the pack has learnt."""

    def __init__(
        self,
        pack: str,
        suggestions: tuple[tuple[str, str | None], ...],
        examples: tuple[str, ...] = (),
    ) -> None:
        """Keep each unknown word with the nearest word that the pack knows, if one is near."""
        words = ", ".join(
            f"{word!r} (nearest: {near!r})" if near else repr(word) for word, near in suggestions
        )
        found = f"it does not know {words}" if words else "it names no object"
        such = f", such as {', '.join(examples)}" if examples else ""
        super().__init__(
            f"the {pack} pack cannot make this: {found}; name one object that it has learnt{such}"
        )
        self.pack = pack
        self.suggestions = suggestions
        self.examples = examples


class CheckpointError(GenerationError):
    """A weights file does not hold what its name promises."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class PackError(GenerationError):
    """A model pack is missing, incomplete, or has no model for the request."""

    def __init__(self, pack: str, reason: str) -> None:
        super().__init__(f"model pack {pack!r}: {reason}")
        self.pack = pack
        self.reason = reason


class EmptySurfaceError(GenerationError):
    """The signed distance is negative (outside) everywhere on the grid."""

    def __init__(self, maximum: float) -> None:
        super().__init__(
            f"the result has no surface (largest signed distance {maximum:.3g}):"
            " try another seed, a simpler prompt or a lower guidance"
        )
        self.maximum = maximum


class NonFiniteError(GenerationError):
    """A network produced NaN or infinity."""

    def __init__(self, stage: str) -> None:
        super().__init__(f"{stage} produced values that are not numbers: try full precision")
        self.stage = stage


class DeviceUnavailableError(GenerationError):
    """The device asked for is not on this machine."""

    def __init__(self, device: str, available: tuple[str, ...]) -> None:
        super().__init__(f"device {device!r} is not available here: use {' or '.join(available)}")
        self.device = device
        self.available = available


class PrecisionUnavailableError(GenerationError):
    """The precision asked for needs a package or a processor that is not here."""

    def __init__(self, precision: str, *, missing: str) -> None:
        super().__init__(
            f"precision {precision} needs {missing}, which this machine does not have:"
            " install it or choose another precision"
        )
        self.precision = precision
        self.missing = missing


class DeviceMemoryError(GenerationError):
    """The device ran out of memory."""

    def __init__(self, device: str, *, required_bytes: int) -> None:
        super().__init__(
            f"{device} ran out of memory (needed about {required_bytes / 2**30:.1f} GiB):"
            " lower the resolution, make fewer variants or use the CPU"
        )
        self.device = device
        self.required_bytes = required_bytes


class CancelledError(GenerationError):
    """The caller asked to stop."""

    def __init__(self) -> None:
        super().__init__("the generation was cancelled")
