# SPDX-License-Identifier: GPL-3.0-or-later
"""Which model pack takes pictures, and the offer to fetch one where none is on this machine."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_
from bpy.app.translations import pgettext_rpt as rpt_
from bpy.props import StringProperty

from .. import weights_fetch
from . import messages, pack_states, packs

PART = "image"
WIDTH = 380


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
    return next(info for info in weights_fetch.PACKS.values() if PART in info.parts)


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
    """Fetch the model that makes meshes from images; asks before anything is fetched"""

    bl_idname = "maquette.offer_image_pack"
    bl_label = "Fetch Model for Images"
    bl_options = {"INTERNAL"}

    size: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context, event):
        self.size = _size(context)
        return context.window_manager.invoke_props_dialog(
            self, width=WIDTH, confirm_text=iface_("Fetch {size}").format(size=self.size)
        )

    def draw(self, context):
        info = to_fetch()
        column = self.layout.column()
        sentence = iface_("A mesh from an image needs another model: {pack}, {size}").format(
            pack=info.title, size=self.size
        )
        column.label(text=sentence, icon="IMPORT", translate=False)
        if not bpy.app.online_access:
            column.label(text="Online access is off: allow it in the preferences", icon="ERROR")
            button = column.operator("screen.userpref_show", text="Open Preferences")
            button.section = "SYSTEM"
        else:
            column.label(text="It is fetched once, and then works without a connection")

    def execute(self, context):
        if not bpy.app.online_access:
            self.report({"ERROR"}, messages.for_user(weights_fetch.OfflineError()))
            return {"CANCELLED"}
        return bpy.ops.maquette.pack_fetch(pack_id=to_fetch().id, part=PART)


CLASSES = (MAQUETTE_OT_offer_image_pack,)
