# SPDX-License-Identifier: GPL-3.0-or-later
"""The storage table of the preferences: its lines, and what can be done with a pack."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.app.translations import pgettext_iface as iface_
from bpy.app.translations import pgettext_rpt as rpt_
from bpy.props import BoolProperty, EnumProperty, StringProperty

from .. import weights_fetch
from . import downloads, engine, pack_states, packs

PARTS = (
    ("ALL", "All", "Everything that the pack has"),
    ("TEXT", "Text", "What prompts need"),
    ("IMAGE", "Image", "What pictures need"),
)


def refresh(context) -> None:
    """Look at every pack and write its line; main thread only."""
    rows = downloads.state(context).packs
    rows.clear()
    root = packs.folder(context)
    for info in weights_fetch.PACKS.values():
        found = weights_fetch.pack_state(info.id, root)
        row = rows.add()
        row.name, row.title, row.summary = info.id, info.title, info.summary
        row.license = iface_("License: {name}").format(name=info.licence)
        row.words, row.status = _words(found), found.status
        row.folder = str(found.folder)
        row.size = weights_fetch.describe_bytes(found.bytes_on_disk)
        row.is_bundled, row.is_present = info.bundled, found.bytes_on_disk > 0
        row.is_fetched, row.needs_clip = not info.lists_itself, not info.is_native
        if row.is_fetched:
            row.fetch_text = _missing(info, "text", root)
            row.fetch_image = _missing(info, "image", root)


def _words(found: weights_fetch.PackState) -> str:
    """Return the state of a whole pack in words."""
    if found.status == "damaged":
        text = iface_("Damaged: {file} is not as it was published")
        return text.format(file=found.damaged[0])
    if not found.ready_parts:
        if found.status == "missing":
            return iface_("Not on this machine")
        count = len(found.missing)
        return iface_("Incomplete: {count} files are missing").format(count=count)
    if "image" in found.ready_parts and "text" in found.ready_parts:
        return iface_("Ready for prompts and images")
    if "image" in found.ready_parts:
        return iface_("Ready for images")
    return iface_("Ready for prompts")


def _missing(info: weights_fetch.PackInfo, part: str, root: Path | None) -> str:
    """Return the size of what a part lacks, or nothing where it is complete or does not exist."""
    if part not in info.parts:
        return ""
    found = weights_fetch.pack_state(info.id, root, (part,))
    if found.status == "ready":
        return ""
    return weights_fetch.describe_bytes(pack_states.bytes_to_fetch(info, part, found))


class PackOperator:
    """Does something with one pack; nothing else may run meanwhile"""

    bl_options = {"INTERNAL"}

    pack_id: StringProperty(name="Pack", description="The pack's id", default="shap-e")

    @classmethod
    def poll(cls, context):
        shown = downloads.state(context)
        if shown.is_running:
            text = iface_("Wait until {pack} is done, or cancel it")
            cls.poll_message_set(text.format(pack=shown.title))
            return False
        return True

    def _known(self) -> bool:
        if self.pack_id in weights_fetch.PACKS:
            return True
        self.report({"ERROR"}, rpt_("There is no such pack"))
        return False

    def _outcome(self, context) -> set[str]:
        """Report how it ended, which without a window it already has."""
        if error := downloads.state(context).error:
            self.report({"ERROR"}, error)
            return {"CANCELLED"}
        return {"FINISHED"}


class MAQUETTE_OT_pack_fetch(PackOperator, bpy.types.Operator):
    """Download what is missing of a model pack; it can be stopped and goes on where it was"""

    bl_idname = "maquette.pack_fetch"
    bl_label = "Fetch Model Pack"

    part: EnumProperty(name="Part", description="What to fetch", items=PARTS)

    @classmethod
    def poll(cls, context):
        if not super().poll(context):
            return False
        if not bpy.app.online_access:
            cls.poll_message_set(
                "Online access is off: allow it in Preferences, System, Network, or import the"
                " files from a folder"
            )
            return False
        if engine.state(context).is_partial:
            cls.poll_message_set("Set up the engine first: fetching uses one of its packages")
            return False
        return True

    def execute(self, context):
        if not self._known():
            return {"CANCELLED"}
        parts = None if self.part == "ALL" else (self.part.lower(),)
        downloads.fetch(context, self.pack_id, parts)
        return self._outcome(context)


class MAQUETTE_OT_pack_import(PackOperator, bpy.types.Operator):
    """Copy a model pack from a folder: a copy of the hub's files, or OpenAI's original ones"""

    bl_idname = "maquette.pack_import"
    bl_label = "Import Model Pack"

    directory: StringProperty(name="Folder", subtype="DIR_PATH")
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context, _event):
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        if not self._known():
            return {"CANCELLED"}
        downloads.import_folder(context, self.pack_id, Path(bpy.path.abspath(self.directory)))
        return self._outcome(context)


class MAQUETTE_OT_pack_verify(PackOperator, bpy.types.Operator):
    """Read every file of a model pack, and compare it with what was published"""

    bl_idname = "maquette.pack_verify"
    bl_label = "Verify Model Pack"

    def execute(self, context):
        if not self._known():
            return {"CANCELLED"}
        downloads.verify(context, self.pack_id)
        return self._outcome(context)


class MAQUETTE_OT_pack_delete(PackOperator, bpy.types.Operator):
    """Delete a model pack's files; other files in its folder stay"""

    bl_idname = "maquette.pack_delete"
    bl_label = "Delete Model Pack"

    def invoke(self, context, event):
        row = downloads.state(context).packs.get(self.pack_id)
        if row is None:
            return self.execute(context)
        return context.window_manager.invoke_confirm(
            self,
            event,
            title=iface_("Delete {pack}?").format(pack=row.title),
            message=iface_("{size} in {folder}").format(size=row.size, folder=row.folder),
            confirm_text=iface_("Delete"),
            icon="WARNING",
        )

    def execute(self, context):
        if not self._known():
            return {"CANCELLED"}
        downloads.delete(context, self.pack_id)
        return self._outcome(context)


class MAQUETTE_OT_pack_open(bpy.types.Operator):
    """Show a model pack's folder in the system's file browser"""

    bl_idname = "maquette.pack_open"
    bl_label = "Open Folder"
    bl_options = {"INTERNAL"}

    pack_id: StringProperty(name="Pack", description="The pack's id", default="shap-e")

    def execute(self, context):
        row = downloads.state(context).packs.get(self.pack_id)
        folder = Path(row.folder) if row is not None else None
        if folder is None or not folder.is_dir():
            self.report({"ERROR"}, rpt_("There is no folder yet: fetch or import the pack first"))
            return {"CANCELLED"}
        bpy.ops.wm.path_open(filepath=str(folder))
        return {"FINISHED"}


class MAQUETTE_OT_pack_cancel(bpy.types.Operator):
    """Stop what runs with a model pack; what was fetched so far is kept"""

    bl_idname = "maquette.pack_cancel"
    bl_label = "Cancel Download"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        if not downloads.state(context).is_running:
            cls.poll_message_set("Nothing runs with a model pack")
            return False
        return True

    def execute(self, _context):
        downloads.cancel()
        return {"FINISHED"}


CLASSES = (
    MAQUETTE_OT_pack_fetch,
    MAQUETTE_OT_pack_import,
    MAQUETTE_OT_pack_verify,
    MAQUETTE_OT_pack_delete,
    MAQUETTE_OT_pack_open,
    MAQUETTE_OT_pack_cancel,
)
