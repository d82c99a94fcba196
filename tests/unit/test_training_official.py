# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipes of the published sizes: they can be read, and what they need is told beforehand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from maquette.core.specs import PRIORS
from maquette.training.__main__ import main
from maquette.training.config import load_config
from maquette.training.memory import estimate

pytestmark = pytest.mark.needs_torch

CONFIGS = Path("training/configs")
TEXT, IMAGE = (CONFIGS / f"official_stage2_{kind}.toml" for kind in ("text", "image"))
TEXT_WEIGHTS = 315_692_032
"""As OpenAI's file holds."""
# 256 channels more of each condition token, and the mean and spread that normalize them.
IMAGE_WEIGHTS = TEXT_WEIGHTS + 256 * 1024 + 2 * 1024


@pytest.mark.parametrize(
    ("path", "weights", "gib"), [(TEXT, TEXT_WEIGHTS, 13.4), (IMAGE, IMAGE_WEIGHTS, 15.1)]
)
def test_the_readme_tells_what_a_share_needs(path: Path, weights: int, gib: float) -> None:
    config = load_config(path)

    need = estimate("stage2", config, is_gpu=True)

    assert need is not None
    # Weights, gradients and average once, moments twice, in single precision.
    assert (need.weights, need.total - need.activations) == (4 * weights, 20 * weights)
    assert need.total / 2**30 == pytest.approx(gib, abs=0.05)


@pytest.mark.parametrize("path", [TEXT, IMAGE])
def test_a_step_is_of_1024_examples_on_any_number_of_gpus(path: Path) -> None:
    config = load_config(path)

    assert config.stage2.batch_size * config.stage2.shares == 1024
    assert all(config.stage2.shares % number == 0 for number in (1, 2, 4, 8, 16, 32, 64))
    assert PRIORS[config.architecture].basis_size == 0


@pytest.mark.parametrize("path", [TEXT, IMAGE])
def test_the_command_tells_it_without_a_run(
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    arguments = ["stage2", "--config", str(path), "--run", str(run), "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", ["training", *arguments, "--print-memory"])

    main()

    said = capsys.readouterr().out
    assert said.startswith("stage2 needs about, on each device:")
    assert "together" in said and not run.exists()
