# SPDX-License-Identifier: GPL-3.0-or-later
"""Which model pack takes pictures, and the offer to fetch one where none is on this machine."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_
from bpy.app.translations import pgettext_rpt as rpt_
from bpy.props import StringProperty

from .. import weights_fetch
from . import pack_states, packs

PART = "image"
WIDTH = 420


def ready(context) -> str:
    """Return the id of a pack that takes pictures, the chosen one if it does; empty for none."""
    pack_states.refresh(context)
    states = context.window_manager.maquette_sidebar.pack_states
    chosen = context.scene.maquette.pack
    for pack_id in (chosen, *weights_fetch.PACKS):
        state = states.get(pack_states.key_of(pack_id, "IMAGE"))
        if state is not None and state.kind == "READY":
            return pack_id
    return ""


def to_fetch() -> weights_fetch.PackInfo:
    """Return the pack to fetch where none takes pictures."""
    fetched = (info for info in weights_fetch.PACKS.values() if not info.lists_itself)
    return next(info for info in fetched if PART in info.parts)


def needed(context) -> str:
    """Return the sentence that says what is missing, how large it is, and where it is fetched."""
    return rpt_("A mesh from an image needs the {pack} model: fetch it first ({size})").format(
        pack=to_fetch().title, size=_size(context)
    )


def _size(context) -> str:
    info = to_fetch()
    state = weights_fetch.pack_state(info.id, packs.folder(context), (PART,))
    return weights_fetch.describe_bytes(pack_states.bytes_to_fetch(info, PART, state))


class MAQUETTE_OT_offer_image_pack(bpy.types.Operator):
    """Choose the model that makes meshes from images; asks before anything is fetched"""

    bl_idname = "maquette.offer_image_pack"
    bl_label = "Get Model for Images"
    bl_options = {"INTERNAL"}

    size: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context, event):
        if pack_id := ready(context):
            context.scene.maquette.pack = pack_id
            return {"FINISHED"}
        self.size = _size(context)
        action = iface_("Fetch {size}") if bpy.app.online_access else iface_("Open Preferences")
        return context.window_manager.invoke_props_dialog(
            self, width=WIDTH, confirm_text=action.format(size=self.size)
        )

    def draw(self, context):
        sentence = iface_("Images need another model: {pack}, {size} to fetch").format(
            pack=to_fetch().title, size=self.size
        )
        column = self.layout.column()
        column.label(text=sentence, icon="IMPORT", translate=False)
        if bpy.app.online_access:
            column.label(text="It is fetched once, then no connection is needed", icon="BLANK1")
        else:
            column.label(text="Online access is off: allow it in the preferences", icon="ERROR")

    def execute(self, context):
        if not bpy.app.online_access and not bpy.app.background:
            return bpy.ops.screen.userpref_show(section="SYSTEM")
        try:
            return bpy.ops.maquette.pack_fetch(pack_id=to_fetch().id, part=PART.upper())
        except RuntimeError as error:
            # Greyed: no online access, or something is being fetched already.
            self.report({"ERROR"}, str(error).rpartition("poll() ")[2].strip())
            return {"CANCELLED"}


CLASSES = (MAQUETTE_OT_offer_image_pack,)
