# SPDX-License-Identifier: GPL-3.0-or-later
"""Every exception that core and weights_fetch raise on purpose has its own sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from maquette.core import errors
from maquette.core.history import HistoryFileError
from maquette.engine import errors as engine
from maquette.operators import messages
from maquette.weights import errors as weights

LONG = "a description that goes on and on " * 8
PATH = Path("/home/artist/a very long folder name/and another one") / (LONG.replace(" ", "_"))

EXAMPLES = [
    errors.InvalidRequestError(f"seed must be a whole number from 0 to 9, got {LONG!r}"),
    errors.ImageInputError(str(PATH), LONG),
    errors.LatentFileError(PATH, LONG),
    errors.MeshInputError(LONG, "its faces have no area"),
    errors.PromptListError(str(PATH), (errors.LineFault(1000, "unknown preset", LONG),)),
    errors.UnknownPromptError(LONG, ((LONG, LONG), (LONG, None))),
    errors.CheckpointError(PATH, LONG),
    errors.PackError(LONG, LONG),
    errors.EmptySurfaceError(-1.25),
    errors.NonFiniteError(LONG),
    errors.DeviceUnavailableError(LONG, ("cpu", "cuda")),
    errors.PrecisionUnavailableError("int8", missing=LONG),
    errors.DeviceMemoryError(LONG, required_bytes=123 * 2**30),
    errors.CancelledError(),
    *(
        HistoryFileError(PATH, fault, LONG)
        for fault in ("unreadable", "unwritable", "foreign", "damaged", "newer")
    ),
    weights.UnknownPackError("pack", LONG, ("starter", "shap-e")),
    weights.WeightsMissingError("shap-e", (str(PATH),) * 12, LONG),
    weights.WeightsDamagedError(LONG, (str(PATH),), LONG, LONG),
    weights.DownloadError(str(PATH), LONG, LONG),
    weights.OfflineError(str(PATH)),
    weights.ImportFolderError(PATH, LONG),
    weights.DiskSpaceError(PATH, 123_456_789_012, 1_000),
    weights.PackFolderError(PATH, LONG),
    weights.PackBusyError(PATH),
    weights.FetchCancelledError(),
    engine.EngineMissingError(("torch", "safetensors", LONG)),
    engine.EngineUnsupportedError(LONG, LONG, LONG),
    engine.EngineOfflineError(),
    engine.EngineToolError("pip for Blender's Python", "put its wheel into a folder of wheels"),
    engine.EngineFolderError(PATH, LONG),
    engine.EngineInstallError(LONG, "check the connection and try again"),
    engine.EngineLoadError("Windows lacks a library", "install the Visual C++ Redistributable"),
    engine.EngineCancelledError(),
]


def tree(base: type[Exception]) -> set[type[Exception]]:
    found = set()
    for child in base.__subclasses__():
        found |= {child} | tree(child)
    return found


def test_no_exception_of_either_tree_is_forgotten():
    ours = set().union(*map(tree, messages.EXPECTED))
    raised = {cls for cls in ours if cls.__module__.startswith("maquette.")}

    assert raised == {type(example) for example in EXAMPLES}


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_a_sentence_fits_and_says_what_to_do(error):
    sentence = messages.for_user(error)

    assert 20 <= len(sentence) <= messages.MAX_CHARACTERS
    assert sentence[0].isupper()
    assert not sentence.endswith(".")
    assert sentence != messages.BUG
    assert "\n" not in sentence


@pytest.mark.parametrize("error", EXAMPLES[1:], ids=lambda error: type(error).__name__)
def test_what_to_do_is_not_cut_off(error):
    assert not messages.for_user(error).endswith("…") or isinstance(error, errors.PackError)


def test_sentences_differ():
    assert len({messages.for_user(error) for error in EXAMPLES}) == len(EXAMPLES)


def test_a_short_message_of_a_setting_is_kept_whole():
    error = errors.InvalidRequestError("resolution must be a whole number from 16 to 512, got 5000")

    expected = "Resolution must be a whole number from 16 to 512, got 5000"
    assert messages.for_user(error) == expected


@pytest.mark.parametrize(
    "error", [ValueError("x"), RuntimeError("CUDA error"), ImportError("x", name="maquette.core.x")]
)
def test_anything_else_is_a_bug(error):
    assert messages.is_bug(error)
    assert messages.for_user(error) == messages.BUG


def test_a_missing_package_is_no_bug():
    error = ModuleNotFoundError("No module named 'open_clip.model'", name="open_clip.model")

    assert not messages.is_bug(error)
    assert "open_clip" in messages.for_user(error)


@pytest.mark.parametrize(
    ("suggestions", "sentence"),
    [
        ((("char", "chair"),), "The starter pack does not know 'char': try 'chair'"),
        ((("qx", None),), "The starter pack does not know 'qx': see the ? beside the model"),
        ((("椅子", None),), "The starter pack reads English: see the ? beside the model"),
        ((), "Name one object that the starter pack has learnt, such as a chair"),
    ],
)
def test_an_unknown_word_is_named_with_the_nearest_known_one(suggestions, sentence):
    assert messages.for_user(errors.UnknownPromptError("starter", suggestions)) == sentence


@pytest.mark.parametrize(
    ("pack_id", "sentence"),
    [
        ("starter", "Pack starter lacks files (2): install Maquette again"),
        ("shap-e", "Pack shap-e is not on this machine (2 files): fetch it first"),
    ],
)
def test_a_missing_pack_is_fetched_unless_it_came_with_us(pack_id, sentence):
    error = weights.WeightsMissingError(pack_id, ("a.safetensors", "b.safetensors"), "advice")

    assert messages.for_user(error) == sentence


def test_the_numbers_in_a_sentence_are_right():
    error = errors.DeviceMemoryError("NVIDIA X", required_bytes=3 * 2**29)

    expected = "Not enough memory on NVIDIA X (needs 1.5 GiB): lower Resolution"
    assert messages.for_user(error) == expected
