# SPDX-License-Identifier: GPL-3.0-or-later
"""What the print check says of meshes whose faults are known."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from maquette.core.errors import CancelledError, InvalidRequestError
from maquette.core.print_check import check_printability, plan_repair
from maquette.core.print_report import SEVERITIES, Kind, Triangles

CORNERS = np.array([[i & 1, i >> 1 & 1, i >> 2] for i in range(8)], dtype=np.float32)
QUADS = np.array(
    [[0, 4, 6, 2], [1, 3, 7, 5], [0, 1, 5, 4], [2, 6, 7, 3], [0, 2, 3, 1], [4, 5, 7, 6]]
)
FACES = np.concatenate([QUADS[:, :3], QUADS[:, [0, 2, 3]]]).astype(np.int32)
BOTTOM, TOP = [4, 10], [5, 11]
"""Both triangles of those sides."""


def box(low, high, faces=FACES):
    low, high = np.array(low, dtype=np.float32), np.array(high, dtype=np.float32)
    return Triangles(low + CORNERS * (high - low), faces)


def inward(mesh):
    return Triangles(mesh.vertices, mesh.faces[:, ::-1])


def together(*meshes):
    starts = np.cumsum([0, *(len(each.vertices) for each in meshes)])
    return Triangles(
        np.concatenate([each.vertices for each in meshes]),
        np.concatenate([m.faces + s for m, s in zip(meshes, starts, strict=False)]).astype(
            np.int32
        ),
    )


def look(mesh, *, unit=1.0, wall=1.2, **more):
    return check_printability(mesh, millimetres_per_unit=unit, min_wall_mm=wall, **more)


def kinds(report):
    return {problem.kind for problem in report.problems}


def problem(report, kind):
    (found,) = [each for each in report.problems if each.kind == kind]
    return found


CUBE = box((0, 0, 0), (20, 20, 20))


def test_a_solid_cube_has_no_fault_and_its_size_and_volume_are_told():
    report = look(box((0, 0, 0), (0.02, 0.03, 0.04)), unit=1000.0, bed_mm=(220, 220, 250))

    assert report.problems == ()
    assert report.is_printable and report.is_closed and report.is_manifold and report.is_oriented
    np.testing.assert_allclose(report.size_mm, (20, 30, 40), rtol=1e-6)
    assert report.volume_cm3 == pytest.approx(24.0, rel=1e-6)
    assert report.num_parts == 1
    assert report.thin_share == 0.0 and not len(report.thin_faces)


def test_a_missing_side_is_one_hole():
    report = look(box((0, 0, 0), (20, 20, 20), np.delete(FACES, TOP, axis=0)))

    assert problem(report, "open").count == 1
    assert not report.is_closed and not report.is_printable
    assert sorted(report.open_vertices) == [4, 5, 6, 7]


def test_two_missing_sides_that_do_not_touch_are_two_holes():
    report = look(box((0, 0, 0), (20, 20, 20), np.delete(FACES, TOP + BOTTOM, axis=0)))

    assert problem(report, "open").count == 2


def test_an_edge_with_three_faces_is_found():
    fin = np.array([[0, 1, 8]], dtype=np.int32)
    vertices = np.concatenate([CUBE.vertices, [[10, -9, 5]]]).astype(np.float32)

    report = look(Triangles(vertices, np.concatenate([FACES, fin])))

    assert problem(report, "crowded").count == 1
    assert not report.is_manifold


def test_a_turned_face_is_found_whichever_it_is():
    for face in (0, 5, 11):
        faces = FACES.copy()
        faces[face] = faces[face, ::-1]

        report = look(box((0, 0, 0), (20, 20, 20), faces))

        assert kinds(report) == {"winding"}
        assert np.flatnonzero(report.plan.turned_faces).tolist() == [face]
        assert report.volume_cm3 == pytest.approx(8.0, rel=1e-6)


def test_a_cube_that_is_inside_out_is_turned_as_a_whole():
    report = look(inward(CUBE))

    assert kinds(report) == {"inside out"}
    assert report.plan.turned_faces.all()


def test_a_strip_with_one_side_is_told():
    turn = np.linspace(0, 2 * np.pi, 25)[:-1]
    rim = []
    for side in (-3, 3):
        radius = 20 + side * np.cos(turn / 2)
        rim.append(
            np.stack([radius * np.cos(turn), radius * np.sin(turn), side * np.sin(turn / 2)])
        )
    vertices = np.concatenate([each.T for each in rim]).astype(np.float32)
    here = np.arange(24)
    low, high = here, here + 24
    after_low, after_high = np.roll(low, -1), np.roll(high, -1)
    after_low[-1], after_high[-1] = after_high[-1], after_low[-1]  # The half turn.
    faces = np.concatenate(
        [np.stack([low, after_low, high], 1), np.stack([high, after_low, after_high], 1)]
    )

    assert "one-sided" in kinds(look(Triangles(vertices, faces.astype(np.int32))))


def test_a_cavity_is_no_fault_and_takes_away_from_the_volume():
    hollow = together(CUBE, inward(box((5, 5, 5), (15, 15, 15))))

    report = look(hollow)

    assert kinds(report) == {"overhang"}  # Its ceiling.
    assert report.volume_cm3 == pytest.approx(8.0 - 1.0, rel=1e-6)
    assert report.num_parts == 2
    assert problem(report, "overhang").value == pytest.approx(100 / 3000, rel=1e-6)


def test_a_hollow_cube_inside_out_is_turned_as_a_whole_and_a_ball_in_it_too():
    hollow = together(CUBE, inward(box((2, 2, 2), (18, 18, 18))), box((8, 8, 8), (12, 12, 12)))

    assert "inside out" not in kinds(look(hollow))
    assert look(inward(hollow)).plan.turned_faces.all()


def test_a_box_that_hangs_in_a_cavity_floats():
    loose = together(CUBE, inward(box((2, 2, 2), (18, 18, 18))), box((8, 8, 8), (12, 12, 12)))

    report = look(loose)

    assert problem(report, "floating").count == 1
    assert sorted(report.floating_faces[0]) == list(range(24, 36))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ((5, 5, 30), (15, 15, 40), {"floating"}),
        ((5, 5, 19), (15, 15, 40), set()),  # Runs into the other.
        ((5, 5, 20), (15, 15, 40), set()),  # Stands on it.
        ((5, 5, 20.005), (15, 15, 40), set()),  # As good as.
        ((5, 5, 20.5), (15, 15, 40), {"floating"}),
        ((5, 5, 5), (15, 15, 15), set()),  # Lies in it.
        ((30, 0, 0), (40, 10, 10), set()),  # Stands beside it.
        ((30, 0, 0.1), (40, 10, 10), set()),  # Less than a layer above the bed.
        ((30, 0, -5), (40, 10, 10), {"floating"}),
        ((5, 5, 30), (6, 6, 31), {"specks"}),
    ],
)
def test_what_hangs_on_nothing_floats(low, high, expected):
    report = look(together(CUBE, box(low, high)))

    assert kinds(report) & {"floating", "specks"} == expected
    assert len(report.floating_faces) == len(expected)
    assert report.plan.speck_faces.sum() == (12 if "specks" in expected else 0)


def test_parts_that_meet_only_where_no_vertex_lies_are_one():
    """Two crossed bars: no vertex of one is in the other."""
    report = look(together(box((-30, -5, 0), (30, 5, 10)), box((-5, -30, 3), (5, 30, 7))))

    assert report.floating_faces == ()


def test_many_specks_are_found_and_counted():
    grid = [(x, y) for x in range(20) for y in range(20)]
    specks = [box((x, y, 25), (x + 0.5, y + 0.5, 25.5)) for x, y in grid]

    report = look(together(CUBE, *specks))

    assert problem(report, "specks").count == 400
    assert report.plan.speck_faces.sum() == 400 * 12
    assert not report.plan.speck_faces[:12].any()


def test_thin_walls_are_told_with_their_share_and_faces():
    plate = box((0, 0, 0), (40, 40, 1))

    report = look(together(box((0, 50, 0), (20, 70, 20)), plate))

    thin = 2 * 40 * 40
    total = thin + 4 * 40 * 1 + 6 * 20 * 20
    assert problem(report, "thin").value == pytest.approx(thin / total, abs=0.01)
    assert report.min_wall_mm == pytest.approx(1.0, rel=1e-5)
    assert {12 + face for face in BOTTOM + TOP} <= set(report.thin_faces) <= set(range(12, 24))


def test_the_wall_is_measured_at_the_size_that_is_printed():
    plate = box((0, 0, 0), (40, 40, 1))

    as_it_is, doubled = look(plate), look(plate, size_mm=80.0)

    assert "thin" in kinds(as_it_is) and "thin" not in kinds(doubled)
    assert problem(doubled, "size").value == pytest.approx(40.0)
    assert doubled.scale == pytest.approx(2.0)
    np.testing.assert_allclose(doubled.size_mm, (80, 80, 2), rtol=1e-6)


@pytest.mark.parametrize(
    ("bed", "fits"),
    [((20, 30, 50), True), ((30, 20, 50), True), ((25, 25, 50), False), ((50, 50, 39), False)],
)
def test_what_does_not_fit_the_printer_is_told(bed, fits):
    report = look(box((0, 0, 0), (20, 30, 40)), bed_mm=bed)

    assert ("too large" not in kinds(report)) == fits


def test_faces_without_area_and_doubled_ones_are_surplus():
    more = np.array([[0, 0, 1], [0, 1, 1], *FACES[[3]], *FACES[[7], ::-1]], dtype=np.int32)

    report = look(Triangles(CUBE.vertices, np.concatenate([FACES, more])))

    assert problem(report, "doubled").count == 4
    assert np.flatnonzero(report.plan.surplus_faces).tolist() == [12, 13, 14, 15]
    assert report.is_closed and report.is_manifold


def test_vertices_that_are_split_along_seams_are_no_hole():
    """As glTF and STL store them."""
    soup = Triangles(
        CUBE.vertices[FACES].reshape(-1, 3), np.arange(36, dtype=np.int32).reshape(-1, 3)
    )

    report = look(soup)

    assert kinds(report) == {"split"}
    assert problem(report, "split").count == 36 - 8
    assert report.is_closed and report.is_printable
    assert report.volume_cm3 == pytest.approx(8.0, rel=1e-6)


def test_two_boxes_that_touch_along_an_edge_stay_two():
    report = look(together(CUBE, box((20, 20, 0), (40, 40, 20))))

    assert report.is_manifold
    assert report.num_parts == 2


def test_a_sheet_is_open_and_flat():
    sheet = Triangles(CUBE.vertices, FACES[BOTTOM])

    assert {"open", "flat"} <= kinds(look(sheet))


def test_nothing_is_told_as_nothing():
    for faces in (np.empty((0, 3), dtype=np.int32), np.array([[0, 0, 1]], dtype=np.int32)):
        assert kinds(look(Triangles(CUBE.vertices, faces))) == {"empty"}


def test_what_does_not_stand_on_the_bed_is_told():
    assert problem(look(box((0, 0, 7), (20, 20, 27))), "off bed").value == pytest.approx(7.0)


def test_a_plan_is_that_of_the_report():
    mesh = together(inward(CUBE), box((5, 5, 30), (6, 6, 31)), box((0, 0, 0), (0, 5, 5)))

    report, plan = look(mesh), plan_repair(mesh, millimetres_per_unit=1.0)

    for name in ("turned_faces", "surplus_faces", "speck_faces"):
        np.testing.assert_array_equal(getattr(plan, name), getattr(report.plan, name))
        assert getattr(plan, name).any()


def test_positions_that_are_no_numbers_are_refused():
    vertices = CUBE.vertices.copy()
    vertices[3, 1] = np.nan

    with pytest.raises(InvalidRequestError, match="not numbers"):
        look(Triangles(vertices, FACES))


def test_the_check_can_be_stopped_wherever_it_looks():
    calls = []

    def count():
        calls.append(1)

    mesh = together(CUBE, box((5, 5, 30), (15, 15, 40)))
    look(mesh, check=count)
    for number in range(0, len(calls), 1 + len(calls) // 8):
        left = [None] * number

        def stop(left=left):
            if not left:
                raise CancelledError
            left.pop()

        with pytest.raises(CancelledError):
            look(mesh, check=stop)


def test_progress_rises_to_its_end():
    told = []

    look(CUBE, on_progress=lambda stage, fraction: told.append(fraction))

    assert told == sorted(told)
    assert told[-1] == 1.0


def test_severities_are_of_kinds_that_exist():
    assert set(SEVERITIES) <= set(get_args(Kind))
