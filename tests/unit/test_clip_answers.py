# SPDX-License-Identifier: GPL-3.0-or-later
"""What condition tokens are asked, and what counts as right."""

from __future__ import annotations

import pytest
import torch
from maquette.training.clip_answers import (
    NUM_TOKENS,
    QUESTIONS,
    Answers,
    Truths,
    accuracies,
    answer_losses,
    settled,
    truths_of,
)
from maquette.training.shapes.labels import (
    COLOR_NAMES,
    KIND_NAMES,
    PART_NAMES,
    ObjectLabels,
    SceneLabels,
)
from torch.nn import functional as F

pytestmark = pytest.mark.needs_torch

MUG = ObjectLabels(kind="mug", color="red", parts=(("handle", "white"),), adjective="tall")
CHAIR = ObjectLabels(kind="chair", color="wooden", material="wooden")
ALONE = SceneLabels(objects=(MUG,), count=3)
ON = SceneLabels(objects=(MUG, CHAIR), relation="on")
BESIDE = SceneLabels(objects=(MUG, CHAIR), relation="next to")


def perfect(truths: Truths) -> dict[str, tuple[torch.Tensor, ...]]:
    """Return logits of which the right one is far above the others."""
    logits = {}
    for name, questions in QUESTIONS.items():
        truth = getattr(truths, name)
        columns = truth.unbind(1) if name not in ("relation", "count") else (truth,)
        given = []
        for question, column in zip(questions, columns, strict=True):
            answers = question.num_answers
            if name == "parts":
                answers //= len(PART_NAMES)
            given.append(20.0 * F.one_hot(column, answers).float())
        logits[name] = tuple(given)
    return logits


def test_labels_become_numbers() -> None:
    truths = truths_of([ALONE, ON])

    assert truths.kind.tolist() == [
        [KIND_NAMES.index("mug"), len(KIND_NAMES)],
        [KIND_NAMES.index("mug"), KIND_NAMES.index("chair")],
    ]
    assert truths.color[0].tolist() == [COLOR_NAMES.index("red"), len(COLOR_NAMES)]
    assert truths.parts[0, 0, PART_NAMES.index("handle")] == 1 + COLOR_NAMES.index("white")
    assert int((truths.parts > 0).sum()) == 2
    assert truths.count.tolist() == [2, 0]


def test_right_answers_have_no_loss_and_full_shares() -> None:
    truths = truths_of([ALONE, ON, BESIDE])

    losses = answer_losses(perfect(truths), truths)
    shares = accuracies(perfect(truths), truths)

    assert max(float(loss) for loss in losses.values()) < 1e-6
    assert set(shares.values()) == {1.0}


def test_two_objects_side_by_side_may_be_told_in_either_order() -> None:
    truths = truths_of([BESIDE, BESIDE])

    logits = perfect(truths.swapped())

    assert max(float(loss) for loss in answer_losses(logits, truths).values()) < 1e-6
    assert accuracies(logits, truths)["second"] == 1.0
    assert settled(logits, truths).kind.tolist() == truths.swapped().kind.tolist()


def test_the_order_counts_in_other_relations() -> None:
    truths = truths_of([ON])

    logits = perfect(truths.swapped())

    assert float(answer_losses(logits, truths)["kind"]) > 10
    assert accuracies(logits, truths)["kind"] == 0


def test_the_few_parts_that_are_there_count_as_much_as_all_others() -> None:
    truths = truths_of([ALONE])
    blank = perfect(truths)
    nothing = torch.zeros_like(truths.parts[:, 0])
    answers = blank["parts"][0].shape[-1]
    blank["parts"] = (20.0 * F.one_hot(nothing, answers).float(), blank["parts"][1])

    # One of one part is wrong by 20, none of the others is.
    assert float(answer_losses(blank, truths)["parts"]) == pytest.approx(20.0, abs=1e-3)


def test_each_token_answers_only_its_own_questions() -> None:
    torch.manual_seed(0)
    answers = Answers(4)
    tokens = torch.randn(1, NUM_TOKENS, 4)
    changed = tokens.clone()
    changed[:, 1] += 1.0

    before, after = answers(tokens), answers(changed)

    differs = {
        name
        for name in QUESTIONS
        for one, two in zip(before[name], after[name], strict=True)
        if not torch.equal(one, two)
    }
    assert differs == {"color", "material"}


def test_some_scenes_are_taken_out_together() -> None:
    truths = truths_of([ALONE, ON, BESIDE])

    chosen = truths.at(torch.tensor([2, 0]))

    assert chosen.relation.tolist() == truths.relation[[2, 0]].tolist()
    assert chosen.parts.shape == (2, 2, len(PART_NAMES))
