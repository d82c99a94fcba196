# SPDX-License-Identifier: GPL-3.0-or-later
"""Exceptions as sentences for the sidebar: what happened, and what to do about it.

core and weights_fetch do not know which fields and buttons Blender shows; this module does. A
sentence has at most `MAX_CHARACTERS`, about the width of the status bar.
"""

from __future__ import annotations

from pathlib import Path

from bpy.app.translations import pgettext_n as n_
from bpy.app.translations import pgettext_rpt as rpt_

from .. import weights_fetch
from ..core import errors, history
from ..engine import errors as engine
from ..weights import errors as weights
from . import prompt_words

MAX_CHARACTERS = 90
BUG = n_("Generation failed because of a bug: see the system console and report it")

EXPECTED = (errors.GenerationError, weights.WeightsError, engine.EngineError)
"""What core, weights_fetch and the engine raise on purpose."""


def is_bug(error: Exception) -> bool:
    """Tell whether only we can do something about it, so that the console must have it all."""
    if isinstance(error, ImportError):
        # Packages that Blender does not bring may be missing; modules of our own may not.
        return (error.name or "").startswith(__package__.rpartition(".")[0])
    return not isinstance(error, EXPECTED)


def for_user(error: Exception) -> str:
    """Return the sentence for an exception in the user's language.

    English ones have at most `MAX_CHARACTERS` characters; other languages may need more.
    """
    match error:
        case history.HistoryFileError():
            return _for_history(error)
        case errors.GenerationError():
            return _for_generation(error)
        case weights.WeightsError():
            return _for_weights(error)
        case engine.EngineError():
            return _for_engine(error)
        case ImportError() if not is_bug(error):
            name = (error.name or "a package").partition(".")[0]
            return _say(
                rpt_(
                    "Blender's Python cannot load {package}: set up the engine in the preferences"
                ),
                package=_clip(name, 20),
            )
        case _:
            return rpt_(BUG)


def _say(template: str, **values: object) -> str:
    return template.format(**values)


def _for_generation(error: errors.GenerationError) -> str:
    match error:
        case errors.ImageInputError():
            return _say(
                rpt_("Cannot use image {file}, {reason}: choose another"),
                file=_clip(_file(error.source), 20),
                reason=_clip(rpt_(error.reason), 35),
            )
        case errors.MeshInputError():
            return _say(
                rpt_("Cannot rebuild {mesh}, {reason}: choose one with depth"),
                mesh=_clip(error.source, 20),
                reason=_clip(rpt_(error.reason), 24),
            )
        case errors.LatentFileError():
            return _say(
                rpt_("Cannot use latent {file}: encode its mesh again"), file=_file(error.path)
            )
        case errors.PromptListError():
            return prompt_words.of_list(error)
        case errors.UnknownPromptError():
            return _unknown_prompt(error)
        case errors.CheckpointError():
            return _say(
                rpt_("File {file} cannot be used: fetch or import the pack again"),
                file=_file(error.path),
            )
        case errors.PackError():
            return _say(
                rpt_("Pack {pack}: {reason}"),
                pack=_clip(error.pack, 16),
                reason=_clip(error.reason, 64),
            )
        case errors.EmptySurfaceError():
            return rpt_("The result has no surface: try another Seed or a simpler Prompt")
        case errors.NonFiniteError():
            return _say(
                rpt_("{stage} went out of range: try another Seed"),
                stage=_clip(error.stage, 20).capitalize(),
            )
        case errors.DeviceUnavailableError():
            return _say(
                rpt_("Device {device} is not available: use {other}"),
                device=_clip(error.device, 20),
                other=error.available[0],
            )
        case errors.PrecisionUnavailableError():
            return _say(
                rpt_("Precision {precision} needs {missing}: choose another in the preferences"),
                precision=_clip(error.precision, 8),
                missing=_clip(error.missing, 24),
            )
        case errors.DeviceMemoryError():
            return _say(
                rpt_("Not enough memory on {device} (needs {need}): lower Resolution"),
                device=_clip(error.device, 24),
                need=f"{error.required_bytes / 2**30:.1f} GiB",
            )
        case errors.CancelledError():
            return rpt_("The generation was cancelled: press Generate to start again")
        case _:
            # Its own sentence names the setting, the value and the limit.
            text = str(error)
            text = text[:1].upper() + text[1:]
            return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"


def _for_history(error: history.HistoryFileError) -> str:
    templates = {
        "unreadable": rpt_("Cannot read {file} ({detail}): check its folder and permissions"),
        "unwritable": rpt_("Cannot write {file} ({detail}): check its folder and permissions"),
        "foreign": rpt_("File {file} is no prompt history: choose one that Maquette exported"),
        "damaged": rpt_("File {file} is damaged ({detail}): choose another"),
        "newer": rpt_("File {file} is from another Maquette: export it there again"),
    }
    template = templates[error.fault]
    return _say(template, file=_clip(_file(error.path), 24), detail=_clip(error.detail, 16))


def _unknown_prompt(error: errors.UnknownPromptError) -> str:
    pack = _clip(error.pack, 16)
    if not error.suggestions:
        return _say(
            rpt_("Name one object that the {pack} pack has learnt, such as a chair"), pack=pack
        )
    word, near = error.suggestions[0]
    if not word.isascii():
        return _say(rpt_("The {pack} pack reads English: see the ? beside the model"), pack=pack)
    if not near:
        return _say(
            rpt_("The {pack} pack does not know '{word}': see the ? beside the model"),
            pack=pack,
            word=_clip(word, 14),
        )
    return _say(
        rpt_("The {pack} pack does not know '{word}': try '{near}'"),
        pack=pack,
        word=_clip(word, 14),
        near=_clip(near, 14),
    )


def _for_weights(error: weights.WeightsError) -> str:
    match error:
        case weights.UnknownPackError():
            return _say(
                rpt_("There is no pack {pack}: use {known}"),
                pack=_clip(error.name, 24),
                known=_clip(error.known[0], 24),
            )
        case weights.WeightsMissingError():
            return _missing(error)
        case weights.WeightsDamagedError():
            return _say(
                rpt_("Pack {pack} is damaged: fetch, import or install it again"),
                pack=_clip(error.pack_id, 24),
            )
        case weights.OfflineError():
            return rpt_(
                "Online access is off: allow it in Preferences, System, or import the files"
            )
        case weights.DownloadError():
            return _say(
                rpt_("Cannot fetch {file}: check the connection and try again"),
                file=_file(error.file),
            )
        case weights.ImportFolderError():
            return _say(
                rpt_("Cannot import from {folder}: choose the folder that holds the files"),
                folder=_file(error.folder),
            )
        case weights.DiskSpaceError():
            return _say(
                rpt_("The disk is too full (needs {need}): make room or change the Packs Folder"),
                need=weights.describe_bytes(error.required_bytes),
            )
        case weights.PackBusyError():
            return rpt_("Another Maquette is changing this pack: wait until it is done")
        case weights.PackFolderError():
            return _say(
                rpt_("Cannot use {path}: choose another Packs Folder in the preferences"),
                path=_file(error.path),
            )
        case weights.FetchCancelledError():
            return rpt_("The download was stopped: start it again to go on where it was")
        case _:
            return rpt_(BUG)


def _for_engine(error: engine.EngineError) -> str:
    match error:
        case engine.EngineMissingError():
            return _say(
                rpt_("Blender's Python lacks {packages}: set up the engine"),
                packages=_clip(", ".join(error.packages), 36),
            )
        case engine.EngineUnsupportedError():
            return _say(
                rpt_("There is no PyTorch for {variant} on this computer: choose another"),
                variant=_clip(error.variant, 24),
            )
        case engine.EngineOfflineError():
            return rpt_("Online access is off: allow it in Preferences, System, or use wheels")
        case engine.EngineToolError():
            return _say(
                rpt_("Cannot find {tool}: {advice}"),
                tool=_clip(error.tool, 36),
                advice=_clip(rpt_(error.advice), 38),
            )
        case engine.EngineFolderError():
            return _say(
                rpt_("Folder {folder}, {reason}: choose another Engine Folder"),
                folder=_clip(_file(error.folder), 16),
                reason=_clip(error.reason, 30),
            )
        case engine.EngineInstallError() | engine.EngineLoadError():
            return _say(
                rpt_("Engine not set up, {reason}: {advice}"),
                reason=_clip(rpt_(error.reason), 30),
                advice=_clip(rpt_(error.advice), 38),
            )
        case engine.EngineCancelledError():
            return rpt_("The set-up was stopped: start it again, its downloads are kept")
        case _:
            return rpt_(BUG)


def _missing(error: weights.WeightsMissingError) -> str:
    pack = weights_fetch.PACKS.get(error.pack_id)
    if pack is not None and pack.bundled:
        template = rpt_("Pack {pack} lacks files ({count}): install Maquette again")
    else:
        template = rpt_("Pack {pack} is not on this machine ({count} files): fetch it first")
    return _say(template, pack=_clip(error.pack_id, 16), count=len(error.missing))


def _file(path: Path | str) -> str:
    """Return the last piece of a path: the folders before it would fill the line."""
    return _clip(str(path).replace("\\", "/").rstrip("/").rpartition("/")[2], 28)


def _clip(text: str, width: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"
