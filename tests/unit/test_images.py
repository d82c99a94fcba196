# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures as users have them: other colour spaces, other bit depths, damaged, huge."""

from __future__ import annotations

import io
import os
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from maquette.core import images
from maquette.core.errors import ImageInputError
from maquette.core.images import read_reference_image
from PIL import Image, ImageCms

SIZE = 64


def gradient(width: int = SIZE, height: int = SIZE) -> np.ndarray:
    """Return an RGB picture in which every pixel tells where it was."""
    rows, columns = np.mgrid[:height, :width]
    third = np.full_like(rows, 77)
    return np.stack([rows * 255 // height, columns * 255 // width, third], axis=-1).astype(np.uint8)


def save(path: Path, pixels: np.ndarray, mode: str | None = None, **options: object) -> Path:
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def read(path: Path) -> np.ndarray:
    image, notes = read_reference_image(path)
    assert notes == ()
    return image.pixels


def reason(path: Path) -> str:
    with pytest.raises(ImageInputError) as caught:
        read_reference_image(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value.reason


# What is read


@pytest.mark.parametrize("suffix", ["png", "tiff", "bmp", "webp", "ppm"])
def test_a_lossless_picture_arrives_unchanged_and_opaque(tmp_path, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    path = save(tmp_path / f"a.{suffix}", gradient(48, 40), **options)

    pixels = read(path)

    np.testing.assert_array_equal(pixels[:, :, :3], gradient(48, 40))
    assert (pixels[:, :, 3] == 255).all()


def test_alpha_stays_straight(tmp_path):
    rgba = np.dstack([gradient(), np.arange(SIZE, dtype=np.uint8)[:, None].repeat(SIZE, 1)])

    np.testing.assert_array_equal(read(save(tmp_path / "a.png", rgba)), rgba)


def test_a_palette_with_a_transparent_entry_gets_alpha(tmp_path):
    indices = np.zeros((SIZE, SIZE), dtype=np.uint8)
    indices[:, 32:] = 1
    image = Image.fromarray(indices)
    image = image.convert("P")
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.save(tmp_path / "a.png", transparency=0)

    pixels = read(tmp_path / "a.png")

    assert tuple(pixels[0, 0]) == (10, 20, 30, 0)
    assert tuple(pixels[0, 63]) == (200, 100, 50, 255)


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_sixteen_bits_are_scaled_not_cut_off(tmp_path, kind):
    values = np.linspace(0, 65535, SIZE * SIZE).astype(np.uint16).reshape(SIZE, SIZE)
    path = save(tmp_path / f"a.{kind}", values)

    expected = np.rint(values / 257.0).astype(np.uint8)
    np.testing.assert_array_equal(read(path)[:, :, :3], expected[:, :, None].repeat(3, 2))


def test_cmyk_without_a_profile_is_converted(tmp_path):
    cmyk = np.zeros((SIZE, SIZE, 4), dtype=np.uint8)
    cmyk[:, :, 1:3] = 255  # Magenta and yellow make red.
    Image.fromarray(cmyk, mode="CMYK").save(tmp_path / "a.tiff")

    red, green, blue, alpha = read(tmp_path / "a.tiff")[32, 32]

    assert red > 200 and green < 60 and blue < 60 and alpha == 255


def test_a_photographic_cmyk_jpeg_is_not_inverted(tmp_path):
    white = Image.new("CMYK", (SIZE, SIZE), (0, 0, 0, 0))
    white.save(tmp_path / "a.jpg")

    assert (read(tmp_path / "a.jpg")[:, :, :3] > 250).all()


def test_a_profile_is_applied(tmp_path):
    save(tmp_path / "a.png", gradient(), icc_profile=swapped_profile())

    pixels = read(tmp_path / "a.png")

    # Red and green are exchanged by this profile.
    np.testing.assert_allclose(pixels[:, :, [1, 0, 2]].astype(int), gradient().astype(int), atol=3)


def swapped_profile() -> bytes:
    """Return the sRGB profile with the red and green primaries exchanged."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack(">I", data[128:132])
    for index in range(count):
        at = 132 + 12 * index
        if data[at : at + 4] in (b"rXYZ", b"gXYZ"):
            data[at : at + 4] = b"gXYZ" if data[at : at + 4] == b"rXYZ" else b"rXYZ"
    return bytes(data).replace(b"s\0R\0G\0B", b"T\0e\0s\0t").replace(b"sRGB", b"Test")


def test_a_profile_that_makes_no_sense_is_ignored_with_a_note(tmp_path):
    save(tmp_path / "a.png", gradient(), icc_profile=b"no profile" * 20)

    image, notes = read_reference_image(tmp_path / "a.png")

    np.testing.assert_array_equal(image.pixels[:, :, :3], gradient())
    assert len(notes) == 1 and "profile" in notes[0]


def test_the_camera_was_held_sideways(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # The first row is the right side of the scene.
    save(tmp_path / "a.png", gradient(64, 40), exif=exif)

    np.testing.assert_array_equal(
        read(tmp_path / "a.png")[:, :, :3], np.rot90(gradient(64, 40), k=-1)
    )


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_of_an_animation_the_first_frame_is_used_and_that_is_said(tmp_path, suffix):
    first = Image.new("RGB", (SIZE, SIZE), (255, 0, 0))
    second = Image.new("RGB", (SIZE, SIZE), (0, 0, 255))
    first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=[second, first])

    image, notes = read_reference_image(tmp_path / f"a.{suffix}")

    assert image.pixels[0, 0, 0] > 250 and image.pixels[0, 0, 2] < 5
    assert len(notes) == 1 and "3 frames" in notes[0]


def test_a_large_picture_is_reduced_in_proportion(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_SIDE", 100)
    save(tmp_path / "a.png", gradient(500, 90))

    pixels = read(tmp_path / "a.png")

    assert pixels.shape == (18, 100, 4)
    assert abs(pixels[:, :, 1].mean() - gradient(500, 90)[:, :, 1].mean()) < 1


def test_reducing_gives_cut_out_objects_no_fringe(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_SIDE", 100)
    rgba = np.zeros((200, 200, 4), dtype=np.uint8)
    rgba[:, :99] = (200, 100, 50, 255)  # The edge lies inside a pixel of the result.

    save(tmp_path / "a.png", rgba)
    pixels = read(tmp_path / "a.png")

    edge = pixels[50, 49]
    assert 0 < edge[3] < 255
    np.testing.assert_allclose(edge[:3].astype(int), (200, 100, 50), atol=2)


# What is refused


def test_a_text_file(tmp_path):
    path = tmp_path / "notes.png"
    path.write_text("Dear diary, today I drew a chair.\n" * 100)

    assert "not a picture" in reason(path)


def test_an_empty_file(tmp_path):
    (tmp_path / "a.png").touch()

    assert "not a picture" in reason(tmp_path / "a.png")


def test_a_missing_file(tmp_path):
    assert "no such file" in reason(tmp_path / "a.png")


def test_a_folder(tmp_path):
    assert "folder" in reason(tmp_path)


def test_a_device_is_not_read_at_all():
    assert "not a file" in reason(Path("/dev/zero"))


def test_a_format_that_would_start_another_program(tmp_path):
    path = tmp_path / "a.eps"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EOF\n")

    assert "not a picture" in reason(path)


def test_one_pixel(tmp_path):
    save(tmp_path / "a.png", gradient(1, 1))

    assert reason(tmp_path / "a.png") == "1 x 1 pixels are too few, it needs 32 x 32"


@pytest.mark.parametrize("side", [12_000, 20_000, 60_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path, side):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_that_claims(side, side))

    assert "too large, reduce it to 100 megapixels or less" in reason(path)


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def test_the_limit_itself_is_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", SIZE * SIZE)
    save(tmp_path / "a.png", gradient())
    save(tmp_path / "b.png", gradient(SIZE, SIZE + 1))

    assert read(tmp_path / "a.png").shape == (SIZE, SIZE, 4)
    assert "too large" in reason(tmp_path / "b.png")


def test_floating_point_pixels(tmp_path):
    save(tmp_path / "a.tiff", np.zeros((SIZE, SIZE), dtype=np.float32))

    assert "floating-point" in reason(tmp_path / "a.tiff")


def test_a_file_that_ends_too_early(tmp_path):
    path = save(
        tmp_path / "a.png", np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    assert "damaged" in reason(path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    path = save(tmp_path / "a.png", gradient())
    path.chmod(0)

    assert "may not be read" in reason(path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_whatever_is_wrong_with_the_bytes_there_is_one_kind_of_error(tmp_path, kind):
    """Flipped, missing and repeated bytes either still make a picture or are refused."""
    buffer = io.BytesIO()
    Image.fromarray(gradient()).save(buffer, kind)
    chance = random.Random(kind)
    path = tmp_path / "fuzzed"
    num_refused = 0
    for _ in range(60):
        data = bytearray(buffer.getvalue())
        for _ in range(chance.choice((1, 3, 30))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data[: chance.choice((len(data), chance.randrange(len(data))))])
        try:
            read_reference_image(path)
        except ImageInputError as error:
            num_refused += 1
            assert "\n" not in str(error)
    assert num_refused > 0
