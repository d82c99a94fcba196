# SPDX-License-Identifier: GPL-3.0-or-later
"""Photograph what a pack makes of some prompts, seed 0 each, nothing chosen, on one sheet.

Usage: .venv/bin/python tools/contact_sheet.py docs/images/starter-pack.png
The pack's hash is written under the sheet.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
from pathlib import Path

from maquette.cli import blend_export
from maquette.cli.render import Shot, render_picture
from maquette.core import pipeline
from maquette.core.config import GenerationRequest
from maquette.weights_fetch import pack_directory, pack_hash
from PIL import Image, ImageDraw

PROMPTS = (
    "a red mushroom with a white stem",
    "a blue car with black wheels",
    "a wooden chair",
    "a white house with a red roof",
    "a yellow duck with an orange beak",
    "a green cactus in a brown pot",
    "a pink donut",
    "a golden trophy",
    "a purple teapot",
    "an orange cat",
    "a grey robot with blue eyes",
    "a stone castle with blue roofs",
    "a small wooden table",
    "a black sofa",
    "a red rocket with white fins",
    "a cyan boat",
    "a green pine tree",
    "a blue mug",
    "a white snowman with a red scarf",
    "a wooden barrel",
    "a tall red lighthouse",
    "a yellow flower",
    "a brown bed with a blue blanket",
    "a metal sword with a golden handle",
)
_TILE = 240
_LABEL = 34
_COLUMNS = 6


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--pack", default="starter")
    arguments = parser.parse_args()
    folder = pack_directory(arguments.pack, None)
    rows = -(-len(PROMPTS) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * _TILE, rows * (_TILE + _LABEL) + 24), "white")
    draw = ImageDraw.Draw(sheet)
    with tempfile.TemporaryDirectory() as scratch:
        for i, prompt in enumerate(PROMPTS):
            left, top = i % _COLUMNS * _TILE, i // _COLUMNS * (_TILE + _LABEL)
            sheet.paste(_photograph(prompt, folder, Path(scratch) / f"{i}.png"), (left, top))
            draw.text((left + 6, top + _TILE + 8), prompt, fill="black")
    note = f"{arguments.pack} pack {pack_hash(folder)}, seed 0 for every prompt, not chosen"
    draw.text((6, sheet.height - 18), note, fill="grey")
    arguments.path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(arguments.path, optimize=True)


def _photograph(prompt: str, folder: Path, path: Path) -> Image.Image:
    request = GenerationRequest(prompt=prompt, texture_size=512, device="cpu")
    (result,) = pipeline.generate(
        request, folder, on_progress=lambda stage, fraction: None, cancel=threading.Event()
    )
    with blend_export.muffled():
        render_picture(blend_export.open_scene(result), path, Shot(size=_TILE, samples=12))
    return Image.open(path).convert("RGB")


if __name__ == "__main__":
    main()
