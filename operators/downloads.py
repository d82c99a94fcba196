# SPDX-License-Identifier: GPL-3.0-or-later
"""What takes time with a model pack (fetch, import, verify, delete), one at a time on a thread.

`weights_fetch` does it; here it is started, shown in `wm.maquette_downloads` and ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import bpy
from bpy.app.translations import pgettext_iface as iface_
from bpy.app.translations import pgettext_n as n_
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, FloatProperty, StringProperty

from .. import weights_fetch
from ..engine import loading
from ..weights_fetch import FetchCancelledError, TransferRate, describe_bytes
from . import engine, machine, messages, packs, tasks

ACTIONS = (
    ("FETCH", "Fetching", "Files come from the hub"),
    ("IMPORT", "Importing", "Files are copied from a folder"),
    ("VERIFY", "Verifying", "Files are compared with what was published"),
    ("DELETE", "Deleting", "Files are deleted"),
)
DONE = {
    "FETCH": n_("{pack} was fetched"),
    "IMPORT": n_("{pack} was imported"),
    "VERIFY": n_("{pack} is as it was published"),
    "DELETE": n_("{pack} was deleted"),
}


class MaquettePackRow(bpy.types.PropertyGroup):
    """One line of the storage table; `name` is the pack's id"""

    title: StringProperty(name="Title")
    summary: StringProperty(name="Summary")
    license: StringProperty(name="License")
    words: StringProperty(name="State in Words")
    status: StringProperty(name="State")
    folder: StringProperty(name="Folder")
    size: StringProperty(name="Size on Disk")
    is_bundled: BoolProperty(name="Comes with Maquette")
    is_fetched: BoolProperty(name="Fetched or Imported")
    needs_clip: BoolProperty(name="Needs CLIP")
    is_present: BoolProperty(name="On This Machine")
    fetch_text: StringProperty(name="Text", description="Size of what is missing; empty for none")
    fetch_image: StringProperty(name="Image", description="Size of what is missing; empty for none")


class MaquetteDownloads(bpy.types.PropertyGroup):
    """What runs with a model pack, and what is there; panels only read it"""

    is_running: BoolProperty(name="Running")
    action: EnumProperty(name="Action", items=ACTIONS)
    pack_id: StringProperty(name="Pack")
    title: StringProperty(name="Title")
    part: StringProperty(name="Part")
    fraction: FloatProperty(name="Progress", min=0.0, max=1.0, subtype="FACTOR")
    text: StringProperty(name="Progress in Words")
    message: StringProperty(name="Message")
    error: StringProperty(name="Error")
    packs: CollectionProperty(type=MaquettePackRow)


_task: tasks.Task | None = None


def state(context) -> MaquetteDownloads:
    """Return the one state of this Blender."""
    return context.window_manager.maquette_downloads


def fetch(context, pack_id: str, parts: tuple[str, ...] | None) -> None:
    """Fetch what is missing of a pack, or of some parts of it."""
    place = engine.folder(context)
    online = bpy.app.online_access

    def work(root: Path | None, **listeners: object) -> object:
        loading.activate(place)  # For huggingface_hub.
        return weights_fetch.fetch_pack(pack_id, root, parts=parts, online=online, **listeners)

    _start(context, "FETCH", pack_id, work, part=" ".join(parts or ()))


def import_folder(context, pack_id: str, source: Path) -> None:
    """Copy what a folder holds of a pack."""

    def work(root: Path | None, **listeners: object) -> object:
        return weights_fetch.import_pack(source, pack_id, root, **listeners)

    _start(context, "IMPORT", pack_id, work)


def verify(context, pack_id: str) -> None:
    """Compare a pack's files with what was published."""

    def work(root: Path | None, **listeners: object) -> object:
        return weights_fetch.verify_pack(pack_id, root, **listeners)

    _start(context, "VERIFY", pack_id, work)


def delete(context, pack_id: str) -> None:
    """Delete a pack's files."""

    def work(root: Path | None, **_listeners: object) -> object:
        return weights_fetch.delete_pack(pack_id, root)

    _start(context, "DELETE", pack_id, work)


def cancel() -> None:
    """Ask what runs to stop; it does within a fraction of a second."""
    if _task is not None:
        _task.cancel.set()


def _start(
    context, action: str, pack_id: str, work: Callable[..., object], *, part: str = ""
) -> None:
    global _task
    shown = state(context)
    shown.is_running, shown.fraction, shown.text = True, 0.0, iface_("Starting")
    shown.action, shown.pack_id, shown.part = action, pack_id, part
    shown.title = weights_fetch.PACKS[pack_id].title
    shown.message = shown.error = ""
    root = packs.folder(context)

    def run(task: tasks.Task) -> object:
        def report(done: int, total: int, file: str) -> None:
            task.progress = (done, total, file)

        return work(root, on_progress=report, cancel=task.cancel)

    show = partial(_show, (action, pack_id, part), TransferRate())
    _task = tasks.Task(run=run, on_tick=show, on_end=partial(_end, action, pack_id))
    tasks.start(_task)


def _show(what: tuple[str, str, str], rate: TransferRate, task: tasks.Task) -> None:
    shown = state(bpy.context)
    # Written again each time, because loading a file may replace the window manager.
    shown.is_running, (shown.action, shown.pack_id, shown.part) = True, what
    shown.title = weights_fetch.PACKS[shown.pack_id].title
    if task.cancel.is_set():
        shown.text = iface_("Stopping")
    elif task.progress is not None:
        done, total, _file = task.progress
        rate.add(time.monotonic(), done)
        shown.fraction = done / max(1, total)
        shown.text = words(done, total, rate)


def words(done: int, total: int, rate: TransferRate) -> str:
    """Return how far a transfer is, how fast, and how long it will take."""
    parts = [
        iface_("{done} of {total}").format(done=describe_bytes(done), total=describe_bytes(total))
    ]
    if (speed := rate.bytes_per_second) is not None:
        parts.append(iface_("{size}/s").format(size=describe_bytes(int(speed))))
    if (seconds := rate.seconds_left(total)) is not None:
        parts.append(_time_left(seconds))
    return ", ".join(parts)


def _time_left(seconds: float) -> str:
    if seconds < 90:
        return iface_("{count} s left").format(count=round(seconds))
    if seconds < 5400:
        return iface_("{count} min left").format(count=round(seconds / 60))
    return iface_("{count} h left").format(count=round(seconds / 3600))


def _end(action: str, pack_id: str, _result: object, error: Exception | None) -> None:
    global _task
    _task = None
    shown = state(bpy.context)
    shown.is_running, shown.fraction, shown.text = False, 0.0, ""
    title = weights_fetch.PACKS[pack_id].title
    if error is None:
        shown.message = iface_(DONE[action]).format(pack=title)
    elif isinstance(error, FetchCancelledError):
        shown.message = messages.for_user(error)
    else:
        shown.error = messages.for_user(error)
        if messages.is_bug(error):
            tasks.logger.error("a download failed unexpectedly", exc_info=error)
    machine.refresh(bpy.context)


CLASSES = (MaquettePackRow, MaquetteDownloads)
