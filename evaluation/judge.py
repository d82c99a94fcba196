# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge: which kind of object a coloured point cloud is, and which colour a part of it has.

It has only ever seen ground truth. The kind is read from positions alone and a colour from
colours alone: positions say merely which points belong to the part in question. So neither
answer can lean on what usually goes together, such as trees and green.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.decoder.encoding import encode_position
from ..core.errors import CheckpointError
from ..training.shapes.colours import COLOURS
from ..training.shapes.kinds import KINDS

MODELS_DIR = Path(__file__).parent / "models"
MAIN_PART = "main"
NUM_POINTS = 1024
"""Points of one verdict."""

_GLANCE = 256
"""Points read at a time; a verdict is the mean over as many glances as its points allow."""
_FREQUENCIES = 4


@dataclass(frozen=True, slots=True)
class JudgeSpec:
    """Everything that the judge can answer, in the order of its outputs."""

    kinds: tuple[str, ...]
    colours: tuple[str, ...]
    parts: tuple[str, ...]


def current_spec() -> JudgeSpec:
    """Return the answers that the generator of today calls for."""
    parts = sorted({part.name for kind in KINDS.values() for part in kind.nameable_parts})
    return JudgeSpec(tuple(KINDS), tuple(COLOURS), (MAIN_PART, *parts))


class Reading(NamedTuple):
    """What the network says of B clouds."""

    kind: Tensor
    """Logits, [B, K]."""
    colour: Tensor
    """Logits for each part that was asked for, [B, Q, C]."""
    places: Tensor
    """Where those parts' points are on average, [B, Q, 3]."""


class Judge(nn.Module):
    """Two rounds of PointNet (Qi et al., 2017, arXiv:1612.00593) and a look-up of colours."""

    def __init__(self, spec: JudgeSpec, width: int = 128) -> None:
        super().__init__()
        self.spec = spec
        self.local = nn.Sequential(
            nn.Linear(3 + 6 * _FREQUENCIES, width // 2),
            nn.ReLU(),
            nn.Linear(width // 2, width),
            nn.ReLU(),
        )
        self.first_view = nn.Linear(width, 2 * width)
        self.context = nn.Linear(2 * width, width)
        self.in_context = nn.Linear(width, width)
        self.second_view = nn.Linear(width, 2 * width)
        self.kind = nn.Sequential(
            nn.LayerNorm(4 * width),
            nn.Linear(4 * width, 2 * width),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(2 * width, len(spec.kinds)),
        )
        self.membership = nn.Linear(width, len(spec.parts))
        self.paint = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
        self.colour = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, len(spec.colours)))

    def forward(self, points: Tensor, colors: Tensor, parts: Tensor) -> tuple[Tensor, Tensor]:
        """Judge point clouds.

        Args:
            points: positions as the generator places shapes, [B, N, 3].
            colors: sRGB in [0, 1], [B, N, 3].
            parts: whose colour is asked for, indices into `spec.parts`, [B, Q].

        Returns:
            Logits of the kind [B, K] and of the colour of each part asked for [B, Q, C].
        """
        reading = self.read(points, colors, parts)
        return reading.kind, reading.colour

    def read(self, points: Tensor, colors: Tensor, parts: Tensor) -> Reading:
        """Judge as `forward` does, and say where the parts are."""
        local = self.local(encode_position(2 * points, _FREQUENCIES))
        first = self.first_view(local).amax(dim=1)  # [B, 2 * width]
        placed = F.relu(self.in_context(local) + self.context(first)[:, None])
        second = self.second_view(placed).amax(dim=1)
        kind = self.kind(torch.cat([first, second], dim=-1))
        scores = self.membership(placed).transpose(1, 2)  # [B, parts, N]
        asked = scores.gather(1, parts[..., None].expand(-1, -1, scores.shape[-1]))
        shares = asked.softmax(dim=-1)
        pooled = shares @ self.paint(2 * colors - 1)  # [B, Q, 32]
        return Reading(kind, self.colour(pooled), shares @ points)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge sees in one cloud."""

    kind: str
    main_colour: str
    part_colour: str | None
    """Of the part that was asked for, if one was."""


@torch.inference_mode()
def mean_logits(
    judge: Judge, points: Tensor, colors: Tensor, parts: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the logits of `Judge.forward`, averaged over all glances at N points.

    N is a multiple of 256 and the points come in random order.
    """
    pairs = zip(points.split(_GLANCE, dim=1), colors.split(_GLANCE, dim=1), strict=True)
    kinds, colours = zip(*(judge(*glance, parts) for glance in pairs), strict=True)
    return torch.stack(kinds).mean(dim=0), torch.stack(colours).mean(dim=0)


def judge_cloud(judge: Judge, points: Tensor, colors: Tensor, part: str | None) -> Verdict:
    """Name kind and colours of one cloud.

    Args:
        judge: in evaluation mode.
        points, colors: as `mean_logits` takes them, [N, 3].
        part: name of a second part whose colour is asked for.
    """
    return read_verdict(judge.spec, *look(judge, points, colors, part), part)


def look(judge: Judge, points: Tensor, colors: Tensor, part: str | None) -> tuple[Tensor, Tensor]:
    """Return the logits of the kind [K] and of the main and the second part's colours [2, C]."""
    spec = judge.spec
    questions = [spec.parts.index(name) for name in (MAIN_PART, part or MAIN_PART)]
    kind, colour = mean_logits(judge, points[None], colors[None], torch.tensor([questions]))
    return kind[0], colour[0]


def read_verdict(spec: JudgeSpec, kind: Tensor, colour: Tensor, part: str | None) -> Verdict:
    """Return what the logits of `look` say."""
    main, second = colour.argmax(dim=-1).tolist()
    return Verdict(
        kind=spec.kinds[int(kind.argmax())],
        main_colour=spec.colours[main],
        part_colour=spec.colours[second] if part else None,
    )


def save_judge(judge: Judge, facts: dict[str, object], folder: Path = MODELS_DIR) -> None:
    """Write the weights in half precision, and beside them what they are and how they were made."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.half().contiguous() for name, value in judge.state_dict().items()}
    save_file(state, folder / "judge.safetensors")
    text = json.dumps({"answers": asdict(judge.spec)} | facts, indent=1)
    (folder / "judge.json").write_text(text + "\n", encoding="utf-8")


def load_judge(folder: Path = MODELS_DIR) -> Judge:
    """Read what `save_judge` wrote.

    A judge of an older generator goes on judging the kinds that it knows.

    Raises:
        CheckpointError: a file is missing, damaged, or made for colours or kinds that are no more.
    """
    path = folder / "judge.json"
    again = "train it again with `python -m maquette.evaluation.train_judge`"
    try:
        answers = json.loads(path.read_text(encoding="utf-8"))["answers"]
        spec = JudgeSpec(*(_names(answers[name]) for name in ("kinds", "colours", "parts")))
        if not set(spec.kinds) <= set(KINDS) or set(spec.colours) != set(COLOURS):
            raise CheckpointError(path, f"this judge knows other kinds of objects: {again}")
        judge = Judge(spec)
        path = folder / "judge.safetensors"
        judge.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(path, f"is no judge ({error}): {again}") from error
    return judge.eval()


def _names(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(value) for value in values)
