# SPDX-License-Identifier: GPL-3.0-or-later
"""What a condition says of paint, and what paint does to the color of a shape.

Paint is a table: which color each role has. The first role is the main part, the second a tint of
it, the others are parts by name. Color 0 is none, so a part that an object lacks has no color.
A shape answers to such a table linearly, so a kind takes colors that it was never seen with.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..specs import PaintSpec

MAIN, TINT, NUM_OTHERS = 0, 1, 2
"""Roles before those of parts."""
_SURE = 0.5
"""Probability from which something counts as said."""


class PaintReader(nn.Module):
    """Reads condition tokens for colors, a linear layer for each question."""

    def __init__(self, spec: PaintSpec, token_width: int) -> None:
        super().__init__()
        self.spec = spec
        answers = 1 + spec.num_colors
        self.main = nn.Linear(token_width, answers)
        self.tint = nn.Linear(token_width, answers)
        self.parts = nn.Linear(len(spec.part_tokens) * token_width, spec.num_parts * answers)

    def forward(self, condition: Tensor) -> Tensor:
        """Return logits of the colors of each role, none first, fp32.

        Args:
            condition: [B, T, E].

        Returns:
            [B, R, 1 + C].
        """
        condition = condition.to(self.main.weight.dtype)
        main = condition[:, self.spec.main_token]
        tokens = torch.cat([condition[:, token] for token in self.spec.part_tokens], dim=1)
        parts = self.parts(tokens).view(len(tokens), self.spec.num_parts, -1)
        first = torch.stack([self.main(main), self.tint(main)], dim=1)
        return torch.cat([first, parts], dim=1).float()


class Painter(nn.Module):
    """Gives the color of a shape that is painted in some way."""

    def __init__(self, spec: PaintSpec, width: int, num_shape: int, num_color: int) -> None:
        """Make a network.

        Args:
            spec: sizes of tables.
            width: of its layers.
            num_shape: numbers of a shape, S.
            num_color: numbers of a color, D.
        """
        super().__init__()
        self.shape_in = nn.Linear(num_shape, width)
        self.shape_hidden = nn.Linear(width, width)
        self.roles = nn.Parameter(torch.randn(NUM_OTHERS + spec.num_parts, width))
        self.colors = nn.Parameter(torch.randn(spec.num_colors, spec.num_values))
        self.color_in = nn.Linear(spec.num_values, width, bias=False)
        self.painted_in = nn.Linear(width, width)
        self.color_out = nn.Linear(2 * width, num_color)

    def forward(self, shape: Tensor, paints: Tensor) -> Tensor:
        """Return the color of shapes, each in several paints, fp32.

        Args:
            shape: of about unit variance, [B, S].
            paints: how much of each color each role has, [B, M, R, C].

        Returns:
            Of about unit variance, [B, M, D].
        """
        return self.color(shape, self.strokes(paints))

    def strokes(self, paints: Tensor) -> Tensor:
        """Return what `color` needs of paints [B, M, R, C], whatever the shape; [B, M, W]."""
        # How much of each value there is where, [B, M, V, W], and what each of them does.
        values = paints.to(self.colors.dtype) @ self.colors
        where = values.transpose(2, 3) @ self.roles
        return (where * self.color_in.weight.T).sum(2)

    def color(self, shape: Tensor, strokes: Tensor) -> Tensor:
        """Return what `forward` does, of shapes [B, S] and the strokes of their paints."""
        h = F.silu(self.shape_in(shape.to(self.shape_in.weight.dtype)))
        h = F.silu(self.shape_hidden(h))
        painted = self.painted_in(h)[:, None] * strokes
        h = h[:, None].expand(-1, strokes.shape[1], -1)
        color: Tensor = self.color_out(torch.cat([h, painted], dim=2))
        return color.float()


def in_colors(tables: Tensor, num_colors: int) -> Tensor:
    """Return tables of colors [..., R] as how much of each color a role has, fp32 [..., R, C]."""
    colors = torch.arange(1, 1 + num_colors, device=tables.device)
    return (tables.round()[..., None] == colors).float()


def part_is_said(logits: Tensor) -> Tensor:
    """Return which parts are said to be there, 0 or 1, of the reader's logits, [B, P]."""
    return (1 - logits[:, NUM_OTHERS:].softmax(2)[..., 0] > _SURE).float()


def agreement(logits: Tensor, tables: Tensor) -> Tensor:
    """Return log weights of examples by their main color, where it was left open, [B, M].

    Args:
        logits: what the reader read, [B, R, 1 + C].
        tables: colors of examples, [B, M, R].
    """
    main = logits[:, MAIN].log_softmax(1)  # [B, 1 + C]
    is_open = main.amax(1, keepdim=True).exp() <= _SURE
    own = main.gather(1, tables[..., MAIN].round().long())
    return torch.where(is_open, own, 0.0)


def plain(logits: Tensor) -> Tensor:
    """Return tables of things of which only the main color is known, [B, 1, R].

    Args:
        logits: what the reader read, [B, R, 1 + C].
    """
    tables = torch.zeros_like(logits[:, None, :, 0])
    tables[:, 0, MAIN] = 1.0 + logits[:, MAIN, 1:].argmax(1)
    return tables


def repaint(logits: Tensor, tables: Tensor) -> Tensor:
    """Return tables of examples in which what was said takes the place of what was there.

    A part that had the main color takes the new one as well.

    Args:
        logits: what the reader read, [B, R, 1 + C].
        tables: colors of examples, [B, M, R].

    Returns:
        [B, M, R].
    """
    likely = logits.softmax(2)
    said = 1 + logits[..., 1:].argmax(2)  # [B, R]
    is_said = 1 - likely[..., 0] > _SURE
    is_said[:, MAIN] = likely[:, MAIN].amax(1) > _SURE
    old = tables[..., MAIN : MAIN + 1]
    new = torch.where(is_said[:, None, MAIN : MAIN + 1], said[:, None, MAIN : MAIN + 1], old)
    changed = torch.where(tables == old, new, tables)
    changed = torch.where(is_said[:, None], said[:, None].to(tables), changed)
    tint = torch.where(is_said[:, TINT], said[:, TINT], 0).to(tables)[:, None]
    changed[..., TINT] = tint.expand(tables.shape[:2])
    return changed
