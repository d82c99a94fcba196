# SPDX-License-Identifier: GPL-3.0-or-later
"""Right answers are counted as one would by hand, and what is missing says why."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from maquette.evaluation.asking import Answer
from maquette.evaluation.course import Missing
from maquette.evaluation.judge import Verdict
from maquette.evaluation.mesh_facts import MeshFacts
from maquette.evaluation.prompts import EvaluationPrompt
from maquette.evaluation.reconstruction import ReconstructionScores, ShapeScore
from maquette.evaluation.report import EvaluationReport
from maquette.evaluation.scene_judge import SceneVerdict
from maquette.evaluation.scores import Outcome, PromptScores
from maquette.evaluation.sections import ImageScores, Variety
from maquette.training.shapes.labels import ObjectLabels, SceneLabels

pytestmark = pytest.mark.needs_torch


def prompt(text: str, *objects: ObjectLabels, **facts: str) -> EvaluationPrompt:
    relation = facts.pop("relation", "")
    asked = SceneLabels(objects=objects, relation=relation)
    return EvaluationPrompt(text=text, asked=asked, seed=1, **facts)


MUSHROOM = prompt(
    "a wooden mushroom with a blue stem",
    ObjectLabels(kind="mushroom", color="wooden", parts=(("stem", "blue"),)),
)
DUCK = prompt("a pink duck", ObjectLabels(kind="duck", color="pink"))
SETTEE = prompt("a red settee", ObjectLabels(kind="sofa", color="red"), unseen="settee")
CRIMSON = prompt("a crimson sofa", ObjectLabels(kind="sofa", color="red"), unseen="crimson")
CAT_ON_TABLE = prompt(
    "a red cat on a blue table",
    ObjectLabels(kind="cat", color="red"),
    ObjectLabels(kind="table", color="blue"),
    relation="on",
)
SOUND = MeshFacts(
    num_triangles=12, num_parts=1, is_closed=True, is_sound=True, thickness=0.2, thin_share=0.0
)


def seen(asked: EvaluationPrompt, *verdict: str | None, **facts: object) -> Outcome:
    return Outcome(asked, Answer(verdict=Verdict(*verdict), **facts))  # type: ignore[arg-type]


OUTCOMES = (
    seen(MUSHROOM, "mushroom", "wooden", "blue", rivals={"judge": 0}, facts=SOUND),
    seen(MUSHROOM, "mushroom", "blue", "wooden", rivals={"judge": 2}, facts=SOUND),
    seen(MUSHROOM, "tree", "wooden", "red", rivals={"judge": 1}),
    seen(DUCK, "duck", "pink", None, seconds={"load": 9.0, "sample": 2.0, "surface": 1.0}),
    Outcome(DUCK, Answer(failure="empty")),
)


def report(**parts: object) -> EvaluationReport:
    facts: dict[str, object] = {
        "pack": "tiny",
        "pack_hash": "0123456789abcdef",
        "seed": 3,
        "scores": PromptScores(OUTCOMES),
        "judge": PromptScores(OUTCOMES[:1]),
        "seconds": 12.34,
        "notes": ("a note.",),
    }
    return EvaluationReport(**(facts | parts))  # type: ignore[arg-type]


def test_answers_are_counted() -> None:
    content = report().to_json()

    assert content["n"] == 5
    assert content["kind_accuracy"] == pytest.approx(3 / 5)
    assert content["colour_accuracy"] == pytest.approx(3 / 5)
    assert content["kind_and_colour_accuracy"] == pytest.approx(2 / 5)
    assert content["heldout_accuracy"] == content["kind_and_colour_accuracy"]
    assert content["part_colour_accuracy"] == pytest.approx(1 / 3)
    assert content["part_colour_n"] == 3
    assert content["judge_r_precision"] == pytest.approx(1 / 5)
    assert content["empty_meshes"] == 1
    assert content["meshes_asked"] == 5
    assert content["judge_on_ground_truth"]["kind_accuracy"] == 1.0  # type: ignore[index]


def test_an_unseen_word_is_right_if_what_it_means_is_there() -> None:
    outcomes = (
        seen(SETTEE, "sofa", "green", None),  # the kind is what the word says
        seen(SETTEE, "bed", "red", None),
        seen(CRIMSON, "bed", "red", None),  # the color is
        seen(CRIMSON, "sofa", "pink", None),
        Outcome(SETTEE, Answer(failure="refused")),
    )

    content = report(synonyms=PromptScores(outcomes)).to_json()

    assert content["synonym_accuracy"] == pytest.approx(2 / 5)
    assert content["synonym_n"] == 5


def test_two_objects_are_right_with_both_kinds_each_in_its_color() -> None:
    verdicts = (
        SceneVerdict(("table", "cat"), ("red", "blue"), "on"),
        SceneVerdict(("cat", "table"), ("blue", "red"), "on"),  # colors swapped
        SceneVerdict(("cat", "table"), ("red", "blue"), "under"),
        SceneVerdict(("cat",), ("red", "blue"), "on"),
    )
    outcomes = tuple(Outcome(CAT_ON_TABLE, Answer(scene=each)) for each in verdicts)

    content = report(scenes=PromptScores(outcomes)).to_json()

    assert content["two_object_accuracy"] == pytest.approx(2 / 4)
    assert content["two_object_kinds_accuracy"] == pytest.approx(3 / 4)
    assert content["two_object_relation_accuracy"] == pytest.approx(2 / 4)


def test_pictures_are_counted_with_and_without_a_background() -> None:
    # Every second picture has one.
    outcomes = (
        seen(DUCK, "duck", "pink", None),
        seen(DUCK, "duck", "red", None),
        seen(DUCK, "duck", "pink", None),
        seen(DUCK, "cat", "pink", None),
    )

    content = report(images=ImageScores(PromptScores(outcomes), (b"",) * 4)).to_json()

    assert content["image_kind_accuracy"] == pytest.approx(3 / 4)
    assert content["image_kind_with_background_accuracy"] == pytest.approx(1 / 2)
    assert content["image_kind_without_background_accuracy"] == 1.0
    assert content["image_colour_accuracy"] == pytest.approx(3 / 4)


def test_what_a_pack_cannot_do_is_null_and_says_so() -> None:
    images = Missing("it has no image model", is_about_pack=True)

    content = report(images=images).to_json()

    assert content["image_kind_accuracy"] is None
    assert content["image_colour_accuracy"] is None
    told = content["not_possible"]["image_kind_accuracy"]  # type: ignore[index]
    assert told == "not possible with this pack: it has no image model"
    assert "image_kind_accuracy" not in content["not_measured"]  # type: ignore[operator]
    assert "not possible with this pack: it has no image model" in report(images=images).to_text()


def test_what_was_left_out_is_null_and_is_not_blamed_on_the_pack() -> None:
    content = report().to_json()

    for key in ("iou", "colour_psnr_db", "synonym_accuracy", "two_object_accuracy"):
        assert content[key] is None
        assert content["not_measured"][key] == "not measured: left out by --only"  # type: ignore[index]
    assert content["num_reconstructions"] == 0


def test_a_field_without_density_is_no_nerf() -> None:
    scores = ReconstructionScores((ShapeScore("any", 0.5, 0.01, 30.0, None),))

    content = report(reconstruction=scores).to_json()

    assert content["stf_psnr_db"] == 30.0
    assert content["nerf_psnr_db"] is None
    assert "no density" in content["not_possible"]["nerf_psnr_db"]  # type: ignore[index]


def test_reconstructions_are_averaged() -> None:
    scores = ReconstructionScores(
        (
            ShapeScore("held_out", 0.5, 0.01, 20.0, 22.0),  # 20 dB
            ShapeScore("any", 0.6, 0.001, 30.0, 32.0),  # 30 dB
            ShapeScore("any", 1.0, 0.0001, 31.0, 34.0),  # 40 dB
        )
    )

    content = report(reconstruction=scores).to_json()

    assert content["iou"] == pytest.approx(0.8)
    assert content["iou_median"] == pytest.approx(0.8)
    assert content["iou_held_out"] == pytest.approx(0.5)
    # -10 log10(0.0011 / 2)
    assert content["colour_psnr_db_pooled"] == pytest.approx(32.596, abs=1e-3)
    assert content["colour_psnr_db"] == pytest.approx(35.0)
    assert content["colour_psnr_db_held_out"] == pytest.approx(20.0)
    assert content["stf_psnr_db"] == pytest.approx(30.5)
    assert content["nerf_psnr_db"] == pytest.approx(33.0)
    assert content["num_reconstructions"] == 2


def test_health_and_time_are_those_of_the_meshes_there_are() -> None:
    content = report().to_json()

    assert content["closed_share"] == 1.0
    assert content["closed_share_n"] == 2
    assert content["thickness"] == pytest.approx(0.2)
    assert content["seconds_per_mesh"] == pytest.approx(3.0)
    assert content["stage_seconds"] == {"load": 9.0, "sample": 2.0, "surface": 1.0}


def test_diversity_is_the_mean_over_prompts_that_gave_two_meshes() -> None:
    found = (Variety("a", 0.02, ()), Variety("b", 0.04, ()), Variety("c", None, ()))

    assert report(diversity=found).to_json()["diversity_chamfer"] == pytest.approx(0.03)


def test_json_is_json() -> None:
    content = report().to_json()

    again = json.loads(json.dumps(content, allow_nan=False))

    assert again["prompts"][1]["seen"]["main_colour"] == "blue"
    assert again["prompts"][4]["failure"] == "empty"
    assert again["kind_interval"] == pytest.approx([0.2307, 0.8824], abs=1e-4)


def test_answers_come_back_from_a_journal_as_they_were() -> None:
    scene = SceneVerdict(("cat", "table"), ("red", "blue"), "on")
    for answer in (*(each.answer for each in OUTCOMES), Answer(scene=scene, picture=b"\x89PNG")):
        kept = json.loads(json.dumps(answer.to_json()))

        assert Answer.from_json(kept) == answer


def test_text_names_the_numbers_the_mistakes_and_the_notes() -> None:
    text = report().to_text()

    assert "60.0 % (3 of 5; 95 % interval 23.1 to 88.2 %)" in text
    assert "mushroom taken for tree: 1" in text
    assert "a note." in text


def test_a_part_that_the_judge_does_not_know_is_not_counted() -> None:
    outcomes = (replace(OUTCOMES[0], answer=Answer(verdict=Verdict("mushroom", "wooden", None))),)

    content = report(scores=PromptScores(outcomes)).to_json()

    assert content["part_colour_accuracy"] is None
    assert content["part_colour_n"] == 0
