# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the prior's tensors: OpenAI's files, diffusers' files, our own files."""

from __future__ import annotations

from collections.abc import Collection

from ..specs import PriorSpec
from .contents import IMAGE_PRIOR, TEXT_PRIOR
from .key_maps import Entry, Ignored, InterleavedHeads, KeyMap, LeadingOne, linear, stacked


def prior_key_map(spec: PriorSpec, names: Collection[str]) -> KeyMap:
    """Return the map that fits the names in a file."""
    holds = IMAGE_PRIOR if spec.normalizes_condition else TEXT_PRIOR
    if any(name.startswith("wrapped.") for name in names):
        return KeyMap(holds=holds, entries=_openai_entries(spec))
    if "proj_to_clip_embeddings.weight" in names:
        # Mean and spread of CLIP embeddings, a leftover that is all zeros in the published files.
        unused = Ignored(r"clip_(mean|std)", (1, 2 * spec.channels))
        return KeyMap(holds=holds, entries=_diffusers_entries(spec), ignored=(unused,))
    return KeyMap(holds=holds, entries=None)


def _openai_entries(spec: PriorSpec) -> dict[str, Entry]:
    entries = {"position_embedding": Entry(("wrapped.pos_emb",))}
    entries |= linear("time_embed.fc", "wrapped.time_embed.c_fc")
    entries |= linear("time_embed.proj", "wrapped.time_embed.c_proj")
    entries |= linear("latent_in", "wrapped.input_proj")
    entries |= linear("latent_out", "wrapped.output_proj")
    entries |= linear("norm_in", "wrapped.ln_pre")
    entries |= linear("norm_out", "wrapped.ln_post")
    if spec.normalizes_condition:
        entries |= linear("condition_norm", "wrapped.clip_embed.0")
        entries |= linear("condition_in", "wrapped.clip_embed.1")
    else:
        entries |= linear("condition_in", "wrapped.clip_embed")
    interleaved = InterleavedHeads(spec.num_heads)
    for i in range(spec.num_layers):
        ours, theirs = f"blocks.{i}", f"wrapped.backbone.resblocks.{i}"
        for part in ("weight", "bias"):
            source = f"{theirs}.attn.c_qkv.{part}"
            entries[f"{ours}.attn.qkv.{part}"] = Entry((source,), interleaved)
        entries |= linear(f"{ours}.attn.out", f"{theirs}.attn.c_proj")
        entries |= linear(f"{ours}.norm_attn", f"{theirs}.ln_1")
        entries |= linear(f"{ours}.norm_mlp", f"{theirs}.ln_2")
        entries |= linear(f"{ours}.mlp.fc", f"{theirs}.mlp.c_fc")
        entries |= linear(f"{ours}.mlp.proj", f"{theirs}.mlp.c_proj")
    return entries


def _diffusers_entries(spec: PriorSpec) -> dict[str, Entry]:
    entries = {"position_embedding": Entry(("positional_embedding",), LeadingOne())}
    entries |= linear("time_embed.fc", "time_embedding.linear_1")
    entries |= linear("time_embed.proj", "time_embedding.linear_2")
    entries |= linear("latent_in", "proj_in")
    entries |= linear("latent_out", "proj_to_clip_embeddings")
    entries |= linear("norm_in", "norm_in")
    entries |= linear("norm_out", "norm_out")
    if spec.normalizes_condition:
        entries |= linear("condition_norm", "embedding_proj_norm")
    entries |= linear("condition_in", "embedding_proj")
    for i in range(spec.num_layers):
        ours, theirs = f"blocks.{i}", f"transformer_blocks.{i}"
        projections = [f"{theirs}.attn1.to_{letter}" for letter in "qkv"]
        entries |= stacked(f"{ours}.attn.qkv", projections)
        entries |= linear(f"{ours}.attn.out", f"{theirs}.attn1.to_out.0")
        entries |= linear(f"{ours}.norm_attn", f"{theirs}.norm1")
        entries |= linear(f"{ours}.norm_mlp", f"{theirs}.norm3")
        entries |= linear(f"{ours}.mlp.fc", f"{theirs}.ff.net.0.proj")
        entries |= linear(f"{ours}.mlp.proj", f"{theirs}.ff.net.2")
    return entries
