# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole pack as a list of runs, its legs: which stages, by which settings, from what.

A recipe is a TOML file such as `recipes/starter_v1.toml`. Settings without a recipe are one leg,
whose stages follow from them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ..core.specs import PRIORS
from .config import TrainingConfig, load_config, read_toml
from .recipe_state import results_of
from .values import ConfigError, Count, Share, read_section

NEEDS: dict[str, tuple[str, ...]] = {
    "generate": (),
    "words": (),
    "text": ("generate",),
    "clip": ("generate", "words"),
    "stage1": ("generate",),
    "latents": ("generate", "stage1"),
    "fit": ("generate",),
    "decoder": ("generate", "latents", "fit"),
    "blend": (),
    "gaussian": ("generate", "text", "clip", "latents", "fit"),
    "stage2": ("generate", "text", "clip", "latents", "fit", "gaussian"),
    "export": ("text", "clip", "latents", "fit", "decoder", "blend", "gaussian", "stage2"),
}
"""Stages that a leg may have, and which of the same leg each waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessCounts:
    """Processes that train a stage whose settings leave `shares` open.

    Each of them takes a batch of every step, so that their number decides what is learnt.
    """

    clip: Count = 1
    stage1: Count = 2
    decoder: Count = 1
    stage2: Count = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One run: a folder, settings, and stages that work there."""

    name: str
    """Of the run's folder, in that of the recipe's run; empty for that folder itself."""
    config: str
    """Settings of its stages; relative to the recipe's file."""
    stages: tuple[str, ...]
    """Begun in this order, side by side where they do not need each other; see `NEEDS`."""
    warm_start: str = ""
    """Earlier leg that it goes on from."""
    other: str = ""
    """Earlier leg that `blend` mixes with it."""
    share: Share = 0.5
    """Of the other leg in the blend."""
    links: tuple[str, ...] = ()
    """LEG/FILE of earlier legs that its stages find as their own."""
    with_encoder: bool = False
    """Export a pack that reads meshes too."""
    processes: ProcessCounts = field(default_factory=ProcessCounts)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Legs in their order."""

    folder: Path
    """That the settings of its legs are relative to."""
    legs: tuple[Leg, ...]

    def config_path(self, leg: Leg) -> Path:
        """Return the file of a leg's settings."""
        return self.folder / leg.config


def load_recipe(path: Path) -> Recipe:
    """Read a TOML file; the settings that it names are read as well, so that they are sound.

    Raises:
        ConfigError: a key is unknown or missing, a leg cannot be run as it is described, or its
            settings cannot be used; the sentence names it.
    """
    content = read_toml(path)
    tables = content.pop("legs", None)
    if content:
        raise ConfigError(f"{path} does not know {', '.join(sorted(content))}")
    if not isinstance(tables, list) or not tables:
        raise ConfigError(f"{path}: [[legs]] is missing: a recipe has at least one")
    legs: list[Leg] = []
    for number, table in enumerate(tables, 1):
        leg = read_section(Leg, table, f"{path}: leg {number}")
        if problem := _problem(leg, legs):
            raise ConfigError(f"{path}: leg {leg.name!r}: {problem}")
        legs.append(leg)
    recipe = Recipe(path.parent, tuple(legs))
    for leg in legs:
        config = load_config(recipe.config_path(leg))
        if "fit" in leg.stages and config.fit is None:
            raise ConfigError(f"{recipe.config_path(leg)}: section [fit] is missing")
    return recipe


def recipe_of(path: Path) -> Recipe:
    """Return the recipe of settings alone: one leg of all stages that they call for.

    Raises:
        ConfigError: the settings cannot be used, or call for more than one leg.
    """
    config = load_config(path)
    if config.fit is not None:
        raise ConfigError(f"{path} is for a run that goes on from another: give a --recipe of both")
    if not PRIORS[config.architecture].basis_size:
        raise ConfigError(
            f"{path}: {config.architecture} has latents of stage1-views, which is a command of its"
            " own: see training/README.md"
        )
    leg = Leg(name="", config=path.name, stages=_stages_of(config))
    return Recipe(path.parent, (leg,))


def _stages_of(config: TrainingConfig) -> tuple[str, ...]:
    if config.clip is None:
        return "generate", "text", "stage1", "latents", "decoder", "stage2", "export"
    known = ("gaussian",) if PRIORS[config.architecture].gaussian else ()
    # The CLIP takes one process, so it is learnt beside what follows stage 1.
    first = ("generate", "words", "stage1", "clip", "latents", "decoder")
    return (*first, *known, "stage2", "export")


def _problem(leg: Leg, earlier: list[Leg]) -> str:
    """Say why a leg cannot follow the earlier ones, or nothing."""
    names = [each.name for each in earlier]
    if not leg.name or PurePosixPath(leg.name).name != leg.name or leg.name in (".", ".."):
        return "name must be that of a folder"
    if leg.name in names:
        return "there is another leg of that name"
    if not leg.stages:
        return "it has no stages"
    for number, stage in enumerate(leg.stages):
        if stage not in NEEDS:
            return f"stages must be of {', '.join(NEEDS)}, not {stage!r}"
        if late := [each for each in leg.stages[number:] if each in NEEDS[stage]]:
            return f"{late[0]} must come before {stage}"
        if stage in leg.stages[:number]:
            return f"it has {stage} twice"
    for key, name in (("warm_start", leg.warm_start), ("other", leg.other)):
        if name and name not in names:
            return f"{key} must be an earlier leg, not {name!r}"
    if "fit" in leg.stages and not leg.warm_start:
        return "fit needs a warm_start"
    if "blend" in leg.stages and not (leg.warm_start and leg.other):
        return "blend needs a warm_start and an other"
    for link in leg.links:
        source, _, file = link.partition("/")
        if source not in names or not file or PurePosixPath(file).name != file:
            return f"links must be LEG/FILE of earlier legs, not {link!r}"
        if any(file in results_of(stage) for stage in leg.stages):
            return f"links give {file}, which its own stages make"
    return ""
