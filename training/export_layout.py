# SPDX-License-Identifier: GPL-3.0-or-later
"""Tensors of a module under the names of published files; the way back of `core/checkpoint`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core.checkpoint.key_maps import (
    AsIs,
    Entry,
    HeadShare,
    InterleavedHeads,
    KeyMap,
    LeadingOne,
    StackedRows,
)


def take_apart(module: nn.Module, key_map: KeyMap) -> dict[str, Tensor]:
    """Return what a file of some layout holds of a module, on the CPU, in the module's precision.

    Args:
        module: trained.
        key_map: by which such a file would be loaded into it.
    """
    found: dict[str, Tensor] = {}
    state = module.state_dict()
    for name, entry in key_map.entries_for(state.keys()).items():
        _put(found, entry, state[name].detach().cpu())
    return found


def _put(found: dict[str, Tensor], entry: Entry, tensor: Tensor) -> None:
    """Fill the sources of a tensor; the way back of `Layout.assemble`."""
    layout = entry.layout
    match layout:
        case AsIs():
            parts: tuple[Tensor, ...] = (tensor,)
        case LeadingOne():
            parts = (tensor[None],)
        case StackedRows():
            parts = tensor.chunk(len(entry.sources))
        case InterleavedHeads():
            rows = tensor.view(3, layout.num_heads, -1, *tensor.shape[1:])
            parts = (rows.transpose(0, 1).flatten(0, 2),)
        case HeadShare():
            _put_share(found, entry.sources[0], layout, tensor)
            return
        case _:
            raise TypeError(f"no way back of {layout}")
    for source, part in zip(entry.sources, parts, strict=True):
        # A storage of its own, or parts of one tensor would be saved as the whole of it.
        found[source] = part.clone(memory_format=torch.contiguous_format)


def _put_share(found: dict[str, Tensor], source: str, layout: HeadShare, tensor: Tensor) -> None:
    """Fill the rows that a tensor has in a source which several tensors share."""
    if source not in found:
        shape = layout.source_shape(tuple(tensor.shape), 1)
        # What no tensor fills would be found when the file is read.
        found[source] = torch.full(shape, torch.nan, dtype=tensor.dtype)
    rows = found[source].view(layout.num_heads, layout.of, -1, *tensor.shape[1:])
    shares = tensor.view(len(layout.parts), layout.num_heads, -1, *tensor.shape[1:])
    for number, part in enumerate(layout.parts):
        rows[:, part] = shares[number]
