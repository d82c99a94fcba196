# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of ground truth by Cycles: the object as it is, before a ground or before nothing."""

from __future__ import annotations

import threading

import numpy as np
import pytest

pytest.importorskip("torch", reason="shapes are made of tensors")

from maquette.core.errors import CancelledError, PackError
from maquette.evaluation import renders
from maquette.evaluation.renders import Studio, missing_blender
from maquette.training.shapes.labels import ObjectLabels, SceneLabels
from maquette.training.shapes.scenes import build_scene

pytestmark = pytest.mark.needs_torch

SIDE = 40


@pytest.fixture(scope="module")
def studio():
    with Studio(threading.Event()) as studio:
        yield studio


@pytest.fixture(scope="module")
def apple():
    asked = SceneLabels(objects=(ObjectLabels(kind="apple", color="red"),))
    return build_scene(asked, np.random.default_rng(0))


def test_the_object_alone_stands_on_nothing_in_its_color(studio, apple):
    picture = studio.picture(apple, seed=1, has_background=False, side=SIDE)

    assert picture.shape == (SIDE, SIDE, 4)
    assert picture[0, 0, 3] == picture[-1, -1, 3] == 0
    solid = picture[picture[..., 3] > 250].astype(int)
    assert 0.1 < len(solid) / SIDE**2 < 0.9
    red, green, blue = solid[:, :3].mean(axis=0)
    assert red > 1.5 * max(green, blue)


def test_a_background_fills_the_picture(studio, apple):
    picture = studio.picture(apple, seed=1, has_background=True, side=SIDE)

    assert (picture[..., 3] == 255).all()
    alone = studio.picture(apple, seed=1, has_background=False, side=SIDE)
    assert np.ptp(picture[alone[..., 3] == 0][:, :3].astype(int)) > 20


def test_a_seed_decides_the_picture(studio, apple):
    first, again = (studio.picture(apple, seed=2, has_background=False, side=24) for _ in range(2))
    other = studio.picture(apple, seed=3, has_background=False, side=24)

    assert np.abs(first.astype(int) - again).max() <= 2
    assert np.abs(first.astype(int) - other).max() > 40


def test_a_picture_can_be_cancelled(apple):
    cancel = threading.Event()
    cancel.set()

    with Studio(cancel) as studio, pytest.raises(CancelledError):
        studio.picture(apple, seed=0, has_background=False, side=SIDE)


def test_what_blender_says_is_told(studio, apple):
    with pytest.raises(PackError, match="Cycles made no picture: TypeError"):
        studio.picture(apple, seed="x", has_background=False, side=SIDE)


def test_without_blender_it_says_what_to_install(monkeypatch):
    assert missing_blender() == ""

    monkeypatch.setattr(renders.importlib.util, "find_spec", lambda name: None)
    assert "pip install bpy" in missing_blender()
