# SPDX-License-Identifier: GPL-3.0-or-later
"""Base colours of materials, as far as they are made of colours, images and attributes.

What a node computes otherwise (noise, ramps, curves) is left out and noted: the encoder reads base
colours only, and rendering them would disturb the scene.
"""

from __future__ import annotations

import bpy
import numpy as np

from ...core.asset import Paint
from ...core.assets_in.paint import Attribute, Flat, Mix, Picture
from .texture import read_texture

_GRAY = (0.8, 0.8, 0.8)
_DEPTH = 24
"""Nodes one behind the other; Blender forbids circles, so this is only a guard."""
_BLENDS = {"MIX", "MULTIPLY", "ADD", "SUBTRACT", "SCREEN", "DARKEN", "LIGHTEN"}
_COLOR_INPUTS = {"BSDF_PRINCIPLED": "Base Color"}
"""Where a shader takes its colour, unless its input is called Color."""
_PASSED_THROUGH = {"GAMMA": "Color", "HUE_SAT": "Color", "BRIGHTCONTRAST": "Color"}
"""Nodes that only adjust a colour, with the input that they adjust."""


class PaintBox:
    """The paints of all materials met so far, each read once."""

    def __init__(self) -> None:
        self.paints: list[Paint] = []
        self.notes: dict[str, None] = {}
        """What had to be guessed, in the order met."""
        self._indices: dict[object, int] = {}
        self._textures: dict[int, np.ndarray | None] = {}
        self._name = ""

    def index_of(self, material: bpy.types.Material | None, *, has_colors: bool) -> int:
        """Return the index of a material's paint; an object without one shows its own colours."""
        key = has_colors if material is None else material.original.session_uid
        # A number of an ID may equal a truth value.
        key = (material is None, key)
        if key not in self._indices:
            self._indices[key] = len(self.paints)
            self.paints.append(self._paint(material, has_colors))
        return self._indices[key]

    def _paint(self, material: bpy.types.Material | None, has_colors: bool) -> Paint:
        if material is None:
            return Attribute("") if has_colors else Flat(_GRAY)
        # From 5.0 on every material has nodes, and asking for it is a warning.
        has_nodes = bpy.app.version >= (5, 0) or material.use_nodes
        tree = material.node_tree if has_nodes else None
        output = tree.get_output_node("ALL") if tree else None
        if output is None:
            return Flat(tuple(material.diffuse_color[:3]))
        self._name = material.name
        return self._shader(output.inputs["Surface"], _DEPTH)

    def _shader(self, socket: bpy.types.NodeSocket, depth: int) -> Paint:
        """Return the base colour of the shader that a socket is given."""
        node, _ = _source(socket)
        if node is None or depth == 0:
            return Flat((0.0, 0.0, 0.0))
        if node.type in {"MIX_SHADER", "ADD_SHADER"}:
            shaders = [each for each in node.inputs if each.type == "SHADER" and each.is_linked]
            solid = [each for each in shaders if _source(each)[0].type != "BSDF_TRANSPARENT"]
            if len(solid) > 1:
                self._note("mixes shaders, of which the first one counts")
            return self._shader((solid or shaders or [socket])[0], depth - 1)
        found = node.inputs.get(_COLOR_INPUTS.get(node.type, "Color"))
        if found is None:
            self._note(f"has a shader without a base color ({node.bl_label})")
            return Flat(_GRAY)
        return self._color(found, depth)

    def _color(self, socket: bpy.types.NodeSocket, depth: int) -> Paint:
        """Return what colour a socket is given."""
        node, output = _source(socket)
        if node is None or depth == 0:
            return Flat(_rgb(socket.default_value))
        match node.type:
            case "TEX_IMAGE" if node.image is not None:
                return self._picture(node, socket)
            case "RGB" | "VALUE":
                return Flat(_rgb(output.default_value))
            case "VERTEX_COLOR":
                return Attribute(node.layer_name)
            case "ATTRIBUTE" if node.attribute_type == "GEOMETRY":
                return Attribute(node.attribute_name)
            case "MIX" if node.data_type == "RGBA":
                return self._mix(node, ("Factor_Float", "A_Color", "B_Color"), depth)
            case "MIX_RGB":
                return self._mix(node, ("Fac", "Color1", "Color2"), depth)
            case kind if kind in _PASSED_THROUGH:
                self._note(f"adjusts its color ({node.bl_label}), which is left out")
                return self._color(node.inputs[_PASSED_THROUGH[kind]], depth - 1)
        self._note(f"computes its color ({node.bl_label}), which is left out")
        return Flat(_rgb(socket.default_value))

    def _mix(self, node: bpy.types.Node, names: tuple[str, str, str], depth: int) -> Paint:
        by_name = {each.identifier: each for each in node.inputs}
        factor, first, second = (by_name[name] for name in names)
        if factor.is_linked:
            self._note("mixes colors by a computed share, taken as a half")
        blend = node.blend_type
        if blend not in _BLENDS:
            self._note(f"blends colors by {blend.lower()}, taken as a mix")
            blend = "MIX"
        share = 0.5 if factor.is_linked else float(np.clip(factor.default_value, 0.0, 1.0))
        sides = (self._color(each, depth - 1) for each in (first, second))
        return Mix(*sides, share, blend)

    def _picture(self, node: bpy.types.Node, socket: bpy.types.NodeSocket) -> Paint:
        image = node.image
        uid = image.original.session_uid
        if uid not in self._textures:
            self._textures[uid] = read_texture(image)
        pixels = self._textures[uid]
        if pixels is None:
            self._note(f"has an image that cannot be read ({image.name})")
            return Flat(_rgb(socket.default_value))
        return Picture(
            pixels=pixels,
            layer=self._layer(node),
            outside=node.extension,
            is_smooth=node.interpolation != "Closest",
        )

    def _layer(self, node: bpy.types.Node) -> str:
        """Return the UVs that an image is laid out by; "" for the active ones."""
        source, output = _source(node.inputs["Vector"])
        if source is None:
            return ""
        if source.type == "UVMAP":
            return source.uv_map
        if not (source.type == "TEX_COORD" and output.name == "UV"):
            self._note(f"lays out an image by {source.bl_label}, taken as plain UVs")
        return ""

    def _note(self, text: str) -> None:
        self.notes[f"material {self._name} {text}"] = None


def _source(
    socket: bpy.types.NodeSocket,
) -> tuple[bpy.types.Node | None, bpy.types.NodeSocket | None]:
    """Return the node, and its output, that a socket is given a value by, past all reroutes."""
    for _ in range(_DEPTH):
        if not socket.is_linked or socket.links[0].is_muted:
            return None, None
        link = socket.links[0]
        if link.from_node.type != "REROUTE":
            return link.from_node, link.from_socket
        socket = link.from_node.inputs[0]
    return None, None


def _rgb(value: object) -> tuple[float, float, float]:
    if isinstance(value, float):
        return (value, value, value)
    red, green, blue = tuple(value)[:3]
    return (red, green, blue)
