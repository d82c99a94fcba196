# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of a picture before an image model gets it, and what is said about it."""

from __future__ import annotations

import numpy as np
import pytest
from maquette.core.config import ReferenceImage
from maquette.core.errors import ImageInputError
from maquette.core.reference import WORK_SIDE, prepare, prepare_reference_image
from maquette.core.subject import bounding_box, find_background

WHITE, RED, BLUE = (250, 250, 250), (200, 30, 30), (30, 30, 200)


def picture(pixels: np.ndarray) -> ReferenceImage:
    if pixels.shape[2] == 3:
        pixels = np.dstack([pixels, np.full(pixels.shape[:2], 255, dtype=np.uint8)])
    return ReferenceImage(pixels=pixels, source="test.png")


def canvas(height: int, width: int, color=WHITE) -> np.ndarray:
    return np.full((height, width, 3), color, dtype=np.uint8)


def disc(height: int, width: int, center: tuple[float, float], radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return (rows - center[0]) ** 2 + (columns - center[1]) ** 2 < radius**2


def extent(pixels: np.ndarray) -> tuple[int, int, int, int]:
    """Return the first and last row and column in which something is seen."""
    is_seen = pixels[:, :, 3] > 127
    rows, columns = np.flatnonzero(is_seen.any(1)), np.flatnonzero(is_seen.any(0))
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])


# What is cut out


def test_the_object_ends_up_in_the_middle_of_a_square_with_a_margin():
    rgb = canvas(300, 380)
    rgb[20:100, 200:360] = RED  # 160 x 80 pixels, off centre.

    prepared = prepare(picture(rgb))

    assert prepared.faults == ()
    assert prepared.image.pixels.shape == (200, 200, 4)  # 160 pixels are eight tenths.
    assert extent(prepared.image.pixels) == (60, 139, 20, 179)
    is_seen = prepared.image.pixels[:, :, 3] > 0
    assert (prepared.image.pixels[is_seen][:, :3] == RED).all()


def test_transparency_decides_where_there_is_some():
    rgba = np.zeros((200, 200, 4), dtype=np.uint8)
    rgba[20:180, 80:120] = (*WHITE, 255)

    prepared = prepare(picture(rgba))

    assert prepared.faults == ()
    assert prepared.image.pixels.shape == (200, 200, 4)
    assert (prepared.image.pixels[:, :, 3] > 0).sum() == 160 * 40


def test_a_white_part_in_the_middle_of_the_object_is_no_hole():
    rgb = canvas(100, 100)
    rgb[20:80, 20:80] = BLUE
    rgb[40:60, 40:60] = WHITE

    prepared = prepare(picture(rgb))

    assert (prepared.image.pixels[:, :, 3] > 0).sum() == 60 * 60


def test_the_background_is_followed_around_corners():
    is_wall = np.zeros((60, 60), dtype=bool)
    is_wall[10:50, 10:50] = True
    is_wall[14:46, 14:46] = False
    is_wall[14:18, 30:34] = False  # Not yet an opening: four rows of wall remain above it.
    rgb = np.where(is_wall[:, :, None], 0, 255).astype(np.uint8).repeat(3, 2)

    closed = find_background(rgb)
    rgb[10:14, 30:34] = 255
    opened = find_background(rgb)

    assert closed is not None and not closed[30, 30]
    assert opened is not None and opened[30, 30]


def test_noise_and_specks_do_not_matter():
    rng = np.random.default_rng(1)
    rgb = np.clip(rng.normal(240, 4, (300, 300, 3)), 0, 255).astype(np.uint8)
    rgb[80:200, 80:200] = (20, 120, 20)
    rgb[5, 5] = rgb[190, 30] = 0

    prepared = prepare(picture(rgb))

    assert prepared.faults == ()
    assert prepared.image.pixels.shape == (150, 150, 4)


def test_a_thin_part_that_hangs_on_the_object_is_not_cut_off():
    mask = np.zeros((100, 100), dtype=bool)
    mask[50:90, 30:70] = True
    mask[10:50, 50] = True

    box = bounding_box(mask)

    assert box is not None and (box.top, box.bottom) == (10, 90)


def test_a_line_drawing_is_an_object_too():
    rgb = canvas(200, 200)
    rgb[np.arange(20, 180), np.arange(20, 180)] = 0

    prepared = prepare(picture(rgb))

    assert prepared.faults == ()
    assert (prepared.image.pixels[:, :, 3] > 0).sum() == 160


def test_a_busy_background_is_kept_and_that_is_said():
    rgb = np.random.default_rng(2).integers(0, 256, (60, 100, 3), dtype=np.uint8)

    prepared = prepare(picture(rgb))

    assert prepared.faults == ("busy background",)
    assert prepared.image.pixels.shape == (100, 100, 4)
    np.testing.assert_array_equal(prepared.image.pixels[20:80, :, :3], rgb)


def floor(height: int, width: int) -> np.ndarray:
    """Return a floor of two shades that differ by no more than a background of one colour may."""
    rows, columns = np.mgrid[:height, :width]
    is_dark = (rows // 20 + columns // 20) % 2 == 0
    return np.where(is_dark[..., None], 180, 205).astype(np.uint8).repeat(3, axis=2)


def test_a_model_that_sees_grounds_gets_the_whole_picture():
    rgb = floor(300, 200)
    rgb[disc(300, 200, (150, 100), 80)] = RED

    whole = prepare(picture(rgb), sees_grounds=True)

    assert whole.faults == ()
    assert (whole.image.pixels[:, 50:250, :3] == rgb).all()
    assert (whole.image.pixels[:, :50, 3] == 0).all()
    # Any other is given the object alone, which is plain enough to be told.
    alone = prepare(picture(rgb))
    assert extent(alone.image.pixels)[1] - extent(alone.image.pixels)[0] < 170


@pytest.mark.parametrize("background", [WHITE, BLUE, (128, 120, 110)])
def test_even_such_a_model_gets_no_background_that_is_plain(background):
    rgb = canvas(300, 200, background)
    rgb[disc(300, 200, (150, 100), 80)] = RED

    given, other = (prepare(picture(rgb), sees_grounds=sees) for sees in (True, False))

    assert np.array_equal(given.image.pixels, other.image.pixels)
    assert (given.image.pixels[0, :, 3] == 0).all()


def test_a_small_object_is_cut_out_of_its_ground_for_every_model():
    rgb = floor(300, 300)
    rgb[disc(300, 300, (150, 150), 45)] = RED

    given, other = (prepare(picture(rgb), sees_grounds=sees) for sees in (True, False))

    assert np.array_equal(given.image.pixels, other.image.pixels)
    assert len(given.image.pixels) < 150


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros((64, 64, 4), dtype=np.uint8), "completely transparent"),
        (np.full((64, 64, 3), 255, dtype=np.uint8), "nothing but its background"),
        (np.full((2000, 2000, 3), 255, dtype=np.uint8), "nothing but its background"),
    ],
)
def test_an_empty_picture_is_refused(pixels, words):
    with pytest.raises(ImageInputError, match=words):
        prepare(picture(pixels))


@pytest.mark.parametrize("size", [100, 1000])
def test_the_picture_given_is_not_changed(size):
    rgb = canvas(size, size)
    rgb[size // 5 : size // 2, size // 5 : size // 2] = 0
    given = picture(rgb)
    before = given.pixels.copy()

    prepare(given)

    np.testing.assert_array_equal(given.pixels, before)


# Large pictures


def test_a_small_object_in_a_large_picture_is_not_shrunk_with_it():
    rgb = canvas(2000, 2000)
    is_object = disc(2000, 2000, (1500, 400), 120)
    rgb[is_object] = RED
    rgb[1500, 290:500:4] = BLUE  # A pattern one pixel wide, which shrinking would blur.

    prepared = prepare(picture(rgb))

    assert prepared.faults == ()
    first_row, last_row, first_column, last_column = extent(prepared.image.pixels)
    assert abs(last_row - first_row - 239) <= 1 and abs(last_column - first_column - 239) <= 1
    assert (prepared.image.pixels[:, :, :3] == BLUE).all(axis=2).sum() == 53


def test_a_large_object_is_shrunk_to_what_is_worked_on():
    rgb = canvas(2000, 3000)
    rgb[300:1800, 600:1200] = RED

    prepared = prepare(picture(rgb))

    side = len(prepared.image.pixels)
    assert WORK_SIDE / 2 < side < 1.3 * WORK_SIDE
    first_row, last_row, first_column, last_column = extent(prepared.image.pixels)
    assert (last_row - first_row + 1) / side == pytest.approx(0.8, abs=0.02)
    assert (last_column - first_column + 1) / side == pytest.approx(0.32, abs=0.02)


def test_a_large_object_at_the_edge_keeps_its_pixels():
    rgb = canvas(1200, 1200)
    rgb[400:1200, 300:900] = RED

    prepared = prepare(picture(rgb))

    assert prepared.faults == ("cut off",)
    first_row, last_row, first_column, last_column = extent(prepared.image.pixels)
    height, width = last_row - first_row + 1, last_column - first_column + 1
    assert height / width == pytest.approx(800 / 600, rel=0.03)


# What is said about it


def faults_of(pixels: np.ndarray) -> tuple[str, ...]:
    return prepare(picture(pixels)).faults


def cut_out(mask: np.ndarray) -> np.ndarray:
    return np.dstack([canvas(*mask.shape, RED), np.where(mask, 255, 0).astype(np.uint8)])


@pytest.mark.parametrize("side", ["top", "bottom", "left", "right"])
def test_an_object_cut_off_by_an_edge(side):
    mask = disc(300, 300, (150, 150), 80)
    shift = {"top": (-120, 0), "bottom": (120, 0), "left": (0, -120), "right": (0, 120)}[side]
    moved = np.zeros_like(mask)
    rows, columns = np.nonzero(mask)
    rows, columns = rows + shift[0], columns + shift[1]
    inside = (rows >= 0) & (rows < 300) & (columns >= 0) & (columns < 300)
    moved[rows[inside], columns[inside]] = True

    assert faults_of(np.where(moved[:, :, None], RED, WHITE).astype(np.uint8)) == ("cut off",)
    assert faults_of(cut_out(moved)) == ("cut off",)


def test_a_round_object_may_touch_the_edge():
    rgb = canvas(300, 300)
    rgb[disc(300, 300, (80, 150), 80.5)] = RED

    assert faults_of(rgb) == ()


def test_a_cut_out_that_was_cropped_to_its_size_is_whole():
    assert faults_of(cut_out(disc(201, 201, (100, 100), 100.5))) == ()
    block = np.ones((200, 200), dtype=bool)
    block[:50, :50] = False
    assert faults_of(cut_out(block)) == ()


def test_an_object_of_few_pixels():
    rgb = canvas(300, 300)
    rgb[100:150, 100:190] = RED

    assert faults_of(rgb) == ("small",)


def test_few_pixels_are_counted_before_shrinking():
    rgb = canvas(1500, 1500)
    rgb[100:220, 100:190] = RED
    assert faults_of(rgb) == ()

    rgb = canvas(1500, 1500)
    rgb[100:180, 100:190] = RED
    assert faults_of(rgb) == ("small",)


def test_several_objects_beside_one_another():
    rgb = canvas(300, 400)
    rgb[disc(300, 400, (150, 100), 70)] = RED
    rgb[disc(300, 400, (150, 290), 60)] = BLUE

    assert faults_of(rgb) == ("several",)


def test_a_crumb_beside_an_object_is_no_second_one():
    rgb = canvas(300, 400)
    rgb[disc(300, 400, (150, 100), 70)] = RED
    rgb[disc(300, 400, (150, 290), 20)] = BLUE

    assert faults_of(rgb) == ()


def test_many_things_end_the_count():
    rgb = canvas(300, 300)
    for row in range(20, 260, 30):
        for column in range(20, 260, 30):
            rgb[row : row + 20, column : column + 20] = RED

    assert faults_of(rgb) == ("several",)


def test_parts_that_only_just_hang_together_are_one_object():
    rgb = canvas(300, 400)
    rgb[disc(300, 400, (150, 100), 70)] = RED
    rgb[disc(300, 400, (150, 290), 70)] = RED
    rgb[148:152, 100:290] = RED

    assert faults_of(rgb) == ()


def test_each_fault_is_a_sentence_that_names_the_picture():
    busy = np.random.default_rng(2).integers(0, 256, (60, 100, 3), dtype=np.uint8)
    all_at_once = canvas(200, 200)
    all_at_once[:40, 20:60] = all_at_once[:40, 70:110] = RED

    _, of_busy = prepare_reference_image(picture(busy))
    _, of_others = prepare_reference_image(picture(all_at_once))

    assert len(of_busy) == 1 and len(of_others) == 3
    assert all("test.png" in note and "\n" not in note for note in (*of_busy, *of_others))
    assert len({*of_busy, *of_others}) == 4
