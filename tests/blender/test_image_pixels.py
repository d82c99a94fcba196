# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's images of every kind as reference images, against pixels that are known."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from maquette.core.errors import ImageInputError
from maquette.operators import image_pixels

ORANGE = (200, 100, 50)


def write_png(path: Path, pixels: np.ndarray) -> Path:
    """Write RGBA of 8 bits, or gray of 16 bits, without any library."""
    height, width = pixels.shape[:2]
    bits, kind = (16, 0) if pixels.dtype == np.uint16 else (8, 6)
    rows = pixels.astype(">u2") if bits == 16 else pixels
    raw = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )
    return path


def corners(width: int = 60, height: int = 40) -> np.ndarray:
    """Return RGBA with another color in each corner, [H, W, 4]."""
    pixels = np.full((height, width, 4), 255, dtype=np.uint8)
    pixels[: height // 2, : width // 2, :3] = (255, 0, 0)
    pixels[: height // 2, width // 2 :, :3] = (0, 255, 0)
    pixels[height // 2 :, : width // 2, :3] = (0, 0, 255)
    return pixels


def load(path: Path) -> bpy.types.Image:
    return bpy.data.images.load(str(path))


def filled(color: tuple[int, int, int, int], size: int = 40) -> np.ndarray:
    return np.full((size, size, 4), color, dtype=np.uint8)


def reason(image: bpy.types.Image) -> str:
    with pytest.raises(ImageInputError) as caught:
        image_pixels.read(image)
    assert caught.value.source == image.name
    return caught.value.reason


# What is read


def test_a_file_arrives_unchanged_and_upright(tmp_path):
    image = load(write_png(tmp_path / "a.png", corners()))

    reference = image_pixels.read(image)

    np.testing.assert_array_equal(reference.pixels, corners())
    assert reference.source == "a.png"


def test_straight_alpha_stays_straight(tmp_path):
    image = load(write_png(tmp_path / "a.png", filled((*ORANGE, 128))))

    assert (image_pixels.read(image).pixels == (*ORANGE, 128)).all()


def test_premultiplied_alpha_is_divided_out(tmp_path):
    image = load(write_png(tmp_path / "a.png", filled((100, 50, 25, 128))))
    image.alpha_mode = "PREMUL"

    pixels = image_pixels.read(image).pixels

    np.testing.assert_allclose(pixels[0, 0].astype(int), (199, 100, 50, 128), atol=1)


@pytest.mark.parametrize("mode", ["CHANNEL_PACKED", "NONE"])
def test_an_alpha_that_means_something_else_is_no_transparency(tmp_path, mode):
    image = load(write_png(tmp_path / "a.png", filled((*ORANGE, 128))))
    image.alpha_mode = mode

    assert (image_pixels.read(image).pixels == (*ORANGE, 255)).all()


def test_sixteen_bits_are_the_srgb_values_of_the_file(tmp_path):
    values = np.linspace(0, 65535, 40 * 40).astype(np.uint16).reshape(40, 40)
    image = load(write_png(tmp_path / "a.png", values))

    pixels = image_pixels.read(image).pixels

    expected = np.rint(values / 257.0)
    assert np.abs(pixels[:, :, 0] - expected).max() <= 1
    assert (pixels[:, :, 3] == 255).all()


def test_floating_point_light_is_encoded_and_alpha_divided_out():
    image = bpy.data.images.new("light", 40, 40, alpha=True, float_buffer=True)
    light = np.tile(np.array([0.25, 0.107, 4.0, 0.5], dtype=np.float32), 1600)
    image.pixels.foreach_set(light)

    pixels = image_pixels.read(image).pixels

    assert (pixels == (188, 127, 255, 128)).all()


def test_bytes_that_are_linear_are_encoded(tmp_path):
    image = load(write_png(tmp_path / "a.png", filled((128, 55, 0, 255))))
    image.colorspace_settings.name = "Linear Rec.709"

    pixels = image_pixels.read(image).pixels

    assert tuple(pixels[0, 0]) == (188, 128, 0, 255)


@pytest.mark.skipif(bpy.app.version < (5, 0), reason="the working space is fixed before 5.0")
def test_another_working_space_shows_the_same_colors():
    image = bpy.data.images.new("light", 40, 40, float_buffer=True)
    image.pixels.foreach_set(np.tile(np.array([0.5, 0.2, 0.05, 1.0], dtype=np.float32), 1600))
    image.pack()
    before = image_pixels.read(image).pixels

    bpy.ops.wm.set_working_color_space(working_space="ACEScg", convert_colors=True)
    after = image_pixels.read(image).pixels

    assert image.pixels[0] != pytest.approx(0.5, abs=0.01)
    np.testing.assert_allclose(after.astype(int), before.astype(int), atol=2)


def test_what_was_painted_and_never_saved_is_read():
    image = bpy.data.images.new("painted", 40, 40, alpha=True)
    painted = corners(40, 40)
    image.pixels.foreach_set((painted[::-1] / 255.0).astype(np.float32).ravel())
    assert image.is_dirty

    np.testing.assert_array_equal(image_pixels.read(image).pixels, painted)


def test_a_packed_image_is_read_without_its_file(tmp_path):
    path = write_png(tmp_path / "a.png", corners())
    image = load(path)
    image.pack()
    path.unlink()

    np.testing.assert_array_equal(image_pixels.read(image).pixels, corners())


def test_a_large_image_is_shrunk():
    image = bpy.data.images.new("large", 2600, 1300)

    pixels = image_pixels.read(image).pixels

    assert pixels.shape == (434, 867, 4)


@pytest.mark.parametrize("is_painted", [False, True])
def test_a_huge_image_is_shrunk_before_it_is_read(tmp_path, monkeypatch, is_painted):
    monkeypatch.setattr(image_pixels, "MAX_FLOATS", 60 * 40 - 1)
    monkeypatch.setattr(image_pixels, "MAX_SIDE", 30)
    image = load(write_png(tmp_path / "a.png", corners()))
    if is_painted:
        image.pixels.foreach_set((corners()[:, ::-1] / 255.0).astype(np.float32).ravel())
    num_images = len(bpy.data.images)

    pixels = image_pixels.read(image).pixels

    expected = corners()[::-1, ::-1] if is_painted else corners()
    assert pixels.shape == (20, 30, 4)
    np.testing.assert_allclose(pixels[2:-2:5, 2:-2:5], expected[4:-4:10, 4:-4:10], atol=2)
    assert tuple(image.size) == (60, 40)
    assert len(bpy.data.images) == num_images


def test_reading_changes_nothing(tmp_path):
    image = load(write_png(tmp_path / "a.png", filled((*ORANGE, 128))))

    image_pixels.prepared(load(write_png(tmp_path / "b.png", object_on_white())), "shap-e")
    image_pixels.read(image)

    assert not image.is_dirty
    assert sorted(each.name for each in bpy.data.images if each.source == "FILE") == [
        "a.png",
        "b.png",
    ]


def object_on_white(size: int = 300) -> np.ndarray:
    pixels = filled((255, 255, 255, 255), size)
    pixels[size // 3 : 2 * size // 3, size // 4 : 3 * size // 4, :3] = ORANGE
    return pixels


def test_the_object_is_cut_out(tmp_path):
    image = load(write_png(tmp_path / "a.png", object_on_white()))

    prepared = image_pixels.prepared(image, "shap-e")

    assert prepared.faults == ()
    assert prepared.image.pixels[0, 0, 3] == 0
    middle = len(prepared.image.pixels) // 2
    assert tuple(prepared.image.pixels[middle, middle]) == (*ORANGE, 255)


# What is refused


def test_a_missing_file(tmp_path):
    path = write_png(tmp_path / "a.png", corners())
    image = load(path)
    path.unlink()

    assert reason(image) == "there is no picture"


def test_a_file_that_is_no_picture(tmp_path):
    (tmp_path / "a.png").write_text("hello")

    assert reason(load(tmp_path / "a.png")) == "there is no picture"


def test_a_few_pixels():
    assert reason(bpy.data.images.new("tiny", 31, 200)) == "it has too few pixels"


def test_too_many_pixels(monkeypatch):
    monkeypatch.setattr(image_pixels, "MAX_PIXELS", 100 * 100)
    assert reason(bpy.data.images.new("huge", 101, 100)) == "it is too large"


def test_a_movie(tmp_path):
    image = bpy.data.images.new("movie", 40, 40)
    image.source = "MOVIE"

    assert reason(image) == "it is a movie"


def test_a_sequence_without_a_frame():
    image = bpy.data.images.new("frames", 40, 40)
    image.source = "SEQUENCE"

    assert reason(image) == "it is a sequence"


def test_tiles():
    assert reason(bpy.data.images.new("tiles", 40, 40, tiled=True)) == "it has UDIM tiles"


def test_a_render():
    # Blender makes the real one when it first renders, which takes a graphics driver.
    assert reason(SimpleNamespace(source="VIEWER", name="Render Result")) == "it is not saved yet"
