# SPDX-License-Identifier: GPL-3.0-or-later
"""One result into files, all at once or not at all."""

from __future__ import annotations

from pathlib import Path

from ..core.mesh import GenerationRecord, GenerationResult
from . import blend_export
from .destination import Destination, publish, staging
from .errors import OutputError
from .names import file_stem


def save_result(
    result: GenerationResult, destination: Destination, *, is_numbered: bool
) -> tuple[Path, ...]:
    """Write a result under the first name that is free, and return its files, main one first.

    Args:
        result: what the pipeline yielded.
        destination: folder, format, and the name if the user chose one.
        is_numbered: whether a name from the prompt carries a number from the start.

    Raises:
        OutputError: it cannot be written; nothing of it remains.
    """
    stems = destination.free_stems(_stem(result.record), is_numbered=is_numbered)
    while True:
        stem = next(stems)
        try:
            return _save_as(stem, result, destination)
        except FileExistsError:
            continue  # Somebody else took the name while Blender was writing.


def _save_as(stem: str, result: GenerationResult, destination: Destination) -> tuple[Path, ...]:
    target = destination.paths(stem)[0]
    with blend_export.muffled(), staging(destination.folder) as stage:
        blend_export.open_scene(result, with_levels=destination.holds_levels)
        try:
            blend_export.write_file(result, stage / f"{stem}{destination.suffix.lower()}")
        except OutputError as error:
            # The staging folder means nothing to the user.
            raise OutputError(target, error.reason) from error
        return publish(stage, destination)


def _stem(record: GenerationRecord) -> str:
    source = record.image_source or str(record.settings.get("mesh_source", ""))
    return file_stem(record.prompt or Path(source).stem)
