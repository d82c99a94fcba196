# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages of a run in the user's language; core names them in English."""

from __future__ import annotations

import re

from bpy.app.translations import pgettext_iface as iface_
from bpy.app.translations import pgettext_n as n_

STAGES = (
    n_("Loading the model pack"),
    n_("Reading the prompt"),
    n_("Recalling the earlier result"),
    n_("Measuring the mesh"),
    n_("Reading the mesh"),
    n_("Fitting the shape"),
    n_("Sampling"),
    n_("Finding the surface"),
    n_("Simplifying"),
    n_("Unwrapping"),
    n_("Painting the texture"),
    n_("Making levels of detail"),
)
"""Every stage that `core.pipeline.generate` reports."""

_OF_VARIANT = re.compile(r"(?P<stage>.+) \((?P<index>\d+) of (?P<count>\d+)\)")


def in_words(stage: str) -> str:
    """Translate a stage as the pipeline reports it, such as "Sampling (2 of 4)"."""
    if match := _OF_VARIANT.fullmatch(stage):
        words = match.groupdict()
        return iface_("{stage} ({index} of {count})").format(
            **words | {"stage": iface_(words["stage"])}
        )
    return iface_(stage)
