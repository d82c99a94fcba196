# SPDX-License-Identifier: GPL-3.0-or-later
"""Guided Heun sampling, both conventions, from the same noise as the references.

Random networks at guidance 15 amplify rounding from step to step, so that runs are compared step
by step from the reference's state; whole runs are compared where the guidance is mild.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from maquette.core.config import Convention
from maquette.core.diffusion.samplers import sample_heun
from maquette.core.specs import PRIORS
from maquette.tests.parity.reference_models import TINY
from maquette.tests.parity.reference_steps import (
    LEVELS,
    NUM_STEPS,
    Case,
    reference_states,
    relative_l2,
    step_error,
)

STEP_TOLERANCE = 2e-4
RUN_TOLERANCE = 1e-3


@pytest.fixture(scope="module", params=["text", "image"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    spec = TINY.text_prior if request.param == "text" else TINY.image_prior
    return Case(spec, tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize("convention", ["openai", "diffusers"])
@torch.inference_mode()
def test_every_guided_step_equals_the_reference(case: Case, convention: Convention) -> None:
    guidance_scale = 3.0 if case.spec.normalizes_condition else 15.0
    states = list(reference_states(case, convention, guidance_scale))
    assert len(states) == len(LEVELS[convention]()) == NUM_STEPS + 1

    errors = [step_error(case, convention, states[i], i, guidance_scale) for i in range(NUM_STEPS)]

    assert max(errors) < STEP_TOLERANCE, errors


@pytest.mark.parametrize("convention", ["openai", "diffusers"])
@torch.inference_mode()
def test_a_whole_run_equals_the_reference(case: Case, convention: Convention) -> None:
    *_, expected = reference_states(case, convention, 3.0)
    levels = LEVELS[convention]()

    x = case.noise * float(levels[0])
    latent = sample_heun(case.denoiser(3.0, convention), x, levels, on_step=lambda *_: None)

    assert relative_l2(latent, expected) < RUN_TOLERANCE


@torch.inference_mode()
def test_the_conventions_differ_by_far_more_than_the_tolerance(case: Case) -> None:
    *_, openai = reference_states(case, "openai", 3.0)
    *_, diffusers = reference_states(case, "diffusers", 3.0)

    assert relative_l2(openai, diffusers) > 10 * RUN_TOLERANCE


@torch.inference_mode()
def test_guided_steps_of_official_size_equal_the_reference(tmp_path: Path) -> None:
    """First, middle and last but one step at guidance 15; full_size_run.py does all 64."""
    case = Case(PRIORS["shap-e-text"], tmp_path)
    generator = torch.Generator().manual_seed(3)
    clean = torch.rand(case.noise.shape, generator=generator) * 2 - 1

    errors = {
        (convention, index): step_error(
            case, convention, clean + float(LEVELS[convention]()[index]) * case.noise, index, 15.0
        )
        for convention, index in (("openai", 0), ("diffusers", 31), ("openai", 62))
    }

    assert max(errors.values()) < STEP_TOLERANCE, errors
