# SPDX-License-Identifier: GPL-3.0-or-later
"""Right answers are counted as one would by hand."""

from __future__ import annotations

import json

import pytest
from maquette.evaluation.judge import Verdict
from maquette.evaluation.prompts import EvaluationPrompt
from maquette.evaluation.reconstruction import ReconstructionScores, ShapeScore
from maquette.evaluation.report import EvaluationReport, Outcome, PromptScores
from maquette.training.shapes.attributes import ShapeAttributes

pytestmark = pytest.mark.needs_torch

MUSHROOM = EvaluationPrompt(
    "a wooden mushroom with a blue stem",
    ShapeAttributes(
        kind="mushroom", main_colour="wooden", second_part="stem", second_colour="blue"
    ),
    1,
)
DUCK = EvaluationPrompt("a pink duck", ShapeAttributes(kind="duck", main_colour="pink"), 2)

OUTCOMES = (
    Outcome(MUSHROOM, Verdict("mushroom", "wooden", "blue")),  # all right
    Outcome(MUSHROOM, Verdict("mushroom", "blue", "wooden")),  # colours swapped
    Outcome(MUSHROOM, Verdict("tree", "wooden", "red")),
    Outcome(DUCK, Verdict("duck", "pink", None)),
    Outcome(DUCK, None, "empty"),
)


def report(reconstruction: ReconstructionScores | None) -> EvaluationReport:
    return EvaluationReport(
        pack="tiny",
        pack_hash="0123456789abcdef",
        seed=3,
        scores=PromptScores(OUTCOMES),
        judge=PromptScores(OUTCOMES[:1]),
        reconstruction=reconstruction,
        seconds=12.34,
        notes=("a note.",),
    )


def test_answers_are_counted() -> None:
    content = report(None).to_json()

    assert content["n"] == 5
    assert content["kind_accuracy"] == pytest.approx(3 / 5)
    assert content["colour_accuracy"] == pytest.approx(3 / 5)
    assert content["kind_and_colour_accuracy"] == pytest.approx(2 / 5)
    assert content["part_colour_accuracy"] == pytest.approx(1 / 3)
    assert content["part_colour_n"] == 3
    assert content["empty_meshes"] == 1
    assert content["judge_on_ground_truth"]["kind_accuracy"] == 1.0  # type: ignore[index]


def test_without_an_encoder_reconstruction_is_null() -> None:
    content = report(None).to_json()

    assert content["iou"] is None
    assert content["colour_psnr_db"] is None
    assert content["num_reconstructions"] == 0


def test_reconstructions_are_averaged() -> None:
    scores = ReconstructionScores(
        (
            ShapeScore("held_out", 0.5, 0.01),  # 20 dB
            ShapeScore("any", 0.6, 0.001),  # 30 dB
            ShapeScore("any", 1.0, 0.0001),  # 40 dB
        )
    )

    content = report(scores).to_json()

    assert content["iou"] == pytest.approx(0.8)
    assert content["iou_median"] == pytest.approx(0.8)
    assert content["iou_held_out"] == pytest.approx(0.5)
    # -10 log10(0.0011 / 2)
    assert content["colour_psnr_db_pooled"] == pytest.approx(32.596, abs=1e-3)
    assert content["colour_psnr_db"] == pytest.approx(35.0)
    assert content["colour_psnr_db_held_out"] == pytest.approx(20.0)
    assert content["num_reconstructions"] == 2


def test_json_is_json() -> None:
    content = report(ReconstructionScores((ShapeScore("any", 0.5, 0.01),))).to_json()

    again = json.loads(json.dumps(content, allow_nan=False))

    assert again["prompts"][1]["seen"]["main_colour"] == "blue"
    assert again["prompts"][4]["failure"] == "empty"
    assert again["kind_interval"] == pytest.approx([0.2307, 0.8824], abs=1e-4)


def test_text_names_the_numbers_the_mistakes_and_the_notes() -> None:
    text = report(None).to_text()

    assert "right kind          60.0 % (3 of 5; 95 % interval 23.1 to 88.2 %)" in text
    assert "mushroom taken for tree: 1" in text
    assert "Reconstruction: not measured" in text
    assert "a note." in text
