# SPDX-License-Identifier: GPL-3.0-or-later
"""From an earlier result: make it again, with another seed, or others like it.

Everything comes from the record on the object, nothing from the sidebar.
"""

from __future__ import annotations

import random
from dataclasses import replace

import bpy
from bpy.app.translations import pgettext_rpt as rpt_
from bpy.props import FloatProperty, IntProperty, StringProperty
from mathutils import Vector

from ..core import config
from . import jobs, mesh_build, messages, properties, records
from .variants import gallery, layout

MAX_COUNT = 16


class _OnResult:
    """An operator on one earlier result"""

    # No UNDO: the job makes the step when its results land.
    bl_options = {"REGISTER"}

    object_uid: IntProperty(
        name="Result",
        description="The session_uid of the result; 0 for the active object",
        options={"HIDDEN", "SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context):
        active = context.view_layer.objects.active
        if active is None or mesh_build.RECORD_KEY not in active:
            cls.poll_message_set("Select an object that Maquette made")
            return False
        return True

    def execute(self, context):
        subject = gallery.find(context, self.object_uid)
        try:
            if subject is None:
                raise records.RecordError(rpt_("The object is gone: choose another one"))
            return self.apply(context, subject, records.read(subject))
        except records.RecordError as error:
            self.report({"ERROR"}, str(error))
        except messages.EXPECTED as error:
            self.report({"ERROR"}, messages.for_user(error))
        return {"CANCELLED"}

    def submit(self, context, spec: jobs.JobSpec, record: dict) -> set[str]:
        """Queue a job, and say why its result may not be what the record promises."""
        for sentence in records.differences(context, record):
            self.report({"WARNING"}, sentence)
        jobs.submit(context, spec)
        if status_error := context.window_manager.maquette.error:
            # Only without a window, where the run has already ended.
            self.report({"ERROR"}, status_error)
            return {"CANCELLED"}
        return {"FINISHED"}


class MAQUETTE_OT_regenerate(_OnResult, bpy.types.Operator):
    """Make this object again"""

    bl_idname = "maquette.regenerate"
    bl_label = "Regenerate in Place"
    bl_description = (
        "Make this object again where it stands, from the same prompt, seed and settings: the same"
        " mesh, unless it was edited, or model or Maquette are others now"
    )

    def apply(self, context, subject, record):
        spec = jobs.JobSpec(
            request=_request(context, subject, record),
            placement=jobs.Placement(location=tuple(subject.matrix_world.translation)),
            label=rpt_("{name} again").format(name=subject.name),
            replaces_uid=subject.session_uid,
        )
        return self.submit(context, spec, record)


class MAQUETTE_OT_same_with_new_seed(_OnResult, bpy.types.Operator):
    """Make one more object of the same kind"""

    bl_idname = "maquette.same_with_new_seed"
    bl_label = "Same With New Seed"
    bl_description = (
        "Make one more object beside this one, from the same prompt and settings with another seed:"
        " another shape"
    )

    def apply(self, context, subject, record):
        if not (record.get("prompt") or record.get("image_source")):
            raise records.RecordError(rpt_("It has no prompt, only a mesh: use More Like This"))
        # Without its likeness, which would make it another one like the same.
        request = replace(records.request_of(context, record), like=None, seed=_new_seed(record))
        label = rpt_("{name} with a new seed").format(name=subject.name)
        return self.submit(context, _beside(context, subject, request, label), record)


class MAQUETTE_OT_more_like_this(_OnResult, bpy.types.Operator):
    """Make several objects that resemble this one"""

    bl_idname = "maquette.more_like_this"
    bl_label = "More Like This"
    bl_description = (
        "Make several objects beside this one that keep its shape and differ a little; the button"
        " at the right asks how many and how much"
    )

    count: IntProperty(
        name="Variants",
        description="How many to make",
        default=4,
        min=1,
        max=MAX_COUNT,
    )
    strength: FloatProperty(
        name="Difference",
        description="Near 0 they are almost the same, at 1 only the prompt is",
        default=config.Likeness(seeds=(0,)).strengths[0],
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    prompt: StringProperty(
        name="Prompt",
        description="What they should be, if a mesh was read; empty leaves that open",
        maxlen=config.MAX_PROMPT_CHARACTERS,
        options={"SKIP_SAVE"},
    )

    def invoke(self, context, event):
        subject = gallery.find(context, self.object_uid)
        if subject is not None and not self.prompt:
            self.prompt = subject.get(f"{mesh_build.RECORD_KEY}_prompt", "")
        return context.window_manager.invoke_props_dialog(self, confirm_text=rpt_("Generate"))

    def draw(self, context):
        layout = self.layout
        layout.use_property_split = True
        subject = gallery.find(context, self.object_uid)
        if subject is not None and mesh_build.LATENT_KEY in subject:
            layout.prop(self, "prompt")
        layout.prop(self, "count")
        layout.prop(self, "strength")

    def apply(self, context, subject, record):
        request = _request(context, subject, record)
        # Blender keeps single precision, in which 0.9 is 0.89999998.
        like, prompt = _like(request, round(self.strength, 4)), request.prompt
        if request.latent is not None:
            prompt = self.prompt or prompt
        request = replace(
            request,
            prompt=prompt,
            latent=None,
            like=like,
            seed=_new_seed(record),
            count=self.count,
        )
        label = rpt_("Like {name}").format(name=subject.name)
        return self.submit(context, _beside(context, subject, request, label), record)


class MAQUETTE_OT_edit_prompt(_OnResult, bpy.types.Operator):
    """Fill the sidebar with the prompt, seed and settings of this object"""

    bl_idname = "maquette.edit_prompt"
    bl_label = "Edit Prompt"
    bl_options = {"REGISTER", "UNDO"}

    def invoke(self, context, event):
        subject = gallery.find(context, self.object_uid)
        if subject is None or mesh_build.LATENT_KEY not in subject:
            return self.execute(context)
        # The sidebar starts from noise; what began with a mesh is changed near it.
        uid = subject.session_uid
        bpy.ops.maquette.more_like_this("INVOKE_DEFAULT", object_uid=uid, count=1)
        return {"CANCELLED"}  # Nothing has changed that could be undone.

    def apply(self, context, subject, record):
        properties.show_record(context.scene.maquette, record)
        if "like_seeds" in record["settings"]:
            text = rpt_("It was made like another one, which only Regenerate does again")
            self.report({"WARNING"}, text)
        if mesh_build.LATENT_KEY in subject:
            text = rpt_("It began with a mesh, which More Like This stays near")
            self.report({"WARNING"}, text)
        return {"FINISHED"}


def _request(context, subject: bpy.types.Object, record: dict) -> config.GenerationRequest:
    return records.request_of(context, record, records.latent_of(subject, record))


def _like(request: config.GenerationRequest, strength: float) -> config.Likeness:
    """Return the likeness of a result that a request gives, as far from it as the strength."""
    if request.latent is not None:
        return config.Likeness(latent=request.latent, strengths=(strength,))
    seeds, strengths = (request.seed,), (strength,)
    if request.like is not None:
        seeds, strengths = request.like.seeds + seeds, request.like.strengths + strengths
    return config.Likeness(seeds=seeds, strengths=strengths)


def _new_seed(record: dict) -> int:
    """Return a seed that is not the record's, with room for variants after it."""
    while True:
        seed = random.SystemRandom().randrange(properties.MAX_DRAWN_SEED)
        if seed != record["seed"]:
            return seed


def _beside(
    context, subject: bpy.types.Object, request: config.GenerationRequest, label: str
) -> jobs.JobSpec:
    results = [each for each in context.scene.objects if mesh_build.RECORD_KEY in each]
    location = layout.sheet_beside(
        [_footprint(each) for each in results],
        tuple(subject.matrix_world.translation),
        request.count,
        request.target_size,
    )
    return jobs.JobSpec(
        request=request,
        placement=jobs.Placement(location=location),
        label=label,
    )


def _footprint(standing: bpy.types.Object) -> tuple[float, float, float, float]:
    """Return the left, right, front and back end of an object in the scene."""
    corners = [standing.matrix_world @ Vector(corner) for corner in standing.bound_box]
    xs, ys = [corner.x for corner in corners], [corner.y for corner in corners]
    return min(xs), max(xs), min(ys), max(ys)


CLASSES = (
    MAQUETTE_OT_regenerate,
    MAQUETTE_OT_same_with_new_seed,
    MAQUETTE_OT_more_like_this,
    MAQUETTE_OT_edit_prompt,
)
