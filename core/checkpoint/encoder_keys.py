# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the encoder's tensors: OpenAI's transmitter, our own files."""

from __future__ import annotations

from collections.abc import Collection

from ..specs import EncoderSpec
from .contents import DECODER, ENCODER
from .key_maps import Entry, HeadShare, Ignored, KeyMap, linear

_QUERIES, _KEYS_AND_VALUES = (0,), (1, 2)


def encoder_key_map(spec: EncoderSpec, names: Collection[str]) -> KeyMap:
    """Return the map that fits the names in a file."""
    if not any(name.startswith(("encoder.", "renderer.")) for name in names):
        return KeyMap(holds=ENCODER, entries=None)
    ignored = (
        # From a latent on: the decoder, which is another model in the same file.
        Ignored(
            r"encoder\.params_proj\.projections\.nerstf__mlp__\d+__weight"
            r"\.(proj|norm)\.(weight|bias)"
        ),
        Ignored(r"params_proj\.projections\.nerstf__mlp__\d+__weight\.(proj|norm)\.(weight|bias)"),
        Ignored(r"renderer\.nerstf\.mlp\.\d+\.(weight|bias)"),
        Ignored(r"renderer\.void\.background", (3,)),
    )
    return KeyMap(holds=ENCODER, beside=DECODER, entries=_entries(spec), ignored=ignored)


def _entries(spec: EncoderSpec) -> dict[str, Entry]:
    entries = {
        "output_tokens": Entry(("encoder.output_tokens",)),
        "views_in.background": Entry(("encoder.mv_pcl_embed.unk_token",)),
    }
    entries |= linear("views_in.pixels", "encoder.mv_pcl_embed")
    entries |= linear("views_in.patches", "encoder.patch_emb")
    entries |= linear("point_in", "encoder.input_proj")
    entries |= linear("norm_in", "encoder.ln_pre")
    entries |= linear("norm_out", "encoder.ln_post")
    entries |= linear("latent_out", "encoder.output_proj")
    for i in range(len(spec.conv_widths)):
        entries |= linear(f"neighborhoods.convs.{i}", f"encoder.point_conv.mlp_convs.{i}")
    for i, name in enumerate(("read_points", "read_views")):
        entries |= _reading_block(name, f"encoder.encoder.{i}.resblocks.0", spec.num_heads)
    for i in range(spec.num_layers - 1):
        entries |= _self_block(f"blocks.{i}", f"encoder.processor.resblocks.{i}", spec.num_heads)
    return entries


def _reading_block(ours: str, theirs: str, num_heads: int) -> dict[str, Entry]:
    entries = linear(f"{ours}.attn.q", f"{theirs}.attn.c_q")
    entries |= _share(f"{ours}.attn.kv", f"{theirs}.attn.c_kv", HeadShare(num_heads, (0, 1), of=2))
    entries |= linear(f"{ours}.norm_data", f"{theirs}.ln_2")
    return entries | _rest_of_block(ours, theirs, norm_mlp="ln_3")


def _self_block(ours: str, theirs: str, num_heads: int) -> dict[str, Entry]:
    qkv = f"{theirs}.attn.c_qkv"
    entries = _share(f"{ours}.attn.q", qkv, HeadShare(num_heads, _QUERIES, of=3))
    entries |= _share(f"{ours}.attn.kv", qkv, HeadShare(num_heads, _KEYS_AND_VALUES, of=3))
    return entries | _rest_of_block(ours, theirs, norm_mlp="ln_2")


def _rest_of_block(ours: str, theirs: str, *, norm_mlp: str) -> dict[str, Entry]:
    entries = linear(f"{ours}.attn.out", f"{theirs}.attn.c_proj")
    entries |= linear(f"{ours}.norm_attn", f"{theirs}.ln_1")
    entries |= linear(f"{ours}.norm_mlp", f"{theirs}.{norm_mlp}")
    entries |= linear(f"{ours}.mlp.fc", f"{theirs}.mlp.c_fc")
    return entries | linear(f"{ours}.mlp.proj", f"{theirs}.mlp.c_proj")


def _share(ours: str, theirs: str, layout: HeadShare) -> dict[str, Entry]:
    return {f"{ours}.{part}": Entry((f"{theirs}.{part}",), layout) for part in ("weight", "bias")}
