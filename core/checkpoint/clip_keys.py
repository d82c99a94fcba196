# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of CLIP's tensors: transformers' files to open_clip's modules."""

from __future__ import annotations

from collections.abc import Collection

from ..specs import ClipSpec
from .contents import IMAGE_ENCODER, TEXT_ENCODER
from .key_maps import Entry, Ignored, KeyMap, StackedRows, Transposed, linear

_TOWER = "tower"


def clip_key_map(spec: ClipSpec, names: Collection[str]) -> KeyMap:
    """Return the map of one tower; there is one published layout, whatever the names are."""
    if spec.kind == "text":
        indices = Ignored(r"text_model\.embeddings\.position_ids", (1, spec.context_length))
        return KeyMap(holds=TEXT_ENCODER, entries=_text_entries(spec), ignored=(indices,))
    num_positions = (spec.image_size // spec.patch_size) ** 2 + 1
    ignored = (
        Ignored(r"vision_model\.embeddings\.position_ids", (1, num_positions)),
        # Only the pooled embedding goes through this norm; the grid features do not.
        Ignored(r"vision_model\.post_layernorm\.(weight|bias)", (spec.width,)),
    )
    return KeyMap(holds=IMAGE_ENCODER, entries=_image_entries(spec), ignored=ignored)


def _text_entries(spec: ClipSpec) -> dict[str, Entry]:
    embeddings = "text_model.embeddings"
    entries = {
        f"{_TOWER}.token_embedding.weight": Entry((f"{embeddings}.token_embedding.weight",)),
        f"{_TOWER}.positional_embedding": Entry((f"{embeddings}.position_embedding.weight",)),
        f"{_TOWER}.text_projection": Entry(("text_projection.weight",), Transposed()),
    }
    entries |= linear(f"{_TOWER}.ln_final", "text_model.final_layer_norm")
    return entries | _block_entries("text_model", spec.num_layers)


def _image_entries(spec: ClipSpec) -> dict[str, Entry]:
    embeddings = "vision_model.embeddings"
    entries = {
        f"{_TOWER}.class_embedding": Entry((f"{embeddings}.class_embedding",)),
        f"{_TOWER}.positional_embedding": Entry((f"{embeddings}.position_embedding.weight",)),
        f"{_TOWER}.conv1.weight": Entry((f"{embeddings}.patch_embedding.weight",)),
    }
    # The missing "e" is transformers' spelling.
    entries |= linear(f"{_TOWER}.ln_pre", "vision_model.pre_layrnorm")
    return entries | _block_entries("vision_model", spec.num_layers)


def _block_entries(model: str, num_layers: int) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for i in range(num_layers):
        ours, theirs = f"{_TOWER}.transformer.resblocks.{i}", f"{model}.encoder.layers.{i}"
        for part in ("weight", "bias"):
            sources = tuple(f"{theirs}.self_attn.{letter}_proj.{part}" for letter in "qkv")
            entries[f"{ours}.attn.in_proj_{part}"] = Entry(sources, StackedRows())
        entries |= linear(f"{ours}.attn.out_proj", f"{theirs}.self_attn.out_proj")
        entries |= linear(f"{ours}.ln_1", f"{theirs}.layer_norm1")
        entries |= linear(f"{ours}.ln_2", f"{theirs}.layer_norm2")
        entries |= linear(f"{ours}.mlp.c_fc", f"{theirs}.mlp.fc1")
        entries |= linear(f"{ours}.mlp.c_proj", f"{theirs}.mlp.fc2")
    return entries
