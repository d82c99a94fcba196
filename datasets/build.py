# SPDX-License-Identifier: GPL-3.0-or-later
"""Assets to shards. What is done is kept, so that a build that was stopped goes on from there.

An asset is done when its verdict is written: its sample waits in a file of its own, or the reason
why it cannot be used is known. A shard is written when all of its assets are done.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from .layout import DATASET_FILE, FORMAT, REPORT_FILE, read_tar, shard_name, to_json, write_json
from .layout import write_tar as write_shard
from .plan import Plan, open_plan
from .pool import Outcome, Task, run_tasks
from .settings import BuildSettings
from .sources import Source, assign_captions, caption_from_name, find_sources

OnProgress = Callable[[str, float], None]
Verdict = dict[str, object]


@dataclass
class BuildReport:
    """What a data set holds now."""

    folder: Path
    num_samples: int = 0
    num_closed: int = 0
    shards: list[dict[str, object]] = field(default_factory=list)
    bad: list[dict[str, str]] = field(default_factory=list)
    """Assets that were left out: `file` and `reason`."""
    notes: list[dict[str, object]] = field(default_factory=list)
    """Assets of which something was guessed: `file` and `notes`."""
    warnings: list[str] = field(default_factory=list)
    is_complete: bool = False

    def to_json(self) -> dict[str, object]:
        """Return the report by name."""
        return {
            "dataset": str(self.folder),
            "samples": self.num_samples,
            "closed": self.num_closed,
            "shards": [str(shard["name"]) for shard in self.shards],
            "bad": self.bad,
            "notes": self.notes,
            "warnings": self.warnings,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """What to build, from what, and with how many hands."""

    assets: Path
    output: Path
    settings: BuildSettings
    captions: Mapping[str, list[str]] = field(default_factory=dict)
    """From a table: captions by file."""
    jobs: int = 1
    limit_seconds: float = 600.0
    """For one asset."""


def build_dataset(
    request: BuildRequest, on_progress: OnProgress, cancel: threading.Event
) -> BuildReport:
    """Build, or go on building, a data set; stops early when `cancel` is set.

    Raises:
        SourceError: the folders, or the settings of an earlier build, do not fit.
        OSError: the data set cannot be written.
    """
    sources = find_sources(request.assets, request.output)
    plan = open_plan(request.output, request.settings)
    gone = plan.add(sources)
    captions, missing = assign_captions(sources, request.captions)
    report = BuildReport(request.output)
    report.warnings += [f"{name} of the captions is no asset" for name in missing]
    report.warnings += [f"{each.file} has changed or gone since it was added" for each in gone]
    _work(plan, request, sources, on_progress, cancel)
    for index in range(len(plan.groups)):
        _pack(plan, index, captions)
    report.is_complete = not cancel.is_set()
    _summarise(plan, report)
    return report


def _work(
    plan: Plan,
    request: BuildRequest,
    sources: list[Source],
    on_progress: OnProgress,
    cancel: threading.Event,
) -> None:
    """Have every asset that is there and not done read, and keep what is said about it."""
    there = {source.key for source in sources}
    planned, todo = list[Source](), list[Source]()
    for index, group in enumerate(plan.groups):
        here = [source for source in group if source.key in there]
        planned += here
        if not (plan.folder / shard_name(index)).exists():
            todo += [source for source in here if not _is_done(plan, source)]
    tasks = [
        Task(each.key, each.file, request.assets.resolve() / each.file, plan.part(each).resolve())
        for each in todo
    ]
    for number, outcome in enumerate(
        run_tasks(
            tasks,
            plan.settings,
            jobs=request.jobs,
            limit_seconds=request.limit_seconds,
            cancel=cancel,
        ),
        start=1 + len(planned) - len(todo),
    ):
        if outcome.error:
            if cancel.is_set():
                return
            raise OSError(f"cannot write {outcome.task.target}: {outcome.error}")
        _keep(plan, outcome)
        on_progress(f"Read {outcome.task.file}", number / len(planned))


def _is_done(plan: Plan, source: Source) -> bool:
    verdict = _verdict(plan, source)
    return verdict is not None and (bool(verdict["reason"]) or plan.part(source).exists())


def _keep(plan: Plan, outcome: Outcome) -> None:
    task = outcome.task
    verdict = {"file": task.file, "reason": outcome.reason, "notes": list(outcome.notes)}
    write_json(plan.verdict(Source(task.file, task.key)), verdict)


def _verdict(plan: Plan, source: Source) -> Verdict | None:
    try:
        content = plan.verdict(source).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return cast(Verdict, json.loads(content))


def _pack(plan: Plan, index: int, captions: Mapping[str, list[str]]) -> None:
    """Write a shard if all of its assets are done, and remove what waited for it."""
    path = plan.folder / shard_name(index)
    verdicts = {source: _verdict(plan, source) for source in plan.groups[index]}
    if any(verdict is None for verdict in verdicts.values()):
        return
    good = [source for source, verdict in verdicts.items() if verdict and not verdict["reason"]]
    if good and not path.exists():
        samples = (_sample(plan, source, captions.get(source.key, [])) for source in good)
        write_shard(path, samples)
    for source in good:
        plan.part(source).unlink(missing_ok=True)


def _sample(plan: Plan, source: Source, captions: list[str]) -> tuple[str, dict[str, bytes]]:
    """Return the sample of an asset with its captions: the table's, its own or its name."""
    ((key, members),) = read_tar(plan.part(source))
    description = json.loads(members["json"])
    inside = description.pop("inside")
    name = caption_from_name(source.file)
    origin, chosen = next(
        (pair for pair in (("table", captions), ("asset", inside)) if pair[1]),
        ("name", [name] if name else []),
    )
    description |= {"captions": chosen, "caption": chosen[0] if chosen else ""}
    return key, members | {"json": to_json(description | {"caption_source": origin})}


def _summarise(plan: Plan, report: BuildReport) -> None:
    """Count what is there, and write it beside the shards."""
    for index, group in enumerate(plan.groups):
        path = plan.folder / shard_name(index)
        if path.exists():
            keys, num_closed = _count(path)
            report.num_samples += len(keys)
            report.num_closed += num_closed
            report.shards.append({"name": path.name, "samples": len(keys), "sha256": _hash(path)})
        for source in group:
            verdict = _verdict(plan, source) or {}
            if reason := verdict.get("reason"):
                report.bad.append({"file": source.file, "reason": str(reason)})
            if notes := verdict.get("notes"):
                report.notes.append({"file": source.file, "notes": notes})
    report.bad.sort(key=lambda each: each["file"])
    report.notes.sort(key=lambda each: str(each["file"]))
    summary: dict[str, object] = {"format": FORMAT, "settings": plan.settings.to_json()}
    summary |= {"samples": report.num_samples, "closed": report.num_closed}
    write_json(plan.folder / DATASET_FILE, summary | {"shards": report.shards})
    write_json(plan.folder / REPORT_FILE, {"bad": report.bad, "notes": report.notes})


def _count(path: Path) -> tuple[list[str], int]:
    """Return the keys of a shard, and how many of its samples have distances."""
    samples = [(key, "distances.npy" in members) for key, members in read_tar(path)]
    return [key for key, _ in samples], sum(closed for _, closed in samples)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
