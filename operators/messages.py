# SPDX-License-Identifier: GPL-3.0-or-later
"""Exceptions as sentences for the sidebar: what happened, and what to do about it.

core and weights_fetch do not know which fields and buttons Blender shows; this module does. A
sentence has at most `MAX_CHARACTERS`, about the width of the status bar.
"""

from __future__ import annotations

from pathlib import Path

from .. import weights_fetch
from ..core import errors
from ..weights import errors as weights

MAX_CHARACTERS = 90
BUG = "Generation failed because of a bug: see the system console and report it"

EXPECTED = (errors.GenerationError, weights.WeightsError)
"""What core and weights_fetch raise on purpose."""


def is_bug(error: Exception) -> bool:
    """Tell whether only we can do something about it, so that the console must have it all."""
    if isinstance(error, ImportError):
        # Packages that Blender does not bring may be missing; modules of our own may not.
        return (error.name or "").startswith(__package__.rpartition(".")[0])
    return not isinstance(error, EXPECTED)


def for_user(error: Exception) -> str:
    """Return the sentence for an exception, at most `MAX_CHARACTERS` long."""
    match error:
        case errors.GenerationError():
            text = _for_generation(error)
        case weights.WeightsError():
            text = _for_weights(error)
        case ImportError() if not is_bug(error):
            name = (error.name or "a package").partition(".")[0]
            text = (
                f"Blender's Python cannot load {_clip(name, 20)}: see Install in Maquette's README"
            )
        case _:
            text = BUG
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"


def _for_generation(error: errors.GenerationError) -> str:
    match error:
        case errors.ImageInputError():
            return (
                f"Cannot use image {_file(error.source)}, {_clip(error.reason, 24)}: choose another"
            )
        case errors.UnknownPromptError():
            return _unknown_prompt(error)
        case errors.CheckpointError():
            return f"File {_file(error.path)} cannot be used: fetch or import the pack again"
        case errors.PackError():
            return f"Pack {_clip(error.pack, 16)}: {_clip(error.reason, 64)}"
        case errors.EmptySurfaceError():
            return "The result has no surface: try another Seed or a simpler Prompt"
        case errors.NonFiniteError():
            return f"{_clip(error.stage, 20).capitalize()} went out of range: try another Seed"
        case errors.DeviceUnavailableError():
            return f"Device {_clip(error.device, 20)} is not available: use {error.available[0]}"
        case errors.DeviceMemoryError():
            need = error.required_bytes / 2**30
            device = _clip(error.device, 24)
            return f"Not enough memory on {device} (needs {need:.1f} GiB): lower Resolution"
        case errors.CancelledError():
            return "The generation was cancelled: press Generate to start again"
        case _:
            # Its own sentence names the setting, the value and the limit.
            text = str(error)
            return text[:1].upper() + text[1:]


def _unknown_prompt(error: errors.UnknownPromptError) -> str:
    pack = _clip(error.pack, 16)
    if not error.suggestions:
        return f"Name one object that the {pack} pack has learnt, such as a chair"
    word, near = error.suggestions[0]
    advice = f"try '{_clip(near, 14)}'" if near else "name another object"
    return f"The {pack} pack does not know '{_clip(word, 14)}': {advice}"


def _for_weights(error: weights.WeightsError) -> str:
    match error:
        case weights.UnknownPackError():
            return f"There is no pack {_clip(error.name, 24)}: use {_clip(error.known[0], 24)}"
        case weights.WeightsMissingError():
            files = "1 file" if len(error.missing) == 1 else f"{len(error.missing)} files"
            return f"Pack {_clip(error.pack_id, 16)} lacks {files}: {_remedy(error.pack_id)}"
        case weights.WeightsDamagedError():
            return f"Pack {_clip(error.pack_id, 24)} is damaged: fetch, import or install it again"
        case weights.OfflineError():
            return "Online access is off: allow it in Preferences, System, or import the files"
        case weights.DownloadError():
            return f"Cannot fetch {_file(error.file)}: check the connection and try again"
        case weights.ImportFolderError():
            return (
                f"Cannot import from {_file(error.folder)}: choose the folder that holds the files"
            )
        case weights.DiskSpaceError():
            need = weights.describe_bytes(error.required_bytes)
            return f"The disk is too full (needs {need}): make room or change the Packs Folder"
        case weights.PackBusyError():
            return "Another Maquette is changing this pack: wait until it is done"
        case weights.PackFolderError():
            return f"Cannot use {_file(error.path)}: choose another Packs Folder in the preferences"
        case weights.FetchCancelledError():
            return "The download was stopped: start it again to go on where it was"
        case _:
            return BUG


def _remedy(pack_id: str) -> str:
    pack = weights_fetch.PACKS.get(pack_id)
    if pack is not None and pack.bundled:
        return "install Maquette again"
    return f"run maquette weights fetch {_clip(pack_id, 16)}"


def _file(path: Path | str) -> str:
    """Return the last piece of a path: the folders before it would fill the line."""
    return _clip(str(path).replace("\\", "/").rstrip("/").rpartition("/")[2], 28)


def _clip(text: str, width: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"
