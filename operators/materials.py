# SPDX-License-Identifier: GPL-3.0-or-later
"""Images and materials of results, wired as Blender's exporters look for them."""

from __future__ import annotations

from collections.abc import Sequence

import bpy

from ..core.mesh import MapImage, TextureData
from ..core.png import encode_png

COLOR_ATTRIBUTE = "Color"
UV_MAP = "UVMap"
GLTF_GROUP = "glTF Material Output"
"""Blender's glTF add-on looks for a node group of this name, makes it too, and renders nothing."""
OCCLUSION = "Occlusion"
"""Name of the socket; English in every language, as the add-on wants it."""


def build_image(name: str, texture: TextureData) -> bpy.types.Image:
    """Return a new sRGB image, packed so that the .blend file carries it.

    Half a millisecond where the pipeline has encoded it, 0.1 s and more where it has not.
    """
    return _packed(f"{name} Base Color", texture.png or encode_png(texture.pixels), texture)


def build_material(
    name: str, texture: TextureData | None, image: bpy.types.Image | None
) -> bpy.types.Material:
    """Return a material that shows a texture, or the colour attribute without one.

    Args:
        name: of the material.
        texture: whose maps are used, where it has some.
        image: its base colour, from `build_image`.
    """
    material = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0):
        material.use_nodes = True
    tree = material.node_tree
    # By type and by identifier: names are translated, and sockets move between versions.
    shader = next(node for node in tree.nodes if node.type == "BSDF_PRINCIPLED")
    if image is not None:
        source = _image_node(tree, image, shader, 0.0)
    else:
        source = tree.nodes.new("ShaderNodeVertexColor")
        source.layer_name = COLOR_ATTRIBUTE
        source.location = (shader.location.x - 320.0, shader.location.y)
    tree.links.new(source.outputs["Color"], shader.inputs["Base Color"])
    if texture is not None and texture.normal is not None:
        _add_normals(tree, shader, _map_image(f"{name} Normal", texture.normal, texture))
    if texture is not None and texture.occlusion is not None:
        _add_occlusion(tree, shader, _map_image(f"{name} Occlusion", texture.occlusion, texture))
    return material


def use_of(image: bpy.types.Image, materials: Sequence[bpy.types.Material]) -> str:
    """Return what materials use an image for: `base-color`, `normal` or `occlusion`."""
    uses = {"NORMAL_MAP": "normal", "GROUP": "occlusion"}
    for material in materials:
        for node in material.node_tree.nodes if material.node_tree else ():
            if node.type != "TEX_IMAGE" or node.image != image:
                continue
            for link in node.outputs["Color"].links:
                if use := uses.get(link.to_node.type):
                    return use
    return "base-color"


def _add_normals(tree, shader, image: bpy.types.Image) -> None:
    node = tree.nodes.new("ShaderNodeNormalMap")
    node.space = "TANGENT"
    node.uv_map = UV_MAP
    node.location = (shader.location.x - 220.0, shader.location.y - 620.0)
    source = _image_node(tree, image, node, 0.0)
    tree.links.new(source.outputs["Color"], node.inputs["Color"])
    tree.links.new(node.outputs["Normal"], shader.inputs["Normal"])


def _add_occlusion(tree, shader, image: bpy.types.Image) -> None:
    """Hand occlusion to the glTF exporter; renders work out their own and leave it alone."""
    node = tree.nodes.new("ShaderNodeGroup")
    node.node_tree = _gltf_group()
    node.location = (shader.location.x, shader.location.y + 160.0)
    source = _image_node(tree, image, node, 160.0)
    tree.links.new(source.outputs["Color"], node.inputs[OCCLUSION])


def _gltf_group() -> bpy.types.NodeTree:
    """Return the group that the glTF add-on reads, made as that makes it."""
    name = (GLTF_GROUP, None)  # Of this file, not of a library.
    group = bpy.data.node_groups.get(name)
    if group is None:
        group = bpy.data.node_groups.new(GLTF_GROUP, "ShaderNodeTree")
        group.nodes.new("NodeGroupInput").location = (-200.0, 0.0)
        group.nodes.new("NodeGroupOutput")
    items = group.interface.items_tree
    if not any(each.item_type == "SOCKET" and each.name == OCCLUSION for each in items):
        kind = {"in_out": "INPUT", "socket_type": "NodeSocketFloat"}
        group.interface.new_socket(OCCLUSION, **kind).default_value = 1.0
    return group


def _image_node(tree, image: bpy.types.Image, target, above: float):
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    node.location = (target.location.x - 320.0, target.location.y + above)
    return node


def _map_image(name: str, values: MapImage, texture: TextureData) -> bpy.types.Image:
    image = _packed(name, values.png or encode_png(values.pixels), texture)
    image.colorspace_settings.name = "Non-Color"
    return image


def _packed(name: str, content: bytes, texture: TextureData) -> bpy.types.Image:
    size = len(texture.pixels)
    image = bpy.data.images.new(name, size, size, alpha=False)
    image.source = "FILE"
    image.pack(data=content, data_len=len(content))
    return image
