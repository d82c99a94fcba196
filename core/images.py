# SPDX-License-Identifier: GPL-3.0-or-later
"""Picture files as reference images: sRGB, straight alpha, upright, 8 bits.

Limits are checked before a picture is decoded, so that a small file cannot fill the memory.
"""

from __future__ import annotations

import io
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from .config import ReferenceImage
from .errors import ImageInputError

MIN_SIDE = 32
"""Pixels; a smaller picture shows nothing that an image model could use."""
MAX_PIXELS = 100_000_000
"""Larger pictures are refused: decoded, they would take half a gigabyte and more."""
MAX_SIDE = 2048
"""Pixels; larger pictures are reduced to it, and image models look at 224."""

FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "PPM")
"""Pillow's names. Not all it reads: some of its formats start other programs."""

_ADVICE = "use a PNG, JPEG, WebP, AVIF, TIFF, BMP or GIF file"
_CONVERTIBLE = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr")


def read_reference_image(path: Path) -> tuple[ReferenceImage, tuple[str, ...]]:
    """Read a picture.

    Returns:
        The picture, and sentences about what was left out, such as further frames.

    Raises:
        ImageInputError: the file is no picture, damaged, too small or too large.
    """
    source = str(path)
    notes: list[str] = []
    with _reading(source), _open(path) as image:
        _require_size(image, source)
        _note_frames(image, source, notes)
        # JPEG decodes at an eighth to a half of the size for free.
        image.draft(None, (MAX_SIDE, MAX_SIDE))
        image.load()
        upright = _upright(image, source, notes)
        rgba = _shrink(_to_srgb(upright, source, notes))
        pixels = np.array(rgba, dtype=np.uint8)
    return ReferenceImage(pixels=pixels, source=source), tuple(notes)


@contextmanager
def _reading(source: str) -> Iterator[None]:
    """Turn whatever Pillow raises about a file into one error of ours."""
    try:
        with warnings.catch_warnings():
            # We have a limit of our own; others are about details of the file.
            warnings.simplefilter("ignore")
            yield
    except ImageInputError:
        raise
    except FileNotFoundError as error:
        raise ImageInputError(source, "there is no such file") from error
    except PermissionError as error:
        raise ImageInputError(source, "it may not be read") from error
    except UnidentifiedImageError as error:
        raise ImageInputError(source, f"it is not a picture, {_ADVICE}") from error
    except Image.DecompressionBombError as error:
        raise ImageInputError(source, _too_large("it")) from error
    except MemoryError as error:
        raise ImageInputError(source, "there is not enough memory to decode it") from error
    except _DAMAGE as error:
        raise ImageInputError(source, "it is damaged or incomplete, save it again") from error


# What Pillow's decoders raise on bytes that make no sense.
_DAMAGE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    ZeroDivisionError,
    RuntimeError,
    struct.error,
    zlib.error,
)


def _open(path: Path) -> Image.Image:
    source = str(path)
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise ImageInputError(source, "it is a folder, name one picture in it")
    if not stat.S_ISREG(mode):
        raise ImageInputError(source, f"it is not a file, {_ADVICE}")
    Image.init()
    return Image.open(path, formats=[name for name in FORMATS if name in Image.OPEN])


def _require_size(image: Image.Image, source: str) -> None:
    width, height = image.size
    if min(width, height) < MIN_SIDE:
        raise ImageInputError(
            source, f"{width} x {height} pixels are too few, it needs {MIN_SIDE} x {MIN_SIDE}"
        )
    if width * height > MAX_PIXELS:
        raise ImageInputError(source, _too_large(f"{width} x {height} pixels"))


def _too_large(size: str) -> str:
    verb = "is" if size == "it" else "are"
    return f"{size} {verb} too large, reduce it to {MAX_PIXELS // 10**6} megapixels or less"


def _note_frames(image: Image.Image, source: str, notes: list[str]) -> None:
    # MPO is how cameras store one picture with previews of it.
    num_frames = getattr(image, "n_frames", 1) if image.format != "MPO" else 1
    if num_frames > 1:
        image.seek(0)
        notes.append(f"{source} has {num_frames} frames, only the first one is used")


def _upright(image: Image.Image, source: str, notes: list[str]) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except _DAMAGE:
        notes.append(f"{source} has unreadable EXIF data, check that the result is upright")
        return image


def _to_srgb(image: Image.Image, source: str, notes: list[str]) -> Image.Image:
    """Return a picture of any mode as sRGB with straight alpha."""
    image = _to_eight_bits(image, source)
    profile = image.info.get("icc_profile")
    if image.mode in _CONVERTIBLE:
        rgba = image.convert("RGBA")
        if not profile or image.mode in ("YCbCr", "P", "1"):
            return rgba
        color = image.convert("L" if image.mode in ("L", "LA", "La") else "RGB")
        alpha = rgba.getchannel("A")
    elif image.mode == "CMYK":
        rgba, color, alpha = image.convert("RGB").convert("RGBA"), image, None
    else:
        raise ImageInputError(source, f"its colours are of the kind {image.mode}, save it as RGB")
    if not profile:
        return rgba
    converted = _apply_profile(color, profile, source, notes)
    if converted is None:
        return rgba
    converted = converted.convert("RGBA")
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


def _to_eight_bits(image: Image.Image, source: str) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ImageInputError(source, "it has 32 bits per pixel, save it with 8 or 16")
        # Pillow's own conversion cuts everything above 255 off.
        gray = Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
        gray.info = image.info
        return gray
    if image.mode == "F":
        raise ImageInputError(source, "it has floating-point pixels, save it with 8 or 16 bits")
    return image


def _apply_profile(
    image: Image.Image, profile: bytes, source: str, notes: list[str]
) -> Image.Image | None:
    """Convert from the picture's own colour space, or return None where that is not possible."""
    try:
        embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(embedded).lower():
            return None  # Converting would only round.
        target = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, embedded, target, outputMode="RGB")
    except (ImageCms.PyCMSError, *_DAMAGE):
        notes.append(f"{source} has a colour profile that does not fit, its colours may be off")
        return None


def _shrink(image: Image.Image) -> Image.Image:
    """Reduce a picture to MAX_SIDE, weighting colours by alpha so that edges get no fringe."""
    scale = MAX_SIDE / max(image.size)
    if scale >= 1.0:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    reduced = image.convert("RGBa").resize((width, height), Image.Resampling.BOX)
    return reduced.convert("RGBA")
