# SPDX-License-Identifier: GPL-3.0-or-later
"""What Set Up Engine would do, as its dialog shows it before anything is done."""

from __future__ import annotations

import textwrap
from functools import lru_cache
from pathlib import Path

from bpy.app.translations import pgettext_iface as iface_

from .. import weights_fetch
from ..engine.folder import EngineFolder
from ..engine.plan import SetupPlan, make_plan
from .report import without_home

LINE_CHARACTERS = 88


@lru_cache(maxsize=16)
def cached(
    place: EngineFolder, variant: str, index: str | None, wheels: Path | None, with_int8: bool
) -> SetupPlan:
    """Return the plan; it looks at files, and a dialog is drawn on every move of the mouse."""
    return make_plan(place, variant, index=index, wheels=wheels, with_int8=with_int8)


def draw(layout, plan: SetupPlan) -> None:
    """Add everything that a plan would do, as rows of a table."""
    rows = [(iface_("Folder"), without_home(str(plan.folder.packages)))]
    if plan.wheels is None:
        rows.append((iface_("Download"), _size(plan)))
    else:
        rows.append((iface_("Wheels From"), without_home(str(plan.wheels))))
    rows.append((iface_("Packages"), ", ".join(plan.requirements)))
    if plan.present:
        rows.append((iface_("Already There"), ", ".join(p.name for p in plan.present)))
    rows.append((iface_("Command"), without_home(plan.command)))
    box = layout.box().column(align=True)
    for name, text in rows:
        split = box.split(factor=0.16)
        split.label(text=name, translate=False)
        lines = split.column(align=True)
        lines.scale_y = 0.8
        for line in textwrap.wrap(text, LINE_CHARACTERS, break_on_hyphens=False):
            lines.label(text=line, translate=False)


def _size(plan: SetupPlan) -> str:
    if not plan.packages:
        return iface_("Nothing: all of it is there already")
    size = plan.download_bytes
    if size is None:
        return iface_("Some gigabytes; this index tells no sizes before")
    text = iface_("About {size}, and {disk} free on the disk while installing")
    return text.format(
        size=weights_fetch.describe_bytes(size), disk=weights_fetch.describe_bytes(plan.disk_bytes)
    )
