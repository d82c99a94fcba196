# SPDX-License-Identifier: GPL-3.0-or-later
"""Reference models with seeded random weights, and their export in the published layouts.

Imported by tests as `maquette.tests.parity.reference_models`. Weights are drawn wider than
libraries initialise them, so that every tensor matters for the output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch
from maquette.core.checkpoint.pack_layout import PublishedSpecs
from maquette.core.conditioning.clip import open_clip_module
from maquette.core.specs import (
    CLIPS,
    DECODERS,
    PRIORS,
    ClipSpec,
    DecoderSpec,
    EncoderSpec,
    PriorSpec,
)
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

# Imported first, because transformers also needs a torchvision that can be imported.
open_clip_module()

from diffusers import PriorTransformer  # noqa: E402
from diffusers.pipelines.shap_e.renderer import ShapERenderer  # noqa: E402
from transformers import (  # noqa: E402
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModel,
)

M = TypeVar("M", bound=nn.Module)

DATA = Path(__file__).parent / "data"

_TINY_PRIOR = {"num_latents": 64, "channels": 32, "width": 64, "num_layers": 3}

TINY = PublishedSpecs(
    text_prior=replace(PRIORS["shap-e-text"], num_heads=4, condition_width=48, **_TINY_PRIOR),
    image_prior=replace(PRIORS["shap-e-image"], num_heads=2, condition_width=64, **_TINY_PRIOR),
    decoder=replace(DECODERS["shap-e"], num_latents=64, channels=32, hidden_width=16),
    text_encoder=replace(
        CLIPS["vit-l-14-text"], width=64, num_layers=2, num_heads=4, embedding_width=48
    ),
    image_encoder=replace(
        CLIPS["vit-l-14-image"], width=64, num_layers=2, num_heads=2, embedding_width=48
    ),
)
"""The published architectures at reduced widths."""

TINY_OPENAI_PRIOR = replace(TINY.text_prior, condition_width=768)
TINY_OPENAI_DECODER = TINY.decoder
TINY_OPENAI_ENCODER = EncoderSpec(
    num_latents=64,
    channels=32,
    width=32,
    num_layers=4,
    num_heads=4,
    num_points=256,
    num_views=3,
    image_size=32,
    num_centers=24,
    num_neighbors=16,
    conv_widths=(32, 32),
)
"""The sizes of the recorded numbers of OpenAI's code."""


def recorded(name: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the state dict and the other tensors of a file recorded with OpenAI's code."""
    tensors = load_file(DATA / f"{name}.safetensors")
    state = {key.removeprefix("sd."): t for key, t in tensors.items() if key.startswith("sd.")}
    rest = {key: t for key, t in tensors.items() if not key.startswith("sd.")}
    return state, rest


def reference_prior(spec: PriorSpec, seed: int) -> PriorTransformer:
    """Return diffusers' prior."""
    with torch.device("meta"):
        model = PriorTransformer(
            num_attention_heads=spec.num_heads,
            attention_head_dim=spec.width // spec.num_heads,
            num_layers=spec.num_layers,
            embedding_dim=spec.channels,
            num_embeddings=spec.num_latents,
            additional_embeddings=0,
            time_embed_act_fn="gelu",
            norm_in_type="layer",
            embedding_proj_norm_type="layer" if spec.normalizes_condition else None,
            encoder_hid_proj_type=None,
            added_emb_type=None,
            time_embed_dim=4 * spec.width,
            embedding_proj_dim=spec.condition_width,
            clip_embed_dim=2 * spec.channels,
        )
    return randomise(model, seed)


def reference_renderer(spec: DecoderSpec, seed: int) -> ShapERenderer:
    """Return diffusers' renderer, its marching cubes tables still empty."""
    model = ShapERenderer(
        param_shapes=spec.generated_shapes(),
        d_latent=spec.channels,
        d_hidden=spec.hidden_width,
        n_output=sum(width for _, width in spec.heads),
        n_hidden_layers=spec.num_hidden,
        insert_direction_at=spec.direction_layer,
    )
    randomise(model, seed)
    for projection in model.params_proj.projections.values():
        # The published scale of generated weights, 1/16 at width 256: it keeps outputs near one.
        for tensor in (projection.norm.weight, projection.norm.bias, projection.proj.bias):
            tensor *= spec.hidden_width**-0.5
    return model


def reference_text_encoder(spec: ClipSpec, seed: int) -> CLIPTextModelWithProjection:
    """Return transformers' text tower."""
    config = CLIPTextConfig(
        hidden_size=spec.width,
        intermediate_size=4 * spec.width,
        num_hidden_layers=spec.num_layers,
        num_attention_heads=spec.num_heads,
        projection_dim=spec.embedding_width,
        vocab_size=spec.vocabulary_size,
        max_position_embeddings=spec.context_length,
        hidden_act="quick_gelu",
    )
    with torch.device("meta"):
        model = CLIPTextModelWithProjection(config)
    return number_positions(randomise(model, seed))


def reference_image_encoder(spec: ClipSpec, seed: int) -> CLIPVisionModel:
    """Return transformers' image tower."""
    config = CLIPVisionConfig(
        hidden_size=spec.width,
        intermediate_size=4 * spec.width,
        num_hidden_layers=spec.num_layers,
        num_attention_heads=spec.num_heads,
        image_size=spec.image_size,
        patch_size=spec.patch_size,
        projection_dim=spec.embedding_width,
        hidden_act="quick_gelu",
    )
    with torch.device("meta"):
        model = CLIPVisionModel(config)
    return number_positions(randomise(model, seed))


def randomise(model: M, seed: int) -> M:
    """Fill a model, given on any device, with seeded weights on the CPU; its buffers with zeros.

    Norms keep their scale near one and matrices their outputs near unit variance, so that deep
    models stay in the range in which the trained ones work.
    """
    generator = torch.Generator().manual_seed(seed)
    if any(tensor.is_meta for tensor in model.state_dict().values()):
        model = model.to_empty(device="cpu")
        for buffer in model.buffers():
            buffer.zero_()
    for name, parameter in model.named_parameters():
        is_scale = parameter.ndim == 1 and name.endswith("weight")
        fan_in = parameter[0].numel() if parameter.ndim > 1 else 100
        values = parameter.data.normal_(0, fan_in**-0.5, generator=generator)
        if is_scale:
            values += 1
    return model.requires_grad_(False).eval()


def number_positions(model: M) -> M:
    """Give transformers' models back the one buffer that is not a weight."""
    for name, buffer in model.named_buffers():
        if name.endswith("position_ids"):
            buffer.copy_(torch.arange(buffer.shape[1])[None])
    return model


def export(model: nn.Module, folder: Path, name: str, *, half: bool = False) -> Path:
    """Write a reference model as its published repository does: config.json and weights."""
    folder.mkdir(parents=True, exist_ok=True)
    config = model.config
    if hasattr(config, "to_json_file"):
        config.to_json_file(folder / "config.json", use_diff=False)
    else:
        model.save_config(folder)
    state = published_state(model)
    if half:
        state = {key: t.half() if t.is_floating_point() else t for key, t in state.items()}
    return write(state, folder / name)


def published_state(model: nn.Module) -> dict[str, Tensor]:
    """Return the state dict under the published names."""
    state = dict(model.state_dict())
    if isinstance(model, CLIPVisionModel):
        # The published file was written by transformers 4, which named the inner model.
        state = {f"vision_model.{key.removeprefix('vision_model.')}": t for key, t in state.items()}
    return state


def write(state: Mapping[str, Tensor], path: Path) -> Path:
    """Write tensors in the format that the suffix stands for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        save_file(dict(state), path)
    else:
        torch.save(dict(state), path)
    return path
