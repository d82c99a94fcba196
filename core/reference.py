# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture made ready for an image model: the object alone, in the middle of a square.

Arrays only. Files are read by `core.images`, Blender's own images by the operators.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import busy_background
from .config import ReferenceImage
from .errors import ImageInputError
from .pixels import shrink
from .subject import Box, Fault, bounding_box, find_background, find_faults, is_plain

WORK_SIDE = 384
"""Pixels in which an object is looked for; image models look at 224."""
MIN_SUBJECT_SIDE = 16
"""Pixels of the object itself."""
MARGIN = 0.1
"""Empty share of the picture on each side of the object."""

SMALL = 0.4
"""Of the picture's longer side: smaller objects are cut out for every model."""

_SURROUNDING = 0.05
"""Of an object's size, what is looked at around it."""
_OPAQUE, _VISIBLE = 250, 13
"""Alpha from which a pixel hides what is behind it, and from which it is seen at all."""

_TRANSPARENT = "it is completely transparent"
_EMPTY = "it shows nothing but its background"

_NOTES: dict[Fault, str] = {
    "busy background": "the background of {} is not uniform, so it was kept: cut it out",
    "cut off": "the object in {} is cut off by the edge: use a picture that shows all of it",
    "small": "the object in {} has few pixels: use a larger picture",
    "several": "{} shows several objects: crop it to one",
}


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """A picture as an image model will get it, and why it may not work well."""

    image: ReferenceImage
    faults: tuple[Fault, ...]


def prepare_reference_image(
    image: ReferenceImage, *, sees_grounds: bool = False
) -> tuple[ReferenceImage, tuple[str, ...]]:
    """Do as `prepare` does, with the faults as sentences for the command line."""
    prepared = prepare(image, sees_grounds=sees_grounds)
    return prepared.image, tuple(_NOTES[fault].format(image.source) for fault in prepared.faults)


def prepare(image: ReferenceImage, *, sees_grounds: bool = False) -> PreparedImage:
    """Cut out the object and put it in the middle of a square, on a transparent ground.

    The object is what is not transparent or, in an opaque picture, what is not a background of
    one colour, or what can be told from another one for sure. Else the picture is only made
    square.

    Args:
        image: as it was given.
        sees_grounds: the model has learnt to look past floors and backgrounds. It then gets the
            whole picture, but for small objects and for backgrounds that are plain beyond doubt:
            of what a cut loses by mistake no model can know.

    Raises:
        ImageInputError: there is nothing to see in the picture.
    """
    scale = _scale_to_work(image.pixels)
    pixels = shrink(image.pixels, scale)
    is_subject = _find_subject(pixels)
    is_busy = is_subject is None
    if is_subject is None:
        is_subject = busy_background.find_subject(pixels[:, :, :3])
    if sees_grounds and not _is_cut(pixels, is_subject):
        return PreparedImage(_whole(image, pixels), ())
    if is_subject is None:
        return PreparedImage(_whole(image, pixels), ("busy background",))
    box = bounding_box(is_subject)
    if box is None or box.longest * scale < MIN_SUBJECT_SIDE:
        is_clear = bool((pixels[:, :, 3] < _VISIBLE).all())
        raise ImageInputError(image.source, _TRANSPARENT if is_clear else _EMPTY)
    faults = find_faults(is_subject, box, scale=scale)
    if scale > 1:
        known = is_subject if is_busy else None
        pixels, is_subject, box = _look_closer(image.pixels, box, scale, known) or (
            pixels,
            is_subject,
            box,
        )
    cut = pixels.copy()
    cut[~is_subject, 3] = 0
    return PreparedImage(_squared(image, cut, box, margin=MARGIN), faults)


def _is_cut(pixels: NDArray[np.uint8], is_subject: NDArray[np.bool_] | None) -> bool:
    """Return whether an object is cut out for a model that sees grounds."""
    if (pixels[:, :, 3] < _OPAQUE).any() or is_plain(pixels[:, :, :3]):
        return True
    box = None if is_subject is None else bounding_box(is_subject)
    return box is not None and box.longest < SMALL * max(pixels.shape[:2])


def _whole(image: ReferenceImage, pixels: NDArray[np.uint8]) -> ReferenceImage:
    return _squared(image, pixels, Box(0, pixels.shape[0], 0, pixels.shape[1]), margin=0.0)


def _scale_to_work(pixels: NDArray[np.uint8]) -> int:
    return -(-max(pixels.shape[:2]) // WORK_SIDE)


def _find_subject(pixels: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """Return where the object is, [H, W], or None before a background of many colours."""
    if (pixels[:, :, 3] < _OPAQUE).any():
        return pixels[:, :, 3] >= _VISIBLE
    background = find_background(pixels[:, :, :3])
    return None if background is None else ~background


def _look_closer(
    pixels: NDArray[np.uint8], box: Box, scale: int, known: NDArray[np.bool_] | None
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], Box] | None:
    """Look at an object again, in as many of its pixels as the work allows.

    Args:
        pixels: the whole picture, [H, W, 4].
        box: where the object is, in blocks of `scale` pixels.
        known: before a background of many colours, which of these blocks show it.

    Returns:
        The pixels around the object, where the object is in them, and its box; None if that is
        no more to be told from its background.
    """
    height, width = pixels.shape[:2]
    pad = round(_SURROUNDING * box.longest * scale) + 2 * scale
    rows = np.arange(height)[max(0, box.top * scale - pad) : box.bottom * scale + pad]
    columns = np.arange(width)[max(0, box.left * scale - pad) : box.right * scale + pad]
    around = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    step = _scale_to_work(around)
    around = shrink(around, step)
    if known is None:
        is_subject = _find_subject(around)
    else:
        blocks = known[np.ix_(rows[::step] // scale, columns[::step] // scale)]
        reach = -(-scale // step) + 1
        is_subject = busy_background.follow_edges(around[:, :, :3], blocks, reach)
    found = None if is_subject is None else bounding_box(is_subject)
    if is_subject is None or found is None:
        return None
    return around, is_subject, found


def _squared(
    image: ReferenceImage, pixels: NDArray[np.uint8], box: Box, *, margin: float
) -> ReferenceImage:
    cropped = pixels[box.top : box.bottom, box.left : box.right]
    height, width = cropped.shape[:2]
    side = round(box.longest / (1.0 - 2.0 * margin))
    canvas = np.zeros((side, side, 4), dtype=np.uint8)
    canvas[:, :, :3] = 255  # Seen by programs that ignore alpha.
    top, left = (side - height) // 2, (side - width) // 2
    canvas[top : top + height, left : left + width] = cropped
    return ReferenceImage(pixels=canvas, source=image.source)
