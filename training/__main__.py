# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages of a training run, one command each; see training/README.md.

python -m maquette.training STAGE --config FILE --run DIR

Each stage resumes where it was stopped. Stages that optimise may be started by torchrun on several
processes, on one machine or several. `all` runs every stage of a recipe.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

# Idle OpenMP threads that spin would steal the cores from the other stage.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
import torch.distributed as dist

from ..core.errors import GenerationError
from .conditions_command import add_conditions, run_conditions
from .config import load_config
from .export_views import add_export_views, run_export_views
from .finetune_command import add_finetune, run_finetune
from .memory import describe, estimate
from .processes import start_processes
from .recipe_run import add_all, run_all
from .stage1_command import add_stage1_views, run_stage1_views
from .stages import STAGES
from .values import ConfigError

_COMMANDS = {
    "conditions": run_conditions,
    "export-views": run_export_views,
    "finetune": run_finetune,
    "stage1-views": run_stage1_views,
}
"""Those with settings of their own kind."""


def main() -> None:
    """Run one stage; what is wrong with its settings is told in one sentence."""
    arguments = _parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    torch.set_num_threads(arguments.threads)
    try:
        _run(arguments)
    except (ConfigError, GenerationError, FileNotFoundError, FloatingPointError) as error:
        sys.exit(f"{arguments.stage}: {error}")
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _run(arguments: argparse.Namespace) -> None:
    if arguments.stage == "all":
        run_all(arguments)
        return
    arguments.device = start_processes(arguments.device)
    if arguments.stage in _COMMANDS:
        _COMMANDS[arguments.stage](arguments)
        return
    config = load_config(arguments.config)
    needed = estimate(arguments.stage, config)
    if arguments.print_memory:
        sys.stdout.write(describe(needed, arguments.stage))
        return
    logging.getLogger(__name__).info("%s", describe(needed, arguments.stage).strip())
    arguments.run.mkdir(parents=True, exist_ok=True)
    STAGES[arguments.stage](config, arguments)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m maquette.training", description=__doc__)
    stages = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")
    for name, stage in STAGES.items():
        _add_arguments(stages.add_parser(name, help=stage.__doc__))
    add_finetune(stages.add_parser("finetune", help="teach a pack from one's own assets"))
    add_stage1_views(stages.add_parser("stage1-views", help="train encoder and decoder on views"))
    add_export_views(stages.add_parser("export-views", help="write what stage1-views has learnt"))
    add_conditions(stages.add_parser("conditions", help="encode captions or views of own assets"))
    for each in stages.choices.values():
        each.add_argument("--run", type=Path, required=True, help="folder of this run")
        each.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
        each.add_argument("--threads", type=int, default=1, help="of each process, on a CPU")
        each.add_argument(
            "--print-memory", action="store_true", help="say what the stage needs, and stop"
        )
    add_all(stages.add_parser("all", help="every stage of a recipe, each a process of its own"))
    return parser.parse_args()


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, help="settings, TOML")
    parser.add_argument("--pack", type=Path, default=Path("packs/starter"), help="export target")
    parser.add_argument(
        "--with-encoder", action="store_true", help="export a pack that reads meshes too"
    )
    parser.add_argument("--warm-start", type=Path, help="folder of a run to go on from")
    parser.add_argument("--other", type=Path, help="folder of the run to `blend` with it")
    parser.add_argument("--share", type=float, default=0.5, help="of the other run in the blend")
    parser.add_argument("--wheel", type=Path, help="language model of `words`, if it is here")
    parser.add_argument("--processes", type=int, default=2, help="of `generate`")


if __name__ == "__main__":
    main()
