# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sys

import numpy as np
import pytest
from maquette import weights_fetch
from maquette.core import errors
from maquette.core.version import VERSION
from maquette.engine import examine
from maquette.engine.self_test import is_closed
from maquette.tests.unit.cli_harness import CommandLine, build_command_line, tetrahedron
from maquette.weights.errors import WeightsDamagedError, WeightsMissingError


@pytest.fixture
def maquette(monkeypatch, capsys, tmp_path) -> CommandLine:
    return build_command_line(monkeypatch, capsys, tmp_path)


@pytest.fixture(autouse=True)
def light(monkeypatch):
    """Blender's module takes long to load and is tried in tests/blender."""
    monkeypatch.setattr(examine, "LOADED", ("numpy",))


def test_the_report_names_versions_devices_packs_and_the_self_test(maquette):
    assert maquette("doctor") == 0

    lines = maquette.out.splitlines()
    words = [line.split() for line in lines]
    assert ["maquette", VERSION] in words
    assert ["numpy", np.__version__] in words
    for title in ("Versions", "Computing", "Model packs", "Self-test"):
        assert title in lines
    assert any(line.strip().startswith("cpu") for line in lines)
    assert any(line.strip().startswith("passed") and "4 triangles" in line for line in lines)


def test_json_is_the_same_for_programs(maquette):
    assert maquette("doctor", "--json") == 0

    answer = maquette.answer
    assert answer["versions"]["maquette"] == VERSION
    assert answer["compute"]["chosen"] in [each["name"] for each in answer["compute"]["devices"]]
    assert answer["compute"]["dtype"] in ("float32", "bfloat16", "float16")
    assert [each["pack"] for each in answer["packs"]] == list(weights_fetch.PACKS)
    assert answer["self_test"]["status"] == "passed"
    assert answer["self_test"]["is_closed"] is True


def test_packages_that_only_make_things_faster_are_named_too(maquette, monkeypatch):
    versions = {"fast-simplification": "0.2.0", "openvino": "2026.4.1"}
    monkeypatch.setattr(examine, "_version", lambda name: versions.get(name, "not installed"))

    maquette("doctor", "--json")

    assert maquette.answer["versions"].items() >= versions.items()


@pytest.mark.needs_torch
@pytest.mark.parametrize(
    ("has_vnni", "package", "words"),
    [
        (False, "2026.4.1", "not to be had: they need a CPU with VNNI"),
        (True, "not installed", "not to be had: OpenVINO is not installed"),
        (True, "2026.4.1, which does not load: no", "not to be had: OpenVINO 2026.4.1, which"),
        (True, "2026.4.1", "by OpenVINO 2026.4.1"),
    ],
)
def test_what_8_bit_integers_lack_is_told(maquette, monkeypatch, has_vnni, package, words):
    from maquette.core import device

    def choose(_device, precision):
        if precision == "int8" and not has_vnni:
            raise errors.PrecisionUnavailableError("int8", missing="a CPU with VNNI")
        return device.torch.float32

    monkeypatch.setattr(device, "choose_dtype", choose)
    monkeypatch.setattr(examine, "_version_if_loadable", lambda name: package)

    maquette("doctor", "--json")

    assert maquette.answer["compute"]["int8"].startswith(words)


def test_the_self_test_is_very_small(maquette):
    maquette("doctor")

    (request,) = maquette.pipeline.requests
    assert (request.resolution, request.pack) == (32, "starter")


def test_the_self_test_can_be_left_out(maquette):
    assert maquette("doctor", "--no-self-test", "--json") == 0

    assert maquette.answer["self_test"]["status"] == "skipped"
    assert maquette.pipeline.requests == []


def test_a_self_test_that_fails_decides_the_exit_code(maquette):
    maquette.pipeline.error = errors.CheckpointError(maquette.folder, "ends too early")

    assert maquette("doctor", "--json") == 3

    assert maquette.answer["self_test"]["status"] == "failed"
    assert "ends too early" in maquette.answer["self_test"]["message"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (WeightsMissingError("starter", ("pack.json",), "install it"), "skipped", 0),
        (WeightsDamagedError("starter", ("a",), "a is short", "install it"), "failed", 3),
    ],
)
def test_without_the_starter_pack_there_is_no_self_test(maquette, monkeypatch, error, status, code):
    def refuse(*_):
        raise error

    monkeypatch.setattr(weights_fetch, "pack_directory", refuse)

    assert maquette("doctor", "--json") == code

    assert maquette.answer["self_test"]["status"] == status


def test_a_missing_or_broken_package_is_reported_not_fatal(maquette, monkeypatch, tmp_path):
    (tmp_path / "brokenlib.py").write_text("raise ImportError('libXi.so.6: cannot open')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(examine, "LOADED", ("brokenlib", "nosuchlib"))

    assert maquette("doctor", "--json") == 0

    versions = maquette.answer["versions"]
    assert versions["brokenlib"].endswith("which does not load: libXi.so.6: cannot open")
    assert versions["nosuchlib"] == "not installed"


def test_without_torch_the_rest_is_still_told(maquette, monkeypatch):
    monkeypatch.setitem(sys.modules, "maquette.core.device", None)
    monkeypatch.delattr("maquette.core.device", raising=False)

    maquette("doctor", "--json")

    assert maquette.answer["compute"]["devices"] == []
    assert "torch does not load" in maquette.answer["compute"]["reason"]


CLOSED = tetrahedron().faces


@pytest.mark.parametrize(
    ("faces", "expected"),
    [
        (CLOSED, True),
        (CLOSED[:3], False),
        (np.concatenate([CLOSED[:3], CLOSED[3:, ::-1]]), False),
        (np.concatenate([CLOSED, CLOSED + 4]), True),
        (np.concatenate([CLOSED, CLOSED]), False),
        (np.zeros((0, 3), dtype=np.int32), False),
    ],
    ids=["closed", "open", "one face turned", "two pieces", "doubled", "nothing"],
)
def test_a_mesh_is_closed_if_every_edge_has_a_face_on_both_sides(faces, expected):
    assert is_closed(faces) is expected
