# SPDX-License-Identifier: GPL-3.0-or-later
"""The small CLIP learns to tell what captions say and pictures show, in the same tokens.

Three things are asked at once: that caption and picture of a scene find each other among those of
a batch (arXiv:2103.00020, section 2.3), that their tokens are alike, and that each token answers
its questions (`clip_answers`). The first alone would leave to chance which token holds what.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.conditioning.small_clip import SmallClip, normalize_pictures
from ..core.specs import SmallClipSpec
from .clip_answers import NUM_TOKENS, Answers, Truths, accuracies, answer_losses
from .clip_data import ClipData, as_floats
from .clip_pictures import prepared, vary
from .config import StageConfig
from .loop import LossFunction, Run, rank, step_generator
from .saving import averaged_state

logger = logging.getLogger(__name__)

_CONTRAST_WEIGHT = 1.0
_LIKENESS_WEIGHT = 0.1
"""With 1, both towers first agreed on the same tokens for everything, and learnt later."""
_MAX_SCALE = 100.0
"""Of the cosines of a batch, as in the paper."""
_AT_A_TIME = 256
_SETTLING_STEPS = 24
"""Batches over which the statistics of batch norms are taken once more at the end."""


class ClipReading(nn.Module):
    """The CLIP and the layers that answer; only the CLIP is kept."""

    def __init__(self, spec: SmallClipSpec) -> None:
        super().__init__()
        if spec.num_tokens != NUM_TOKENS:
            raise ValueError(f"questions are for {NUM_TOKENS} tokens, not {spec.num_tokens}")
        self.clip = SmallClip(spec)
        self.answers = Answers(spec.token_width)


def train_clip(
    spec: SmallClipSpec,
    data: ClipData,
    config: StageConfig,
    folder: Path,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    start: Path | None = None,
) -> ClipReading:
    """Train, or go on training; the result is in evaluation mode.

    Args:
        spec: sizes.
        data: scenes.
        config: of the stage.
        folder: of the run.
        seed: of first weights and of all draws.
        device: where to train.
        start: folder of a run to go on from, of whose CLIP only the image tower learns further:
            what captions say stays as a prior may know it already.
    """
    torch.manual_seed(seed)
    reading = ClipReading(spec).to(device)
    if start is not None:
        _take_over(reading, start)
    # Half precision convolves half as fast again with channels last on a CPU.
    reading.clip.visual.to(memory_format=torch.channels_last)
    run = Run("clip", reading, config, folder)
    stage = _Stage(reading, data, config.batch_size)
    run.train(stage.losses(run), seed + 3)
    run.use_average()
    stage.settle(seed + 4)
    reading.clip.visual.to(memory_format=torch.contiguous_format)
    return reading.eval()


def _take_over(reading: ClipReading, folder: Path) -> None:
    """Load the average of an earlier run's weights, and let nothing learn but the image tower."""
    saved = torch.load(folder / "clip.pt", weights_only=True)
    reading.load_state_dict(averaged_state(saved, reading))
    for part in (reading.clip.text, reading.answers):
        part.requires_grad_(False)
    reading.clip.logit_scale.requires_grad_(False)


@dataclass(frozen=True, slots=True)
class _Stage:
    reading: ClipReading
    data: ClipData
    batch_size: int

    def losses(self, run: Run) -> LossFunction:
        """Return what a step minimises."""
        return partial(self._step, run)

    def _step(self, run: Run, generator: torch.Generator) -> dict[str, Tensor]:
        clip = self.reading.clip
        scenes = torch.randint(self.data.num_training, (self.batch_size,), generator=generator)
        tokens, said = self.data.captions.draw(scenes, generator)
        pixels = vary(self.data.views(scenes, generator), generator)
        shown = self.data.shown.at(scenes).to(run.device)
        with run.autocast():
            read = clip.embed_text(tokens.to(run.device))
            seen = clip.embed_pictures(normalize_pictures(pixels.to(run.device)))
            asked = {
                "read": (clip.condition(read), said.to(run.device)),
                "seen": (clip.condition(seen), shown),
            }
            losses = {
                name: torch.stack(list(self._answer(*each).values())).sum()
                for name, each in asked.items()
            }
        losses["contrast"] = contrast(read, seen, clip.logit_scale)
        losses["likeness"] = F.mse_loss(asked["read"][0].float(), asked["seen"][0].float())
        weighted = _CONTRAST_WEIGHT * losses["contrast"] + _LIKENESS_WEIGHT * losses["likeness"]
        return {"loss": losses["read"] + losses["seen"] + weighted} | losses

    def _answer(self, tokens: Tensor, truths: Truths) -> dict[str, Tensor]:
        return answer_losses(self.reading.answers(tokens), truths)

    @torch.no_grad()
    def settle(self, seed: int) -> None:
        """Take the statistics of batch norms anew, which belong to the weights before the average.

        Weights do not change; the same draws every time.
        """
        norms = [each for each in self.reading.modules() if isinstance(each, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # The mean of all batches, each alike.
        self.reading.train()
        device = self.reading.clip.logit_scale.device
        for step in range(_SETTLING_STEPS):
            generator = step_generator(seed, step, 0)
            scenes = torch.randint(self.data.num_training, (self.batch_size,), generator=generator)
            pixels = vary(self.data.views(scenes, generator), generator)
            self.reading.clip.embed_pictures(normalize_pictures(pixels.to(device)))
        for norm in norms:
            norm.momentum = 0.1


def contrast(read: Tensor, seen: Tensor, logit_scale: Tensor) -> Tensor:
    """Return the symmetric loss by which the B captions and B pictures find each other.

    Args:
        read, seen: joint embeddings, [B, S * E], of the same scenes.
        logit_scale: logarithm of what cosines are multiplied by.
    """
    scale = logit_scale.float().exp().clamp(max=_MAX_SCALE)
    cosines = F.normalize(read.float(), dim=1) @ F.normalize(seen.float(), dim=1).T
    pairs = torch.arange(len(read), device=read.device)
    logits = scale * cosines
    return (F.cross_entropy(logits, pairs) + F.cross_entropy(logits.T, pairs)) / 2


@torch.no_grad()
def measure(reading: ClipReading, data: ClipData, scenes: Tensor) -> dict[str, float]:
    """Return shares of right answers about scenes [B], by captions and by pictures as prepared.

    The first caption and the first picture of each scene are asked; `read_` and `seen_` say which.
    `found` is the share of captions that pick their own picture out of all of these.
    """
    reading.eval()
    read = _embed_captions(reading.clip, data.captions.tokens[scenes, 0])
    seen = _embed_pictures(reading.clip, data.pictures[scenes, 0])
    said = data.captions.said.at(scenes * data.captions.tokens.shape[1])
    results = {}
    for name, embedding, truths in (("read", read, said), ("seen", seen, data.shown.at(scenes))):
        logits = reading.answers(reading.clip.condition(embedding))
        shares = accuracies(logits, truths.to(embedding.device))
        results |= {f"{name}_{question}": share for question, share in shares.items()}
    cosines = F.normalize(read, dim=1) @ F.normalize(seen, dim=1).T
    own = torch.arange(len(scenes), device=cosines.device)
    return results | {"found": float((cosines.argmax(1) == own).float().mean())}


@torch.no_grad()
def encode_scenes(clip: SmallClip, data: ClipData) -> dict[str, Tensor]:
    """Return what `conditions.pt` holds: tokens of captions and pictures, half [N, count, S, E]."""
    clip.eval()
    captions = _embed_captions(clip, data.captions.tokens.flatten(0, 1))
    pictures = _embed_pictures(clip, data.pictures.flatten(0, 1))
    scenes = len(data.pictures)
    return {
        name: clip.condition(embedding).half().cpu().unflatten(0, (scenes, -1))
        for name, embedding in (("conditions", captions), ("pictures", pictures))
    }


def _embed_captions(clip: SmallClip, tokens: Tensor) -> Tensor:
    device = clip.logit_scale.device
    parts = [clip.embed_text(rows.to(device).long()) for rows in torch.split(tokens, _AT_A_TIME)]
    return torch.cat(parts)


def _embed_pictures(clip: SmallClip, pictures: Tensor) -> Tensor:
    device = clip.logit_scale.device
    parts = []
    for rows in torch.split(pictures, _AT_A_TIME):
        shown = prepared(as_floats(rows.to(device)))
        parts.append(clip.embed_pictures(normalize_pictures(shown)))
    return torch.cat(parts)


def log_measures(reading: ClipReading, data: ClipData, run_folder: Path) -> None:
    """Write to the log what is right about the scenes that were not trained on."""
    if rank() == 0:
        scenes = torch.arange(data.num_training, len(data.pictures))
        shares = {name: round(share, 4) for name, share in measure(reading, data, scenes).items()}
        logger.info("clip in %s: %s", run_folder, shares)
