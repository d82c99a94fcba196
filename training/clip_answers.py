# SPDX-License-Identifier: GPL-3.0-or-later
"""What each condition token has to tell: the same questions to captions and to pictures.

Both towers answer through the same linear layers, so a color means the same to the prior whether
it was read or seen. Each token has its own questions: that keeps "red" with the cap and "white"
with the stem, and the first object apart from the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .shapes.labels import (
    ADJECTIVES,
    COLOR_NAMES,
    COUNTS,
    KIND_NAMES,
    MATERIALS,
    PART_NAMES,
    RELATIONS,
    ObjectLabels,
    SceneLabels,
)

_NO_KIND, _NO_COLOR = len(KIND_NAMES), len(COLOR_NAMES)
_EITHER = RELATIONS.index("next to")
"""The relation in which neither object comes first."""


@dataclass(frozen=True, slots=True)
class Truths:
    """Labels of scenes as numbers; the second of two objects may be nothing."""

    kind: Tensor
    """Index of `KIND_NAMES`, their number for no object, [B, 2]."""
    color: Tensor
    """Index of `COLOR_NAMES`, their number for no object, [B, 2]."""
    material: Tensor
    """Index of `MATERIALS`, [B, 2]."""
    adjective: Tensor
    """Index of `ADJECTIVES`, [B, 2]."""
    parts: Tensor
    """Of each of `PART_NAMES` 0 for none, else 1 + its color, [B, 2, P]."""
    relation: Tensor
    """Index of `RELATIONS`, [B]."""
    count: Tensor
    """Index of `COUNTS`, [B]."""

    def at(self, indices: Tensor) -> Truths:
        """Return some scenes."""
        return Truths(*(getattr(self, field.name)[indices] for field in fields(self)))

    def to(self, device: torch.device | str) -> Truths:
        """Return the same on a device."""
        return Truths(*(getattr(self, field.name).to(device) for field in fields(self)))

    def swapped(self) -> Truths:
        """Return the scenes with their objects the other way round."""
        one, two = self.relation, self.count
        objects = (self.kind, self.color, self.material, self.adjective, self.parts)
        return Truths(*(each.flip(1) for each in objects), one, two)


def truths_of(labels: Sequence[SceneLabels]) -> Truths:
    """Return labels as numbers."""
    rows = [_object_rows(scene.objects) for scene in labels]
    kind, color, material, adjective = torch.tensor([row[0] for row in rows]).unbind(2)
    return Truths(
        kind,
        color,
        material,
        adjective,
        torch.stack([row[1] for row in rows]),
        torch.tensor([RELATIONS.index(scene.relation) for scene in labels]),
        torch.tensor([COUNTS.index(scene.count) for scene in labels]),
    )


def _object_rows(objects: Sequence[ObjectLabels]) -> tuple[list[list[int]], Tensor]:
    rows, parts = [], torch.zeros(2, len(PART_NAMES), dtype=torch.long)
    for index, each in enumerate(objects):
        rows.append(
            [
                KIND_NAMES.index(each.kind),
                COLOR_NAMES.index(each.color),
                MATERIALS.index(each.material),
                ADJECTIVES.index(each.adjective),
            ]
        )
        for part, color in each.parts:
            parts[index, PART_NAMES.index(part)] = 1 + COLOR_NAMES.index(color)
    rows += [[_NO_KIND, _NO_COLOR, 0, 0]] * (2 - len(objects))
    return rows, parts


@dataclass(frozen=True, slots=True)
class _Question:
    """One linear layer: which tokens it reads, how many answers it has."""

    tokens: tuple[int, ...]
    num_answers: int


_NUM_PART_ANSWERS = len(PART_NAMES) * (1 + len(COLOR_NAMES))
QUESTIONS: dict[str, tuple[_Question, ...]] = {
    "kind": (_Question((0,), _NO_KIND + 1), _Question((4,), _NO_KIND + 1)),
    "color": (_Question((1,), _NO_COLOR + 1), _Question((5,), _NO_COLOR + 1)),
    "material": (_Question((1,), len(MATERIALS)), _Question((5,), len(MATERIALS))),
    "adjective": (_Question((7,), len(ADJECTIVES)), _Question((7,), len(ADJECTIVES))),
    "parts": (_Question((2, 3), _NUM_PART_ANSWERS), _Question((6,), _NUM_PART_ANSWERS)),
    "relation": (_Question((7,), len(RELATIONS)),),
    "count": (_Question((7,), len(COUNTS)),),
}
"""By the field of `Truths`; two questions where there are two objects."""
NUM_TOKENS = 8
_SHARED = ("relation", "count")


class Answers(nn.Module):
    """A linear layer for each question; needed for training only."""

    def __init__(self, token_width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(
            {
                f"{name}_{index}": nn.Linear(
                    token_width * len(question.tokens), question.num_answers
                )
                for name, questions in QUESTIONS.items()
                for index, question in enumerate(questions)
            }
        )

    def forward(self, tokens: Tensor) -> dict[str, tuple[Tensor, ...]]:
        """Return logits of each question for condition tokens [B, 8, E]; parts [B, P, colors]."""
        logits: dict[str, tuple[Tensor, ...]] = {}
        for name, questions in QUESTIONS.items():
            given = tuple(
                self.layers[f"{name}_{index}"](tokens[:, question.tokens].flatten(1)).float()
                for index, question in enumerate(questions)
            )
            if name == "parts":
                given = tuple(each.view(len(each), len(PART_NAMES), -1) for each in given)
            logits[name] = given
        return logits


def answer_losses(logits: dict[str, tuple[Tensor, ...]], truths: Truths) -> dict[str, Tensor]:
    """Return the mean loss of each question.

    Where one object is next to the other, the order that fits the answers better counts.
    """
    straight, crossed = _losses(logits, truths), _losses(logits, truths.swapped())
    is_crossed = _is_crossed(straight, crossed, truths)
    return {
        name: torch.where(is_crossed, crossed[name], straight[name]).mean() for name in straight
    }


def settled(logits: dict[str, tuple[Tensor, ...]], truths: Truths) -> Truths:
    """Return the truths in the order of objects that fits the answers better, where both fit."""
    straight, crossed = _losses(logits, truths), _losses(logits, truths.swapped())
    is_crossed = _is_crossed(straight, crossed, truths)
    other = truths.swapped()
    chosen = []
    for field in fields(Truths):
        mine, its = getattr(truths, field.name), getattr(other, field.name)
        chosen.append(torch.where(is_crossed.view(-1, *[1] * (mine.dim() - 1)), its, mine))
    return Truths(*chosen)


def _is_crossed(straight: dict[str, Tensor], crossed: dict[str, Tensor], truths: Truths) -> Tensor:
    gain = sum(straight[name].detach() - crossed[name].detach() for name in straight)
    assert isinstance(gain, Tensor)
    return (truths.relation == _EITHER) & (gain > 0)


def _losses(logits: dict[str, tuple[Tensor, ...]], truths: Truths) -> dict[str, Tensor]:
    """Return the loss of each question and scene, [B]."""
    losses = {}
    for name, given in logits.items():
        truth = getattr(truths, name)
        if name in _SHARED:
            losses[name] = F.cross_entropy(given[0], truth, reduction="none")
        elif name == "parts":
            losses[name] = _part_loss(given[0], truth[:, 0]) + _part_loss(given[1], truth[:, 1])
        else:
            losses[name] = sum(
                F.cross_entropy(each, truth[:, index], reduction="none")
                for index, each in enumerate(given)
            )
    return losses


def _part_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Return the loss of parts [B, P, colors]: parts that are there count as much as the rest."""
    loss = F.cross_entropy(logits.flatten(0, 1), truth.flatten(), reduction="none")
    loss = loss.view(truth.shape)
    is_there = (truth > 0).float()
    there = (loss * is_there).sum(1) / is_there.sum(1).clamp(min=1)
    return there + (loss * (1 - is_there)).sum(1) / (1 - is_there).sum(1).clamp(min=1)


@torch.no_grad()
def accuracies(logits: dict[str, tuple[Tensor, ...]], truths: Truths) -> dict[str, float]:
    """Return the share of right answers: about all scenes, or about those that have such a thing.

    `part_color` is asked of every part that is there, knowing that it is; `second` is kind and
    color of a second object, both right.
    """
    truths = settled(logits, truths)
    has_second = truths.kind[:, 1] != _NO_KIND
    kinds = [logits["kind"][index].argmax(1) == truths.kind[:, index] for index in (0, 1)]
    colors = [logits["color"][index].argmax(1) == truths.color[:, index] for index in (0, 1)]
    parts = torch.stack([each[..., 1:].argmax(2) + 1 for each in logits["parts"]], 1)
    is_there = truths.parts > 0
    return {
        "kind": _share(kinds[0]),
        "color": _share(colors[0]),
        "kind_and_color": _share(kinds[0] & colors[0]),
        "part_color": _share((parts == truths.parts)[is_there]),
        "second": _share((kinds[1] & colors[1])[has_second]),
        "relation": _share((logits["relation"][0].argmax(1) == truths.relation)[has_second]),
        "count": _share((logits["count"][0].argmax(1) == truths.count)[~has_second]),
        "adjective": _share(
            (logits["adjective"][0].argmax(1) == truths.adjective[:, 0])[truths.adjective[:, 0] > 0]
        ),
    }


def _share(is_right: Tensor) -> float:
    return float(is_right.float().mean()) if is_right.numel() else float("nan")
