# SPDX-License-Identifier: GPL-3.0-or-later
"""A weights file into a module, strictly and with about one copy of the weights in memory.

The module is built on the meta device, the file's names and shapes are checked before any value
is read, and each tensor is then converted on its own, straight to its device and precision.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from ..errors import CheckpointError
from ..interrupt import Check, ignore
from .contents import recognise
from .key_maps import Entry, KeyMap
from .left_in_file import LeftInFile
from .reader import WeightsFile

M = TypeVar("M", bound=nn.Module)

ChooseKeyMap: TypeAlias = Callable[[Collection[str]], KeyMap]
"""From the names in a file to the map that fits them, such as `partial(prior_key_map, spec)`."""

_HALF = (torch.float16, torch.bfloat16)

_WINDOW_BYTES = 32 * 2**20
"""The file is mapped anew after so many bytes, which gives the pages read so far back."""


def load_module(
    build: Callable[[], M],
    path: Path,
    choose_key_map: ChooseKeyMap,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    keeps_half: Collection[str] = (),
    leaves: Collection[str] = (),
    check: Check = ignore,
) -> M:
    """Build a module and fill it from a file; the file is only needed for what is left in it.

    Args:
        build: makes the module; called under the meta device.
        path: safetensors, or an archive of `torch.save`.
        choose_key_map: what the file should hold.
        dtype: of all floating-point tensors.
        device: where the tensors go.
        keeps_half: names in the module that stay in half precision if the file has them in it.
        leaves: names in the module whose values are checked and left in the file, if it has them
            in fp32 and they are to be that. The parameter `weight` of a layer is then None, and
            its attribute `weight_in_file` a `LeftInFile`.
        check: called before each tensor.

    Returns:
        The module, in evaluation mode, without gradients.

    Raises:
        CheckpointError: the file is not what it should be; nothing is left half-loaded.
    """
    weights = WeightsFile(path)
    with torch.device("meta"):
        module = build()
    targets = module.state_dict()
    entries = _check(weights, choose_key_map(weights.headers.keys()), targets)
    state: dict[str, Tensor] = {}
    for window in _windows(weights, entries):
        with weights.mapped() as tensor_of:
            for name in window:
                check()
                sources = [tensor_of(source) for source in entries[name].sources]
                _check_kind(path, entries[name], sources, targets[name])
                wanted = dtype if targets[name].is_floating_point() else targets[name].dtype
                if name in keeps_half and sources[0].dtype in _HALF:
                    wanted = sources[0].dtype
                tensor = entries[name].layout.assemble(sources).to(wanted)
                _check_finite(path, entries[name], tensor)
                if name in leaves and wanted == torch.float32 and _is_mapped(tensor, sources):
                    _leave(module, name, LeftInFile(weights, entries[name]))
                else:
                    state[name] = _detached(tensor, sources, device)
                # A view that outlived the block would keep its pages.
                del sources, tensor
    module.load_state_dict(state, strict=True, assign=True)
    _require_materialised(module)
    return module.to(device).requires_grad_(False).eval()


def _check(
    weights: WeightsFile, key_map: KeyMap, targets: Mapping[str, Tensor]
) -> Mapping[str, Entry]:
    """Check names and shapes; see `load_module`."""
    found = recognise(weights.headers.keys())
    if found is not None and found not in (key_map.holds, key_map.beside):
        raise CheckpointError(weights.path, f"holds {found}, not {key_map.holds}")
    entries = key_map.entries_for(targets.keys())
    used = {source for entry in entries.values() for source in entry.sources}
    if used.isdisjoint(weights.headers):
        first = next(iter(weights.headers), None)
        raise CheckpointError(
            weights.path, f"holds something else than {key_map.holds} (its first tensor: {first!r})"
        )
    for name, entry in entries.items():
        shape = entry.layout.source_shape(tuple(targets[name].shape), len(entry.sources))
        for source in entry.sources:
            if source not in weights.headers:
                raise CheckpointError(weights.path, f"lacks {source!r} of {key_map.holds}")
            _check_shape(weights, source, shape)
    for name in weights.headers:
        if name not in used:
            _check_unused(weights, name, key_map)
    return entries


def _check_unused(weights: WeightsFile, name: str, key_map: KeyMap) -> None:
    ignored = next((each for each in key_map.ignored if each.matches(name)), None)
    if ignored is None:
        raise CheckpointError(weights.path, f"has {name!r}, which {key_map.holds} does not have")
    if ignored.shape is not None:
        _check_shape(weights, name, ignored.shape)


def _check_shape(weights: WeightsFile, name: str, expected: tuple[int, ...]) -> None:
    shape = weights.headers[name].shape
    if shape != expected:
        raise CheckpointError(
            weights.path, f"{name!r} has shape {list(shape)}, expected {list(expected)}"
        )


def _check_kind(path: Path, entry: Entry, sources: list[Tensor], target: Tensor) -> None:
    for name, source in zip(entry.sources, sources, strict=True):
        is_exact = not target.is_floating_point() and source.dtype == target.dtype
        if not (is_exact or (target.is_floating_point() and source.is_floating_point())):
            expected = "floating-point" if target.is_floating_point() else str(target.dtype)
            raise CheckpointError(path, f"{name!r} is {source.dtype}, expected {expected} numbers")


def _check_finite(path: Path, entry: Entry, tensor: Tensor) -> None:
    if not tensor.is_floating_point() or not tensor.numel():
        return
    # NaN wins both comparisons. Other tests make a temporary of the tensor's size, whose memory
    # the allocator would then keep in pieces between the weights.
    lowest, highest = torch.aminmax(tensor)
    if not (lowest.isfinite() and highest.isfinite()):
        raise CheckpointError(
            path, f"{entry.sources[0]!r} holds values that are not numbers in {tensor.dtype}"
        )


def _windows(weights: WeightsFile, entries: Mapping[str, Entry]) -> Iterator[list[str]]:
    """Group our tensors so that each group reads about a window's worth of the file."""
    window: list[str] = []
    num_bytes = 0
    for name, entry in entries.items():
        window.append(name)
        num_bytes += sum(weights.headers[source].num_bytes for source in entry.sources)
        if num_bytes >= _WINDOW_BYTES:
            yield window
            window, num_bytes = [], 0
    if window:
        yield window


def _detached(tensor: Tensor, sources: list[Tensor], device: torch.device | str) -> Tensor:
    """Return a tensor on its device, in memory that is not the file's."""
    is_mapped = _is_mapped(tensor, sources)
    return tensor.to(device, copy=is_mapped, memory_format=torch.contiguous_format)


def _is_mapped(tensor: Tensor, sources: list[Tensor]) -> bool:
    """Tell whether a tensor is a view of the file, as nothing had to be converted."""
    storage = tensor.untyped_storage().data_ptr()
    return any(source.untyped_storage().data_ptr() == storage for source in sources)


def _leave(module: nn.Module, name: str, values: LeftInFile) -> None:
    """Put a file in the place of the parameter of that name."""
    owner, _, parameter = name.rpartition(".")
    layer = module.get_submodule(owner)
    layer.register_parameter(parameter, None)
    setattr(layer, f"{parameter}_in_file", values)


def _require_materialised(module: nn.Module) -> None:
    tensors = [*module.named_parameters(), *module.named_buffers()]
    for name, tensor in tensors:
        if tensor.is_meta:
            raise RuntimeError(f"{type(module).__name__}.{name} was never given values")
