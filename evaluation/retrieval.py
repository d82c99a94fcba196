# SPDX-License-Identifier: GPL-3.0-or-later
"""R-precision: does a picture of a result fit its own prompt better than all the others?

The protocol of Dream Fields (Jain et al., 2022, arXiv:2112.01455), which Point-E and Shap-E follow:
one picture of each result from a camera that no training saw, one query over all prompts, right if
the prompt that it was made from comes first. Only the prompts differ: theirs are 153 captions of
COCO, ours are the evaluation's own, so figures compare packs judged by one model on one set.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..core.interrupt import Check, ignore
from ..core.mesh import MeshData
from .clip_model import ClipModel
from .judge import JudgeSpec
from .measures import num_rivals
from .pictures import retrieval_view
from .prompts import EvaluationPrompt
from .streams import Stream, stream_rng


class ClipRetrieval:
    """Matches pictures with prompts by a CLIP model."""

    def __init__(self, clip: ClipModel, prompts: Sequence[EvaluationPrompt], seed: int) -> None:
        """Embed the prompts; the same text asked for twice is one caption."""
        self._clip = clip
        self._captions = list(dict.fromkeys(prompt.text for prompt in prompts))
        self._embeddings = clip.embed_captions(self._captions)
        self._seed = seed

    def rivals(self, mesh: MeshData, text: str, index: int, check: Check = ignore) -> int:
        """Return how many other captions fit a mesh at least as well as its own."""
        rng = stream_rng(Stream.RETRIEVAL, self._seed, index)
        picture = retrieval_view(mesh, float(rng.uniform(0, 2 * math.pi)), check)
        scores = self._embeddings @ self._clip.embed_picture(picture)
        return num_rivals(scores, self._captions.index(text))


class JudgeRetrieval:
    """Matches clouds with prompts by the judge: how likely are the kind and the main color?

    Prompts that ask for the same kind and main color are one caption.
    """

    def __init__(self, spec: JudgeSpec, prompts: Sequence[EvaluationPrompt]) -> None:
        self._asked = list(dict.fromkeys(_pair(prompt) for prompt in prompts))
        kinds = [spec.kinds.index(kind) for kind, _ in self._asked]
        colors = [spec.colours.index(color) for _, color in self._asked]
        self._kinds, self._colors = torch.tensor(kinds), torch.tensor(colors)

    def rivals(self, kind: Tensor, color: Tensor, prompt: EvaluationPrompt) -> int:
        """Return how many other captions are at least as likely as the prompt's.

        Args:
            kind: logits of the kind, [K].
            color: logits of the main color, [C].
            prompt: what was asked for.
        """
        scores = kind.log_softmax(0)[self._kinds] + color.log_softmax(0)[self._colors]
        return num_rivals(scores, self._asked.index(_pair(prompt)))


def _pair(prompt: EvaluationPrompt) -> tuple[str, str]:
    asked = prompt.asked.objects[0]
    return asked.kind, asked.color
