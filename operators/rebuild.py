# SPDX-License-Identifier: GPL-3.0-or-later
"""Selected meshes made again by a model that reads them: what it understood, not what they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import bpy
import numpy as np
from bpy.app.translations import pgettext_iface as iface_
from bpy.app.translations import pgettext_n as n_
from bpy.app.translations import pgettext_rpt as rpt_
from bpy.props import BoolProperty, EnumProperty
from numpy.typing import NDArray

from ..core.asset import Surface, require_readable
from ..core.config import GenerationRequest, MeshInput
from . import jobs, mesh_settings, messages, notes, pack_states, packs, properties
from .capture.surface import capture
from .jobs.fit import box_of
from .variants import layout

TYPES = {"MESH", "CURVE", "SURFACE", "FONT", "META"}
REASONS = (n_("it has no faces"), n_("its faces have no area"), n_("it is flat"))
"""Why a mesh cannot be read, as core says it."""


class MAQUETTE_OT_rebuild(bpy.types.Operator):
    """Let the model make the selected meshes again; it keeps what it understands, not details"""

    bl_idname = "maquette.rebuild"
    bl_label = "Rebuild with Maquette"
    # No UNDO: it returns before there is a result, and jobs makes the step when that lands.
    bl_options = {"REGISTER"}

    place: EnumProperty(
        name="Place",
        description="Where the rebuilt mesh stands",
        items=(
            ("BESIDE", "Beside", "Next to the selected mesh"),
            ("OVER", "In Place", "Where the selected mesh stands"),
        ),
    )
    original: EnumProperty(
        name="Original",
        description="What becomes of the selected mesh",
        items=(
            ("KEEP", "Keep", "It stays as it is"),
            ("HIDE", "Hide", "It is hidden, in the viewport and in renders"),
        ),
    )
    as_one: BoolProperty(
        name="As One Object",
        description="Read all selected meshes together, such as the parts of a chair",
    )

    @classmethod
    def poll(cls, context):
        if hindrance := _hindrance(context):
            cls.poll_message_set(hindrance)
            return False
        return True

    def invoke(self, context, event):
        return context.window_manager.invoke_props_dialog(self, confirm_text=iface_("Rebuild"))

    def execute(self, context):
        chosen = _chosen(context)
        groups = [chosen] if self.as_one else [[each] for each in chosen]
        try:
            # All are looked at before the first is queued.
            specs = [_spec(context, group, self.place, self.original) for group in groups]
            for spec in specs:
                jobs.submit(context, spec)
        except messages.EXPECTED as error:
            self.report({"ERROR"}, messages.for_user(error))
            return {"CANCELLED"}
        if status_error := context.window_manager.maquette.error:
            # Only without a window, where the run has already ended.
            self.report({"ERROR"}, status_error)
            return {"CANCELLED"}
        return {"FINISHED"}


def _hindrance(context) -> str:
    """Return why nothing can be rebuilt right now, or an empty string."""
    if context.mode != "OBJECT":
        return iface_("Go back to Object Mode first")
    if not _selected(context):
        return iface_("Select a mesh first")
    window_manager = context.window_manager
    if window_manager.maquette_engine.is_missing:
        return iface_("Set up the engine first")
    key = pack_states.key_of(context.scene.maquette.pack, pack_states.MESH)
    state = window_manager.maquette_sidebar.pack_states.get(key)
    # Before the first look nothing is known; a run says itself what its pack lacks.
    return "" if state is None or state.kind == "READY" else state.words


def _chosen(context) -> list[bpy.types.Object]:
    """Return what is selected and has a surface, the active object first."""
    active = context.view_layer.objects.active
    return sorted(_selected(context), key=lambda each: each != active)


def _selected(context) -> list[bpy.types.Object]:
    # It holds None where an object was removed a moment ago.
    selected = filter(None, context.view_layer.objects.selected)
    return [each for each in selected if each.type in TYPES]


def _spec(context, objects: Sequence[bpy.types.Object], place: str, original: str) -> jobs.JobSpec:
    """Return the job that rebuilds some objects as one.

    Raises:
        MeshInputError: there is nothing to be read.
        InvalidRequestError: a setting of the sidebar cannot be used.
    """
    settings = context.scene.maquette
    depsgraph = context.evaluated_depsgraph_get()
    captured = capture(depsgraph, objects)
    name = objects[0].name
    require_readable(captured.surface, name)
    # A model knows things upright and facing front, however they are turned in the scene.
    yaw = box_of(objects[0], depsgraph).yaw if len(objects) == 1 else 0.0
    surface = turned(captured.surface, -yaw)
    used = surface.corners.reshape(-1, 3)
    low, high = used.min(axis=0).astype(float), used.max(axis=0).astype(float)
    size = float((high - low).max())
    base = rotation(yaw) @ np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    if place == "BESIDE":
        base[0] += _width(captured.surface) + layout.GAP * size
    request = GenerationRequest(
        mesh=MeshInput(
            surface=surface,
            source=name,
            notes=(notes.GUESSED_COLORS,) if captured.notes else (),
        ),
        name=rpt_("{name} Rebuilt").format(name=name),
        pack=settings.pack,
        resolution=settings.resolution,
        texture_size=settings.texture_size,
        target_size=size,
        surface=mesh_settings.surface_of(settings),
        **properties.machine_of(settings, packs.preferences(context)),
    )
    placement = jobs.Placement(
        kind=place,
        location=tuple(base.tolist()),
        yaw=yaw,
        placeholder_uid=objects[0].session_uid,
        further_uids=tuple(each.session_uid for each in objects[1:]),
        action=original,
    )
    label = rpt_("Rebuild {name}").format(name=name)
    return jobs.JobSpec(request=request, placement=placement, label=label)


def _width(surface: Surface) -> float:
    return float(np.ptp(surface.corners[..., 0]))


def turned(surface: Surface, angle: float) -> Surface:
    """Return a surface turned about Z, in radians."""
    matrix = rotation(angle)
    return replace(
        surface,
        vertices=(surface.vertices @ matrix.T).astype(np.float32),
        corner_normals=(surface.corner_normals @ matrix.T).astype(np.float32),
    )


def rotation(angle: float) -> NDArray[np.float64]:
    """Return the matrix of a turn about Z, [3, 3]."""
    sine, cosine = math.sin(angle), math.cos(angle)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


CLASSES = (MAQUETTE_OT_rebuild,)
