# SPDX-License-Identifier: GPL-3.0-or-later
"""Our entries in Blender's own menus.

Each is added where it has a sense only: a right-click on a lamp shows nothing of ours.
"""

from __future__ import annotations

import bpy

ICON = "MESH_DATA"


class MAQUETTE_MT_add(bpy.types.Menu):
    """Make a mesh from words or from a picture"""

    bl_label = "Maquette"

    def draw(self, context):
        layout = self.layout
        # Menus of the Add kind run operators at once; ours ask first.
        layout.operator_context = "INVOKE_DEFAULT"
        layout.operator(
            "maquette.generate_from_prompt", text="Generate Mesh from Prompt...", icon="TEXT"
        )
        _add_others(layout)


class MAQUETTE_MT_more(bpy.types.Menu):
    """Other things to make meshes from"""

    bl_label = "Generate From"

    def draw(self, context):
        layout = self.layout
        layout.operator_context = "INVOKE_DEFAULT"
        _add_others(layout)


def _add_others(layout) -> None:
    layout.operator(
        "maquette.generate_from_image_file",
        text="Generate Mesh from Image File...",
        icon="IMAGE_DATA",
    )
    layout.operator("maquette.batch", text="Generate Meshes from List...", icon="PRESET")


def _add_image_entry(layout, *, is_first: bool) -> None:
    """Add the entry, parted from what stands beside it."""
    if not is_first:
        layout.separator()
    layout.operator_context = "INVOKE_DEFAULT"
    layout.operator("maquette.generate_from_image", text="Generate Mesh from Image...", icon=ICON)
    if is_first:
        layout.separator()


def _in_add(self, context):
    if context.mode == "OBJECT":
        self.layout.separator()
        self.layout.menu("MAQUETTE_MT_add", icon=ICON)


def _in_object(self, context):
    item = context.object
    if item is not None and item.type == "EMPTY" and item.empty_display_type == "IMAGE":
        _add_image_entry(self.layout, is_first=True)


def _in_meshes(self, context):
    item = context.object
    if item is not None and item.type == "MESH" and context.mode == "OBJECT":
        self.layout.separator()
        self.layout.operator_context = "INVOKE_DEFAULT"
        self.layout.operator("maquette.rebuild", text="Rebuild with Maquette...", icon=ICON)


def _in_image(self, context):
    _add_image_entry(self.layout, is_first=False)


def _in_field(self, context):
    owner = getattr(context, "button_pointer", None)
    field = getattr(context, "button_prop", None)
    value = getattr(owner, field.identifier, None) if owner and field else None
    if isinstance(owner, bpy.types.Image) or isinstance(value, bpy.types.Image):
        _add_image_entry(self.layout, is_first=False)


def _in_nodes(self, context):
    node = getattr(context, "active_node", None)
    if node is None or not node.select:
        return
    if hasattr(node, "image") or any(socket.type == "IMAGE" for socket in node.inputs):
        _add_image_entry(self.layout, is_first=False)


def _in_outliner(self, context):
    item = getattr(context, "id", None)
    is_empty = isinstance(item, bpy.types.Object) and item.empty_display_type == "IMAGE"
    if isinstance(item, bpy.types.Image) or (is_empty and item.type == "EMPTY"):
        _add_image_entry(self.layout, is_first=False)


def _in_files(self, context):
    entry = getattr(context, "active_file", None)
    if context.space_data.browse_mode == "FILES" and entry is not None:
        if entry.name.lower().endswith(tuple(bpy.path.extensions_image)):
            _add_image_entry(self.layout, is_first=False)


def _in_assets(self, context):
    asset = getattr(context, "asset", None)
    if asset is None:
        return
    if asset.id_type == "IMAGE":
        _add_image_entry(self.layout, is_first=False)
    elif asset.id_type in {"OBJECT", "COLLECTION"}:
        self.layout.separator()
        self.layout.operator_context = "INVOKE_DEFAULT"
        self.layout.operator(
            "maquette.generate_from_image", text="Generate Mesh from Preview...", icon=ICON
        )


def _in_text(self, context):
    self.layout.separator()
    self.layout.operator_context = "INVOKE_DEFAULT"
    self.layout.operator("maquette.batch", text="Generate Meshes from List...", icon="PRESET")


ENTRIES = (
    ("VIEW3D_MT_mesh_add", _in_add, "append"),
    ("VIEW3D_MT_object_context_menu", _in_object, "prepend"),
    ("VIEW3D_MT_object_context_menu", _in_meshes, "append"),
    ("VIEW3D_MT_object", _in_meshes, "append"),
    ("IMAGE_MT_image", _in_image, "append"),
    ("UI_MT_button_context_menu", _in_field, "append"),
    ("NODE_MT_context_menu", _in_nodes, "append"),
    ("OUTLINER_MT_object", _in_outliner, "append"),
    ("OUTLINER_MT_context_menu", _in_outliner, "append"),
    ("FILEBROWSER_MT_context_menu", _in_files, "append"),
    ("ASSETBROWSER_MT_context_menu", _in_assets, "append"),
    ("TEXT_MT_text", _in_text, "append"),
)
"""Menu, what draws our entry, and the side that it stands on."""

CLASSES = (MAQUETTE_MT_add, MAQUETTE_MT_more)


def register() -> None:
    """Add the entries."""
    for name, draw, side in ENTRIES:
        getattr(getattr(bpy.types, name), side)(draw)


def unregister() -> None:
    """Take them out again."""
    for name, draw, _ in reversed(ENTRIES):
        getattr(bpy.types, name).remove(draw)
