# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user can do with the prompt history."""

from __future__ import annotations

import json
from pathlib import Path

import bpy
from bpy.app.translations import pgettext_iface as iface_
from bpy.app.translations import pgettext_rpt as rpt_
from bpy.props import BoolProperty, IntProperty, StringProperty

from ..core import history as history_file
from . import history, messages, properties

ACTIVE = -1


class _OnHistory:
    """An operator on a history that is not empty"""

    @classmethod
    def poll(cls, context):
        if not context.window_manager.maquette_sidebar.history:
            cls.poll_message_set("The history is empty")
            return False
        return True


class _OnEntry(_OnHistory):
    """An operator on one entry of the history"""

    index: IntProperty(
        name="Entry",
        description="Place in the history, the newest is 0; -1 for the chosen one",
        default=ACTIVE,
        min=ACTIVE,
        options={"SKIP_SAVE"},
    )

    def record(self, context) -> dict:
        """Return the stored entry."""
        sidebar = context.window_manager.maquette_sidebar
        place = sidebar.active_history if self.index == ACTIVE else self.index
        return json.loads(sidebar.history[min(place, len(sidebar.history) - 1)].record)


class MAQUETTE_OT_history_recall(_OnEntry, bpy.types.Operator):
    """Fill in the prompt and the settings of this entry"""

    bl_idname = "maquette.history_recall"
    bl_label = "Recall"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context):
        properties.show_record(context.scene.maquette, self.record(context))
        return {"FINISHED"}


class MAQUETTE_OT_history_run(_OnEntry, bpy.types.Operator):
    """Fill in the prompt and the settings of this entry, and generate it again"""

    bl_idname = "maquette.history_run"
    bl_label = "Generate Again"
    # No UNDO, as for Generate itself.
    bl_options = {"REGISTER"}

    def execute(self, context):
        settings = context.scene.maquette
        properties.show_record(settings, self.record(context))
        if settings.hindrance:
            self.report({"ERROR"}, settings.hindrance)
            return {"CANCELLED"}
        return bpy.ops.maquette.generate()


class MAQUETTE_OT_history_remove(_OnEntry, bpy.types.Operator):
    """Remove this entry from the history; results in the scene stay"""

    bl_idname = "maquette.history_remove"
    bl_label = "Remove Entry"
    bl_options = {"INTERNAL"}

    def execute(self, context):
        entry = history_file.HistoryEntry(**self.record(context))
        return _change(self, lambda entries: [each for each in entries if each != entry])


class MAQUETTE_OT_history_clear(_OnHistory, bpy.types.Operator):
    """Remove every entry of the history; results in the scene stay"""

    bl_idname = "maquette.history_clear"
    bl_label = "Clear History"
    bl_options = {"INTERNAL"}

    def invoke(self, context, event):
        return context.window_manager.invoke_confirm(
            self,
            event,
            title=iface_("Clear History"),
            message=iface_("Every prompt of the history is removed for good"),
            confirm_text=iface_("Clear"),
        )

    def execute(self, context):
        return _change(self, lambda _entries: [])


class MAQUETTE_OT_history_export(_OnHistory, bpy.types.Operator):
    """Write the history to a JSON file"""

    bl_idname = "maquette.history_export"
    bl_label = "Export History"
    bl_options = {"INTERNAL"}

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})
    check_existing: BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context, event):
        self.filepath = self.filepath or "maquette_history.json"
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        target = Path(bpy.path.ensure_ext(bpy.path.abspath(self.filepath), ".json"))
        try:
            entries = history_file.read(history.path())
            history_file.write(target, entries)
        except history_file.HistoryFileError as error:
            self.report({"ERROR"}, messages.for_user(error))
            return {"CANCELLED"}
        text = rpt_("{count} entries written to {file}")
        self.report({"INFO"}, text.format(count=len(entries), file=target.name))
        return {"FINISHED"}


class MAQUETTE_OT_history_import(bpy.types.Operator):
    """Add the entries of an exported JSON file to the history"""

    bl_idname = "maquette.history_import"
    bl_label = "Import History"
    bl_options = {"INTERNAL"}

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    def invoke(self, context, event):
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        source = Path(bpy.path.abspath(self.filepath))
        try:
            if not source.is_file():
                raise history_file.HistoryFileError(source, "unreadable", rpt_("no such file"))
            others = history_file.read(source)
        except history_file.HistoryFileError as error:
            self.report({"ERROR"}, messages.for_user(error))
            return {"CANCELLED"}
        return _change(self, lambda entries: history_file.merge(entries, others))


def _change(operator: bpy.types.Operator, edit: history.Change) -> set[str]:
    try:
        entries = history.change(edit)
    except history_file.HistoryFileError as error:
        operator.report({"ERROR"}, messages.for_user(error))
        return {"CANCELLED"}
    text = rpt_("The history has {count} entries now")
    operator.report({"INFO"}, text.format(count=len(entries)))
    return {"FINISHED"}


CLASSES = (
    MAQUETTE_OT_history_recall,
    MAQUETTE_OT_history_run,
    MAQUETTE_OT_history_remove,
    MAQUETTE_OT_history_clear,
    MAQUETTE_OT_history_export,
    MAQUETTE_OT_history_import,
)
