# SPDX-License-Identifier: GPL-3.0-or-later
"""What both kinds of vocabulary do with the words of a prompt."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

PATTERN = r"[^\W_]+"
"""Of a word: letters and digits of any script."""
_WORD = re.compile(PATTERN)
_LIKENESS = 0.75
"""Of two spellings, 0 to 1; below it "nearest" would be noise."""


def words_of(prompt: str) -> list[str]:
    """Return the words of a prompt in lower case, in order."""
    return _WORD.findall(prompt.lower())


def forms_of(word: str) -> tuple[str, ...]:
    """Return a word and what it is if it is a plural."""
    singulars = (word.removesuffix("s"), word.removesuffix("es"))
    if word.endswith("ies"):
        return (word, *singulars, word[:-3] + "y")
    return (word, *singulars)


def nearest_to(word: str, known: Sequence[str]) -> str | None:
    """Return the known word that is spelled most like `word`, if any is close."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=_LIKENESS)
    return close[0] if close else None
