# SPDX-License-Identifier: GPL-3.0-or-later
"""`finetune`: from a pack and a folder of assets to a pack that Blender lists."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from ..weights_fetch import bundled_packs_root, default_packs_root
from .finetune import finetune, finetune_probe
from .finetune_config import DEFAULT_FILE, FinetuneConfig, load_finetune_config
from .finetune_export import PackName, export_adapter, export_merged
from .loop import rank
from .lora import LoraConfig
from .memory import describe, measure
from .tunable import TunablePack
from .values import ConfigError


def add_finetune(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("--pack", required=True, help="a pack's folder, or its name")
    parser.add_argument(
        "--data", type=Path, required=True, help="what `maquette dataset build` made"
    )
    parser.add_argument("--config", type=Path, default=DEFAULT_FILE, help="settings, TOML")
    parser.add_argument("--source", choices=("text", "image", "both"), help="what the prior reads")
    parser.add_argument("--steps", type=int, metavar="N", help="instead of the settings' number")
    parser.add_argument(
        "--lora", type=int, metavar="R", help="rank of the additions; 0 trains every weight"
    )
    parser.add_argument(
        "--adapter", action="store_true", help="export the additions alone, a small file"
    )
    parser.add_argument("--id", default="my-style", help="name of the new pack's folder")
    parser.add_argument("--title", default="", help="what Blender calls it")
    parser.add_argument("--export", type=Path, help="the new pack's folder (default: in --run)")


def run_finetune(arguments: argparse.Namespace) -> None:
    """Fine-tune and export; what it made is told on the standard output.

    Raises:
        ConfigError: an argument, a setting or an asset cannot be used.
        GenerationError: the pack cannot.
    """
    config = _config(arguments)
    name = PackName(arguments.id, arguments.title or arguments.id.replace("-", " ").title())
    if arguments.adapter and config.lora is None:
        raise ConfigError("--adapter needs additions: give --lora a rank above 0")
    pack = TunablePack(find_pack(arguments.pack), config, arguments.device)
    need = describe(measure(lambda: finetune_probe(pack, config)), "finetune")
    sys.stdout.write(need if rank() == 0 else "")
    if arguments.print_memory:
        return
    arguments.run.mkdir(parents=True, exist_ok=True)
    prior = finetune(pack, arguments.data, arguments.run, config)
    if rank() == 0:
        folder = arguments.export or arguments.run / name.id
        export = export_adapter if arguments.adapter else export_merged
        export(pack, prior, name, folder)
        sys.stdout.write(_told(folder, name))


def _told(folder: Path, name: PackName) -> str:
    root = default_packs_root()
    if folder.resolve() == (root / name.id).resolve():
        return f"{folder} is ready: choose {name.title} in Blender\n"
    return f"{folder} is ready: copy it to {root / name.id} to choose {name.title} in Blender\n"


def _config(arguments: argparse.Namespace) -> FinetuneConfig:
    config = load_finetune_config(arguments.config)
    if arguments.source:
        config = replace(config, source=arguments.source)
    if arguments.steps is not None:
        if arguments.steps < 1:
            raise ConfigError(f"--steps must be at least 1, not {arguments.steps}")
        config = replace(config, stage=replace(config.stage, num_steps=arguments.steps))
    if arguments.lora is None:
        return config
    if arguments.lora < 0:
        raise ConfigError(f"--lora must be at least 0, not {arguments.lora}")
    if arguments.lora == 0:
        return replace(config, lora=None)
    settings = config.lora or LoraConfig()
    # The additions count alike whatever their rank.
    share = settings.alpha / settings.rank
    return replace(
        config, lora=replace(settings, rank=arguments.lora, alpha=share * arguments.lora)
    )


def find_pack(pack: str) -> Path:
    """Return the folder of a pack, which is given by that or by its name.

    Raises:
        ConfigError: there is none.
    """
    places = (Path(pack), default_packs_root() / pack, bundled_packs_root() / pack)
    for folder in places:
        if folder.is_dir():
            return folder
    raise ConfigError(f"--pack {pack!r} is neither a folder nor the name of a pack that is here")
