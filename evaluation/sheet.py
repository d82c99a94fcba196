# SPDX-License-Identifier: GPL-3.0-or-later
"""Random results of a pack on one sheet: drawn by a seed, none chosen, none left out."""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ..core import pipeline
from ..core.errors import InvalidRequestError, PackError
from ..core.mesh import GenerationResult
from ..core.thumbnail import render_thumbnail
from ..training.shapes.kinds import KINDS
from .asking import Asker, Failure
from .course import Course, OnProgress
from .journal import Facts, Journal
from .pictures import GROUND
from .prompts import random_prompts

SIDE = 160
"""Pixels per side of one result."""

_COLUMNS = 10
_LINES, _LINE_HEIGHT, _CHARACTERS = 2, 13, 27
_PAD = 4
_INK, _PAPER = (30, 30, 32), (246, 246, 246)
_WHY: dict[Failure, str] = {"empty": "no surface", "refused": "refused"}


def make_sheet(
    pack_dir: Path,
    path: Path,
    *,
    count: int = 100,
    seed: int = 0,
    on_progress: OnProgress,
    cancel: threading.Event,
) -> dict[str, object]:
    """Ask a pack `count` random prompts and save what comes as one picture.

    Returns:
        How many there are, and how many came to nothing.

    Raises:
        PackError: the pack takes no prompts.
        CancelledError: cancelled.
        OSError: the picture cannot be written.
    """
    if count < 1:
        raise InvalidRequestError(f"samples must be at least 1, got {count}")
    if not pipeline.describe_pack(pack_dir).has_text:
        raise PackError(pack_dir.name, "it has no text model: choose another pack")
    prompts = random_prompts(count, seed, KINDS)
    asker = Asker(pack_dir, cancel)
    pictures: list[Image.Image] = []

    def make(index: int) -> Facts:
        prompt = prompts[index]
        made = asker.make(prompt=prompt.text, seed=prompt.seed)
        pictures.append(_cell(made, prompt.text))
        return {"failure": None if isinstance(made, GenerationResult) else made}

    course = Course(Journal(None, {}), {"sheet": 1.0}, on_progress, cancel)
    found = course.each("sheet", "Making a sheet", count, make)
    pipeline.release()
    tile(pictures).save(path, "PNG", optimize=True)
    failures = [each["failure"] for each in found]
    return {
        "sheet": str(path),
        "samples": count,
        "seed": seed,
        "empty_meshes": failures.count("empty"),
        "refused_prompts": failures.count("refused"),
    }


def tile(cells: Sequence[Image.Image]) -> Image.Image:
    """Return pictures of one size in rows of ten, the first at the top left."""
    width, height = cells[0].size
    columns = min(_COLUMNS, len(cells))
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height), _PAPER)
    for index, cell in enumerate(cells):
        row, column = divmod(index, columns)
        sheet.paste(cell, (column * width, row * height))
    return sheet


def _cell(made: GenerationResult | Failure, text: str) -> Image.Image:
    """Return one result over its prompt."""
    width, height = SIDE + 2 * _PAD, SIDE + 2 * _PAD + _LINES * _LINE_HEIGHT
    cell = Image.new("RGB", (width, height), _PAPER)
    ground = Image.new("RGBA", (SIDE, SIDE), (*GROUND, 255))
    draw, font = ImageDraw.Draw(cell), ImageFont.load_default(size=11)
    if isinstance(made, GenerationResult):
        ground.alpha_composite(Image.fromarray(render_thumbnail(made.mesh, SIDE)[::-1].copy()))
    cell.paste(ground.convert("RGB"), (_PAD, _PAD))
    if not isinstance(made, GenerationResult):
        draw.text((2 * _PAD, SIDE // 2), _WHY[made], fill=_INK, font=font)
    lines = textwrap.wrap(text, _CHARACTERS, max_lines=_LINES, placeholder=" ...")
    for number, line in enumerate(lines):
        draw.text((_PAD, SIDE + _PAD + number * _LINE_HEIGHT), line, fill=_INK, font=font)
    return cell
