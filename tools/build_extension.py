# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the extension's zip with Blender's own tool, then check what went in.

Blender's command line and the bpy package share one script, which needs no Blender to run.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

WANTED = ("__init__.py", "blender_manifest.toml", "LICENSE", "core/pipeline.py")
ALLOWED = {
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "__init__.py",
    "blender_manifest.toml",
    "core",
    "engine",
    "operators",
    "packs",
    "panels",
    "translations",
    "weights",
    "weights_fetch.py",
}
MAX_BYTES = 40 * 2**20
"""The starter pack may have 36 MB; anything beyond the code beside it does not belong here."""


class BuildError(Exception):
    """The extension cannot be built; the message says why."""


def main() -> int:
    """Build and check; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output-dir", type=Path, default=ROOT / "dist")
    arguments = parser.parse_args()
    try:
        target = build(arguments.output_dir)
        check(target)
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{target} ({target.stat().st_size / 2**20:.1f} MiB)\n")
    return 0


def build(output_dir: Path) -> Path:
    """Validate the sources, build the zip and validate that; returns its path.

    Raises:
        BuildError: Blender's tool refuses something.
    """
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    output_dir.mkdir(parents=True, exist_ok=True)
    target = output_dir / f"{manifest['id']}-{manifest['version']}.zip"
    scripts = _blender_scripts()
    tags = scripts / "modules" / "_bpy_internal" / "extensions" / "tags.py"
    _run_tool(scripts, "validate", "--valid-tags", str(tags), str(ROOT))
    _run_tool(scripts, "build", "--source-dir", str(ROOT), "--output-dir", str(output_dir))
    _run_tool(scripts, "validate", "--valid-tags", str(tags), str(target))
    return target


def check(target: Path) -> None:
    """Raise BuildError unless the zip holds what Blender needs and nothing else."""
    with zipfile.ZipFile(target) as archive:
        check_contents(archive.namelist())
    if target.stat().st_size > MAX_BYTES:
        raise BuildError(f"{target} has {target.stat().st_size} bytes, more than {MAX_BYTES}")


def check_contents(names: list[str]) -> None:
    """Raise BuildError unless these are the names of a complete extension."""
    packs = [name for name in names if name.startswith("packs/starter/")]
    for suffix in ("pack.json", ".safetensors"):
        if not any(name.endswith(suffix) for name in packs):
            raise BuildError(f"the starter pack is incomplete: packs/starter has no {suffix}")
    for wanted in WANTED:
        if wanted not in names:
            raise BuildError(f"the zip lacks {wanted}")
    for name in names:
        top = name.partition("/")[0]
        if top not in ALLOWED or "__pycache__" in name:
            raise BuildError(f"{name} does not belong into the zip: see blender_manifest.toml")


def _blender_scripts() -> Path:
    # Found without importing bpy, which takes half a second and changes the process.
    spec = importlib.util.find_spec("bpy")
    if spec is None or not spec.submodule_search_locations:
        raise BuildError("the bpy package is not installed: run make setup")
    (scripts,) = Path(spec.submodule_search_locations[0]).glob("*/scripts")
    return scripts


def _run_tool(scripts: Path, *arguments: str) -> None:
    tool = scripts / "addons_core" / "bl_pkg" / "cli" / "blender_ext.py"
    finished = subprocess.run(
        [sys.executable, str(tool), *arguments], capture_output=True, text=True, check=False
    )
    if finished.returncode != 0:
        raise BuildError(f"{finished.stdout}{finished.stderr}".strip())


if __name__ == "__main__":
    sys.exit(main())
