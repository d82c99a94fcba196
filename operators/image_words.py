# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said about pictures: why one may not work well, and why one cannot be used."""

from __future__ import annotations

from bpy.app.translations import pgettext_n as n_
from bpy.app.translations import pgettext_rpt as rpt_

from ..core.subject import Fault

FAULTS: dict[Fault, str] = {
    "busy background": n_("The background is busy and was kept: cut the object out"),
    "cut off": n_("The object is cut off by the edge: show all of it"),
    "small": n_("The object has few pixels: use a larger picture"),
    "several": n_("There are several objects: crop the picture to one"),
}

MOVIE = n_("it is a movie")
RENDER = n_("it is not saved yet")
TILES = n_("it has UDIM tiles")
SEQUENCE = n_("it is a sequence")
NO_FRAME = n_("this frame has no file")
NO_PICTURE = n_("there is no picture")
TOO_SMALL = n_("it has too few pixels")
TOO_LARGE = n_("it is too large")

# What `core.reference` says, to be found by whoever translates.
_OF_CORE = (n_("it is completely transparent"), n_("it shows nothing but its background"))


def of_faults(faults: tuple[Fault, ...]) -> tuple[str, ...]:
    """Return a sentence for each fault in the user's language."""
    return tuple(rpt_(FAULTS[fault]) for fault in faults)
