# SPDX-License-Identifier: GPL-3.0-or-later
"""Which asset goes into which shard: decided once, kept, and only ever added to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .layout import BUILD_FOLDER, FORMAT, write_json
from .settings import BuildSettings
from .sources import Source, SourceError


@dataclass
class Plan:
    """Groups of assets, each of which becomes a shard."""

    folder: Path
    """Of the data set."""
    settings: BuildSettings
    groups: list[list[Source]] = field(default_factory=list)

    @property
    def parts(self) -> Path:
        """Where samples wait until their shard is complete."""
        return self.folder / BUILD_FOLDER / "parts"

    def part(self, source: Source) -> Path:
        """Return where the sample of an asset waits."""
        return self.parts / f"{source.key}.tar"

    def verdict(self, source: Source) -> Path:
        """Return where it is kept what was said about an asset."""
        return self.folder / BUILD_FOLDER / "verdicts" / f"{source.key}.json"

    def add(self, sources: Sequence[Source]) -> list[Source]:
        """Give new assets groups of their own and keep the plan; return those that are gone."""
        known = {source.key for group in self.groups for source in group}
        fresh = [source for source in sources if source.key not in known]
        size = self.settings.shard_size
        self.groups += [fresh[start : start + size] for start in range(0, len(fresh), size)]
        self._save()
        there = {source.key for source in sources}
        return [each for group in self.groups for each in group if each.key not in there]

    def _save(self) -> None:
        for path in (self.parts, self.verdict(Source("", "x")).parent):
            path.mkdir(parents=True, exist_ok=True)
        groups = [[[source.file, source.key] for source in group] for group in self.groups]
        content = {"format": FORMAT, "settings": self.settings.to_json(), "groups": groups}
        write_json(_path(self.folder), content)


def open_plan(folder: Path, settings: BuildSettings) -> Plan:
    """Return the plan of a data set, empty if it is a new one.

    Raises:
        SourceError: the data set was begun with other settings, or the folder holds other things.
    """
    path = _path(folder)
    if not path.exists():
        if folder.exists() and any(folder.iterdir()):
            raise SourceError(f"{folder} holds other things: choose an empty folder with -o")
        return Plan(folder, settings)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        before = content["settings"] | {"format": content["format"]}
        groups = [[Source(*pair) for pair in group] for group in content["groups"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{path} is damaged: delete {folder} and build anew") from error
    now = settings.to_json() | {"format": FORMAT}
    if changed := [name for name in now if before.get(name) != now[name]]:
        name = changed[0]
        raise SourceError(
            f"{folder} was begun with {name} {before.get(name)}, not {now[name]}: choose another"
            " folder with -o, or the same settings"
        )
    return Plan(folder, settings, groups)


def _path(folder: Path) -> Path:
    return folder / BUILD_FOLDER / "plan.json"
