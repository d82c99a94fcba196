# SPDX-License-Identifier: GPL-3.0-or-later
"""How tensors of published files become tensors of our modules.

A key map says, for each of our tensors, which tensors of the file it is made of, and which
further tensors the file may hold without being used. Anything else in the file is a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

Shape: TypeAlias = tuple[int, ...]


class Layout(Protocol):
    """How one tensor of ours is arranged in the file."""

    def source_shape(self, target: Shape, num_sources: int) -> Shape:
        """Return the shape that each source must have."""
        ...

    def assemble(self, sources: Sequence[Tensor]) -> Tensor:
        """Return our tensor; may be a view of the sources."""
        ...


class AsIs:
    """The same tensor under another name."""

    def source_shape(self, target: Shape, num_sources: int) -> Shape:
        """Return the same shape."""
        return target

    def assemble(self, sources: Sequence[Tensor]) -> Tensor:
        """Return the only source."""
        return sources[0]


class LeadingOne:
    """Stored with a batch axis of one in front."""

    def source_shape(self, target: Shape, num_sources: int) -> Shape:
        """Return [1, *target]."""
        return (1, *target)

    def assemble(self, sources: Sequence[Tensor]) -> Tensor:
        """Drop the first axis."""
        return sources[0][0]


class Transposed:
    """A matrix stored as a linear layer's weight, [out, in], that we keep as [in, out]."""

    def source_shape(self, target: Shape, num_sources: int) -> Shape:
        """Return the target's axes swapped."""
        rows, columns = target
        return (columns, rows)

    def assemble(self, sources: Sequence[Tensor]) -> Tensor:
        """Swap the axes."""
        return sources[0].T


class StackedRows:
    """Several sources below one another, such as q, k and v."""

    def source_shape(self, target: Shape, num_sources: int) -> Shape:
        """Return an equal share of the target's rows."""
        return (target[0] // num_sources, *target[1:])

    def assemble(self, sources: Sequence[Tensor]) -> Tensor:
        """Concatenate along the rows."""
        return torch.cat(list(sources))


@dataclass(frozen=True, slots=True)
class InterleavedHeads:
    """Rows ordered heads x [q, k, v] x head width, which we keep as [q, k, v] x heads x width."""

    num_heads: int

    def source_shape(self, target: Shape, num_sources: int) -> Shape:
        """Return the same shape."""
        return target

    def assemble(self, sources: Sequence[Tensor]) -> Tensor:
        """Move the [q, k, v] axis to the front."""
        source = sources[0]
        rows = source.view(self.num_heads, 3, -1, *source.shape[1:])
        return rows.transpose(0, 1).flatten(0, 2)


@dataclass(frozen=True, slots=True)
class HeadShare:
    """Some of the parts that a file interleaves per head, heads x `of` parts x head width.

    We keep the chosen parts one after the other, parts x heads x width.
    """

    num_heads: int
    parts: tuple[int, ...]
    of: int

    def source_shape(self, target: Shape, num_sources: int) -> Shape:
        """Return the rows of all parts."""
        return (target[0] * self.of // len(self.parts), *target[1:])

    def assemble(self, sources: Sequence[Tensor]) -> Tensor:
        """Move the chosen parts to the front."""
        source = sources[0]
        rows = source.view(self.num_heads, self.of, -1, *source.shape[1:])
        return torch.cat([rows[:, part].flatten(0, 1) for part in self.parts])


AS_IS = AsIs()


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one of our tensors comes from."""

    sources: tuple[str, ...]
    layout: Layout = AS_IS


@dataclass(frozen=True, slots=True)
class Ignored:
    """Tensors that a published file may hold and that we do not use."""

    pattern: str
    """Matched against the whole name."""
    shape: Shape | None = None
    """Checked when given."""

    def matches(self, name: str) -> bool:
        """Tell whether this is about the tensor of that name."""
        return re.fullmatch(self.pattern, name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyMap:
    """What one kind of file holds."""

    holds: str
    """With its article, for messages: "a text prior"."""
    entries: Mapping[str, Entry] | None
    """By the name in our module; None means that the file uses our own names."""
    ignored: tuple[Ignored, ...] = ()
    beside: str = ""
    """What else such a file holds, and is recognised by; empty where it holds nothing else."""

    def entries_for(self, targets: Collection[str]) -> Mapping[str, Entry]:
        """Return an entry for every tensor of our module.

        Raises:
            ValueError: map and module differ, which is a bug and not the file's fault.
        """
        if self.entries is None:
            return {name: Entry((name,)) for name in targets}
        if self.entries.keys() != set(targets):
            difference = sorted(self.entries.keys() ^ set(targets))
            raise ValueError(f"key map of {self.holds} and module differ in {difference[0]!r}")
        return self.entries


def linear(ours: str, theirs: str) -> dict[str, Entry]:
    """Return entries of the weight and bias of a layer that is stored as it is."""
    return {f"{ours}.{part}": Entry((f"{theirs}.{part}",)) for part in ("weight", "bias")}


def stacked(ours: str, theirs: Sequence[str]) -> dict[str, Entry]:
    """Return entries of a layer whose rows are stored as several layers."""
    return {
        f"{ours}.{part}": Entry(tuple(f"{name}.{part}" for name in theirs), StackedRows())
        for part in ("weight", "bias")
    }
