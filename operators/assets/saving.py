# SPDX-License-Identifier: GPL-3.0-or-later
"""Results in the Asset Browser: saved into this file or a library, and taken out again."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.app.translations import pgettext_n as n_
from bpy.app.translations import pgettext_rpt as rpt_
from bpy.props import EnumProperty, StringProperty

from .. import mesh_build
from ..variants import thumbnails
from . import catalogs, ledger, libraries, metadata
from .libraries import THIS_FILE
from .metadata import Metadata

LICENSES = ("CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "All rights reserved")

# Blender keeps no reference to the texts of items that a function returned.
_library_list: list[tuple[str, str, str, str, int]] = []
_file_list: list[tuple[str, str, str, str, int]] = []


def selected_results(context) -> list[bpy.types.Object]:
    """Return the selected results, or the active one when none is."""
    chosen = [*context.selected_objects] or [context.view_layer.objects.active]
    return [each for each in chosen if each is not None and mesh_build.RECORD_KEY in each]


def _library_items(_self, context):
    _library_list[:] = [
        (THIS_FILE, n_("This File"), n_("Mark the object as an asset here"), "FILE_BLEND", 0)
    ]
    if context is not None:
        _library_list.extend(
            (library.name, library.name, library.path, "ASSET_MANAGER", number)
            for number, library in enumerate(libraries.configured(context), 1)
        )
    return _library_list


def _find_catalogs(operator, context, text):
    root = libraries.root_of(context, operator.library)
    try:
        paths = [each.path for each in catalogs.read(root)] if root else []
    except catalogs.CatalogError:
        paths = []
    return [path for path in paths if text.casefold() in path.casefold()]


class _OnSelectedResults:
    """An operator on the selected results"""

    @classmethod
    def poll(cls, context):
        if not selected_results(context):
            cls.poll_message_set("Select an object that Maquette made")
            return False
        return True


class MAQUETTE_OT_asset_save(_OnSelectedResults, bpy.types.Operator):
    """Save the selected results as assets, into this file or into a library of yours"""

    bl_idname = "maquette.asset_save"
    bl_label = "Save to Asset Browser"
    # No REGISTER: changing a value afterwards would write another file.
    bl_options = {"UNDO", "INTERNAL"}

    library: EnumProperty(
        name="Library",
        description="Where the asset is kept; a library gets a new file for each object",
        items=_library_items,
    )
    catalog: StringProperty(
        name="Catalog",
        description="Where in the Asset Browser; a new name adds a catalog, empty is unassigned",
        default="Maquette",
        search=_find_catalogs,
    )
    tags: StringProperty(
        name="Tags",
        description="Words to search for, with commas between; empty for those of the prompt",
        options={"SKIP_SAVE"},
    )
    description: StringProperty(
        name="Description",
        description="What the Asset Browser says about it; empty for the prompt",
        options={"SKIP_SAVE"},
    )
    author: StringProperty(name="Author", description="Who is named as the author")
    license: StringProperty(
        name="License",
        description="Under which terms others may use it",
        search=lambda _self, _context, text: [
            each for each in LICENSES if text.casefold() in each.casefold()
        ],
    )

    def invoke(self, context, event):
        chosen = selected_results(context)
        if len(chosen) == 1:
            self._show(chosen[0])
        return context.window_manager.invoke_props_dialog(
            self, width=380, confirm_text=rpt_("Save")
        )

    def _show(self, subject) -> None:
        prompt = str(subject.get(f"{mesh_build.RECORD_KEY}_prompt", ""))
        data = subject.asset_data
        tags = [tag.name for tag in data.tags] if data else metadata.tags_of(prompt)
        self.tags = ", ".join(tags)
        self.description = data.description if data else prompt
        if data:
            self.author, self.license = data.author, data.license

    def draw(self, context):
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(self, "library")
        row = layout.row()
        row.enabled = bool(bpy.data.filepath) or self.library != THIS_FILE
        row.prop(self, "catalog")
        if not row.enabled:
            layout.label(text="Catalogs need a saved file", icon="INFO")
        chosen = selected_results(context)
        if len(chosen) == 1:
            layout.prop(self, "description")
            layout.prop(self, "tags")
        else:
            text = rpt_("{count} objects, each described by its own prompt")
            layout.label(text=text.format(count=len(chosen)), icon="INFO", translate=False)
        layout.prop(self, "author")
        layout.prop(self, "license")

    def execute(self, context):
        chosen = selected_results(context)
        try:
            said = self._metadata(context, is_single=len(chosen) == 1)
            for each in chosen:
                self._save(context, each, said)
        except (OSError, RuntimeError, catalogs.CatalogError) as error:
            text = rpt_("Cannot save the asset, choose another library: {reason}")
            self.report({"ERROR"}, text.format(reason=error))
            return {"CANCELLED"}
        libraries.refresh(context)
        return {"FINISHED"}

    def _metadata(self, context, *, is_single: bool) -> Metadata:
        root = libraries.root_of(context, self.library)
        catalog_id = ""
        if catalogs.normal_path(self.catalog) and root is not None:
            catalog_id = catalogs.find_or_add(root, self.catalog)
        tags = tuple(tag.strip() for tag in self.tags.split(",") if tag.strip())
        return Metadata(
            catalog_id=catalog_id,
            author=self.author,
            license=self.license,
            description=self.description if is_single else "",
            tags=tags if is_single else (),
        )

    def _save(self, context, subject, said: Metadata) -> None:
        if subject.type == "MESH" and not thumbnails.has_picture(subject):
            thumbnails.render(subject, context.evaluated_depsgraph_get())
        if self.library == THIS_FILE:
            metadata.mark(subject, said)
            self.report({"INFO"}, rpt_("{name} is an asset now").format(name=subject.name))
            return
        file = libraries.free_file(
            libraries.root_of(context, self.library), metadata.file_name(subject.name)
        )
        metadata.write(subject, file, said)
        ledger.remember(file)
        self.report({"INFO"}, rpt_("Saved {file}").format(file=file))


class MAQUETTE_OT_asset_clear(_OnSelectedResults, bpy.types.Operator):
    """Take the selected results out of the Asset Browser of this file; the objects stay"""

    bl_idname = "maquette.asset_clear"
    bl_label = "Clear Asset"
    bl_options = {"UNDO", "INTERNAL"}

    def execute(self, context):
        for each in selected_results(context):
            each.asset_clear()
        libraries.refresh(context)
        return {"FINISHED"}


def _file_items(_self, _context):
    _file_list[:] = [
        (str(file), file.name, str(file), "FILE_BLEND", number)
        for number, file in enumerate(ledger.present())
    ]
    return _file_list


class MAQUETTE_OT_asset_delete_file(bpy.types.Operator):
    """Delete a file that Maquette saved into an asset library; this cannot be undone"""

    bl_idname = "maquette.asset_delete_file"
    bl_label = "Delete Saved Asset"
    bl_options = {"INTERNAL"}

    file: EnumProperty(name="File", description="What to delete", items=_file_items)

    def invoke(self, context, event):
        if not ledger.present():
            self.report({"INFO"}, rpt_("Maquette has saved no assets into libraries"))
            return {"CANCELLED"}
        return context.window_manager.invoke_props_dialog(
            self, width=380, confirm_text=rpt_("Delete")
        )

    def execute(self, context):
        file = Path(self.file)
        try:
            is_deleted = ledger.delete(file)
        except OSError as error:
            self.report({"ERROR"}, rpt_("Cannot delete the asset: {reason}").format(reason=error))
            return {"CANCELLED"}
        if not is_deleted:
            text = rpt_("{file} was changed since: delete it in your file browser")
            self.report({"ERROR"}, text.format(file=file.name))
            return {"CANCELLED"}
        self.report({"INFO"}, rpt_("Deleted {file}").format(file=file))
        libraries.refresh(context)
        return {"FINISHED"}


CLASSES = (
    MAQUETTE_OT_asset_save,
    MAQUETTE_OT_asset_clear,
    MAQUETTE_OT_asset_delete_file,
)
