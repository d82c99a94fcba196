# SPDX-License-Identifier: GPL-3.0-or-later
"""The `config.json` beside published weights, held against our specs.

Shapes alone do not tell everything: the same weights with another number of heads would load
and compute nonsense.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from ..errors import CheckpointError
from ..specs import ClipSpec, DecoderSpec, PriorSpec

PublishedSpec: TypeAlias = PriorSpec | DecoderSpec | ClipSpec


def check_hub_config(path: Path, spec: PublishedSpec) -> None:
    """Compare a config.json with a spec; a missing file is accepted, since shapes still count.

    Keys that the file leaves out stand for their library's defaults, which we cannot know for
    every version, so only what is written is compared.

    Raises:
        CheckpointError: naming the first difference.
    """
    if not path.is_file():
        return
    found = _read(path)
    for key, expected in _expected(spec).items():
        if key in found and found[key] != expected:
            raise CheckpointError(path, f"says {key} = {found[key]!r}, expected {expected!r}")


def hub_config(spec: PriorSpec) -> dict[str, object]:
    """Return the config.json of published weights of this architecture."""
    return _prior_config(spec)


def says_image_prior(config: Path, image_encoder: Path) -> bool:
    """Tell whether a repository's only prior takes images; by its encoder if nothing is said."""
    if not config.is_file():
        return image_encoder.is_dir()
    return _read(config).get("embedding_proj_norm_type") is not None


def _read(path: Path) -> Mapping[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(path, f"cannot be read ({error}): fetch it again") from error
    if not isinstance(content, dict):
        raise CheckpointError(path, "is not a configuration: fetch it again")
    return content


def _expected(spec: PublishedSpec) -> dict[str, object]:
    if isinstance(spec, PriorSpec):
        return _prior_config(spec)
    if isinstance(spec, DecoderSpec):
        return _decoder_config(spec)
    return _clip_config(spec)


def _prior_config(spec: PriorSpec) -> dict[str, object]:
    return {
        "_class_name": "PriorTransformer",
        "embedding_proj_norm_type": "layer" if spec.normalizes_condition else None,
        "embedding_proj_dim": spec.condition_width,
        "num_attention_heads": spec.num_heads,
        "attention_head_dim": spec.width // spec.num_heads,
        "num_layers": spec.num_layers,
        "embedding_dim": spec.channels,
        "num_embeddings": spec.num_latents,
        "additional_embeddings": 0,
        "clip_embed_dim": 2 * spec.channels,
        "time_embed_dim": 4 * spec.width,
        "time_embed_act_fn": "gelu",
        "norm_in_type": "layer",
        "encoder_hid_proj_type": None,
        "added_emb_type": None,
    }


def _decoder_config(spec: DecoderSpec) -> dict[str, object]:
    return {
        "_class_name": "ShapERenderer",
        "d_latent": spec.channels,
        "d_hidden": spec.hidden_width,
        "n_hidden_layers": spec.num_hidden,
        "n_output": sum(width for _, width in spec.heads),
        "insert_direction_at": spec.direction_layer,
        "act_fn": "swish",
        "param_names": [f"nerstf.mlp.{i}.weight" for i in range(spec.num_generated)],
        "param_shapes": [list(shape) for shape in spec.generated_shapes()],
    }


def _clip_config(spec: ClipSpec) -> dict[str, object]:
    config: dict[str, object] = {
        "hidden_size": spec.width,
        "intermediate_size": 4 * spec.width,
        "num_hidden_layers": spec.num_layers,
        "num_attention_heads": spec.num_heads,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
    }
    if spec.kind == "text":
        return config | {
            "model_type": "clip_text_model",
            "projection_dim": spec.embedding_width,
            "vocab_size": spec.vocabulary_size,
            "max_position_embeddings": spec.context_length,
        }
    return config | {
        "model_type": "clip_vision_model",
        "image_size": spec.image_size,
        "patch_size": spec.patch_size,
        "num_channels": 3,
    }
