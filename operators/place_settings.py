# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user sets about where a result stands."""

from __future__ import annotations

from bpy.props import EnumProperty


class PlaceSettings:
    """The part of the settings that a `Placement` is made of"""

    location: EnumProperty(
        name="Place At",
        description="Where the result stands",
        items=(
            (
                "CURSOR",
                "3D Cursor",
                "At the 3D cursor, or to its right where something stands",
                "PIVOT_CURSOR",
                0,
            ),
            (
                "ORIGIN",
                "World Origin",
                "In the middle of the scene, or to its right where something stands",
                "EMPTY_AXIS",
                1,
            ),
            (
                "PLACEHOLDER",
                "Active Object",
                "In the bounds of the active object, on its base",
                "OBJECT_DATA",
                2,
            ),
        ),
    )
    placeholder_action: EnumProperty(
        name="Then",
        description="What becomes of the object that the result takes the place of",
        items=(
            ("KEEP", "Keep It", "Leave the object as it is"),
            ("HIDE", "Hide It", "Hide the object in the viewport and in renders"),
            ("REPLACE", "Replace It", "Remove the object from the scene; undo brings it back"),
        ),
        default="HIDE",
    )
