# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of CLIP's tensors: transformers' files to open_clip's modules."""

from __future__ import annotations

from collections.abc import Collection

from ..specs import ClipSpec
from .contents import IMAGE_ENCODER, TEXT_ENCODER
from .key_maps import Entry, Ignored, KeyMap, StackedRows, Transposed, linear

_TOWER = "tower"


def clip_key_map(spec: ClipSpec, names: Collection[str]) -> KeyMap:
    """Return the map of one tower for the names in a file.

    The published files say `vision_model.` before every name; transformers 5 writes none.
    """
    model = "text_model." if spec.kind == "text" else "vision_model."
    prefix = model if any(name.startswith(model) for name in names) else ""
    pattern = prefix.replace(".", r"\.")
    if spec.kind == "text":
        indices = Ignored(rf"{pattern}embeddings\.position_ids", (1, spec.context_length))
        return KeyMap(holds=TEXT_ENCODER, entries=_text_entries(spec, prefix), ignored=(indices,))
    num_positions = (spec.image_size // spec.patch_size) ** 2 + 1
    ignored = (
        Ignored(rf"{pattern}embeddings\.position_ids", (1, num_positions)),
        # Only the pooled embedding goes through this norm; the grid features do not.
        Ignored(rf"{pattern}post_layernorm\.(weight|bias)", (spec.width,)),
    )
    return KeyMap(holds=IMAGE_ENCODER, entries=_image_entries(spec, prefix), ignored=ignored)


def _text_entries(spec: ClipSpec, prefix: str) -> dict[str, Entry]:
    embeddings = f"{prefix}embeddings"
    entries = {
        f"{_TOWER}.token_embedding.weight": Entry((f"{embeddings}.token_embedding.weight",)),
        f"{_TOWER}.positional_embedding": Entry((f"{embeddings}.position_embedding.weight",)),
        f"{_TOWER}.text_projection": Entry(("text_projection.weight",), Transposed()),
    }
    entries |= linear(f"{_TOWER}.ln_final", f"{prefix}final_layer_norm")
    return entries | _block_entries(prefix, spec.num_layers)


def _image_entries(spec: ClipSpec, prefix: str) -> dict[str, Entry]:
    embeddings = f"{prefix}embeddings"
    entries = {
        f"{_TOWER}.class_embedding": Entry((f"{embeddings}.class_embedding",)),
        f"{_TOWER}.positional_embedding": Entry((f"{embeddings}.position_embedding.weight",)),
        f"{_TOWER}.conv1.weight": Entry((f"{embeddings}.patch_embedding.weight",)),
    }
    # The missing "e" is transformers' spelling.
    entries |= linear(f"{_TOWER}.ln_pre", f"{prefix}pre_layrnorm")
    return entries | _block_entries(prefix, spec.num_layers)


def _block_entries(prefix: str, num_layers: int) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for i in range(num_layers):
        ours, theirs = f"{_TOWER}.transformer.resblocks.{i}", f"{prefix}encoder.layers.{i}"
        for part in ("weight", "bias"):
            sources = tuple(f"{theirs}.self_attn.{letter}_proj.{part}" for letter in "qkv")
            entries[f"{ours}.attn.in_proj_{part}"] = Entry(sources, StackedRows())
        entries |= linear(f"{ours}.attn.out_proj", f"{theirs}.self_attn.out_proj")
        entries |= linear(f"{ours}.ln_1", f"{theirs}.layer_norm1")
        entries |= linear(f"{ours}.ln_2", f"{theirs}.layer_norm2")
        entries |= linear(f"{ours}.mlp.c_fc", f"{theirs}.mlp.fc1")
        entries |= linear(f"{ours}.mlp.c_proj", f"{theirs}.mlp.fc2")
    return entries
