# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of which part has which color, as `core.prior.paint` reads them, of labelled scenes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.prior.paint import MAIN, NUM_OTHERS, TINT
from .clip_answers import Truths
from .shapes.labels import COLOR_NAMES, MATERIALS


@dataclass(frozen=True, slots=True)
class PaintTables:
    """Of N scenes; tensors may be mapped from a file."""

    built: Tensor
    """What each shows, uint8 [N, R]."""
    said: Tensor
    """What each of its captions says, uint8 [N, V, R]."""


def paint_tables(truths: Truths) -> Tensor:
    """Return the colors of the first object's roles, uint8 [B, R].

    A material is a tint where it is not the color itself.
    """
    tables = torch.zeros(len(truths.kind), NUM_OTHERS + truths.parts.shape[2], dtype=torch.uint8)
    materials = torch.tensor([1 + COLOR_NAMES.index(name) if name else 0 for name in MATERIALS])
    main, tint = 1 + truths.color[:, 0], materials[truths.material[:, 0]]
    tables[:, MAIN] = main
    tables[:, TINT] = torch.where(tint == main, 0, tint)
    tables[:, NUM_OTHERS:] = truths.parts[:, 0]
    return tables
