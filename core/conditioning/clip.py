# SPDX-License-Identifier: GPL-3.0-or-later
"""The towers of OpenAI's CLIP (arXiv:2103.00020), built by open_clip; no weights are fetched.

This is the only module that imports open_clip, which takes seconds and brings torchvision.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import PackError
from ..specs import ClipSpec

_TORCHVISION_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def build_tower(spec: ClipSpec) -> nn.Module:
    """Build one tower with untrained weights on the default device.

    Text: maps token ids [B, T] to projected embeddings [B, E]. Image: see `image_grid`.
    """
    text = {"context_length": 1, "vocab_size": 1, "width": 64, "heads": 1, "layers": 1}
    image = {"image_size": 1, "patch_size": 1, "width": 64, "layers": 0}
    if spec.kind == "text":
        text = {
            "context_length": spec.context_length,
            "vocab_size": spec.vocabulary_size,
            "width": spec.width,
            "heads": spec.num_heads,
            "layers": spec.num_layers,
        }
    else:
        image = {
            "image_size": spec.image_size,
            "patch_size": spec.patch_size,
            "width": spec.width,
            "head_width": spec.width // spec.num_heads,
            "layers": spec.num_layers,
        }
    # open_clip builds towers in pairs; the one that is not wanted is as small as it can be.
    pair = open_clip_module().CustomTextCLIP(spec.embedding_width, image, text, quick_gelu=True)
    return _text_tower(pair.text) if spec.kind == "text" else _image_tower(pair.visual)


def image_grid(tower: nn.Module, pixels: Tensor) -> Tensor:
    """Return the features of each patch after the last block, row by row, [B, P, W].

    Args:
        tower: built with an image spec.
        pixels: normalised RGB, [B, 3, H, W].
    """
    features: Any = tower
    result = features.forward_intermediates(
        pixels, indices=1, intermediates_only=True, output_fmt="NLC"
    )
    grid: Tensor = result["image_intermediates"][0]
    return grid


def tokenize(prompts: list[str], context_length: int) -> Tensor:
    """Return CLIP's token ids: start, text, end, then zeros, int64 [B, context_length].

    Text beyond the context is dropped; the last token is then the end.
    """
    tokens: Tensor = open_clip_module().tokenize(prompts, context_length)
    return tokens


@functools.cache
def open_clip_module() -> ModuleType:
    """Import open_clip, also where torchvision was built for another torch.

    Raises:
        PackError: open_clip is not installed.
    """
    try:
        return _import_open_clip()
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    # torchvision's Python code asks for operators that its compiled part did not register,
    # because that part belongs to another build of torch. Images are never cropped by those
    # operators here, so that their declaration is all that is needed.
    _declare_torchvision_operators()
    return _import_open_clip()


def _import_open_clip() -> ModuleType:
    try:
        import open_clip
    except ModuleNotFoundError as error:
        raise PackError(
            "shap-e", f"needs the Python package {error.name}: install open_clip_torch"
        ) from error
    module: ModuleType = open_clip
    return module


_kept_libraries: list[object] = []
"""A declaration lasts as long as its library object."""


def _declare_torchvision_operators() -> None:
    library: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for schema in _TORCHVISION_OPERATORS:
        library.define(schema)
    _kept_libraries.append(library)


def _text_tower(tower: Any) -> nn.Module:
    # The mask is computed, not stored in weights files, so it cannot stay on the meta device.
    with torch.device("cpu"):
        tower.attn_mask = tower.build_causal_mask()
    module: nn.Module = tower
    return module


def _image_tower(tower: Any) -> nn.Module:
    # The grid features leave before the final norm and the projection.
    tower.prune_intermediate_layers(indices=1, prune_norm=True, prune_head=True)
    module: nn.Module = tower
    return module
