# SPDX-License-Identifier: GPL-3.0-or-later
"""What the build refuses; the zip itself is installed and used in tests/blender."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from maquette.core.version import VERSION
from maquette.tools.build_extension import BuildError, check_contents

ROOT = Path(__file__).resolve().parents[2]

COMPLETE = [
    "__init__.py",
    "blender_manifest.toml",
    "LICENSE",
    "README.md",
    "core/pipeline.py",
    "operators/jobs/__init__.py",
    "panels/generate.py",
    "packs/starter/pack.json",
    "packs/starter/prior.safetensors",
    "weights_fetch.py",
]


def test_a_complete_extension_passes() -> None:
    check_contents(COMPLETE)


@pytest.mark.parametrize(
    "name",
    [
        "tests/unit/test_worker.py",
        "training/stage1.py",
        "tools/setup.sh",
        "docs/decisions.md",
        "benchmarks/run.py",
        "evaluation/judge.py",
        "cli/main.py",
        "core/__pycache__/mesh.cpython-311.pyc",
        "pyproject.toml",
        "weights.safetensors",
        ".venv/bin/python",
    ],
)
def test_what_blender_does_not_need_is_refused(name: str) -> None:
    with pytest.raises(BuildError, match=name.rpartition("/")[2].replace(".", r"\.")):
        check_contents([*COMPLETE, name])


@pytest.mark.parametrize(
    "name", ["__init__.py", "core/pipeline.py", "packs/starter/pack.json", "LICENSE"]
)
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(BuildError, match=name.rpartition("/")[2].replace(".", r"\.")):
        check_contents([each for each in COMPLETE if each != name])


def test_the_version_is_the_same_everywhere() -> None:
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert manifest["version"] == project["project"]["version"] == VERSION


def test_every_package_of_the_project_is_listed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = set(project["tool"]["setuptools"]["packages"])

    unlisted = {"benchmarks", "tests", "build", "dist", "runs"}  # Nobody installs these.
    folders = [
        path.parent
        for path in ROOT.glob("*/**/__init__.py")
        if not path.relative_to(ROOT).parts[0].startswith(".")
        and path.relative_to(ROOT).parts[0] not in unlisted
    ]
    there = {".".join(("maquette", *folder.relative_to(ROOT).parts)) for folder in folders}
    assert listed == {"maquette", *there}
