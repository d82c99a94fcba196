# SPDX-License-Identifier: GPL-3.0-or-later
"""Which picture the user means, from where the mouse or the menu is.

`find` reads a few properties and may be asked while a menu is drawn; `load` reads files.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import bpy

from ..core.errors import ImageInputError
from . import image_of_preview, image_words


@dataclass(frozen=True, slots=True)
class Found:
    """A picture that has been pointed at: an image of this file, or what to load one from."""

    image: bpy.types.Image | None = None
    user: bpy.types.ImageUser | None = None
    """Which frame of the image is shown."""
    path: str = ""
    """A picture file, or the library that holds an asset."""
    asset: str = ""
    """Name of the image in the library."""
    preview: str = ""
    """Path of an asset that is no image; its preview picture is meant."""


def find(context) -> Found | None:
    """Return the picture that the user points at, or None. Cheap, and never raises."""
    if image := _of_button(context):
        return Found(image)
    space = context.space_data
    look = _LOOKS.get(space.type) if space is not None else _of_object
    return look(context, space) if look is not None else None


def load(found: Found) -> bpy.types.Image:
    """Return the image itself, loaded into this file if it is not there yet.

    Raises:
        ImageInputError: there is nothing that can be loaded.
    """
    if found.preview:
        return image_of_preview.load(found.preview)
    if found.asset:
        return _append(found.path, found.asset)
    if found.path:
        return _load_file(found.path, found.path)
    if found.image.source == "SEQUENCE":
        return _load_frame(found)
    return found.image


def _load_frame(found: Found) -> bpy.types.Image:
    user = {} if found.user is None else {"image_user": found.user}
    path = bpy.path.abspath(found.image.filepath_from_user(**user))
    if not os.path.isfile(path):
        raise ImageInputError(found.image.name, image_words.NO_FRAME)
    return _load_file(path, found.image.name)


def _load_file(path: str, name: str) -> bpy.types.Image:
    try:
        return bpy.data.images.load(path, check_existing=True)
    except RuntimeError as error:
        raise ImageInputError(name, image_words.NO_PICTURE) from error


def _append(library: str, name: str) -> bpy.types.Image:
    try:
        with bpy.data.libraries.load(library, link=False) as (there, here):
            here.images = [each for each in there.images if each == name]
    except OSError as error:
        raise ImageInputError(name, image_words.NO_PICTURE) from error
    if not here.images or here.images[0] is None:
        raise ImageInputError(name, image_words.NO_PICTURE)
    return here.images[0]


def _of_button(context) -> bpy.types.Image | None:
    """Return the image in the field that was right-clicked, whichever of its buttons it was."""
    owner = getattr(context, "button_pointer", None)
    if isinstance(owner, bpy.types.Image):
        return owner  # Its name.
    field = getattr(context, "button_prop", None)
    value = getattr(owner, field.identifier, None) if owner and field else None
    return value if isinstance(value, bpy.types.Image) else None


def of_empty(item: bpy.types.Object | None) -> Found | None:
    """Return the picture that an object shows, if it is there to show one."""
    if item is None or item.type != "EMPTY" or item.empty_display_type != "IMAGE":
        return None
    return Found(item.data, item.image_user) if item.data is not None else None


def _of_object(context, _space=None) -> Found | None:
    return of_empty(getattr(context, "object", None))


def _of_image_editor(_context, space) -> Found | None:
    return Found(space.image, space.image_user) if space.image is not None else None


def _of_node(context, _space) -> Found | None:
    node = getattr(context, "active_node", None)
    if node is None:
        return None
    image = getattr(node, "image", None)
    if isinstance(image, bpy.types.Image):
        return Found(image, getattr(node, "image_user", None))
    for socket in node.inputs:
        value = getattr(socket, "default_value", None) if socket.type == "IMAGE" else None
        if isinstance(value, bpy.types.Image):
            return Found(value)
    return None


def _of_outliner(context, _space) -> Found | None:
    # The row under the mouse first, then what else is selected.
    for item in (getattr(context, "id", None), *(getattr(context, "selected_ids", None) or ())):
        if isinstance(item, bpy.types.Image):
            return Found(item)
        if isinstance(item, bpy.types.Object) and (found := of_empty(item)):
            return found
    return None


def _of_browser(context, space) -> Found | None:
    if space.browse_mode == "ASSETS":
        return _of_asset(getattr(context, "asset", None))
    entry = getattr(context, "active_file", None)
    if entry is None or not is_picture(entry.name):
        return None
    folder = os.fsdecode(space.params.directory)
    return Found(path=os.path.join(folder, entry.relative_path))


def _of_asset(asset) -> Found | None:
    if asset is None or getattr(asset, "is_online", False):
        return None
    if kind := _PREVIEWED.get(asset.id_type):
        own = asset.local_id
        return Found(preview=asset.full_path if own is None else f"{kind}/{own.name}")
    if asset.id_type != "IMAGE":
        return None
    if asset.local_id is not None:
        return Found(asset.local_id)
    return Found(path=asset.full_library_path, asset=asset.name)


_PREVIEWED = {"OBJECT": "Object", "COLLECTION": "Collection"}
"""Assets whose previews show one thing, and what paths call them."""


def is_picture(name: str) -> bool:
    """Tell from its name whether Blender reads a file as a picture."""
    return os.path.splitext(name)[1].lower() in bpy.path.extensions_image


_LOOKS = {
    "VIEW_3D": _of_object,
    "PROPERTIES": _of_object,
    "IMAGE_EDITOR": _of_image_editor,
    "NODE_EDITOR": _of_node,
    "OUTLINER": _of_outliner,
    "FILE_BROWSER": _of_browser,
}
