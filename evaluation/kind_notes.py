# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reader must know about the kinds that were asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..training.shapes.kinds import KINDS
from ..training.shapes.synonyms import KIND_NOUNS, TRAINED_WORDS


def kind_notes(asked: Sequence[str], known_words: Sequence[str]) -> Iterator[str]:
    """Yield sentences for the report.

    Args:
        asked: the kinds that the judge knows.
        known_words: for objects, of a pack with a closed vocabulary; empty for other packs.
    """
    if unknown := len(KINDS) - len(asked):
        yield (
            f"The judge does not know {unknown} of {len(KINDS)} kinds, which were not asked for:"
            " train it again with `python -m maquette.evaluation.train_judge`."
        )
    meant = {TRAINED_WORDS.get(word, word) for word in known_words}
    strange = [kind for kind in asked if not meant & {kind, *KIND_NOUNS[kind][0].split()}]
    if known_words and strange:
        yield (
            f"The pack has no word for {len(strange)} of the {len(asked)} kinds that were asked"
            " for; what it refuses counts as wrong."
        )
