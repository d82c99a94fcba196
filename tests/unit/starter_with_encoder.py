# SPDX-License-Identifier: GPL-3.0-or-later
"""The bundled pack together with the encoder that it was trained with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STARTER = ROOT / "packs" / "starter"
ENCODER = ROOT / "evaluation" / "models"


def write_starter_with_encoder(folder: Path) -> Path:
    """Write the pack into a folder that is not there yet, and return it."""
    shutil.copytree(STARTER, folder)
    add_encoder(folder)
    return folder


def add_encoder(folder: Path) -> None:
    """Give a copy of the bundled pack its encoder, unless it has one by now.

    As `maquette.training export --with-encoder` does; by hand, so that the format is told twice.
    """
    if (folder / "encoder.safetensors").exists():
        return
    shutil.copy(ENCODER / "encoder.safetensors", folder)
    facts = json.loads((ENCODER / "encoder.json").read_text(encoding="utf-8"))
    content = json.loads((folder / "pack.json").read_text(encoding="utf-8"))
    content["encoder"] = facts["config"] | {
        "num_latents": content["decoder"]["num_latents"],
        "channels": content["decoder"]["channels"],
        "num_points": facts["num_points"],
        "half_extent": 0.85,
        "frequencies": 6,
    }
    content["fit"] = facts["fit"] | {"palette": [[0.82, 0.12, 0.12], [0.2, 0.6, 0.22]]}
    (folder / "pack.json").write_text(json.dumps(content), encoding="utf-8")
