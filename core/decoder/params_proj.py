# SPDX-License-Identifier: GPL-3.0-or-later
"""Latent to MLP weights: each latent vector becomes one row of a weight matrix."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..specs import DecoderSpec

_ROWS = 32
"""Latent vectors projected at once; their weights take 32 MiB in fp32 at the published size."""


class WeightInFile(Protocol):
    """A weight that is read whenever it is needed; see `checkpoint.left_in_file`."""

    @property
    def is_as_it_was(self) -> bool:
        """Whether the file is still the one that was checked."""
        ...

    def __call__(self) -> AbstractContextManager[Tensor]:
        """Lend the weight, read-only."""
        ...


class ParamsProj(nn.Module):
    """Projects a latent to the generated weight matrices of the implicit MLP."""

    def __init__(self, spec: DecoderSpec) -> None:
        super().__init__()
        self.matrices = nn.ModuleList(
            RowProjection(rows, columns, spec.channels) for rows, columns in spec.generated_shapes()
        )
        if sum(rows for rows, _ in spec.generated_shapes()) != spec.num_latents:
            raise ValueError(f"{spec.num_latents} latent vectors do not match the matrices' rows")

    @property
    def is_usable(self) -> bool:
        """Whether what was left in a file is still there, just as it was."""
        left = (getattr(matrix, "weight_in_file", None) for matrix in self.matrices)
        return all(each is None or each.is_as_it_was for each in left)

    def forward(self, latent: Tensor) -> list[Tensor]:
        """Return one weight matrix per generated layer, [B, rows, columns].

        Args:
            latent: [B, L, C]; the first rows make the first matrix, and so on.
        """
        weights = []
        start = 0
        for matrix in self.matrices:
            assert isinstance(matrix, RowProjection)
            weights.append(matrix(latent[:, start : start + matrix.num_rows]))
            start += matrix.num_rows
        return weights


class RowProjection(nn.Module):
    """One linear map per row, then a LayerNorm over columns, then a bias per row."""

    def __init__(self, num_rows: int, num_columns: int, channels: int) -> None:
        super().__init__()
        self.num_rows = num_rows
        self.num_columns = num_columns
        self.weight = nn.Parameter(torch.zeros(num_rows * num_columns, channels))
        self.bias = nn.Parameter(torch.zeros(num_rows * num_columns))
        self.norm = nn.LayerNorm(num_columns)
        self.weight_in_file: WeightInFile | None = None
        """Where the weight is if it is not kept, and `weight` is None."""

    def forward(self, latent: Tensor) -> Tensor:
        """Map latent vectors [B, rows, C] to a matrix [B, rows, columns], fp32.

        Computed where the weights are, in fp32 whatever they are kept in.
        """
        with self.weight_in_file() if self.weight_in_file else nullcontext(self.weight) as weight:
            rows = self._product(latent, weight.view(self.num_rows, self.num_columns, -1))
        norm = self.norm
        rows = F.layer_norm(rows, (self.num_columns,), eps=norm.eps)
        bias = self.bias.view(self.num_rows, self.num_columns)
        # The bias comes after the norm, so it is a learned base matrix shared by all shapes.
        return rows * norm.weight.float() + norm.bias.float() + bias.float()

    def _product(self, latent: Tensor, weight: Tensor) -> Tensor:
        """Multiply each row [B, rows, C] with its own matrix [rows, columns, C]."""
        latent = latent.to(weight.device, torch.float32)
        # The published weights fill most of a gigabyte in fp32, so few rows at a time become that.
        products = []
        for start in range(0, self.num_rows, _ROWS):
            part = slice(start, start + _ROWS)
            products.append(torch.einsum("brc,rkc->brk", latent[:, part], weight[part].float()))
        return torch.cat(products, dim=1)
