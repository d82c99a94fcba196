# SPDX-License-Identifier: GPL-3.0-or-later
"""Short names of results, from prompts in any alphabet."""

from __future__ import annotations

import unicodedata

MAX_NAME_BYTES = 48
"""Blender cuts names at 63 bytes of UTF-8; the rest is for suffixes such as Base Color and .001."""

_JOINER = "\u200d"
_KEPT_FORMATS = {_JOINER, "\u200c"}
"""They shape letters and emoji; other invisible characters, such as those that turn the reading
direction around, would make a name that cannot be typed or misleads."""
_SKIN_TONES = range(0x1F3FB, 0x1F3FF + 1)
_FLAG_LETTERS = range(0x1F1E6, 0x1F1FF + 1)


def object_name(prompt: str, fallback: str = "Maquette") -> str:
    """Return a prompt as a name: one line, first letter large, cut between words.

    Args:
        prompt: any text, even one that no file system or font knows.
        fallback: for prompts without a visible character.
    """
    words = " ".join(_visible(prompt).split())
    for article in ("a ", "an ", "the "):
        if words.lower().startswith(article):
            words = words[len(article) :]
            break
    # Blender does not list names that begin with a dot.
    words = words.lstrip(". ")
    if not any(unicodedata.category(c)[0] in "LNPS" for c in words):
        words = fallback
    first = words[0].title()
    return _shorten((first if len(first) == 1 else words[0]) + words[1:])


def _visible(text: str) -> str:
    """Return composed text without control characters, halves of characters and the like."""
    return "".join(
        " " if c.isspace() else c
        for c in unicodedata.normalize("NFC", text)
        if c.isspace() or unicodedata.category(c)[0] != "C" or c in _KEPT_FORMATS
    )


def _shorten(words: str) -> str:
    """Keep as many whole words as fit; of a first word that is too long, its beginning."""
    while len(words.encode()) > MAX_NAME_BYTES:
        shorter = words.rpartition(" ")[0]
        if not shorter:
            return _beginning(words)
        words = shorter
    return words


def _beginning(word: str) -> str:
    """Cut a word so that no letter loses its marks and no emoji falls apart."""
    end = len(word.encode()[:MAX_NAME_BYTES].decode(errors="ignore"))
    for place in range(end, 0, -1):
        if not _is_inside_character(word, place):
            return word[:place]
    return word[:end]  # One letter under a heap of marks.


def _is_inside_character(word: str, place: int) -> bool:
    """Tell whether what stands before and after a place is seen as one."""
    before, after = word[place - 1], word[place]
    if unicodedata.category(after)[0] == "M" or after == _JOINER or before == _JOINER:
        return True
    if ord(after) in _SKIN_TONES:
        return True
    letters = 0  # Of flags, which are pairs of them.
    while letters < place and ord(word[place - 1 - letters]) in _FLAG_LETTERS:
        letters += 1
    return letters % 2 == 1 and ord(after) in _FLAG_LETTERS
