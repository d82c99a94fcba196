# SPDX-License-Identifier: GPL-3.0-or-later
"""The divider: which points of a scene belong to which of its two objects.

It has only ever seen ground truth, and of that positions alone. It knows no kinds: it tells apart
what stands apart. Side 0 is the lower object, or the left one of two that are beside each other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.decoder.encoding import encode_position
from ..core.errors import CheckpointError
from ..training.shapes.pieces import HALF_EXTENT

GLANCE = 256
"""Points divided at a time."""

_FREQUENCIES = 4
_AROUND = 0.08
"""Spread of the weights of what is around a point, about as far as to its neighbors."""
_NEIGHBORS = 8
_SUREST = 4.0
"""Largest logit that counts, so that no single point decides."""
_NUM_CUTS = 60
_BOX_FRINGES = (0.03, 0.1, 0.2)
"""Shares of a side's points that a box around it leaves out at each end."""
_BOX_MARGINS = (0.02, 0.05, 0.1, 0.16)
_NUM_DIVISIONS = 24


class Divider(nn.Module):
    """Rounds of PointNet (Qi et al., 2017, arXiv:1612.00593), each of which sees either side.

    Every round pools the points of the two sides that the last one found, so that a point is
    compared with both objects, and those around each point, so that it goes along with them.
    """

    def __init__(self, width: int = 96, rounds: int = 4) -> None:
        super().__init__()
        self.width, self.rounds = width, rounds
        self.local = nn.Sequential(
            nn.Linear(3 + 6 * _FREQUENCIES, width), nn.ReLU(), nn.Linear(width, width)
        )
        self.views = nn.ModuleList(nn.Linear(width, width) for _ in range(rounds))
        self.contexts = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(rounds))
        self.inner = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(rounds))
        self.sides = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1)) for _ in range(rounds)
        )

    def forward(self, points: Tensor) -> Tensor:
        """Return after each round the logits that points are of side 1, [rounds, B, N].

        Args:
            points: positions as the generator places scenes, [B, N, 3].
        """
        placed = self.local(encode_position(2 * points, _FREQUENCIES))
        # The weights of what is around each point, [B, N, N].
        nearby = (-0.5 * (torch.cdist(points, points) / _AROUND).square()).softmax(dim=-1)
        share = placed.new_full((*points.shape[:2], 1), 0.5)
        found = []
        for view, context, inner, side in zip(
            self.views, self.contexts, self.inner, self.sides, strict=True
        ):
            seen = F.relu(view(placed))
            pooled = [(seen * each).max(dim=1).values for each in (1 - share, share)]
            around = context(torch.cat(pooled, dim=-1))[:, None]
            seen = torch.cat([placed, nearby.to(placed.dtype) @ placed], dim=-1)
            placed = placed + F.relu(inner(seen) + around)
            logits = side(placed)
            share = logits.sigmoid()
            found.append(logits[..., 0])
        return torch.stack(found)


class Divisions(NamedTuple):
    """How a scene may be divided, the likeliest way first."""

    sides: Tensor
    """Of each point, 0 or 1, [D, N]."""
    likelihoods: Tensor
    """Mean logarithm of what the network thinks of each point's side, [D]."""


@torch.inference_mode()
def divide(divider: Divider, points: Tensor) -> Divisions:
    """Return the network's own division, and cuts and boxes that are nearly as likely.

    The network is vague where objects touch; a straight cut takes one side or the other.

    Args:
        divider: in evaluation mode.
        points: in random order, a multiple of `GLANCE`, [N, 3].
    """
    logits = divider(points.view(-1, GLANCE, 3))[-1].flatten()
    # What lies close together belongs together.
    nearest = torch.cdist(points, points).topk(_NEIGHBORS, largest=False).indices  # [N, 8]
    logits = logits[nearest].mean(dim=1).clamp(-_SUREST, _SUREST)
    own = logits > 0
    ways = torch.stack([own, torch.zeros_like(own), *_cuts(points), *_boxes(points, own)])
    found = (ways * logits - F.softplus(logits)).mean(dim=1)
    best = found.topk(_NUM_DIVISIONS)
    return Divisions(ways[best.indices].long(), best.values)


def _cuts(points: Tensor) -> Iterator[Tensor]:
    """Yield which points are above each of many heights, and to the right of as many places."""
    for place in torch.linspace(-HALF_EXTENT, HALF_EXTENT, _NUM_CUTS + 2)[1:-1]:
        yield points[:, 2] > place
        yield points[:, 0] > place


def _boxes(points: Tensor, own: Tensor) -> Iterator[Tensor]:
    """Yield divisions where what lies in a box around most of one side is all of that side."""
    for is_upper in (False, True):
        side = points[own == is_upper]
        if not len(side):
            continue
        for share in _BOX_FRINGES:
            low, high = side.quantile(torch.tensor([share, 1 - share]), dim=0)
            for margin in _BOX_MARGINS:
                is_inside = ((points > low - margin) & (points < high + margin)).all(dim=1)
                yield is_inside if is_upper else ~is_inside


def save_divider(divider: Divider, facts: dict[str, object], folder: Path, name: str) -> None:
    """Write the weights in half precision, and beside them how they were made."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.half().contiguous() for key, value in divider.state_dict().items()}
    save_file(state, folder / f"{name}.safetensors")
    size = {"width": divider.width, "rounds": divider.rounds}
    text = json.dumps({"divider": size} | facts, indent=1)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def load_divider(folder: Path, name: str) -> Divider:
    """Read what `save_divider` wrote.

    Raises:
        CheckpointError: a file is missing, damaged, or of another kind of network.
    """
    path = folder / f"{name}.json"
    try:
        size = json.loads(path.read_text(encoding="utf-8"))["divider"]
        divider = Divider(int(size["width"]), int(size["rounds"]))
        path = folder / f"{name}.safetensors"
        divider.load_state_dict({key: value.float() for key, value in load_file(path).items()})
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(
            path,
            f"divides no scenes ({error}):"
            " train it again with `python -m maquette.evaluation.train_judge`",
        ) from error
    return divider.eval()
