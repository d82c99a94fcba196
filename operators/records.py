# SPDX-License-Identifier: GPL-3.0-or-later
"""The record on a result: read back, turned into a request, compared with this Maquette.

A record may come from another version, another computer or somebody's text editor, so nothing in
it is taken for granted.
"""

from __future__ import annotations

import json
from dataclasses import fields

import bpy
from bpy.app.translations import pgettext_n as n_
from bpy.app.translations import pgettext_rpt as rpt_

from .. import weights_fetch
from ..core import config, errors, latent_file
from ..core.version import VERSION
from . import image_pixels, mesh_build, mesh_settings, packs, properties


class RecordError(Exception):
    """A record cannot be used; the text is a sentence for the user."""


def read(subject: bpy.types.Object) -> dict:
    """Return the record of a result, as `GenerationRecord` stores it.

    Raises:
        RecordError: the object has none, or one that is damaged.
    """
    text = subject.get(mesh_build.RECORD_KEY)
    if text is None:
        raise RecordError(rpt_("This object was not made by Maquette: choose one that was"))
    try:
        record = json.loads(text)
    except (TypeError, ValueError):
        record = None
    if not isinstance(record, dict) or not isinstance(record.get("settings"), dict):
        raise RecordError(rpt_("The record of this object is damaged: enter its prompt again"))
    return record


def latent_of(subject: bpy.types.Object, record: dict) -> config.KnownLatent | None:
    """Return what was kept of a result that began with a mesh.

    Raises:
        RecordError: it is damaged.
    """
    text = subject.get(mesh_build.LATENT_KEY)
    if text is None:
        return None
    try:
        return latent_file.from_text(text, str(record["settings"].get("mesh_source", "")))
    except errors.InvalidRequestError as error:
        raise RecordError(
            rpt_("The record of this object is damaged: rebuild its mesh again")
        ) from error


def request_of(
    context, record: dict, latent: config.KnownLatent | None = None
) -> config.GenerationRequest:
    """Return the request that gives the same result once more.

    What the record lacks takes today's defaults. The device is that of this computer. A result
    that began with a mesh is made of its latent again.

    Raises:
        RecordError: the record lacks what is needed, or holds what cannot be used.
        ImageInputError: it was made from a picture that is not there any more.
    """
    values = record["settings"]
    picture = record.get("image_source") or ""
    try:
        return config.GenerationRequest(
            prompt="" if picture else record["prompt"],
            image=_image(picture, _text(record["pack"])) if picture else None,
            pack=_text(record["pack"]),
            latent=latent,
            seed=record["seed"],
            sampler=_sampler(values),
            like=likeness_of(record),
            surface=mesh_settings.surface_from(values),
            **{key: values[key] for key in _SIZES if key in values},
            **_machine(context, values),
        )
    except errors.ImageInputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, errors.InvalidRequestError) as error:
        raise RecordError(
            rpt_("The record of this object cannot be used: enter its prompt again")
        ) from error


def _machine(context, values: dict) -> dict[str, str | int]:
    machine = properties.machine_of(context.scene.maquette, packs.preferences(context))
    if values.get("precision") == "int8" and machine["precision"] == "auto":
        machine["precision"] = "prefer_int8"
    return machine


_SIZES = ("resolution", "texture_size", "target_size")


def _sampler(values: dict) -> config.SamplerConfig | None:
    names = [field.name for field in fields(config.SamplerConfig)]
    known = {name: values[name] for name in names if name in values}
    return config.SamplerConfig(**known) if known else None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _image(source: str, pack: str) -> config.ReferenceImage:
    image = properties.find_image(source)
    if image is None:
        raise errors.ImageInputError(source, n_("it is no longer there"))
    return image_pixels.prepared(image, pack).image


def likeness_of(record: dict) -> config.Likeness | None:
    """Return what a result was made like, if it was.

    Raises:
        KeyError, ValueError, InvalidRequestError: the record is damaged.
    """
    values = record["settings"]
    if "like_seeds" not in values:
        return None
    return config.Likeness(
        seeds=tuple(int(word) for word in values["like_seeds"].split()),
        strengths=tuple(float(word) for word in values["like_strengths"].split()),
    )


_PARTS = ("text", "image")


def differences(context, record: dict) -> list[str]:
    """Return why the same request may give another mesh today, as sentences for the user.

    Raises:
        WeightsError: the pack is not on this computer.
    """
    found = []
    pack = str(record.get("pack"))
    folder = packs.directory_of(context, pack)
    if record.get("pack_hash") not in {weights_fetch.pack_hash(folder, p) for p in _PARTS}:
        text = rpt_("The pack {pack} has changed since: this will be another mesh")
        found.append(text.format(pack=pack))
    if record.get("version") != VERSION:
        text = rpt_("Made by Maquette {version}, now {current}: the mesh may differ")
        found.append(text.format(version=record.get("version"), current=VERSION))
    return found
