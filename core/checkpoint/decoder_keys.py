# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the decoder's tensors: OpenAI's transmitter, diffusers' renderer, our own files."""

from __future__ import annotations

from collections.abc import Collection

from ..specs import DecoderSpec
from .contents import DECODER
from .key_maps import Entry, Ignored, KeyMap, linear


def decoder_key_map(spec: DecoderSpec, names: Collection[str]) -> KeyMap:
    """Return the map that fits the names in a file."""
    if any(name.startswith("renderer.nerstf.") for name in names):
        # `vector_decoder.pt` is the transmitter without its encoder.
        prefix = "encoder." if any(name.startswith("encoder.") for name in names) else ""
        entries = _published_entries(spec, f"{prefix}params_proj", "renderer.nerstf.mlp")
        ignored = (
            *_generated_weights(spec, "renderer.nerstf.mlp"),
            Ignored(r"renderer\.void\.background", (3,)),
            # The way from a mesh to a latent, which is another model.
            Ignored(_ENCODER_ONLY),
        )
        return KeyMap(holds=DECODER, entries=entries, ignored=ignored)
    if any(name.startswith("mlp.mlp.") for name in names):
        entries = _published_entries(spec, "params_proj", "mlp.mlp")
        ignored = (
            *_generated_weights(spec, "mlp.mlp"),
            Ignored(r"void\.background", (3,)),
            # Marching cubes tables; ours are in core/geometry.
            Ignored(r"mesh_decoder\.cases", (256, 5, 3)),
            Ignored(r"mesh_decoder\.masks", (256, 5)),
        )
        return KeyMap(holds=DECODER, entries=entries, ignored=ignored)
    return KeyMap(holds=DECODER, entries=None)


_BLOCK = r"resblocks\.\d+\.(attn\.c_(q|kv|qkv|proj)|ln_[123]|mlp\.c_(fc|proj))"
_ENCODER_ONLY = (
    r"encoder\.(output_tokens|mv_pcl_embed\.unk_token"
    rf"|((encoder\.[01]|processor)\.{_BLOCK}"
    r"|ln_pre|ln_post|output_proj|input_proj|mv_pcl_embed|patch_emb"
    r"|point_conv\.mlp_convs\.\d+)\.(weight|bias))"
)


def _published_entries(spec: DecoderSpec, params_proj: str, mlp: str) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for i in range(spec.num_generated):
        ours = f"params_proj.matrices.{i}"
        theirs = f"{params_proj}.projections.nerstf__mlp__{i}__weight"
        entries |= linear(ours, f"{theirs}.proj")
        entries |= linear(f"{ours}.norm", f"{theirs}.norm")
        entries[f"mlp.generated_biases.{i}"] = Entry((f"{mlp}.{i}.bias",))
    for i in range(spec.num_generated, spec.num_hidden):
        entries |= linear(f"mlp.shared.{i - spec.num_generated}", f"{mlp}.{i}")
    return entries | linear("mlp.output", f"{mlp}.{spec.num_hidden}")


def _generated_weights(spec: DecoderSpec, mlp: str) -> tuple[Ignored, ...]:
    """Return the matrices that every latent overwrites; what a file holds is one old shape's."""
    return tuple(
        Ignored(rf"{mlp}.{i}.weight".replace(".", r"\."), shape)
        for i, shape in enumerate(spec.generated_shapes())
    )
