# SPDX-License-Identifier: GPL-3.0-or-later
"""How long each stage of a run took on this machine, and how long it will take the next time.

The model is small on purpose. A stage's time is proportional to its units of work (`_units`):
evaluations for sampling, resolution^2.2 for the surface, texels for the texture. The rate is the
median over the last runs whose units were nearest to those asked for, so settings used before are
predicted from their own times, and one disturbed run changes nothing.
"""

from __future__ import annotations

import json
import math
import os
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .config import GenerationRequest, SamplerChanges, SamplerConfig
from .errors import InvalidRequestError
from .mesh import GenerationResult

FORMAT = 1

ONCE = ("start", "load", "condition")
"""Stages of a run, in order; `start` is whatever comes before the first one that is timed."""
PER_VARIANT = (
    "encode",
    "sample",
    "field",
    "surface",
    "colours",
    "unwrap",
    "texture",
    "levels",
    "collision",
    "thumbnail",
)
"""Stages of each variant, in order."""

_PAINTING = ("unwrap", "texture")
_BY_FACES = ("surface", "colours", "unwrap", "levels")
"""Stages that take another time where the triangles are counted."""
_OPTIONAL = ("start", "thumbnail")
"""Taken for nothing where they were never seen."""

_MAX_GROUPS = 24
_MAX_RUNS = 9
"""Remembered per stage and units of work."""
_MAX_UNITS = 6
"""Different units of work remembered per stage."""
_MIN_LOAD = 0.005
"""Seconds; a quicker `load` found the pack in memory, which tells nothing about loading it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run will take: seconds by stage, in the order of the stages."""

    once: dict[str, float]
    variant: dict[str, float]
    """Of each variant."""
    count: int

    @property
    def seconds(self) -> float:
        """Everything together."""
        return sum(self.once.values()) + self.count * sum(self.variant.values())


@dataclass(slots=True)
class _Group:
    """What was learnt about one pack on one device."""

    stages: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """Units and seconds of each run, the newest last, by stage."""
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    """The pack's own settings, as far as requests left them to it."""

    def learn(self, stage: str, units: float, seconds: float) -> None:
        runs = [*self.stages.get(stage, []), (units, seconds)]
        recent = list(dict.fromkeys(known for known, _ in reversed(runs)))[:_MAX_UNITS]
        counts = dict.fromkeys(recent, 0)
        kept: list[tuple[float, float]] = []
        for known, taken in reversed(runs):
            if known in counts and counts[known] < _MAX_RUNS:
                counts[known] += 1
                kept.insert(0, (known, taken))
        self.stages[stage] = kept

    def predict(self, stage: str, units: float) -> float | None:
        """Return seconds, or None for a stage that has never run."""
        runs = self.stages.get(stage)
        if not runs:
            return None
        nearest = min((known for known, _ in runs), key=lambda known: abs(math.log(known / units)))
        return statistics.median(taken for known, taken in runs if known == nearest) * (
            units / nearest
        )


class Experience:
    """The runs of this machine so far, as far as plans need them."""

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self._automatic = ""
        """The device that `auto` was the last time."""

    def learn(
        self, request: GenerationRequest, result: GenerationResult, *, start: float = 0.0
    ) -> None:
        """Take in the times of a finished variant.

        Args:
            request: what was asked.
            result: one of its results.
            start: seconds from the beginning of the run to its first stage, where that had to
                get the libraries ready.
        """
        used = _sampler_used(result)
        device = str(result.record.settings.get("device", request.device))
        if request.device == "auto":
            self._automatic = device
        group = self._take(_key(request, device))
        group.sampler = _left_open(request, used, group.sampler)
        for stage, seconds in ({"start": start} | result.stage_seconds).items():
            if not _tells_something(stage, seconds, request):
                continue
            group.learn(_kind(stage, request, used), _units(stage, request, used), seconds)

    def plan(
        self, request: GenerationRequest, *, is_started: bool = False, is_loaded: bool = False
    ) -> Plan | None:
        """Return what a run will take, or None where one of its stages has never run here.

        Args:
            request: what is asked.
            is_started: the libraries are in memory already.
            is_loaded: the pack is in memory already, and so are the libraries.
        """
        group = self._groups.get(_key(request, self._device_of(request)))
        if group is None:
            return None
        ready = {"start", "load"} if is_loaded else {"start"} if is_started else set()
        unneeded = ready | _unneeded(request)
        seconds: dict[str, float] = {}
        for stage in (*ONCE, *PER_VARIANT):
            if stage in unneeded:
                continue
            expected = _expected(group, stage, request)
            if expected is None:
                return None
            seconds[stage] = expected
        once = {stage: seconds[stage] for stage in ONCE if stage in seconds}
        if request.like is not None:
            # Each seed of the earlier result is sampled again, at most in full.
            once["recall"] = len(request.like.seeds) * seconds["sample"]
        variant = {stage: seconds[stage] for stage in PER_VARIANT if stage in seconds}
        return Plan(once=once, variant=variant, count=request.count)

    def save(self, path: Path) -> None:
        """Write everything to a file, which is replaced in one step.

        Raises:
            OSError: the file cannot be written.
        """
        groups = {
            key: {"stages": group.stages, "sampler": _open_settings(group.sampler)}
            for key, group in self._groups.items()
        }
        content = {"format": FORMAT, "automatic": self._automatic, "groups": groups}
        part = path.with_name(path.name + ".part")
        part.write_text(json.dumps(content), encoding="utf-8")
        os.replace(part, path)

    def _device_of(self, request: GenerationRequest) -> str:
        return self._automatic if request.device == "auto" else request.device.partition(":")[0]

    def _take(self, key: str) -> _Group:
        """Return a group, made if need be and now the newest; of too many the oldest goes."""
        group = self._groups.pop(key, None) or _Group()
        self._groups[key] = group
        while len(self._groups) > _MAX_GROUPS:
            del self._groups[next(iter(self._groups))]
        return group


def read_experience(path: Path) -> Experience:
    """Read what `Experience.save` wrote; a file that is missing or damaged holds nothing."""
    experience = Experience()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] == FORMAT:
            groups = {str(key): _read_group(value) for key, value in content["groups"].items()}
            experience._automatic = str(content["automatic"])
            experience._groups = dict(list(groups.items())[-_MAX_GROUPS:])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, InvalidRequestError):
        return Experience()
    return experience


def _read_group(value: Any) -> _Group:
    group = _Group(sampler=SamplerConfig(**value["sampler"]))
    for stage, runs in value["stages"].items():
        for units, seconds in runs:
            if not (math.isfinite(units) and math.isfinite(seconds) and min(units, seconds) > 0):
                raise ValueError(f"{stage} took {seconds} s for {units}")
            group.learn(str(stage), float(units), float(seconds))
    return group


def _key(request: GenerationRequest, device: str) -> str:
    source = "image" if request.image is not None else "text"
    if not request.is_sampled:
        source = "mesh"
    return f"{request.pack} {source} {device} {request.precision}"


def _unneeded(request: GenerationRequest) -> set[str]:
    """Return the stages of variants that a request has nothing to do in."""
    found = set() if request.texture_size else set(_PAINTING)
    found |= {"encode"} if request.mesh is None else {"sample", "condition"}
    found |= {"sample", "condition"} if request.latent is not None else set()
    if not request.surface.num_lods:
        found.add("levels")
    if request.surface.collision == "none":
        found.add("collision")
    return found


def _kind(stage: str, request: GenerationRequest, sampler: SamplerConfig) -> str:
    """Return the name that a stage's times are kept under: where the work is another, so is it."""
    surface = request.surface
    if stage == "sample" and sampler.guidance_scale != 1.0:
        return "sample guided"  # It asks the prior twice.
    if stage == "texture":
        maps = {"normal": surface.normal_map, "occlusion": surface.occlusion_map}
        return " ".join([stage, *(name for name, is_made in maps.items() if is_made)])
    if stage == "collision":
        return f"{stage} {surface.collision}"
    return f"{stage} counted" if stage in _BY_FACES and surface.triangles else stage


def _units(stage: str, request: GenerationRequest, sampler: SamplerConfig) -> float:
    triangles = request.surface.triangles
    match stage:
        case "sample":
            return _evaluations(sampler)
        case "surface":
            return float(request.resolution**2.2)
        case "colours" | "unwrap" | "levels" if triangles:
            return float(triangles)
        case "colours" | "unwrap" | "levels":
            # Vertices and faces.
            return float(request.resolution**2)
        case "texture":
            return float(request.texture_size**2)
        case _:
            return 1.0


def _evaluations(sampler: SamplerConfig) -> float:
    """Return how many whole evaluations a sampler costs; one that reuses its guidance is half."""
    asked = sampler.num_evaluations
    if sampler.guidance_scale == 1.0:
        return float(asked)  # There is one side only, which is always asked.
    return (asked + math.ceil(asked / sampler.delta_reuse)) / 2.0


def _tells_something(stage: str, seconds: float, request: GenerationRequest) -> bool:
    if stage == "sample" and request.like is not None:
        return False  # It starts on the way.
    if stage == "load":
        return seconds > _MIN_LOAD
    return seconds > 0 and (stage in ONCE or stage in PER_VARIANT)


def _expected(group: _Group, stage: str, request: GenerationRequest) -> float | None:
    sampler = request.settle_sampler(group.sampler)
    units = _units(stage, request, sampler)
    seconds = group.predict(_kind(stage, request, sampler), units)
    if seconds is None and stage == "sample":
        # The other kind has half or twice as much to compute.
        is_guided = sampler.guidance_scale != 1.0
        other = group.predict("sample" if is_guided else "sample guided", units)
        return other and other * (2.0 if is_guided else 0.5)
    return 0.0 if seconds is None and stage in _OPTIONAL else seconds


def _sampler_used(result: GenerationResult) -> SamplerConfig:
    settings: dict[str, Any] = result.record.settings
    names = _open_settings(SamplerConfig())
    return SamplerConfig(**{name: settings[name] for name in names if name in settings})


def _left_open(
    request: GenerationRequest, used: SamplerConfig, known: SamplerConfig
) -> SamplerConfig:
    """Return the pack's own settings: as used where the request left them open, else as known."""
    if isinstance(request.sampler, SamplerConfig):
        return known
    changes = request.sampler or SamplerChanges()
    method = used.method if changes.method is None else known.method
    delta_reuse = used.delta_reuse if changes.delta_reuse is None else known.delta_reuse
    return SamplerConfig(
        method=method,
        num_steps=used.num_steps if changes.num_steps is None else known.num_steps,
        guidance_scale=(
            used.guidance_scale if changes.guidance_scale is None else known.guidance_scale
        ),
        delta_reuse=1 if method == "heun" else delta_reuse,
    )


def _open_settings(sampler: SamplerConfig) -> dict[str, str | int | float]:
    return {
        "method": sampler.method,
        "num_steps": sampler.num_steps,
        "guidance_scale": sampler.guidance_scale,
        "delta_reuse": sampler.delta_reuse,
    }
