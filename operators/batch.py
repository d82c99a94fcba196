# SPDX-License-Identifier: GPL-3.0-or-later
"""A list of prompts as jobs, one for each line: from a text of this file or from a file on disk.

Everything is checked before the first job is submitted.
"""

from __future__ import annotations

import os
from dataclasses import replace

import bpy
from bpy.app.translations import pgettext_iface as iface_
from bpy.props import BoolProperty, StringProperty

from ..core import config, prompts
from ..core.errors import GenerationError, LineFault, PromptListError
from . import jobs, messages, packs, presets, prompt_words, properties
from .variants import layout

WIDTH = 420
MAX_BYTES = 10 * 2**20
MAX_LISTED = 5
"""Prompts that the dialog names."""


class MAQUETTE_OT_batch(bpy.types.Operator):
    """Generate a mesh for each line of a text or a CSV file; shows first how many"""

    bl_idname = "maquette.batch"
    bl_label = "Generate Meshes from List"
    bl_options = {"REGISTER"}

    text: StringProperty(
        name="Text",
        description="Name of a text in this file; each line is a prompt",
        options={"SKIP_SAVE"},
    )
    filepath: StringProperty(subtype="FILE_PATH", options={"HIDDEN", "SKIP_SAVE"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    filter_glob: StringProperty(default="*.csv;*.tsv;*.txt", options={"HIDDEN"})

    is_browsing = False

    def invoke(self, context, event):
        space = context.space_data
        if not self.text and not self.filepath and space and space.type == "TEXT_EDITOR":
            self.text = space.text.name if space.text else ""
        if not self.text and not self.filepath:
            self.is_browsing = True
            context.window_manager.fileselect_add(self)
            return {"RUNNING_MODAL"}
        specs = self._specs(context)
        if not specs:
            return {"CANCELLED"}
        context.window_manager.maquette_batch = _summary(specs)
        return context.window_manager.invoke_props_dialog(
            self, width=WIDTH, confirm_text=iface_("Generate")
        )

    def draw(self, context):
        name = "MAQUETTE_MT_batch_files" if self.is_browsing else "MAQUETTE_MT_batch_dialog"
        self.layout.menu_contents(name)

    def execute(self, context):
        if self.is_browsing:
            bpy.ops.maquette.batch("INVOKE_DEFAULT", filepath=self.filepath)
            return {"FINISHED"}
        # Again, because model and quality may have been changed in the dialog.
        specs = self._specs(context)
        try:
            for spec in specs:
                jobs.submit(context, spec)
        except messages.EXPECTED as error:
            self.report({"ERROR"}, messages.for_user(error))
            return {"CANCELLED"}
        return {"FINISHED"} if specs else {"CANCELLED"}

    def _specs(self, context) -> list[jobs.JobSpec]:
        """Return the jobs of the list, or none after saying what is wrong with it."""
        try:
            return specs_of(context, self._rows())
        except PromptListError as error:
            # Blender shows all of them at once, one below the other.
            self.report({"ERROR"}, prompt_words.of_list(error))
            for fault in error.faults[1:]:
                self.report({"ERROR"}, prompt_words.of_fault(fault))
        except GenerationError as error:
            self.report({"ERROR"}, messages.for_user(error))
        return []

    def _rows(self) -> tuple[prompts.PromptRow, ...]:
        if self.filepath:
            return prompts.parse_list(*_read(self.filepath))
        text = bpy.data.texts.get(self.text)
        return prompts.parse_list(text.as_string() if text else "", self.text or iface_("Text"))


def specs_of(context, rows: tuple[prompts.PromptRow, ...]) -> list[jobs.JobSpec]:
    """Return a job for each row: the sidebar's settings, with what the row says instead.

    Raises:
        InvalidRequestError: a setting of the sidebar cannot be used.
    """
    settings = context.scene.maquette
    preferences = packs.preferences(context)
    common = properties.request_of(settings, preferences, prompt=rows[0].prompt)
    requests = [_request(common, row, settings, preferences) for row in rows]
    middle = jobs.placement_of(context, settings).location
    places = layout.grid_locations([_extent(request) for request in requests], middle)
    return [
        jobs.JobSpec(
            request=request,
            placement=jobs.Placement(location=place),
            label=row.name or row.prompt,
        )
        for row, request, place in zip(rows, requests, places, strict=True)
    ]


def _extent(request: config.GenerationRequest) -> float:
    """Return how wide the sheet of a job's variants is, in metres."""
    size = request.target_size
    places = layout.grid_locations([size] * request.count, (0.0, 0.0, 0.0))
    return size + 2.0 * max(x for x, _, _ in places)


def _request(
    common: config.GenerationRequest, row: prompts.PromptRow, settings, preferences
) -> config.GenerationRequest:
    if settings.random_seed:
        properties.draw_seed(settings)
    request = replace(
        common,
        prompt=row.prompt,
        name=row.name,
        seed=settings.seed if row.seed is None else row.seed,
        count=settings.count if row.count is None else row.count,
    )
    if not row.preset:
        return request
    preset = presets.PRESETS[row.preset.upper()]
    precision = properties.machine_of(settings, preferences)["precision"]
    if preset.fast_sampling:
        precision = properties.fast_precision(precision, request.pack)
    return replace(
        request,
        sampler=presets.sampler_changes(
            preset.steps, request.sampler.guidance_scale, is_fast=preset.fast_sampling
        ),
        precision=precision,
        resolution=preset.resolution,
        texture_size=preset.texture_size,
        surface=replace(request.surface, triangles=preset.triangles, normal_map=preset.normal_map),
    )


def _read(filepath: str) -> tuple[str, str]:
    """Return the text of a file, and its name."""
    path = bpy.path.abspath(filepath)
    name = os.path.basename(path)
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PromptListError(name, (LineFault(0, "no file"),)) from error
    if len(content) > MAX_BYTES:
        raise PromptListError(name, (LineFault(0, "no text"),))
    return prompts.decode_list(content, name), name


def _summary(specs: list[jobs.JobSpec]) -> str:
    """Return how many meshes there will be, then the first prompts, a line for each."""
    num_meshes = sum(spec.request.count for spec in specs)
    head = iface_("{prompts} prompts, {meshes} meshes").format(
        prompts=len(specs), meshes=num_meshes
    )
    lines = [f"{spec.label[:60]}" for spec in specs[:MAX_LISTED]]
    if len(specs) > MAX_LISTED:
        lines.append(iface_("and {count} more").format(count=len(specs) - MAX_LISTED))
    return "\n".join([head, *lines])


CLASSES = (MAQUETTE_OT_batch,)


def register() -> None:
    """Add the text that the dialog shows."""
    bpy.types.WindowManager.maquette_batch = StringProperty(name="List", options={"SKIP_SAVE"})


def unregister() -> None:
    """Remove it."""
    del bpy.types.WindowManager.maquette_batch
