# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether Blender's Python can run the models, in words, kept where panels can read it."""

from __future__ import annotations

import sys
from pathlib import Path

import bpy
from bpy.app.translations import pgettext_iface as iface_
from bpy.app.translations import pgettext_n as n_
from bpy.props import BoolProperty, FloatProperty, StringProperty

from .. import weights_fetch
from ..engine import loading
from ..engine.folder import EngineFolder, user_engine_root
from ..engine.packages import NEEDED, NEEDED_FOR_INT8, NEEDED_FOR_SHAP_E, PACKAGES
from . import packs, user_files

NAMES = {
    "torch": "PyTorch",
    "open_clip": "OpenCLIP",
    "huggingface_hub": "Hugging Face Hub",
    "PIL": "Pillow",
}
"""Modules under the names that people know."""
DEVICES = {
    "cpu": n_("the CPU"),
    "cuda": n_("NVIDIA GPUs"),
    "rocm": n_("AMD GPUs"),
    "mps": n_("Apple GPUs"),
}
"""What a build of PyTorch computes on."""


class MaquetteEngine(bpy.types.PropertyGroup):
    """The packages that run the models; panels only read it"""

    is_missing: BoolProperty(name="Missing", description="Nothing can be generated yet")
    is_partial: BoolProperty(name="Partial", description="Shap-E and its download cannot be used")
    lacks_clip: BoolProperty(name="Lacks OpenCLIP", description="Only the starter pack can run")
    lacks_int8: BoolProperty(name="Lacks OpenVINO", description="Nothing computes in 8 bits")
    is_installed: BoolProperty(name="Installed", description="Maquette's own folder holds it")
    has_log: BoolProperty(name="Has Log", description="The engine was set up before")
    words: StringProperty(name="State in Words")
    folder: StringProperty(name="Folder")
    is_running: BoolProperty(name="Running")
    stage: StringProperty(name="Stage")
    fraction: FloatProperty(name="Progress", min=0.0, max=1.0, subtype="FACTOR")
    message: StringProperty(name="Message")
    error: StringProperty(name="Error")
    log: StringProperty(name="Log", description="Of the last set-up, to be copied")


def state(context) -> MaquetteEngine:
    """Return the one state of this Blender."""
    return context.window_manager.maquette_engine


def folder(context) -> EngineFolder:
    """Return the folder of the preferences, or the usual one."""
    chosen = getattr(packs.preferences(context), "engine_folder", "")
    if chosen:
        return EngineFolder(Path(bpy.path.abspath(chosen)))
    if sys.platform == "win32":
        # Paths inside torch are so long that the extension's own folder would exceed the limit.
        return EngineFolder(user_engine_root())
    return EngineFolder(user_files.folder() / "engine")


def has_int8(context) -> bool:
    """Tell whether the engine that is installed was asked for with 8-bit integers."""
    receipt = folder(context).receipt()
    names = [each.name for each in PACKAGES if each.is_int8]
    return receipt is not None and any(name in receipt.packages for name in names)


def activate(context) -> None:
    """Let the engine be imported; call it before a thread needs it."""
    loading.activate(folder(context))


def refresh(context) -> None:
    """Look at what is there, by file names only; main thread only."""
    place = folder(context)
    shown = state(context)
    missing = loading.missing(place, NEEDED)
    partial = loading.missing(place, NEEDED_FOR_SHAP_E)
    shown.is_missing, shown.is_partial = bool(missing), bool(partial)
    shown.lacks_clip = "open_clip" in partial
    shown.lacks_int8 = bool(loading.missing(place, NEEDED_FOR_INT8))
    shown.is_installed, shown.has_log = place.is_installed, place.log.is_file()
    shown.folder = str(place.packages)
    shown.words = _words(place, missing, partial)


def _words(place: EngineFolder, missing: tuple[str, ...], partial: tuple[str, ...]) -> str:
    if place.is_to_be_removed:
        return iface_("The engine is deleted when Blender starts the next time")
    if missing:
        text = iface_("Maquette needs {packages}, which this Blender does not have yet")
        return text.format(packages=_list(missing))
    if partial:
        text = iface_("Ready for the starter pack; Shap-E needs {packages} as well")
        return text.format(packages=_list(partial))
    receipt = place.receipt()
    if receipt is None:
        return iface_("Ready: this Blender's Python brings PyTorch itself")
    return iface_("Ready: PyTorch {version} for {devices}, {size}").format(
        version=receipt.torch,
        devices=iface_(DEVICES.get(receipt.variant, receipt.variant)),
        size=weights_fetch.describe_bytes(receipt.size),
    )


def _list(modules: tuple[str, ...]) -> str:
    names = [NAMES.get(module, module) for module in modules]
    if len(names) == 1:
        return names[0]
    return iface_("{first} and {last}").format(first=", ".join(names[:-1]), last=names[-1])


CLASSES = (MaquetteEngine,)
