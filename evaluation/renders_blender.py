# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that holds Blender: one task as JSON per line in, `ok` or a reason per line out.

python -m maquette.evaluation.renders_blender
"""

from __future__ import annotations

import json
import math
import os
import sys
from dataclasses import dataclass
from typing import Any

import bpy
import mathutils
import numpy as np

from ..datasets.worker import claim_output

_SAMPLES = 24
_COLOR = "Color"
_FLOOR_SIZE = 60.0
_FLOORS = ("ShaderNodeTexChecker", "ShaderNodeTexNoise", "ShaderNodeTexWave", "ShaderNodeTexBrick")


@dataclass(frozen=True, slots=True)
class _Task:
    shape: str
    picture: str
    seed: int
    has_background: bool
    side: int


def main() -> None:
    """Work until standard input ends."""
    answers = claim_output()
    for line in sys.stdin:
        answers.write(_answer(_Task(**json.loads(line))) + "\n")
        answers.flush()
    # Blender's destructors are not to be trusted.
    os._exit(0)


def _answer(task: _Task) -> str:
    try:
        _take_picture(task)
    except Exception as error:  # noqa: BLE001 - whatever Blender raises is told to who asked
        return " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return "ok"


def _take_picture(task: _Task) -> None:
    """Build a scene that the seed decides, and render it."""
    rng = np.random.default_rng(task.seed)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    lowest, radius = _add_shape(scene, task.shape, rng)
    _add_sky(scene, rng)
    _add_lights(scene, rng)
    _add_camera(scene, radius, rng)
    if task.has_background:
        _add_floor(scene, lowest, rng)
    _set_up(scene, task)
    bpy.ops.render.render(write_still=True)


def _add_shape(scene: bpy.types.Scene, path: str, rng: np.random.Generator) -> tuple[float, float]:
    """Add the mesh with its colors; return its lowest z and its radius around the origin."""
    with np.load(path) as arrays:
        vertices, faces = arrays["vertices"], arrays["faces"]
        colors = arrays["colors"].astype(np.float64)
    mesh = bpy.data.meshes.new("Shape")
    mesh.from_pydata(vertices.tolist(), [], faces.tolist())
    mesh.shade_smooth()
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    rgba = np.concatenate([linear, np.ones((len(linear), 1))], axis=1).astype(np.float32)
    attribute = mesh.color_attributes.new(_COLOR, "FLOAT_COLOR", "POINT")
    attribute.data.foreach_set("color", rgba.ravel())
    mesh.materials.append(_painted(rng))
    scene.collection.objects.link(bpy.data.objects.new("Shape", mesh))
    return float(vertices[:, 2].min()), float(np.linalg.norm(vertices, axis=1).max())


def _painted(rng: np.random.Generator) -> bpy.types.Material:
    material, shader = _material("Paint")
    tree = material.node_tree
    attribute = tree.nodes.new("ShaderNodeAttribute")
    attribute.attribute_name = _COLOR
    tree.links.new(attribute.outputs["Color"], shader.inputs["Base Color"])
    shader.inputs["Roughness"].default_value = float(rng.uniform(0.3, 0.9))
    shader.inputs["Specular IOR Level"].default_value = float(rng.uniform(0.1, 0.5))
    return material


def _material(name: str) -> tuple[bpy.types.Material, Any]:
    material = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0):
        material.use_nodes = True
    nodes = material.node_tree.nodes
    return material, next(node for node in nodes if node.type == "BSDF_PRINCIPLED")


def _add_sky(scene: bpy.types.Scene, rng: np.random.Generator) -> None:
    world = bpy.data.worlds.new("Sky")
    if bpy.app.version < (5, 0):
        world.use_nodes = True
    background = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = (*_near_white(rng, 0.12), 1.0)
    background.inputs["Strength"].default_value = float(rng.uniform(0.3, 0.65))
    scene.world = world


def _add_lights(scene: bpy.types.Scene, rng: np.random.Generator) -> None:
    """Add a sun from above and, mostly, a softer light from elsewhere."""
    sun = bpy.data.lights.new("Sun", "SUN")
    sun.energy, sun.angle = float(rng.uniform(0.9, 2.4)), float(rng.uniform(0.01, 0.3))
    sun.color = _near_white(rng, 0.08)
    _aim(scene, sun, _direction(rng.uniform(-180, 180), rng.uniform(25, 75)), 10.0)
    if rng.random() < 0.7:
        area = bpy.data.lights.new("Area", "AREA")
        area.size, area.energy = float(rng.uniform(1.0, 4.0)), float(rng.uniform(40, 160))
        area.color = _near_white(rng, 0.1)
        _aim(scene, area, _direction(rng.uniform(-180, 180), rng.uniform(5, 70)), 5.0)


def _add_camera(scene: bpy.types.Scene, radius: float, rng: np.random.Generator) -> None:
    """Look at the object from the front half, from near or from afar."""
    camera = bpy.data.cameras.new("Camera")
    camera.angle = math.radians(float(rng.uniform(20, 50)))
    towards = _direction(rng.uniform(-70, 70), rng.uniform(8, 38))
    away = radius / math.sin(camera.angle / 2) * float(rng.uniform(0.95, 1.2))
    scene.camera = _aim(scene, camera, towards, away)


def _add_floor(scene: bpy.types.Scene, lowest: float, rng: np.random.Generator) -> None:
    """Add a patterned floor under the object, up to the horizon."""
    half = _FLOOR_SIZE / 2
    corners = [(-half, -half), (half, -half), (half, half), (-half, half)]
    mesh = bpy.data.meshes.new("Floor")
    mesh.from_pydata([(x, y, lowest) for x, y in corners], [], [(0, 1, 2, 3)])
    material, shader = _material("Floor")
    tree = material.node_tree
    pattern = tree.nodes.new(str(rng.choice(_FLOORS)))
    pattern.inputs["Scale"].default_value = float(rng.uniform(0.5, 3.0))
    places = tree.nodes.new("ShaderNodeTexCoord")
    tree.links.new(places.outputs["Object"], pattern.inputs["Vector"])
    mix = tree.nodes.new("ShaderNodeMixRGB")
    for name in ("Color1", "Color2"):
        muted = 0.45 * rng.uniform(0.1, 0.8) + 0.55 * rng.uniform(0.1, 0.8, 3)
        mix.inputs[name].default_value = (*muted.tolist(), 1.0)
    share = pattern.outputs.get("Fac") or pattern.outputs[0]
    tree.links.new(share, mix.inputs["Fac"])
    tree.links.new(mix.outputs["Color"], shader.inputs["Base Color"])
    mesh.materials.append(material)
    scene.collection.objects.link(bpy.data.objects.new("Floor", mesh))


def _set_up(scene: bpy.types.Scene, task: _Task) -> None:
    render, cycles = scene.render, scene.cycles
    render.engine = "CYCLES"
    cycles.device = "CPU"
    cycles.samples = _SAMPLES
    cycles.use_denoising = True
    cycles.denoiser = "OPENIMAGEDENOISE"
    cycles.max_bounces = 4
    cycles.seed = task.seed % 2**31
    render.resolution_x = render.resolution_y = task.side
    render.resolution_percentage = 100
    render.film_transparent = not task.has_background
    render.image_settings.file_format = "PNG"
    render.image_settings.color_mode = "RGBA"
    render.filepath = task.picture
    scene.view_settings.view_transform = "Standard"


def _near_white(rng: np.random.Generator, spread: float) -> tuple[float, float, float]:
    """Return the color of a light, warm or cool."""
    warmth = float(rng.uniform(-spread, spread))
    return 1.0 + min(warmth, 0.0), 1.0 - abs(warmth) / 3, 1.0 - max(warmth, 0.0)


def _direction(azimuth: float, elevation: float) -> mathutils.Vector:
    """Return the unit vector to where these angles point, in degrees from the front (-Y)."""
    a, e = math.radians(azimuth), math.radians(elevation)
    return mathutils.Vector((math.sin(a) * math.cos(e), -math.cos(a) * math.cos(e), math.sin(e)))


def _aim(
    scene: bpy.types.Scene, data: bpy.types.ID, towards: mathutils.Vector, away: float
) -> bpy.types.Object:
    """Put a light or a camera somewhere, turned to the origin."""
    added = bpy.data.objects.new(data.name, data)
    added.location = away * towards
    added.rotation_euler = towards.to_track_quat("Z", "Y").to_euler()
    scene.collection.objects.link(added)
    return added


if __name__ == "__main__":
    main()
