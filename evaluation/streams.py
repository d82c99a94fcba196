# SPDX-License-Identifier: GPL-3.0-or-later
"""Random streams that no training run draws from.

Training seeds numpy with [seed, index]. Every stream here starts with a number that no one
would choose as a seed, and names its purpose, so that the judge's shapes, the prompts and the
shapes to reconstruct are strangers to one another and to the training data.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch

_FIRST = 0x4D617175


class Stream(IntEnum):
    """What random numbers are drawn for."""

    JUDGE_TRAINING = 1
    JUDGE_TEST = 2
    PROMPTS = 3
    RECONSTRUCTION = 4
    SURFACE = 5
    SYNONYMS = 6
    SCENES = 7
    IMAGES = 8
    DIVERSITY = 9
    SHEET = 10
    SCENE_TRAINING = 11
    SCENE_TEST = 12
    RETRIEVAL = 13
    VIEWS = 14


def stream_rng(stream: Stream, seed: int, index: int = 0) -> np.random.Generator:
    """Return the generator of one item of a stream."""
    return np.random.default_rng([_FIRST, int(stream), seed, index])


def stream_generator(stream: Stream, seed: int, index: int = 0) -> torch.Generator:
    """Return the same for torch, on the CPU."""
    rng = stream_rng(stream, seed, index)
    return torch.Generator().manual_seed(int(rng.integers(2**62)))
