# SPDX-License-Identifier: GPL-3.0-or-later
"""File names from prompts: readable in every alphabet and valid on every system."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import count

MAX_STEM_CHARACTERS = 60
MAX_STEM_BYTES = 180
"""File systems stop at 255 bytes; the rest is for a number and a suffix."""

FALLBACK = "maquette"

_RESERVED_ON_WINDOWS = re.compile(r"con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]", re.IGNORECASE)


def file_stem(text: str, fallback: str = FALLBACK) -> str:
    """Return a prompt as a file name without suffix.

    Letters, marks and digits of every alphabet stay; each run of anything else becomes a hyphen.

    Args:
        text: a prompt, or the name of a picture.
        fallback: for text without a letter or digit, such as an emoji alone.
    """
    composed = unicodedata.normalize("NFC", text)
    kept = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in composed)
    stem = _join([word for word in map(_without_leading_marks, kept.split()) if word]) or fallback
    return f"{stem}-object" if _RESERVED_ON_WINDOWS.fullmatch(stem) else stem


def candidates(stem: str, *, is_numbered: bool) -> Iterator[str]:
    """Yield stems to try in turn: `chair`, `chair-2`, `chair-3`, and so on without end.

    Args:
        stem: what all of them begin with.
        is_numbered: whether already the first one carries a number, `chair-1`.
    """
    yield f"{stem}-1" if is_numbered else stem
    for number in count(2):
        yield f"{stem}-{number}"


def _without_leading_marks(word: str) -> str:
    """Drop marks that have lost their base, such as the variation selector after an emoji."""
    start = next((i for i, c in enumerate(word) if not _is_mark(c)), len(word))
    return word[start:]


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M"


def _join(words: list[str]) -> str:
    """Join as many whole words as fit; of a first word that is too long, its beginning."""
    stem = ""
    for word in words:
        longer = f"{stem}-{word}" if stem else word
        if not _fits(longer):
            return stem or _shorten(word)
        stem = longer
    return stem


def _shorten(word: str) -> str:
    end = len(word)
    # The cut must not part a letter from its marks.
    while end > 1 and (not _fits(word[:end]) or _is_mark(word[end])):
        end -= 1
    return word[:end]


def _fits(stem: str) -> bool:
    return len(stem) <= MAX_STEM_CHARACTERS and len(stem.encode()) <= MAX_STEM_BYTES
