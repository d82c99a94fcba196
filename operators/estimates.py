# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run would take, in words for the sidebar, and how long the one at work still takes.

Learnt from every variant that lands, and kept in a file of this machine. The words change when a
setting does or a run has ended, never while a panel is drawn.
"""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import bpy
import numpy as np
from bpy.app.handlers import persistent
from bpy.app.translations import pgettext_iface as iface_

from .. import weights_fetch
from ..core.config import GenerationRequest, ReferenceImage
from ..core.errors import InvalidRequestError
from ..core.estimates import TimeLeft, memory_bytes
from ..core.experience import Experience, read_experience
from . import events, jobs, memory, packs, properties, status, user_files

logger = logging.getLogger(__name__)

FILE_NAME = "run_times.json"


@dataclass(slots=True)
class _Run:
    """The run at work."""

    job_id: int
    request: GenerationRequest
    left: TimeLeft
    started: float
    ready: float | None = None
    """When it reported its first stage; both on the monotonic clock."""


@dataclass(slots=True)
class _Session:
    """What is known since the extension was enabled."""

    experience: Experience | None = None
    """None before the file was read."""
    run: _Run | None = None
    has_started: bool = False
    """Whether the libraries are in memory already."""
    loaded: tuple[str, ...] = ()
    """What tells the networks of the last run apart from others."""
    start_seconds: float = 0.0
    """What the first run took before its first stage, until that was learnt."""


_session = _Session()


def refresh(context) -> None:
    """Say what the settings as they are would take."""
    if getattr(context, "scene", None) is None:
        return  # Blender is just starting, and has not opened a file.
    text = ""
    if (request := _request_of(context)) is not None:
        plan = _experience().plan(request, **_readiness(request))
        text = in_words(
            plan.seconds if plan else None, memory_bytes(request, _weights_bytes(request))
        )
    shown = context.window_manager.maquette
    if shown.estimate != text:
        shown.estimate = text


def in_words(seconds: float | None, bytes_: int) -> str:
    """Return an estimate as the sidebar shows it."""
    size = iface_("{count} GiB of memory").format(count=f"{bytes_ / 2**30:.1f}")
    if seconds is None:
        return iface_("Time unknown, {memory}").format(memory=size)
    return iface_("About {time}, {memory}").format(time=_duration(seconds), memory=size)


def _duration(seconds: float) -> str:
    """Return a duration as exactly as an estimate deserves."""
    if seconds < 10.0:
        return iface_("{count} s").format(count=max(1, round(seconds)))
    if seconds < 90.0:
        return iface_("{count} s").format(count=5 * round(seconds / 5.0))
    if seconds < 5400.0:
        return iface_("{count} min").format(count=round(seconds / 60.0))
    return iface_("{count} h").format(count=round(seconds / 3600.0))


def path() -> Path:
    """Return the file of this machine's times."""
    return user_files.folder() / FILE_NAME


def _experience() -> Experience:
    if _session.experience is None:
        try:
            _session.experience = read_experience(path())
        except OSError:
            _session.experience = Experience()
    return _session.experience


def _request_of(context) -> GenerationRequest | None:
    """Return a request that takes as long as that of the settings, or None where none can run.

    The words of a prompt and what a picture shows cost nothing, so they are left out.
    """
    settings = context.scene.maquette
    if settings.source.lower() not in weights_fetch.PACKS[settings.pack].parts:
        return None
    try:
        request = properties.request_of(settings, packs.preferences(context), prompt="any")
    except InvalidRequestError:
        return None
    return replace(request, prompt="", image=_PICTURE) if settings.source == "IMAGE" else request


_PICTURE = ReferenceImage(pixels=np.zeros((1, 1, 4), np.uint8), source="any")


def _readiness(request: GenerationRequest) -> dict[str, bool]:
    is_same = _session.loaded == _networks_of(request)
    return {"is_started": _session.has_started, "is_loaded": is_same and memory.is_loaded()}


def _networks_of(request: GenerationRequest) -> tuple[str, ...]:
    source = "image" if request.image is not None else "text"
    return request.pack, source, request.device, request.precision


@cache
def _size_of(pack_id: str, part: str) -> int:
    """Return the bytes of a pack's networks in memory, in full precision."""
    info = weights_fetch.PACKS[pack_id]
    if info.base:
        return _size_of(info.base, part)  # What an own pack adds to it is small.
    if info.lists_itself:
        root = packs.folder(bpy.context)
        return weights_fetch.pack_state(pack_id, root, (part,)).bytes_on_disk
    return 2 * info.fetch_size((part,))  # They are published in half precision.


def _weights_bytes(request: GenerationRequest) -> int:
    return _size_of(request.pack, "image" if request.image is not None else "text")


def _on_started(entry) -> None:
    spec = jobs.spec_of(entry.job_id)
    if spec is None:
        return
    plan = _experience().plan(spec.request, **_readiness(spec.request))
    left = TimeLeft(plan, spec.request.count)
    _session.run = _Run(entry.job_id, spec.request, left, time.monotonic())
    _show_left()


def _on_progressed(entry) -> None:
    run = _session.run
    if run is None or run.job_id != entry.job_id:
        return
    if run.ready is None:
        run.ready = time.monotonic()
        if not _session.has_started:
            _session.start_seconds = run.ready - run.started
        _session.has_started = True
    run.left.progress(entry.fraction)


def _show_left() -> None:
    seconds = _session.run.left.seconds()
    status.current().seconds_left = status.UNKNOWN_TIME if seconds is None else seconds


def _on_shown() -> None:
    """Let the seconds pass, also while no stage is reported."""
    if _session.run is not None:
        _show_left()


def _on_landed(_context, _objects, spec, results) -> None:
    experience = _experience()
    for result in results:
        experience.learn(spec.request, result, start=_session.start_seconds)
        _session.start_seconds = 0.0
    _session.loaded = _networks_of(spec.request)
    try:
        experience.save(path())
    except OSError as error:
        # Nothing is lost but the times of this run, after the next start of Blender.
        logger.warning("the times of this run cannot be kept: %s", error)


def _on_ended(entry) -> None:
    if _session.run is not None and _session.run.job_id == entry.job_id:
        _session.run = None
    refresh(bpy.context)


def _on_settings_changed(context) -> None:
    refresh(context)


@persistent
def _on_load_pre(*_: object) -> None:
    _session.run = None


@persistent
def _on_other_settings(*_: object) -> None:
    """Undo, redo and opening a file bring other settings; subscriptions end with the old file."""
    refresh(bpy.context)


@persistent
def _on_load_post(*_: object) -> None:
    refresh(bpy.context)
    _subscribe()


_owner = object()


def _subscribe() -> None:
    """Hear of what has no callback of ours: the window's scene, and the preferences."""
    bpy.msgbus.clear_by_owner(_owner)
    keys = [(bpy.types.Window, "scene")]
    if (preferences := packs.preferences(bpy.context)) is not None:
        keys += [(type(preferences), name) for name in ("device", "precision")]
    for key in keys:
        bpy.msgbus.subscribe_rna(key=key, owner=_owner, args=(), notify=_first_look)


def _first_look() -> None:
    refresh(bpy.context)


def _begin() -> None:
    _first_look()
    _subscribe()


_LISTENERS = (
    (events.started, _on_started),
    (events.progressed, _on_progressed),
    (events.shown, _on_shown),
    (events.landed, _on_landed),
    (events.ended, _on_ended),
    (events.settings_changed, _on_settings_changed),
    (events.released, _first_look),
    (bpy.app.handlers.load_pre, _on_load_pre),
    (bpy.app.handlers.load_post, _on_load_post),
    (bpy.app.handlers.undo_post, _on_other_settings),
    (bpy.app.handlers.redo_post, _on_other_settings),
)


def register() -> None:
    """Listen to jobs and settings; look for the first time as soon as Blender is ready for it."""
    global _session
    # Torch outlives the extension's being disabled and enabled.
    _session = _Session(has_started="torch" in sys.modules)
    for callbacks, callback in _LISTENERS:
        callbacks.append(callback)
    if bpy.app.background:
        _begin()  # Timers never fire there.
    else:
        bpy.app.timers.register(_begin, first_interval=0.0, persistent=True)


def unregister() -> None:
    """Stop listening."""
    bpy.msgbus.clear_by_owner(_owner)
    if bpy.app.timers.is_registered(_begin):
        bpy.app.timers.unregister(_begin)
    for callbacks, callback in _LISTENERS:
        callbacks.remove(callback)
