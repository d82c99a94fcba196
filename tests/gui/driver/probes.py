# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside Blender: where things are on the screen, and what is under the mouse."""

from __future__ import annotations

import bpy


def window():
    """Return the main window, which timers do not have in their context."""
    return bpy.context.window_manager.windows[0]


def area(kind: str):
    """Return the largest area of a kind, such as VIEW_3D, in any window."""
    areas = [
        (each.width * each.height, index, each)
        for index, window in enumerate(bpy.context.window_manager.windows)
        for each in window.screen.areas
        if each.type == kind
    ]
    return max(areas)[2] if areas else None


def region(kind: str, name: str):
    """Return the region of an area's kind, such as UI for the sidebar."""
    return next(each for each in area(kind).regions if each.type == name)


def rectangle(kind: str, name: str) -> tuple[int, int, int, int]:
    """Return a region's left, top, width and height on the screen, in pixels from the top left."""
    found, height = region(kind, name), window().height
    # The driver's main window fills the screen.
    return (found.x, height - found.y - found.height, found.width, found.height)


def button(kind: str, name: str) -> str:
    """Name the button under the mouse as Blender would in a script, or return nothing.

    An operator is `bpy.ops.maquette.generate()`, a property `scene.maquette.prompt`.
    """
    manager = bpy.context.window_manager
    with bpy.context.temp_override(window=window(), area=area(kind), region=region(kind, name)):
        for copy, options in (
            (bpy.ops.ui.copy_python_command_button, {}),
            (bpy.ops.ui.copy_data_path_button, {"full_path": True}),
        ):
            if copy.poll():
                manager.clipboard = ""
                copy(**options)
                if manager.clipboard:
                    return manager.clipboard
    return ""


STEP = 9
"""Pixels from one try to the next; a button is 20 high."""

BLANK = 300
"""Pixels without a button, such as pictures, after which a column is taken to be over."""

TAB_WIDTH = 20


class Search:
    """Points at one place after another until it finds a button; a callback of timers.

    `found` is then its place on the screen, and `seen` every button on the way.
    """

    TURNS = 2
    """Of Blender's loop, until a movement of the mouse has come back as an event."""

    def __init__(self, kind: str, name: str, wanted: str, columns: list[float]) -> None:
        self.found: tuple[int, int] | None = None
        self.seen: set[str] = set()
        self.is_over = False
        self._region, self._wanted = (kind, name), wanted
        self._columns, self._turn = iter(columns), 0
        self._begin_column()
        bpy.app.timers.register(self, persistent=True)

    def __call__(self) -> float | None:
        """Take a look, and go on to the next place."""
        if self._turn > 0:
            self._turn -= 1
            return 0.0
        self.seen.add(found := button(*self._region))
        if self._wanted in found:
            self.found, self.is_over = (self._x, self._y), True
            return None
        if found:
            self._last_hit = self._y
        # A hit may be near a button's top, so that half a button is skipped at the most.
        self._y += 2 * STEP if found else STEP
        if self._y > min(self._bottom, self._last_hit + BLANK) and not self._begin_column():
            self.is_over = True
            return None
        self._point()
        return 0.0

    def _begin_column(self) -> bool:
        column = next(self._columns, None)
        if column is None:
            return False
        left, top, width, height = rectangle(*self._region)
        self._x, self._y = left + int((width - TAB_WIDTH) * column), top + STEP
        self._last_hit, self._bottom = self._y, top + height
        self._point()
        return True

    def _point(self) -> None:
        window().cursor_warp(self._x, window().height - self._y)
        self._turn = self.TURNS


def objects() -> list[str]:
    """Return the names of the meshes that Maquette has made and that are in the scene."""
    return [each.name for each in window().scene.objects if "maquette" in each]


def running() -> bool:
    """Tell whether a generation runs."""
    return bpy.context.window_manager.maquette.is_running


def last_job() -> str:
    """Return the state of the newest job, or nothing."""
    jobs = bpy.context.window_manager.maquette.jobs
    return jobs[-1].state if jobs else ""


def choose(**settings) -> None:
    """Set what the sidebar shows."""
    for name, value in settings.items():
        setattr(window().scene.maquette, name, value)


def texture(name: str):
    """Return size and mean color of an object's base color image, or None without one."""
    for material in bpy.data.objects[name].data.materials:
        for node in material.node_tree.nodes:
            if node.type == "TEX_IMAGE" and node.image is not None:
                pixels = node.image.pixels[:]
                return [*node.image.size, [sum(pixels[i::4]) * 4 / len(pixels) for i in range(3)]]
    return None


def reference_image(path: str, size: int = 96) -> None:
    """Add a reference image as an artist has it: an empty that shows a file, here a mushroom."""
    image = bpy.data.images.new("reference", size, size)
    places = [(2 * (i % size) / size - 1, 2 * (i // size) / size - 1) for i in range(size * size)]
    image.pixels[:] = [value for place in places for value in _mushroom(*place)]
    image.filepath_raw, image.file_format = path, "PNG"
    image.save()
    bpy.data.images.remove(image)
    with bpy.context.temp_override(window=window()):
        empty = bpy.data.objects.new("Reference", None)
        empty.empty_display_type, empty.empty_display_size = "IMAGE", 6.0
        empty.rotation_euler = (1.4, 0.0, 0.6)  # Towards the viewport of a new file.
        empty.data = bpy.data.images.load(path)
        bpy.context.scene.collection.objects.link(empty)
        bpy.context.view_layer.update()
        empty.select_set(True)
        bpy.context.view_layer.objects.active = empty


def _mushroom(x: float, y: float) -> tuple[float, float, float, float]:
    """Return the color at a place in [-1, 1]²."""
    if y > -0.05 and (x / 0.75) ** 2 + ((y + 0.05) / 0.7) ** 2 < 1.0:
        return (0.75, 0.08, 0.06, 1.0)
    if -0.75 < y <= -0.05 and abs(x) < 0.22 - 0.1 * y:
        return (0.9, 0.86, 0.78, 1.0)
    return (0.35, 0.4, 0.45, 1.0)


def active() -> str:
    """Return the name of the active object, or nothing."""
    found = window().view_layer.objects.active
    return found.name if found is not None else ""


def variants() -> dict[str, int]:
    """Return the number of objects in each collection of the scene that has any."""
    collections = window().scene.collection.children_recursive
    return {each.name: len(each.objects) for each in collections if len(each.objects)}


def corners(name: str) -> list[float]:
    """Return all coordinates of an object's mesh."""
    vertices = bpy.data.objects[name].data.vertices
    coordinates = [0.0] * (3 * len(vertices))
    vertices.foreach_get("co", coordinates)
    return coordinates


def show(kind: str, instead_of: str) -> None:
    """Turn an area into an editor of another kind, by its name in the menu of editors."""
    area(instead_of).ui_type = kind


def close_other_windows() -> None:
    """Close all windows but the main one."""
    for other in list(bpy.context.window_manager.windows)[1:]:
        with bpy.context.temp_override(window=other):
            bpy.ops.wm.window_close()


def last_window() -> tuple[int, int, int, int]:
    """Return the newest window's left, top, width and height on the screen."""
    found = bpy.context.window_manager.windows[-1]
    return (found.x, window().height - found.y - found.height, found.width, found.height)


def run(name: str, **options) -> None:
    """Run an operator as a button of the main window would."""
    category, _, verb = name.partition(".")
    with bpy.context.temp_override(window=window()):
        getattr(getattr(bpy.ops, category), verb)("INVOKE_DEFAULT", **options)


def render_for_long() -> None:
    """Set the scene up so that a render takes minutes and little memory."""
    scene = window().scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_adaptive_sampling = 100_000, False
    scene.cycles.use_denoising = False  # Debian builds Blender without it.
    scene.render.resolution_x = scene.render.resolution_y = 64
    scene.render.threads_mode, scene.render.threads = "FIXED", 1


def give_scene(shown_in, name: str) -> None:
    """Show a new scene in a window."""
    shown_in.scene = bpy.data.scenes.new(name)


def choose_in(name: str, **settings) -> None:
    """Set what the sidebar shows in that scene."""
    for key, value in settings.items():
        setattr(bpy.data.scenes[name].maquette, key, value)


def run_in_last_window(name: str) -> None:
    """Run an operator as a button of the newest window would."""
    category, _, verb = name.partition(".")
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[-1]):
        getattr(getattr(bpy.ops, category), verb)("INVOKE_DEFAULT")
