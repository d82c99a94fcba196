# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepared pictures that panels show, with what is to be said about each.

A picture is prepared when the user chooses it, never while a panel is drawn.
"""

from __future__ import annotations

import bpy
import bpy.utils.previews
import numpy as np
from bpy.app.handlers import persistent
from bpy.props import IntProperty, StringProperty

from ..core.config import ReferenceImage
from ..core.errors import ImageInputError
from . import image_pixels, image_words, messages

MAX_SHOWN = 16
"""Pictures that are remembered; the oldest make room."""

_icons = None
"""The collection of `bpy.utils.previews`, which numbers our icons."""


class MaquettePicture(bpy.types.PropertyGroup):
    """An image as the model will see it; its name is the image's `session_uid`"""

    icon_id: IntProperty(name="Icon")
    notes: StringProperty(
        name="Notes",
        description="Why the picture may not work well, a sentence on each line",
    )
    error: StringProperty(name="Error", description="Why the picture cannot be used")


class MAQUETTE_OT_preview_image(bpy.types.Operator):
    """Look at the image again, as the model will see it"""

    bl_idname = "maquette.preview_image"
    bl_label = "Preview as Reference"
    bl_options = {"INTERNAL"}

    image: StringProperty(name="Image", options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, context):
        image = bpy.data.images.get(self.image)
        if image is None:
            return {"CANCELLED"}
        picture = show(context, image)
        if picture.error:
            self.report({"WARNING"}, picture.error)
        return {"FINISHED"}


def show(context, image: bpy.types.Image) -> MaquettePicture:
    """Prepare an image and show it in the panels, or why it cannot be used."""
    pictures = context.window_manager.maquette_pictures
    key = str(image.session_uid)
    index = pictures.find(key)
    if index >= 0:
        pictures.remove(index)
    while len(pictures) >= MAX_SHOWN:
        _forget_icon(pictures[0].name)
        pictures.remove(0)
    picture = pictures.add()
    picture.name = key
    try:
        prepared = image_pixels.prepared(image, context.scene.maquette.pack)
    except ImageInputError as error:
        picture.error = messages.for_user(error)
        return picture
    picture.notes = "\n".join(image_words.of_faults(prepared.faults))
    picture.icon_id = _icon(key, prepared.image)
    return picture


def on_choice(settings, context) -> None:
    """Show the image that the user has chosen; for `update` of a property."""
    if settings.image is not None:
        show(context, settings.image)


def _icon(key: str, image: ReferenceImage) -> int:
    """Return the number of an icon that shows the picture on white, as the model sees it."""
    # A new one each time: Blender keeps showing the first pixels of one that was drawn.
    _forget_icon(key)
    icon = _icons.new(key)
    rgba = image.pixels.astype(np.float32) / 255.0
    rgba[:, :, :3] = rgba[:, :, :3] * rgba[:, :, 3:] + 1.0 - rgba[:, :, 3:]
    rgba[:, :, 3] = 1.0
    icon.image_size = (rgba.shape[1], rgba.shape[0])
    icon.image_pixels_float.foreach_set(np.ascontiguousarray(rgba[::-1]).ravel())
    return icon.icon_id


def _forget_icon(key: str) -> None:
    if key in _icons:
        del _icons[key]


@persistent
def _on_load_post(*_: object) -> None:
    """Numbers of images mean others in another file, and subscriptions end with the old one."""
    bpy.context.window_manager.maquette_pictures.clear()
    _subscribe()


def _subscribe() -> None:
    bpy.msgbus.subscribe_rna(
        key=(bpy.types.SpaceImageEditor, "image"),
        owner=_owner,
        args=(),
        notify=_on_editor,
    )


_owner = object()


def _on_editor() -> None:
    """Show what Image Editors show, where our panel is open beside it."""
    context = bpy.context
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            space = area.spaces.active
            if area.type == "IMAGE_EDITOR" and space.show_region_ui and space.image is not None:
                if str(space.image.session_uid) not in context.window_manager.maquette_pictures:
                    show(context, space.image)


CLASSES = (MaquettePicture, MAQUETTE_OT_preview_image)


def register() -> None:
    """Add the list of pictures, and watch what Image Editors show."""
    global _icons
    _icons = bpy.utils.previews.new()
    bpy.types.WindowManager.maquette_pictures = bpy.props.CollectionProperty(type=MaquettePicture)
    bpy.app.handlers.load_post.append(_on_load_post)
    _subscribe()


def unregister() -> None:
    """Forget every picture."""
    bpy.msgbus.clear_by_owner(_owner)
    bpy.app.handlers.load_post.remove(_on_load_post)
    # What the list holds would come back when the extension is enabled again, without its icons.
    bpy.context.window_manager.maquette_pictures.clear()
    del bpy.types.WindowManager.maquette_pictures
    bpy.utils.previews.remove(_icons)
