# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh from a picture: one dialog, reached from wherever Blender shows pictures."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_
from bpy.props import BoolProperty, StringProperty

from ..core.errors import ImageInputError
from . import generate, image_pack, image_source, messages

WIDTH = 380
"""Of the dialog, in which a sentence about a picture fits on one line."""


class Choice:
    """A picture put into the settings of the sidebar; can be taken back.

    Names, not pointers, because a dialog may stay open while anything happens to the file.
    """

    def __init__(self, context, found: image_source.Found, pack_id: str) -> None:
        """Load the picture and choose it.

        Raises:
            ImageInputError: there is no picture, or it cannot be used.
        """
        settings = context.scene.maquette
        self._source, self._pack = settings.source, settings.pack
        self._image = settings.image.name if settings.image else ""
        known = {image.session_uid for image in bpy.data.images}
        image = image_source.load(found)
        self._loaded = "" if image.session_uid in known else image.name
        settings.pack, settings.source, settings.image = pack_id, "IMAGE", image

    def take_back(self, context) -> None:
        """Put the settings back, and remove the image again if it was loaded for them."""
        settings = context.scene.maquette
        settings.source, settings.pack = self._source, self._pack
        settings.image = bpy.data.images.get(self._image)
        loaded = bpy.data.images.get(self._loaded)
        if loaded is not None:
            bpy.data.images.remove(loaded)


class FromImage:
    """What the operators have in common; each finds its picture in its own way"""

    bl_options = {"REGISTER"}

    def invoke(self, context, event):
        pack_id = image_pack.ready(context)
        if not pack_id:
            bpy.ops.maquette.offer_image_pack("INVOKE_DEFAULT")
            return {"CANCELLED"}
        if not self._choose(context, pack_id):
            return {"CANCELLED"}
        return context.window_manager.invoke_props_dialog(
            self, width=WIDTH, title=iface_(self.bl_label), confirm_text=iface_("Generate")
        )

    def draw(self, context):
        self.layout.menu_contents("MAQUETTE_MT_image_dialog")

    def cancel(self, context):
        if choice := getattr(self, "choice", None):
            choice.take_back(context)

    def execute(self, context):
        if getattr(self, "choice", None) is None:  # From a script.
            pack_id = image_pack.ready(context)
            if not pack_id:
                self.report({"ERROR"}, image_pack.needed(context))
                return {"CANCELLED"}
            if not self._choose(context, pack_id):
                return {"CANCELLED"}
        return generate.start(self, context)

    def _choose(self, context, pack_id: str) -> bool:
        """Put the picture into the settings, or say why it cannot be used."""
        try:
            self.choice = Choice(context, self.found(context), pack_id)
        except ImageInputError as error:
            self.report({"ERROR"}, messages.for_user(error))
            return False
        key = str(context.scene.maquette.image.session_uid)
        # Taking it back changes the list, so the words are copied first.
        error = context.window_manager.maquette_pictures[key].error
        if error:
            self.choice.take_back(context)
            self.report({"ERROR"}, error)
        return not error


class MAQUETTE_OT_generate_from_image(FromImage, bpy.types.Operator):
    """Generate a mesh from this image, after a look at how the model will see it"""

    bl_idname = "maquette.generate_from_image"
    bl_label = "Generate Mesh from Image"

    @classmethod
    def poll(cls, context):
        if image_source.find(context) is None:
            cls.poll_message_set("There is no image here: choose one first")
            return False
        return True

    def found(self, context) -> image_source.Found:
        return image_source.find(context)


class MAQUETTE_OT_generate_from_image_file(FromImage, bpy.types.Operator):
    """Generate a mesh from an image file, after a look at how the model will see it"""

    bl_idname = "maquette.generate_from_image_file"
    bl_label = "Generate Mesh from Image File"

    filepath: StringProperty(subtype="FILE_PATH", options={"HIDDEN", "SKIP_SAVE"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    filter_image: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    is_browsing = False

    def invoke(self, context, event):
        if self.filepath:  # Dropped, or chosen just now.
            return FromImage.invoke(self, context, event)
        self.is_browsing = True
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        if not self.is_browsing:
            return FromImage.execute(self, context)
        bpy.ops.maquette.generate_from_image_file("INVOKE_DEFAULT", filepath=self.filepath)
        return {"FINISHED"}

    def draw(self, context):
        if not self.is_browsing:
            FromImage.draw(self, context)

    def found(self, context) -> image_source.Found:
        return image_source.Found(path=self.filepath)


class MAQUETTE_FH_image(bpy.types.FileHandler):
    """Picture files that are dropped on the viewport"""

    bl_idname = "MAQUETTE_FH_image"
    # Blender adds an empty by itself, so it asks which; there it shows the operator's label.
    bl_label = "Generate Mesh from Image File"
    bl_import_operator = "maquette.generate_from_image_file"
    bl_file_extensions = ";".join(sorted(bpy.path.extensions_image))

    @classmethod
    def poll_drop(cls, context):
        area, region = context.area, context.region
        return bool(area and area.type == "VIEW_3D" and region and region.type == "WINDOW")


CLASSES = (
    MAQUETTE_OT_generate_from_image,
    MAQUETTE_OT_generate_from_image_file,
    MAQUETTE_FH_image,
)
