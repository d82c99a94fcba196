# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluate a pack: held-out prompts through the pipeline, unseen shapes through the latent."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from ..core import pipeline
from ..core.config import GenerationRequest
from ..core.errors import (
    CheckpointError,
    EmptySurfaceError,
    InvalidRequestError,
    NonFiniteError,
    UnknownPromptError,
)
from ..core.native_pack import NativePack
from ..core.pack import PACK_FILE, read_manifest
from ..training.shapes.generate import build_shape
from ..weights_fetch import pack_hash
from .ground_truth import shape_surface
from .judge import MODELS_DIR, NUM_POINTS, Judge, judge_cloud, load_judge
from .prompts import EvaluationPrompt, held_out_prompts
from .reconstruction import ReconstructionScores, load_encoder, score_reconstructions
from .report import EvaluationReport, Outcome, PromptScores
from .streams import Stream, stream_generator, stream_rng
from .surface import mesh_cloud, surface_cloud

_RESOLUTION = 64
_NUM_JUDGED_TRUTHS = 102
_PROMPTS_END, _RECONSTRUCTIONS_END = 0.7, 0.95
"""Fractions of the whole at which the parts of an evaluation end."""


def evaluate(
    pack_dir: Path,
    *,
    num_prompts: int = 200,
    num_reconstructions: int = 192,
    seed: int = 0,
    on_progress: pipeline.OnProgress,
    models_dir: Path = MODELS_DIR,
) -> EvaluationReport:
    """Measure how well a pack does what it is asked for; blocks for minutes.

    Args:
        pack_dir: folder of the pack.
        num_prompts: prompts to answer, at least 1.
        num_reconstructions: unseen shapes to send through the latent.
        seed: of prompts, noise and shapes; the same seed asks every pack the same.
        on_progress: told the stage and the fraction done.
        models_dir: where judge and encoder are.

    Raises:
        InvalidRequestError: a number is out of range.
        CheckpointError: the judge or the pack is missing or damaged.
        PackError: the folder holds no pack that answers prompts.
    """
    for name, value, low in (
        ("prompts", num_prompts, 1),
        ("reconstructions", num_reconstructions, 0),
    ):
        if value < low:
            raise InvalidRequestError(f"number of {name} must be at least {low}, got {value}")
    if seed < 0:
        raise InvalidRequestError(f"seed must not be negative, got {seed}")
    started = time.perf_counter()
    on_progress("Loading the judge", 0.0)
    judge = load_judge(models_dir)
    prompts = held_out_prompts(num_prompts, seed)
    outcomes = []
    for outcome in _answers(judge, pack_dir, prompts):
        outcomes.append(outcome)
        on_progress("Answering prompts", _PROMPTS_END * len(outcomes) / num_prompts)
    pipeline.release()
    reconstruction, notes = _reconstruct(
        pack_dir, num_reconstructions, seed, on_progress, models_dir
    )
    on_progress("Judging the judge", _RECONSTRUCTIONS_END)
    truths = _truths(judge, prompts[:_NUM_JUDGED_TRUTHS], seed)
    on_progress("Done", 1.0)
    return EvaluationReport(
        pack=_pack_name(pack_dir),
        pack_hash=pack_hash(pack_dir),
        seed=seed,
        scores=PromptScores(tuple(outcomes)),
        judge=PromptScores(truths),
        reconstruction=reconstruction,
        seconds=time.perf_counter() - started,
        notes=notes,
    )


def _answers(
    judge: Judge, pack_dir: Path, prompts: Sequence[EvaluationPrompt]
) -> Iterator[Outcome]:
    """Make a mesh for every prompt and judge it."""
    for prompt in prompts:
        request = GenerationRequest(
            prompt=prompt.text,
            pack=pack_dir.name,
            seed=prompt.seed,
            resolution=_RESOLUTION,
            texture_size=0,
        )
        try:
            (result,) = pipeline.generate(
                request, pack_dir, on_progress=_ignore, cancel=threading.Event()
            )
        except (EmptySurfaceError, NonFiniteError):
            yield Outcome(prompt, None, "empty")
        except UnknownPromptError:
            yield Outcome(prompt, None, "refused")
        else:
            generator = stream_generator(Stream.SURFACE, prompt.seed)
            points, colors = mesh_cloud(result.mesh, NUM_POINTS, generator)
            part = prompt.attributes.second_part
            yield Outcome(prompt, judge_cloud(judge, points, colors, part))


def _truths(judge: Judge, prompts: Sequence[EvaluationPrompt], seed: int) -> tuple[Outcome, ...]:
    """Judge what the generator itself makes of the prompts, through the same kind of mesh."""
    outcomes = []
    for index, prompt in enumerate(prompts):
        shape = build_shape(prompt.attributes, stream_rng(Stream.JUDGE_TEST, seed, index))
        generator = stream_generator(Stream.SURFACE, prompt.seed)
        cloud = surface_cloud(*shape_surface(shape, _RESOLUTION), NUM_POINTS, generator)
        verdict = judge_cloud(judge, *cloud, prompt.attributes.second_part)
        outcomes.append(Outcome(prompt, verdict))
    return tuple(outcomes)


def _reconstruct(
    pack_dir: Path, count: int, seed: int, on_progress: pipeline.OnProgress, models_dir: Path
) -> tuple[ReconstructionScores | None, tuple[str, ...]]:
    """Score reconstructions where there is an encoder, else say why there are none."""
    if count == 0:
        return None, ()
    if not (pack_dir / PACK_FILE).is_file():
        return None, ("Reconstruction needs an encoder, and only native packs have one here.",)
    span = _RECONSTRUCTIONS_END - _PROMPTS_END

    def on_shape(done: int) -> None:
        on_progress("Reconstructing shapes", _PROMPTS_END + span * done / count)

    models = NativePack(pack_dir, torch.device("cpu"), torch.float32)
    try:
        trained = load_encoder(pack_hash(pack_dir), models.decoder.spec, models_dir)
    except CheckpointError as error:
        return None, (f"Reconstruction was not measured: {error}.",)
    basis = models.prior(GenerationRequest(prompt="any")).basis
    scores = score_reconstructions(
        trained, basis, models.decoder, count=count, seed=seed, on_shape=on_shape
    )
    return scores, ()


def _pack_name(pack_dir: Path) -> str:
    return read_manifest(pack_dir).id if (pack_dir / PACK_FILE).is_file() else pack_dir.name


def _ignore(stage: str, fraction: float) -> None:
    """Single generations are too short to report on."""
