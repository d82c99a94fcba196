# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole guided 64-step run at the official size against diffusers; too long for a test.

    python -m maquette.tests.parity.full_size_run --output RESULT.json [--state STATE.pt]

Takes 508 evaluations of a 316-million-parameter network. Both sides start from the same noise;
each of our steps starts from the reference's state, as in test_sampling. With `--state` a run
that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from pathlib import Path

import torch
from maquette.core.diffusion.samplers import sample_heun
from maquette.core.specs import PRIORS
from maquette.tests.parity.reference_steps import (
    LEVELS,
    NUM_STEPS,
    STEPS,
    Case,
    relative_l2,
)

logger = logging.getLogger(__name__)

CONVENTION = "diffusers"
GUIDANCE_SCALE = 15.0


@torch.inference_mode()
def run(output: Path, state_path: Path | None) -> None:
    """Compare every step and write the errors."""
    with tempfile.TemporaryDirectory() as folder:
        case = Case(PRIORS["shap-e-text"], Path(folder))
    levels = LEVELS[CONVENTION]()
    denoise = case.denoiser(GUIDANCE_SCALE, CONVENTION)
    x, errors = case.noise * float(levels[0]), []
    if state_path and state_path.exists():
        state = torch.load(state_path, weights_only=True)
        x, errors = state["x"], state["errors"]
    for index in range(len(errors), NUM_STEPS):
        expected = STEPS[CONVENTION](case, x, index, GUIDANCE_SCALE)
        ours = sample_heun(denoise, x, levels[index : index + 2], on_step=lambda *_: None)
        errors.append(relative_l2(ours, expected))
        x = expected
        logger.info("step %d of %d: %.2e", index + 1, NUM_STEPS, errors[-1])
        if state_path:
            torch.save({"x": x, "errors": errors}, state_path)
    report = {
        "what": "relative L2 error of each guided Heun step from diffusers' state, fp32 on a CPU",
        "prior": "shap-e-text",
        "weights": "random, seeded",
        "guidance_scale": GUIDANCE_SCALE,
        "num_steps": NUM_STEPS,
        "torch": torch.__version__,
        "largest": max(errors),
        "median": sorted(errors)[NUM_STEPS // 2],
        "errors": errors,
    }
    output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--state", type=Path)
    arguments = parser.parse_args()
    run(arguments.output, arguments.state)
