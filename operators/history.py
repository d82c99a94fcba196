# SPDX-License-Identifier: GPL-3.0-or-later
"""The prompts that were generated: kept in a file, listed in the sidebar, filled in again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import bpy
from bpy.app.handlers import persistent
from bpy.app.translations import pgettext_rpt as rpt_
from bpy.props import EnumProperty, IntProperty, StringProperty

from ..core import history
from ..core.config import GenerationRequest
from . import events, jobs, mesh_settings, messages, user_files

FILE_NAME = "history.json"

Change = Callable[[list[history.HistoryEntry]], list[history.HistoryEntry]]


class MaquetteHistoryEntry(bpy.types.PropertyGroup):
    """One line of the history; `name` is the prompt, so that the list can be searched"""

    source: EnumProperty(name="Source", items=(("TEXT", "Text", ""), ("IMAGE", "Image", "")))
    seed: IntProperty(name="Seed")
    date: StringProperty(name="Date")
    record: StringProperty(name="Record")
    """The whole entry as JSON, as `properties.show_record` takes it."""


def path() -> Path:
    """Return the file of the history."""
    return user_files.folder() / FILE_NAME


def remember(request: GenerationRequest) -> None:
    """Put a request on top of the history. A history that cannot be written stops no run."""
    settings: dict[str, history.Value] = {
        "count": request.count,
        "resolution": request.resolution,
        "texture_size": request.texture_size,
        "target_size": request.target_size,
        **mesh_settings.settings_of(request.surface),
    }
    if request.sampler is not None:
        chosen = asdict(request.sampler)
        settings |= {key: value for key, value in chosen.items() if value is not None}
    entry = history.HistoryEntry(
        prompt=request.prompt,
        image_source=request.image.source if request.image else "",
        pack=request.pack,
        seed=request.seed,
        settings=settings,
        date=datetime.now().astimezone().isoformat(timespec="seconds"),
    )
    _try(lambda: change(lambda entries: history.add(entries, entry)))
    bpy.context.window_manager.maquette_sidebar.active_history = 0


def change(edit: Change) -> list[history.HistoryEntry]:
    """Read the file, edit what it holds, write it and show it.

    Raises:
        HistoryFileError: the file cannot be read or written.
    """
    entries = edit(history.read(path()))
    history.write(path(), entries)
    show(entries)
    return entries


def refresh() -> None:
    """Show what the file holds; a damaged one is set aside, and the user is told."""
    _try(lambda: show(history.read(path())))


def _try(action: Callable[[], object]) -> None:
    """Do something with the file that nobody asked for, so that a failure is only a warning."""
    try:
        action()
    except history.HistoryFileError as error:
        if not error.is_about_content:
            _warn(messages.for_user(error))
            return
        aside = history.set_aside(error.path)
        _warn(
            rpt_("The prompt history was damaged: it is kept as {file}, a new one begins").format(
                file=aside.name
            )
        )
        action()


def _warn(text: str) -> None:
    bpy.context.window_manager.maquette.warning = text


def show(entries: list[history.HistoryEntry]) -> None:
    """Fill the list that the sidebar shows."""
    sidebar = bpy.context.window_manager.maquette_sidebar
    sidebar.history.clear()
    for entry in entries:
        line = sidebar.history.add()
        line.name = entry.prompt or Path(entry.image_source.replace("\\", "/")).name
        line.source, line.seed = entry.source, min(max(entry.seed, 0), 2**31 - 1)
        line.date = entry.date.replace("T", " ")[:16]
        line.record = json.dumps(asdict(entry))
    sidebar.active_history = min(sidebar.active_history, max(len(entries) - 1, 0))


def _on_started(job) -> None:
    spec = jobs.spec_of(job.job_id)
    # A result like an earlier one is asked for at that result, not with a prompt.
    if spec is not None and spec.request.like is None and spec.request.is_sampled:
        remember(spec.request)


def _first_look() -> None:
    refresh()


@persistent
def _on_load_post(*_: object) -> None:
    """An opened file brings the list that was shown when it was saved."""
    refresh()


@persistent
def _on_save_pre(*_: object) -> None:
    """What was generated for other files is nobody's business who gets this one."""
    show([])


@persistent
def _on_save_post(*_: object) -> None:
    refresh()


def _handlers() -> list[tuple[list, Callable]]:
    handlers = bpy.app.handlers
    return [
        (handlers.load_post, _on_load_post),
        (handlers.save_pre, _on_save_pre),
        (handlers.save_post, _on_save_post),
        (handlers.save_post_fail, _on_save_post),
    ]


GROUPS = (MaquetteHistoryEntry,)


def register() -> None:
    """Remember what is generated from now on, and keep the list filled."""
    events.started.append(_on_started)
    for handlers, handler in _handlers():
        handlers.append(handler)
    if bpy.app.background:
        _first_look()  # Timers never fire there.
    else:
        bpy.app.timers.register(_first_look, first_interval=0.0, persistent=True)


def unregister() -> None:
    """Stop remembering; the file stays."""
    if bpy.app.timers.is_registered(_first_look):
        bpy.app.timers.unregister(_first_look)
    for handlers, handler in _handlers():
        handlers.remove(handler)
    events.started.remove(_on_started)
