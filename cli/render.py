# SPDX-License-Identifier: GPL-3.0-or-later
"""A photograph of a result: backdrop, three soft lights and a camera, rendered by Cycles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .errors import OutputError, writing

if TYPE_CHECKING:
    import bpy
    import mathutils

Vector = NDArray[np.float64]
"""A point or direction in the scene, metres, [3]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """How a picture is taken; angles in degrees."""

    size: int = 800
    """Pixels per side."""
    samples: int = 12
    """Light paths per pixel at most; the denoiser does the rest."""
    azimuth: float = 32.0
    """Of the camera, from the front of the object (-Y) towards its left (+X)."""
    elevation: float = 18.0
    """Of the camera above the horizon."""
    field_of_view: float = 24.0
    """Narrow, as from afar, so that near parts do not look swollen."""
    fill: float = 0.68
    """Share of the picture's width or height that the object takes."""
    backdrop: tuple[float, float, float] = (0.80, 0.79, 0.77)
    """Linear Rec.709."""
    view_transform: str = "Khronos PBR Neutral"
    """Keeps the colours of the texture, where AgX would wash them out."""


@dataclass(frozen=True, slots=True)
class _Light:
    azimuth: float
    """Degrees from the camera, positive to its right."""
    elevation: float
    size: float
    """Diameter, in radii of the object."""
    power: float
    """Watts for an object with a radius of one metre."""
    color: tuple[float, float, float]


# Key from the upper left, fill from the right, rim from behind; warm against cool.
_LIGHTS = (
    _Light(-48.0, 46.0, 4.0, 360.0, (1.0, 0.95, 0.88)),
    _Light(62.0, 24.0, 5.0, 90.0, (0.90, 0.95, 1.0)),
    _Light(160.0, 52.0, 3.0, 170.0, (1.0, 0.98, 0.95)),
)
_LIGHT_DISTANCE = 6.0
"""In radii of the object."""
_AMBIENT = 0.38


def render_picture(subject: bpy.types.Object, path: Path, shot: Shot | None = None) -> None:
    """Build a studio around an object of the open scene and save a picture of it as PNG.

    The studio stays in the scene: save the scene before, not after.

    Args:
        subject: a mesh object that stands on z = 0.
        path: the picture.
        shot: how it is taken.

    Raises:
        OutputError: the picture cannot be written.
    """
    import bpy

    shot = shot or Shot()
    scene = bpy.context.scene
    points = _world_points(subject)
    low, high = points.min(axis=0), points.max(axis=0)
    radius = max(float(np.linalg.norm(high - low)) / 2.0, 1e-6)
    _add_backdrop(scene, shot, radius)
    _add_lights(scene, shot, (low + high) / 2.0, radius)
    scene.camera = _add_camera(scene, shot, points)
    _set_up_cycles(scene, shot)
    scene.render.filepath = str(path)
    with writing(path):
        try:
            bpy.ops.render.render(write_still=True)
        except RuntimeError as error:
            raise OutputError(path, str(error).strip().removeprefix("Error: ")) from error


def _world_points(subject: bpy.types.Object) -> Vector:
    """Return the vertices of a mesh object in the scene, [V, 3]."""
    points = np.empty(3 * len(subject.data.vertices), dtype=np.float32)
    subject.data.vertices.foreach_get("co", points)
    matrix = np.array(subject.matrix_world)
    placed: Vector = points.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]
    return placed


def _direction(azimuth: float, elevation: float) -> Vector:
    """Return the unit vector from the object to where these angles, in degrees, point."""
    a, e = math.radians(azimuth), math.radians(elevation)
    return np.array([math.sin(a) * math.cos(e), -math.cos(a) * math.cos(e), math.sin(e)])


def _camera_axes(shot: Shot) -> NDArray[np.float64]:
    """Return the camera's right, up and backward axes as columns, [3, 3]."""
    backward = _direction(shot.azimuth, shot.elevation)
    right = np.cross([0.0, 0.0, 1.0], backward)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(backward, right), backward], axis=1)


def frame(points: Vector, axes: NDArray[np.float64], shot: Shot) -> Vector:
    """Return where the camera stands so that the points fill the picture as told, centred.

    Args:
        points: what must be seen, [P, 3].
        axes: the camera's right, up and backward axes as columns, [3, 3].
        shot: field of view and the share to fill.
    """
    slope = math.tan(math.radians(shot.field_of_view) / 2.0) * shot.fill
    seen = points @ axes  # [P, 3], the last one towards the camera.
    # Along each axis of the picture, two lines of sight touch the points from both sides; they
    # cross where the camera would stand for that axis alone.
    upper = (seen[:, :2] + slope * seen[:, 2:]).max(axis=0)
    lower = (-seen[:, :2] + slope * seen[:, 2:]).max(axis=0)
    middle, distance = (upper - lower) / 2.0, (upper + lower) / (2.0 * slope)
    position: Vector = axes @ np.array([middle[0], middle[1], distance.max()])
    return position


def _add_camera(scene: bpy.types.Scene, shot: Shot, points: Vector) -> bpy.types.Object:
    import bpy

    data = bpy.data.cameras.new("Camera")
    data.angle = math.radians(shot.field_of_view)
    axes = _camera_axes(shot)
    camera = bpy.data.objects.new("Camera", data)
    camera.matrix_world = _matrix(axes, frame(points, axes, shot))
    data.clip_end = 1000.0 * float(np.linalg.norm(points.max(axis=0) - points.min(axis=0)))
    data.clip_start = data.clip_end * 1e-6
    scene.collection.objects.link(camera)
    return camera


def _add_lights(scene: bpy.types.Scene, shot: Shot, center: Vector, radius: float) -> None:
    import bpy

    for light in _LIGHTS:
        data = bpy.data.lights.new("Light", "AREA")
        data.shape = "DISK"
        data.size = light.size * radius
        data.energy = light.power * radius**2  # The same brightness at every scale.
        data.color = light.color
        added = bpy.data.objects.new("Light", data)
        backward = _direction(shot.azimuth + light.azimuth, light.elevation)
        right = np.cross([0.0, 0.0, 1.0], backward)
        right /= np.linalg.norm(right)
        axes = np.stack([right, np.cross(backward, right), backward], axis=1)
        added.matrix_world = _matrix(axes, center + _LIGHT_DISTANCE * radius * backward)
        scene.collection.objects.link(added)
    world = bpy.data.worlds.new("Studio")
    if bpy.app.version < (5, 0):
        world.use_nodes = True
    background = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = (1.0, 1.0, 1.0, 1.0)
    background.inputs["Strength"].default_value = _AMBIENT
    scene.world = world


def _matrix(axes: NDArray[np.float64], position: Vector) -> mathutils.Matrix:
    """Return the 4 x 4 matrix of an object with these axes as columns at this position."""
    import mathutils

    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = axes, position
    return mathutils.Matrix(matrix.tolist())


def _add_backdrop(scene: bpy.types.Scene, shot: Shot, radius: float) -> None:
    """Add a sheet that lies under the object and rises behind it without an edge."""
    import bpy

    profile = _backdrop_profile(40.0 * radius, 3.0 * radius, 5.0 * radius, 40.0 * radius)
    width = 60.0 * radius
    backward = _direction(shot.azimuth, 0.0)
    right = np.array([-backward[1], backward[0], 0.0])
    rows = -profile[:, :1] * backward + profile[:, 1:] * np.array([0.0, 0.0, 1.0])
    vertices = np.concatenate([rows - width * right, rows + width * right])
    n = len(profile)
    faces = [(i, n + i, n + i + 1, i + 1) for i in range(n - 1)]
    mesh = bpy.data.meshes.new("Backdrop")
    mesh.from_pydata(vertices.tolist(), [], faces)
    mesh.shade_smooth()
    mesh.materials.append(_matte("Backdrop", shot.backdrop))
    scene.collection.objects.link(bpy.data.objects.new("Backdrop", mesh))


def _backdrop_profile(front: float, back: float, bend: float, height: float) -> Vector:
    """Return (depth behind the object, height) along the sheet, [N, 2]."""
    angles = np.linspace(0.0, math.pi / 2.0, 25)
    curve = np.stack([back + bend * np.sin(angles), bend * (1.0 - np.cos(angles))], axis=1)
    return np.concatenate([[[-front, 0.0]], curve, [[back + bend, height]]])


def _matte(name: str, color: tuple[float, float, float]) -> bpy.types.Material:
    import bpy

    material = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0):
        material.use_nodes = True
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (*color, 1.0)
    shader.inputs["Roughness"].default_value = 0.9
    shader.inputs["Specular IOR Level"].default_value = 0.1
    return material


def _set_up_cycles(scene: bpy.types.Scene, shot: Shot) -> None:
    render, cycles = scene.render, scene.cycles
    render.engine = "CYCLES"
    cycles.device = "CPU"
    cycles.samples = shot.samples
    cycles.use_adaptive_sampling = True
    cycles.adaptive_threshold = 0.1
    cycles.adaptive_min_samples = 4
    cycles.use_denoising = True
    cycles.denoiser = "OPENIMAGEDENOISE"
    cycles.max_bounces = 4
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.seed = 0
    render.resolution_x = render.resolution_y = shot.size
    render.resolution_percentage = 100
    render.film_transparent = False
    render.use_compositing = render.use_sequencer = False
    render.image_settings.file_format = "PNG"
    render.image_settings.color_mode = "RGB"
    scene.view_settings.view_transform = shot.view_transform
