# SPDX-License-Identifier: GPL-3.0-or-later
"""What core has to say about a result, in the user's language; core says it in English."""

from __future__ import annotations

import re

from bpy.app.translations import pgettext_n as n_
from bpy.app.translations import pgettext_rpt as rpt_

GUESSED_COLORS = n_("some colors of the mesh had to be guessed")

TEMPLATES = (
    GUESSED_COLORS,
    n_("1 loose speck was removed"),
    n_("{count} loose specks were removed"),
    n_("The object was not made symmetric because its halves do not join"),
    n_("{count} triangles were kept because the surface touches itself"),
    n_("{count} triangles were kept because fewer would tear the surface"),
    n_("{count} levels of detail were made: more would tear it"),
    n_("the {pack} pack takes {word} for {learnt}"),
    n_("the {pack} pack does not know {word} and left it out"),
    n_(
        "the {pack} pack does not know {word} and left it out"
        " (the nearest word that it knows is {near})"
    ),
    n_("{device} ran out of memory: {step}"),
    n_("{stage} went out of range: used full precision"),
    n_("8-bit numbers need OpenVINO, which the engine can have: {step}"),
    n_("8-bit numbers need a processor with VNNI: {step}"),
    n_("sampled one variant at a time"),
    n_("sampled {count} variants at a time"),
    n_("looked at {count} points at a time"),
    n_("used half precision"),
    n_("used full precision"),
    n_("made the mesh on the CPU"),
    n_("used the CPU"),
)
"""As core words them; what changes is between braces. A step is a note too."""

_FIELD = re.compile(r"\\{(\w+)\\}")
_PATTERNS = tuple(
    (text, re.compile(_FIELD.sub(r"(?P<\1>.+?)", re.escape(text)))) for text in TEMPLATES
)


def in_words(note: str) -> str:
    """Return a note for the user; one that is not known here stays as it is."""
    for text, pattern in _PATTERNS:
        if match := pattern.fullmatch(note):
            words = match.groupdict()
            if "step" in words:
                words["step"] = in_words(words["step"])
            return rpt_(text).format(**words)
    return note
