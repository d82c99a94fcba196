# SPDX-License-Identifier: GPL-3.0-or-later
"""`conditions`: what a pack's encoders say of one's own assets, for a stage 2 from scratch."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from .finetune import open_assets
from .finetune_command import find_pack
from .finetune_config import DEFAULT_FILE, load_finetune_config
from .loop import rank
from .memory import describe
from .saving import save_whole
from .tunable import TunablePack


def add_conditions(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("--pack", required=True, help="a pack's folder, or its name")
    parser.add_argument(
        "--data", type=Path, required=True, help="what `maquette dataset build` made"
    )
    parser.add_argument(
        "--source", choices=("text", "image", "both"), default="text", help="what is encoded"
    )


def run_conditions(arguments: argparse.Namespace) -> None:
    """Write `conditions.pt`, tokens of captions, views or both of every asset.

    Raises:
        ConfigError: there is no such pack or data set, or a caption that the pack cannot read.
        GenerationError: the pack lacks the model for the source.
    """
    if arguments.print_memory:
        sys.stdout.write(describe(None, "conditions"))
        return
    # A prior is not opened, so that nothing else of these settings matters.
    config = replace(load_finetune_config(DEFAULT_FILE), source=arguments.source, lora=None)
    pack = TunablePack(find_pack(arguments.pack), config, arguments.device)
    captions, pictures = pack.conditions(open_assets(arguments.data))
    if rank() == 0:
        arguments.run.mkdir(parents=True, exist_ok=True)
        first = pictures if captions is None else captions
        both = {} if captions is None or pictures is None else {"pictures": pictures}
        save_whole({"conditions": first} | both, arguments.run / "conditions.pt")
