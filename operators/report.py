# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bug report needs to know about a run that failed, as text to paste."""

from __future__ import annotations

import platform
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import bpy
from bpy.props import EnumProperty, IntProperty

from .. import weights_fetch
from ..core.config import GenerationRequest, SamplerChanges
from ..core.version import VERSION
from . import mesh_settings, messages, packs

RECEIPT = ".maquette.json"


def compose(context, request: GenerationRequest, error: Exception | None, stage: str = "") -> str:
    """Return the report of a run: versions, device, pack, settings, and the traceback of a bug.

    The user's home folder is written as ~.
    """
    rows = [*_versions(), *_request(context, request)]
    if stage:
        rows.append(("Stage", stage))
    if error is not None:
        rows.append(("Error", f"{type(error).__name__}: {error}"))
    width = max(len(name) for name, _ in rows)
    text = "\n".join(f"{name.ljust(width)}  {value}" for name, value in rows) + "\n"
    if error is not None and messages.is_bug(error):
        text += "\n" + "".join(traceback.format_exception(error))
    return without_home(text)


def without_home(text: str) -> str:
    """Return the text with the user's home folder, however it is written, as ~."""
    home = Path.home()
    for written in {str(home), home.as_posix(), str(home).replace("\\", "\\\\")}:
        if len(written) > 1:  # A home of / would leave nothing.
            text = text.replace(written, "~")
    return text


def _versions() -> Iterator[tuple[str, str]]:
    yield "Maquette", VERSION
    yield "Blender", f"{bpy.app.version_string} ({bpy.app.build_hash.decode(errors='replace')})"
    yield "Python", platform.python_version()
    # Looked up only if a run has loaded it: an import takes seconds.
    torch = sys.modules.get("torch")
    yield "torch", getattr(torch, "__version__", "not loaded")
    yield "System", f"{platform.system()} {platform.release()}, {platform.machine()}"


def _request(context, request: GenerationRequest) -> Iterator[tuple[str, str]]:
    yield "Device", f"{request.device}, {request.precision}"
    yield "Pack", f"{request.pack} {_hash(context, request)}".rstrip()
    if request.image is not None:
        height, width = request.image.pixels.shape[:2]
        yield "Image", f"{request.image.source}, {width} x {height}"
    if request.mesh is not None:
        yield "Rebuilt from", f"{request.mesh.source}, {len(request.mesh.surface.faces)} triangles"
    yield "Prompt", request.prompt
    yield "Seed", f"{request.seed}, {request.count} variants"
    yield "Resolution", str(request.resolution)
    yield "Texture", str(request.texture_size)
    surface = mesh_settings.settings_of(request.surface)
    yield "Mesh", ", ".join(f"{key} {value}" for key, value in surface.items())
    yield "Size", f"{request.target_size:g}"
    yield "Sampler", _sampler(request)


def _sampler(request: GenerationRequest) -> str:
    sampler = request.sampler
    if sampler is None:
        return "the pack's"
    guidance = "the pack's" if sampler.guidance_scale is None else f"{sampler.guidance_scale:g}"
    steps = "the pack's" if sampler.num_steps is None else str(sampler.num_steps)
    kind = "changed" if isinstance(sampler, SamplerChanges) else sampler.method
    return f"{kind}, {steps} steps, guidance {guidance}"


def _hash(context, request: GenerationRequest) -> str:
    """Return the pack's hash where it is known without reading the pack's files."""
    part = "text" if request.image is None else "image"
    try:
        folder = weights_fetch.pack_directory(request.pack, packs.folder(context), (part,))
    except weights_fetch.WeightsError as error:
        return f"({error})"
    if not weights_fetch.PACKS[request.pack].lists_itself and not (folder / RECEIPT).is_file():
        return ""
    return weights_fetch.pack_hash(folder, part)


class MAQUETTE_OT_copy_report(bpy.types.Operator):
    """Copy versions, settings and what went wrong to the clipboard, to paste into a report"""

    bl_idname = "maquette.copy_report"
    bl_label = "Copy Report"
    bl_options = {"INTERNAL"}

    job_id: IntProperty(
        name="Job",
        description="Which job the report is about; 0 for the last one that failed",
        options={"SKIP_SAVE"},
    )

    def execute(self, context):
        text = _report_of(context.window_manager.maquette, self.job_id)
        if not text:
            self.report({"ERROR"}, "There is no report: it is written when a job fails")
            return {"CANCELLED"}
        context.window_manager.clipboard = text
        self.report({"INFO"}, "Report copied: paste it where you report the problem")
        return {"FINISHED"}


class MAQUETTE_OT_dismiss(bpy.types.Operator):
    """Take this message out of the sidebar"""

    bl_idname = "maquette.dismiss"
    bl_label = "Dismiss"
    bl_options = {"INTERNAL"}

    message: EnumProperty(
        name="Message",
        items=(("ERROR", "Error", "What went wrong"), ("WARNING", "Warning", "What to know")),
    )

    def execute(self, context):
        status = context.window_manager.maquette
        if self.message == "ERROR":
            status.error = status.report = ""
        else:
            status.warning = ""
        return {"FINISHED"}


def _report_of(status, job_id: int) -> str:
    if not job_id:
        return status.report
    return next((job.report for job in status.jobs if job.job_id == job_id), "")


CLASSES = (MAQUETTE_OT_copy_report, MAQUETTE_OT_dismiss)
