# SPDX-License-Identifier: GPL-3.0-or-later
"""The prompts of every section of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from .prompts import (
    EvaluationPrompt,
    held_out_prompts,
    random_prompts,
    scene_prompts,
    synonym_prompts,
)
from .settings import EvaluationSettings
from .streams import Stream


def draw_prompts(
    settings: EvaluationSettings, kinds: Sequence[str]
) -> dict[str, tuple[EvaluationPrompt, ...]]:
    """Return the prompts of every section, whether it is measured or not."""
    most, seed = settings.most, settings.seed
    return {
        "prompts": held_out_prompts(most("prompts"), seed, kinds),
        "synonyms": synonym_prompts(most("synonyms"), seed, kinds),
        "two-objects": scene_prompts(most("two-objects"), seed, kinds),
        "images": random_prompts(most("images"), seed, kinds, Stream.IMAGES),
        "diversity": random_prompts(most("diversity"), seed, kinds, Stream.DIVERSITY),
    }
