# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job is asked to do: the request, and where its results stand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import bpy

from ...core.config import GenerationRequest
from .fit import Box, box_of

Kind = Literal["CURSOR", "ORIGIN", "PLACEHOLDER", "BESIDE", "OVER"]
Action = Literal["KEEP", "HIDE", "REPLACE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where the results stand; objects are known by `session_uid`, which undo does not change."""

    kind: Kind = "CURSOR"
    location: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Middle of the base, in metres."""
    yaw: float = 0.0
    """Turn about Z, in radians, unless a placeholder says it."""
    placeholder_uid: int = 0
    """What the results stand for; beside or over it they keep their own size."""
    further_uids: tuple[int, ...] = ()
    """What belongs to the placeholder and shares its fate."""
    action: Action = "KEEP"
    """What becomes of the placeholder."""
    box: Box | None = None
    """The placeholder's, for when it is gone by the time of landing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One job: all that is needed to do it, now or once more."""

    request: GenerationRequest
    placement: Placement = field(default_factory=Placement)
    label: str = ""
    """How the list calls it; empty for the prompt or the name of the picture."""
    replaces_uid: int = 0
    """`session_uid` of an earlier result whose place the first variant takes, or 0."""


def placement_of(context, settings) -> Placement:
    """Return where the settings put a result, with the cursor and the active object as of now."""
    kind = settings.location
    active = context.view_layer.objects.active
    if kind == "PLACEHOLDER" and active is not None:
        box = box_of(active, context.evaluated_depsgraph_get())
        return Placement(
            kind=kind,
            location=box.base,
            placeholder_uid=active.session_uid,
            action=settings.placeholder_action,
            box=box,
        )
    if kind == "ORIGIN":
        return Placement(kind=kind)
    return Placement(kind="CURSOR", location=tuple(context.scene.cursor.location))


def object_of(uid: int) -> bpy.types.Object | None:
    """Return the object with this `session_uid`, or None when it is gone."""
    return next((each for each in bpy.data.objects if each.session_uid == uid), None)
