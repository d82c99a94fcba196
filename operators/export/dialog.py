# SPDX-License-Identifier: GPL-3.0-or-later
"""The export row: which results go into which file, and what may be replaced."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.app.translations import pgettext_rpt as rpt_
from bpy.props import BoolProperty, EnumProperty, StringProperty

from .. import levels
from ..assets.metadata import file_name
from ..assets.saving import selected_results
from .formats import FORMATS, STL_IN_UNITS, Format, Results, hindrance
from .writing import export


class MAQUETTE_OT_export(bpy.types.Operator):
    """Write the selected results to a file for other programs, with their texture"""

    bl_idname = "maquette.export"
    bl_label = "Export Results"
    bl_options = {"REGISTER", "INTERNAL"}

    file_format: EnumProperty(
        name="Format",
        items=[(name, each.label, each.suffix) for name, each in FORMATS.items()],
        options={"SKIP_SAVE"},
    )
    filepath: StringProperty(name="File", subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    check_existing: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    separate: BoolProperty(
        name="One File Each",
        description="Write each object to a file that is named after it",
    )
    with_levels: BoolProperty(
        name="LODs and Collision",
        description="Write the meshes that come with the results, named as game engines know them",
    )
    millimeters: BoolProperty(
        name="In Millimeters",
        description="As slicers expect; else one millimeter for each unit of the scene",
        default=True,
    )
    overwrite: BoolProperty(
        name="Replace Existing Files", options={"HIDDEN", "SKIP_SAVE"}, default=False
    )

    @classmethod
    def poll(cls, context):
        if not selected_results(context):
            cls.poll_message_set("Select an object that Maquette made")
            return False
        if context.mode != "OBJECT":
            cls.poll_message_set("Switch to Object Mode first")
            return False
        return True

    def invoke(self, context, event):
        chosen = FORMATS[self.file_format]
        if problem := hindrance(chosen):
            self.report({"ERROR"}, problem)
            return {"CANCELLED"}
        if self.overwrite:
            return self._ask(context, event)
        folder = Path(bpy.data.filepath).parent if bpy.data.filepath else Path.home()
        name = file_name(selected_results(context)[0].name)
        self.filepath = str(folder / (name + chosen.suffix))
        self.filter_glob = f"*{chosen.suffix}"
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def _ask(self, context, event):
        names = ", ".join(each.name for each in self._paths(context) if each.exists())
        return context.window_manager.invoke_confirm(
            self,
            event,
            title=rpt_("Replace Existing Files?"),
            message=names,
            confirm_text=rpt_("Replace"),
            icon="WARNING",
        )

    def draw(self, context):
        if self.file_format == "STL":
            self.layout.prop(self, "millimeters")
        column = self.layout.column()
        column.enabled = len(selected_results(context)) > 1
        column.prop(self, "separate")
        column = self.layout.column()
        column.enabled = any(levels.of(each) for each in selected_results(context))
        if self.file_format != "STL":  # All of them would be one mesh there.
            column.prop(self, "with_levels")

    def _chosen(self) -> Format:
        is_plain = self.file_format == "STL" and not self.millimeters
        return STL_IN_UNITS if is_plain else FORMATS[self.file_format]

    def _paths(self, context) -> dict[Path, Results]:
        """Return what goes into which file."""
        suffix = FORMATS[self.file_format].suffix
        path = Path(bpy.path.abspath(self.filepath))
        results = selected_results(context)
        if self.separate and len(results) > 1:
            # Folders may not tell large letters from small ones, objects do.
            names = _distinct([file_name(each.name) for each in results])
            return {
                path.with_name(name + suffix): [each]
                for name, each in zip(names, results, strict=True)
            }
        if path.suffix.lower() != suffix:
            path = path.with_name(path.name + suffix)
        return {path: results}

    def execute(self, context):
        chosen = self._chosen()
        paths = self._paths(context)
        existing = [path.name for path in paths if path.exists()]
        try:
            if problem := hindrance(chosen):
                raise RuntimeError(problem)
            if existing and not self.overwrite:
                return self._refuse(existing)
            for path, results in paths.items():
                with_levels = self.with_levels and self.file_format != "STL"
                export(context, path, chosen, results, with_levels=with_levels)
        except (OSError, RuntimeError) as error:
            text = rpt_("Cannot export, choose another place: {reason}")
            # Of an exporter in Python it is a whole traceback.
            reason = (str(error).strip().splitlines() or ["?"])[-1]
            self.report({"ERROR"}, text.format(reason=reason))
            return {"CANCELLED"}
        names = ", ".join(path.name for path in paths)
        self.report({"INFO"}, rpt_("Exported {files}").format(files=names))
        return {"FINISHED"}

    def _refuse(self, existing: list[str]) -> set[str]:
        """Ask before anything is replaced; where nobody can be asked, say how to allow it."""
        if self.options.is_invoke and not bpy.app.background:
            bpy.ops.maquette.export(
                "INVOKE_DEFAULT",
                filepath=self.filepath,
                file_format=self.file_format,
                separate=self.separate,
                with_levels=self.with_levels,
                overwrite=True,
            )
            return {"CANCELLED"}
        text = rpt_("{files} is already there: choose another name")
        self.report({"ERROR"}, text.format(files=", ".join(existing)))
        return {"CANCELLED"}


def _distinct(names: list[str]) -> list[str]:
    """Return the names with numbers after those that occurred before, whatever their case."""
    taken: set[str] = set()
    found = []
    for name in names:
        candidate, number = name, 2
        while candidate.casefold() in taken:
            candidate, number = f"{name} {number}", number + 1
        taken.add(candidate.casefold())
        found.append(candidate)
    return found


CLASSES = (MAQUETTE_OT_export,)
