# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface in other languages, through Blender's own mechanism.

One JSON file for each language: the English message, as it stands in the sources, and its
translation. `python -m maquette.tools.translatable_strings` lists what a file lacks.
"""

from __future__ import annotations

import json
from pathlib import Path

import bpy

FOLDER = Path(__file__).parent
LANGUAGES = ("de_DE", "es", "fr_FR", "ja_JP", "zh_HANS")
"""Blender's names of the languages, which are the names of the files."""

CONTEXTS = ("*", "Operator")
"""Blender looks labels of operators up in a context of their own, everything else in the other."""

_DOMAIN = __package__


def table(language: str) -> dict[str, str]:
    """Return the translations of a language by English message."""
    text = (FOLDER / f"{language}.json").read_text(encoding="utf-8")
    messages: dict[str, str] = json.loads(text)
    return messages


def register() -> None:
    """Give Blender the tables."""
    tables = {
        language: {
            (context, message): translation
            for message, translation in table(language).items()
            for context in CONTEXTS
        }
        for language in LANGUAGES
    }
    bpy.app.translations.register(_DOMAIN, tables)


def unregister() -> None:
    """Take the tables back."""
    bpy.app.translations.unregister(_DOMAIN)
