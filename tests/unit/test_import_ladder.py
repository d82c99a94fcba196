# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may import whom, read from the source without importing it.

core is closed and never sees Blender; torch is imported by core only, below the border; panels
read Blender's properties and nothing of ours. See docs/architecture.md.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

BLENDER = {"bpy", "blf", "bmesh", "mathutils", "gpu", "addon_utils", "rna_keymap_ui"}
BORDER = {
    "core.asset",
    "core.assets_in.paint",
    "core.busy_background",
    "core.config",
    "core.derived_pack",
    "core.errors",
    "core.estimates",
    "core.experience",
    "core.history",
    "core.inputs",
    "core.latent_file",
    "core.mesh",
    "core.outlines",
    "core.pack",
    "core.painted",
    "core.pixels",
    "core.png",
    "core.print_report",
    "core.prompts",
    "core.reference",
    "core.specs",
    "core.subject",
    "core.three_mf",
    "core.thumbnail",
    "core.version",
    "core.worker",
}
"""What both sides of the border import: no torch, no Blender."""
COMPOSITION = {
    "core.encode",
    "core.fitting",
    "core.footing",
    "core.latents",
    "core.meshing",
    "core.models",
    "core.native_condition",
    "core.native_pack",
    "core.pipeline",
    "core.preview",
    "core.print_check",
    "core.remeshing",
    "core.published_pack",
    "core.resident",
    "core.sampling",
    "core.scene",
    "core.variants",
}
"""The only modules of core that see two sibling packages; nothing below imports them."""
SIBLINGS = {
    "core.assets_in",
    "core.checkpoint",
    "core.conditioning",
    "core.decoder",
    "core.diffusion",
    "core.encoder",
    "core.geometry",
    "core.prior",
    "core.texture",
}
THIRD_PARTY = {
    "core.checkpoint": {"torch", "numpy", "safetensors"},
    "core.conditioning": {"torch", "numpy", "open_clip"},
    "core.geometry": {"torch", "numpy", "fast_simplification"},
    "core.images": {"numpy", "PIL"},
    "core.prior": {"torch", "numpy", "openvino"},
}
"""What a package of core may import from outside; torch and numpy where nothing is said."""


@dataclass(frozen=True)
class Import:
    """One imported module: ours as a path from the root such as core.mesh, others by name."""

    target: str
    is_ours: bool
    at_module_level: bool
    line: int

    @property
    def top(self) -> str:
        return self.target.partition(".")[0]

    @property
    def is_stdlib(self) -> bool:
        return not self.is_ours and self.top in sys.stdlib_module_names


def imports_of(module: str, source: str) -> Iterator[Import]:
    """Yield every import of `source`, whose dotted path from the root is `module`."""
    tree = ast.parse(source)
    module_level = {id(node) for node in _outside_functions(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, False, id(node) in module_level, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            for target in _targets(module, node):
                yield Import(target, node.level > 0, id(node) in module_level, node.lineno)


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _outside_functions(child)


def _targets(module: str, node: ast.ImportFrom) -> list[str]:
    if node.level == 0:
        return [node.module or ""]
    parts = module.split(".")
    base = parts[: len(parts) - node.level] + (node.module.split(".") if node.module else [])
    # A package is imported for its modules, a module for what it defines.
    if ROOT.joinpath(*base).is_dir():
        return [".".join([*base, alias.name]) for alias in node.names]
    return [".".join(base)]


def _within(target: str, packages: set[str]) -> bool:
    return any(target == package or target.startswith(package + ".") for package in packages)


def _area(module: str) -> str:
    """Return the package of core that a module belongs to, else the module or top folder."""
    if module.startswith("core."):
        return ".".join(module.split(".")[:2])
    return module.partition(".")[0]


def fault(module: str, found: Import) -> str | None:
    """Return why `module` must not import `found`, or None when it may."""
    area = _area(module)
    if not found.is_ours and found.top == "maquette":
        return "imports inside the package are relative"
    if area.startswith("core"):
        return _fault_in_core(module, area, found)
    if area in ("weights", "weights_fetch"):
        return _fault_in_weights(found)
    if area == "engine":
        return _fault_in_engine(found)
    if area in ("operators", "panels"):
        return _fault_in_blender_face(area, found)
    if area == "__init__":
        return "nothing is imported at module level" if found.at_module_level else None
    return None


def _fault_in_core(module: str, area: str, found: Import) -> str | None:
    if found.is_stdlib:
        return None
    if not found.is_ours:
        usual = {"numpy"} if module in BORDER else {"torch", "numpy"}
        return (
            None if found.top in THIRD_PARTY.get(area, usual) else "not a dependency of core here"
        )
    if not _within(found.target, {"core"}):
        return "core never climbs above itself"
    if module in BORDER:
        return None if found.target in BORDER else "the border imports only itself"
    if module in COMPOSITION:
        return None
    if _within(found.target, COMPOSITION):
        return "nothing below imports the pipeline"
    if _within(found.target, SIBLINGS - {area}):
        return "siblings do not know one another"
    return None


def _fault_in_weights(found: Import) -> str | None:
    if found.is_stdlib or (found.is_ours and _within(found.target, {"weights", "weights_fetch"})):
        return None
    if found.top == "huggingface_hub" and not found.at_module_level:
        return None
    return "weights use the standard library, and huggingface_hub inside functions"


def _fault_in_engine(found: Import) -> str | None:
    if found.is_stdlib or (not found.is_ours and found.top == "numpy"):
        return None
    if found.top == "torch" or _within(found.target, {"core.device"}):
        return "torch is imported when it is asked for" if found.at_module_level else None
    allowed = BORDER | {"core.version", "engine", "weights.errors", "weights_fetch"}
    if found.is_ours and _within(found.target, allowed):
        return None
    return "the engine knows the border of core and the packs"


def _fault_in_blender_face(area: str, found: Import) -> str | None:
    if found.is_stdlib or (not found.is_ours and found.top in BLENDER):
        return None
    if area == "panels":
        return (
            None if found.is_ours and _within(found.target, {"panels"}) else "panels read RNA only"
        )
    if not found.is_ours:
        # Most Blenders bring USD's package, and code that needs it asks whether it is there.
        is_there = found.top == "numpy" or (found.top == "pxr" and not found.at_module_level)
        return None if is_there else "Blender does not have this package"
    late = ("core.pipeline", "core.print_check", "core.remeshing")
    if found.target in late and not found.at_module_level:
        return None
    if _within(found.target, BORDER | {"engine", "operators", "weights.errors", "weights_fetch"}):
        return None
    return "operators see the border of core only"


def _sources() -> Iterator[tuple[str, Path]]:
    folders = ("core", "engine", "operators", "panels", "cli", "weights")
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    for path in [*sorted(ROOT.glob("*.py")), *paths]:
        yield ".".join(path.relative_to(ROOT).with_suffix("").parts), path


@pytest.mark.parametrize(
    ("module", "path"), [pytest.param(*pair, id=pair[0]) for pair in _sources()]
)
def test_imports_only_what_its_rung_may(module: str, path: Path) -> None:
    faults = [
        f"{path}:{found.line}: {found.target}: {reason}"
        for found in imports_of(module, path.read_text(encoding="utf-8"))
        if (reason := fault(module, found))
    ]

    assert faults == []


@pytest.mark.parametrize("folder", ["core", "operators", "panels", "cli"])
def test_shipped_code_never_imports_training_tools_or_tests(folder: str) -> None:
    outside = {"training", "tools", "tests", "benchmarks"}
    for path in (ROOT / folder).rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found = {each.target for each in imports_of(module, path.read_text(encoding="utf-8"))}
        assert not [target for target in found if target.partition(".")[0] in outside], path


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("core.worker", "import torch"),
        ("core.worker", "from .pipeline import generate"),
        ("core.prior.transformer", "from ..decoder import stf"),
        ("core.prior.transformer", "from ..pipeline import generate"),
        ("core.prior.transformer", "def f():\n    import bpy"),
        ("core.prior.transformer", "import diffusers"),
        ("core.prior.transformer", "from maquette.core.errors import GenerationError"),
        ("core.pipeline", "from ..operators import jobs"),
        ("weights_fetch", "from .core import config"),
        ("engine.loading", "import torch"),
        ("engine.loading", "from ..core import pipeline"),
        ("engine.loading", "def f():\n    import bpy"),
        ("weights.hub", "import huggingface_hub"),
        ("core.worker", "from .models import open_pack"),
        ("operators.jobs", "from ..core.pipeline import generate"),
        ("operators.jobs", "from ..core.prior import transformer"),
        ("operators.jobs", "def f():\n    import torch"),
        ("operators.jobs", "from ..panels import generate"),
        ("panels.generate", "from ..operators import jobs"),
        ("panels.generate", "from ..core import config"),
        ("__init__", "import bpy"),
        ("__init__", "from . import operators"),
    ],
)
def test_a_planted_violation_is_found(module: str, source: str) -> None:
    assert [found for found in imports_of(module, source) if fault(module, found)]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "core.prior.transformer",
            "import math\nimport torch\nfrom ..errors import NonFiniteError",
        ),
        ("core.pipeline", "from .prior import transformer\nfrom .decoder import stf"),
        ("operators.jobs", "import bpy\nfrom ..core.worker import Worker\nfrom . import messages"),
        ("operators.jobs", "def f():\n    from ..core import pipeline"),
        ("weights_fetch", "from .weights.hub import download"),
        ("panels.generate", "import bpy"),
        ("engine.examine", "def f():\n    import torch"),
        ("operators.engine", "from ..engine import loading"),
        ("__init__", "def register():\n    from . import operators"),
    ],
)
def test_an_honest_import_passes(module: str, source: str) -> None:
    assert [found for found in imports_of(module, source) if fault(module, found)] == []
