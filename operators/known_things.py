# SPDX-License-Identifier: GPL-3.0-or-later
"""What the starter pack has learnt to make, as the prompts that a menu offers.

Other words are read too, such as "couch" for a sofa; these are one for each kind of object.
"""

from __future__ import annotations

import bpy

THINGS = (
    *("airplane", "anchor", "apple", "axe", "banana", "barrel", "bear", "bed", "bell", "bench"),
    *("bicycle", "boat", "book", "bookshelf", "bottle", "bridge", "bucket", "burger", "bus"),
    *("butterfly", "cactus", "cake", "candle", "car", "carrot", "castle", "cat", "chair"),
    *("clock", "crate", "crown", "cupcake", "dinosaur", "dog", "donut", "drum", "duck"),
    *("elephant", "fish", "flower", "ghost", "gift", "guitar", "hammer", "hat", "helicopter"),
    *("hot air balloon", "house", "ice cream", "key", "ladder", "lamp", "lighthouse"),
    *("lollipop", "mug", "mushroom", "palm tree", "penguin", "pig", "pine tree", "pumpkin"),
    *("rabbit", "robot", "rocket", "shield", "snowman", "sofa", "stool", "submarine", "sword"),
    *("table", "teapot", "television", "tent", "tower", "tractor", "train", "tree", "trophy"),
    *("truck", "turtle", "umbrella", "vase", "wardrobe", "windmill"),
)
"""In English, which is what the pack reads."""


NUM_COLUMNS = 5


class MAQUETTE_OT_name_thing(bpy.types.Operator):
    """Write this object into the prompt; colors and parts can be added to it"""

    bl_idname = "maquette.name_thing"
    bl_label = "Name Object"
    bl_options = {"UNDO", "INTERNAL"}

    thing: bpy.props.StringProperty(name="Object", options={"SKIP_SAVE"})

    def execute(self, context):
        article = "an" if self.thing[:1] in "aeiou" else "a"
        context.scene.maquette.prompt = f"{article} {self.thing}"
        return {"FINISHED"}


class MAQUETTE_MT_things(bpy.types.Menu):
    """What the starter model has learnt to make; choose one to write it into the prompt"""

    bl_label = "What the Starter Model Can Make"

    def draw(self, context):
        columns = self.layout.column_flow(columns=NUM_COLUMNS)
        for thing in THINGS:
            text = thing.capitalize()
            columns.operator("maquette.name_thing", text=text, translate=False).thing = thing


CLASSES = (MAQUETTE_OT_name_thing, MAQUETTE_MT_things)
