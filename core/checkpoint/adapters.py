# SPDX-License-Identifier: GPL-3.0-or-later
"""Low-rank additions to the weights of linear layers (LoRA, Hu et al., 2021, arXiv:2106.09685).

A file holds for each layer that it changes `NAME.lora_A.weight` [R, in] and `NAME.lora_B.weight`
[out, R]; the layer's weight grows by their product, B A. Scale factors are part of B, so that the
file alone says what is added. Names are those of our modules.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ..derived_pack import PriorChange
from ..errors import CheckpointError
from ..interrupt import Check, ignore
from .reader import WeightsFile

DOWN, UP = ".lora_A.weight", ".lora_B.weight"


def prior_file(usual: Path, change: PriorChange | None) -> Path:
    """Return the file of a pack's prior, which a derived pack may replace."""
    return change.path if change is not None and change.kind == "prior" else usual


def change_prior(prior: nn.Module, change: PriorChange | None, check: Check = ignore) -> None:
    """Do to a loaded prior what a derived pack asks for; see `add_adapter`."""
    if change is not None and change.kind == "adapter":
        add_adapter(prior, change.path, check)


@torch.no_grad()
def add_adapter(module: nn.Module, path: Path, check: Check = ignore) -> None:
    """Add what a file holds to the weights of a module, in place; the sum is made in fp32.

    Args:
        module: loaded, in any floating-point precision.
        path: safetensors.
        check: called before each layer.

    Raises:
        CheckpointError: the file is damaged or belongs to another architecture; the module is
            then unchanged.
    """
    weights = WeightsFile(path)
    layers = _layers(module, weights)
    with weights.mapped() as tensor_of:
        factors = {name: (tensor_of(name + DOWN), tensor_of(name + UP)) for name in layers}
        for name, pair in factors.items():
            if not all(each.is_floating_point() and each.isfinite().all() for each in pair):
                raise CheckpointError(path, f"holds values for {name!r} that are not numbers")
        for name, (down, up) in factors.items():
            check()
            merge(layers[name], down, up)


def merge(layer: nn.Linear, down: Tensor, up: Tensor) -> None:
    """Add the product of two factors, [R, in] and [out, R], to a layer's weight."""
    weight = layer.weight
    added = up.to(weight.device, torch.float32) @ down.to(weight.device, torch.float32)
    weight.copy_(weight.float() + added)


def _layers(module: nn.Module, weights: WeightsFile) -> Mapping[str, nn.Linear]:
    """Return the layers that a file changes, after a look at every name and shape."""
    layers = {}
    for name in weights.headers:
        if not name.endswith((DOWN, UP)):
            raise CheckpointError(weights.path, f"has {name!r}, which no adapter has")
        layer_name = name.removesuffix(DOWN).removesuffix(UP)
        try:
            layer = module.get_submodule(layer_name)
        except AttributeError:
            layer = None
        if not isinstance(layer, nn.Linear):
            raise CheckpointError(
                weights.path, f"changes {layer_name!r}, which the pack it belongs to does not have"
            )
        _check_shapes(weights, layer_name, layer)
        layers[layer_name] = layer
    if not layers:
        raise CheckpointError(weights.path, "holds no adapter")
    return layers


def _check_shapes(weights: WeightsFile, name: str, layer: nn.Linear) -> None:
    for half in (DOWN, UP):
        if name + half not in weights.headers:
            raise CheckpointError(weights.path, f"lacks {name + half!r}")
    down, up = (weights.headers[name + half].shape for half in (DOWN, UP))
    fits = len(down) == len(up) == 2 and down[0] == up[1]
    if not fits or (up[0], down[1]) != tuple(layer.weight.shape):
        raise CheckpointError(
            weights.path, f"{name!r} has factors of {list(up)} and {list(down)}, which do not fit"
        )
