# SPDX-License-Identifier: GPL-3.0-or-later
"""Short names of results, from prompts in any alphabet."""

from __future__ import annotations

MAX_NAME_BYTES = 48
"""Blender cuts names at 63 bytes of UTF-8 and adds suffixes such as .001."""


def object_name(prompt: str, fallback: str = "Maquette") -> str:
    """Return a prompt as a name: one line, first letter large, cut between words.

    Args:
        prompt: any text.
        fallback: for prompts without a visible character.
    """
    words = " ".join(prompt.split())
    for article in ("a ", "an ", "the "):
        if words.lower().startswith(article):
            words = words[len(article) :]
            break
    words = words.strip() or fallback
    words = words[:1].upper() + words[1:]
    while len(words.encode()) > MAX_NAME_BYTES:
        shorter = words.rpartition(" ")[0]
        words = shorter or words[:-1]
    return words
