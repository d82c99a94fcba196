# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request says to a pack in our own layout: through word slots, or through a small CLIP."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from .checkpoint.contents import SMALL_CLIP, WORD_ENCODER
from .checkpoint.key_maps import KeyMap
from .checkpoint.loader import load_module
from .conditioning.scene_words import SceneReading, read_scene
from .conditioning.small_clip import ClipReader, SmallClip, open_clip_config
from .conditioning.word_encoder import Vocabulary, WordEncoder
from .conditioning.word_tokens import read_table
from .config import GenerationRequest
from .errors import CheckpointError, PackError, UnknownPromptError
from .interrupt import Check, ignore
from .models import Condition, SceneCondition
from .pack import PackManifest
from .specs import SmallClipSpec

CLIP_FOLDER = "clip"
_NUM_EXAMPLES = 6


class NativeCondition(Protocol):
    """What makes condition tokens of a request."""

    def condition(self, request: GenerationRequest) -> Condition:
        """Encode what a request says, which takes no time.

        Raises:
            PackError: the request has a picture and the pack takes none.
            ImageInputError: the picture has no pixels or too many.
            UnknownPromptError: the prompt names no kind of object that the pack has learnt.
        """
        ...


def open_condition(
    manifest: PackManifest, folder: Path, device: torch.device, check: Check = ignore
) -> NativeCondition:
    """Load what reads the requests of a pack; `check` is called before each tensor.

    Raises:
        CheckpointError: a file is missing, damaged or does not fit `pack.json`.
    """
    if manifest.clip is not None:
        reader = load_clip(
            folder / CLIP_FOLDER, manifest.clip, tuple(manifest.words), device=device, check=check
        )
        return _ClipCondition(manifest, reader)
    return _WordCondition(manifest, folder, device, check)


def load_clip(
    folder: Path,
    spec: SmallClipSpec,
    learnt: Sequence[str],
    *,
    device: torch.device | str = "cpu",
    check: Check = ignore,
) -> ClipReader:
    """Load a small CLIP and its table of words.

    Args:
        folder: with files in open_clip's format.
        spec: what they should hold.
        learnt: words of the pack's description.
        device: where the towers go; they are always fp32.
        check: called before each tensor.

    Raises:
        CheckpointError: a file is missing, damaged or does not fit.
    """
    config = folder / "open_clip_config.json"
    try:
        if json.loads(_text_of(config)) != open_clip_config(spec):
            raise CheckpointError(config, "describes another model than pack.json")
    except ValueError as error:
        raise CheckpointError(config, f"is not a description of a CLIP ({error})") from error
    table = folder / "tokenizer.json"
    try:
        words = read_table(_text_of(table), learnt)
    except ValueError as error:
        raise CheckpointError(table, f"is not the table of this pack's words: {error}") from error
    clip = load_module(
        lambda: SmallClip(spec),
        folder / "open_clip_model.safetensors",
        lambda names: KeyMap(holds=SMALL_CLIP, entries=None),
        device=device,
        check=check,
    )
    return ClipReader(clip, words)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise CheckpointError(path, f"cannot be read ({error.strerror})") from error


class _ClipCondition:
    """Prompts and pictures through one CLIP."""

    def __init__(self, manifest: PackManifest, reader: ClipReader) -> None:
        self._manifest = manifest
        self._reader = reader

    def condition(self, request: GenerationRequest) -> Condition:
        """See `NativeCondition`."""
        if request.image is not None:
            return Condition(self._reader.condition_image(request.image))
        if request.is_unconditional:
            spec = self._reader.clip.spec
            shape = 1, spec.num_tokens, spec.token_width
            return Condition(torch.zeros(shape, device=self._reader.device))
        table = self._reader.table
        scene = self._scene(request)
        reading = table.read(request.prompt) if scene is None else scene.whole
        suggestions = tuple((word, table.nearest(word)) for word in reading.unknown)
        _require_kind(self._manifest, reading.known, suggestions)
        notes = tuple(
            f"the {self._manifest.id} pack takes {word!r} for {learnt!r}"
            for word, learnt in reading.taken
        )
        warnings = notes + _warnings(self._manifest.id, suggestions)
        tokens = self._reader.condition_reading(reading)
        return Condition(tokens, warnings, None if scene is None else self._told(scene))

    def _scene(self, request: GenerationRequest) -> SceneReading | None:
        if request.like is not None and request.like.latent is not None:
            return None  # What began with a mesh is one object to the model.
        return read_scene(self._reader.table, request.prompt, self._manifest.words)

    def _told(self, scene: SceneReading) -> SceneCondition:
        tokens = [self._reader.condition_reading(each) for each in scene.objects]
        return SceneCondition(torch.cat(tokens), scene.relation)


class _WordCondition:
    """Prompts through word slots; no pictures."""

    def __init__(
        self, manifest: PackManifest, folder: Path, device: torch.device, check: Check
    ) -> None:
        spec = manifest.word_encoder
        assert spec is not None
        self._manifest = manifest
        self._vocabulary = Vocabulary(tuple(manifest.words))
        self._words = load_module(
            lambda: WordEncoder(spec),
            folder / "words.safetensors",
            lambda names: KeyMap(holds=WORD_ENCODER, entries=None),
            device=device,
            check=check,
        )

    def condition(self, request: GenerationRequest) -> Condition:
        """See `NativeCondition`."""
        if request.image is not None:
            raise PackError(
                self._manifest.id, "it has no image model: use a prompt, or another pack"
            )
        if request.is_unconditional:
            spec = self._words.spec
            shape = 1, spec.num_slots, spec.width
            return Condition(torch.zeros(shape, device=self._words.slots.device))
        reading = self._vocabulary.read(request.prompt)
        suggestions = tuple((word, self._vocabulary.nearest(word)) for word in reading.unknown)
        _require_kind(self._manifest, reading.known, suggestions)
        return Condition(self._tokens(reading.known), _warnings(self._manifest.id, suggestions))

    @torch.inference_mode()
    def _tokens(self, known: Sequence[str]) -> Tensor:
        indices = self._vocabulary.indices(known, self._words.spec.max_words)
        tokens: Tensor = self._words(torch.tensor([indices], device=self._words.slots.device))
        return tokens


def _require_kind(
    manifest: PackManifest,
    known: Sequence[str],
    suggestions: tuple[tuple[str, str | None], ...],
) -> None:
    if not any(manifest.words[word] in ("kind", "kinds") for word in known):
        raise UnknownPromptError(manifest.id, suggestions, _examples(manifest))


def _examples(manifest: PackManifest) -> tuple[str, ...]:
    """Return a few words for objects, spread over the alphabet."""
    # Short words are often halves of a name, such as "ice cream".
    kinds = [word for word, role in manifest.words.items() if role == "kind" and len(word) > 5]
    return tuple(kinds[:: max(1, len(kinds) // _NUM_EXAMPLES)][:_NUM_EXAMPLES])


def _warnings(pack: str, suggestions: tuple[tuple[str, str | None], ...]) -> tuple[str, ...]:
    return tuple(
        f"the {pack} pack does not know {word!r} and left it out"
        + (f" (the nearest word that it knows is {near!r})" if near else "")
        for word, near in suggestions
    )
