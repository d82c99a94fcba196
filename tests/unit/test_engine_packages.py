# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of packages: complete, and of the versions that the tests run with."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest
from maquette.engine.packages import (
    BROUGHT_BY_BLENDER,
    LEFT_OUT,
    NEEDED,
    NEEDED_FOR_INT8,
    NEEDED_FOR_SHAP_E,
    PACKAGES,
    TORCH_BUILDS,
)
from maquette.engine.pip_output import normalized
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = {normalized(package.name): package.version for package in PACKAGES}
NOT_INSTALLED = {normalized(name) for name in (*BROUGHT_BY_BLENDER, *LEFT_OUT)}


def constraints(minor: str) -> dict[str, str]:
    lines = (ROOT / f"constraints-{minor}.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {normalized(name): version for name, version in pairs}


@pytest.mark.parametrize("minor", ["3.11", "3.13"])
def test_what_is_installed_is_what_is_tested(minor):
    tested = constraints(minor)
    differing = {
        name: (version, tested.get(name))
        for name, version in VERSIONS.items()
        if tested.get(name, version) != version
    }

    assert differing == {}
    # Only Windows needs the one, where no test runs; `make int8` tests with the other.
    assert set(VERSIONS) - set(tested) == {"colorama", "openvino"}


def test_the_8_bit_path_is_tested_with_the_version_that_is_installed():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    assert f'"openvino=={VERSIONS["openvino"]}"' in makefile


@pytest.mark.parametrize("system", ["linux", "win32", "darwin"])
@pytest.mark.parametrize("minor", ["3.11", "3.13"])
def test_nothing_that_a_package_asks_for_is_forgotten(system, minor):
    environment = {
        "sys_platform": system,
        "platform_system": {"linux": "Linux", "win32": "Windows", "darwin": "Darwin"}[system],
        "platform_machine": "x86_64",
        "python_version": minor,
        "python_full_version": f"{minor}.9",
        "implementation_name": "cpython",
        "extra": "",
    }
    here = {normalized(p.name) for p in PACKAGES if system in p.systems and not p.is_cuda}
    forgotten = set()
    for name in here:
        try:
            asked = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            assert name in ("colorama", "openvino")
            continue
        for text in asked:
            requirement = Requirement(text)
            if requirement.marker and not requirement.marker.evaluate(environment):
                continue
            wanted = normalized(requirement.name)
            if wanted not in here | NOT_INSTALLED and not wanted.startswith(("nvidia", "cuda")):
                forgotten.add((name, text))
            if wanted in VERSIONS:
                assert requirement.specifier.contains(VERSIONS[wanted], prereleases=True), text

    assert forgotten == set()


def test_every_library_of_nvidia_that_torch_asked_for_is_in_the_table():
    tested = {name for name in constraints("3.11") if name.startswith("nvidia")}

    assert {normalized(p.name) for p in PACKAGES if p.is_cuda} == tested


def test_numpy_is_never_installed():
    assert "numpy" not in VERSIONS


def test_what_is_looked_for_is_in_the_table():
    assert {*NEEDED, *NEEDED_FOR_INT8, *NEEDED_FOR_SHAP_E} <= {
        package.module for package in PACKAGES
    }


def test_builds_come_over_https_and_are_named_by_their_index():
    for build in TORCH_BUILDS.values():
        assert bool(build.index) == bool(build.suffix)
        if build.index:
            assert re.fullmatch(r"https://[a-z.]+/whl/[a-z0-9.]+", build.index)
            assert build.suffix == "+" + build.index.rpartition("/")[2]
