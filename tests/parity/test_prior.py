# SPDX-License-Identifier: GPL-3.0-or-later
"""The prior, read from published layouts, against diffusers and OpenAI's recorded numbers."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import pytest
import torch
from diffusers import PriorTransformer
from maquette.core.checkpoint.loader import load_module
from maquette.core.checkpoint.pack_layout import read_layout
from maquette.core.checkpoint.prior_keys import prior_key_map
from maquette.core.prior.transformer import LatentPrior
from maquette.core.specs import PRIORS, PriorSpec
from maquette.tests.parity.reference_models import (
    TINY,
    TINY_OPENAI_PRIOR,
    export,
    recorded,
    reference_prior,
    write,
)
from torch import Tensor

TOLERANCE = 1e-5
"""Largest difference, relative to the largest value; outputs are of order one."""


def load_prior(path: Path, spec: PriorSpec) -> LatentPrior:
    return load_module(lambda: LatentPrior(spec), path, partial(prior_key_map, spec))


def prior_inputs(spec: PriorSpec, timesteps: list[float]) -> tuple[Tensor, Tensor, Tensor]:
    """Return noisy latents, timesteps and conditions, of which the last row is unconditional."""
    generator = torch.Generator().manual_seed(5)
    num_tokens = 256 if spec.normalizes_condition else 1
    batch = len(timesteps)
    x = torch.randn(batch, spec.num_latents, spec.channels, generator=generator)
    condition = torch.randn(batch, num_tokens, spec.condition_width, generator=generator)
    condition[-1] = 0
    return x, torch.tensor(timesteps), condition


@torch.inference_mode()
def reference_output(
    model: PriorTransformer, x: Tensor, timestep: Tensor, condition: Tensor
) -> Tensor:
    embedding = condition if condition.shape[1] > 1 else condition[:, 0]
    return model(x, timestep, embedding).predicted_image_embedding


@torch.inference_mode()
def assert_prior_agrees(
    reference: PriorTransformer, ours: LatentPrior, timesteps: list[float]
) -> None:
    x, timestep, condition = prior_inputs(ours.spec, timesteps)
    expected = reference_output(reference, x, timestep, condition)

    both = ours.forward_with_variance(x, timestep, condition)

    tolerance = TOLERANCE * max(1.0, expected.abs().max().item())
    torch.testing.assert_close(both, expected, rtol=0, atol=tolerance)


@torch.inference_mode()
def test_what_samplers_read_is_the_first_half_of_the_output(tmp_path: Path) -> None:
    reference = reference_prior(TINY.text_prior, seed=1)
    path = export(reference, tmp_path, "diffusion_pytorch_model.safetensors")
    x, timestep, condition = prior_inputs(TINY.text_prior, [100.0, 900.0])

    denoised = load_prior(path, TINY.text_prior)(x, timestep, condition)

    clean, variance = reference_output(reference, x, timestep, condition).chunk(2, dim=-1)
    torch.testing.assert_close(denoised, clean, rtol=0, atol=TOLERANCE)
    assert (clean - variance).abs().max() > 0.1


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
@pytest.mark.parametrize("part", ["text", "image"])
def test_prior_of_a_hub_folder_equals_diffusers(tmp_path: Path, part: str, suffix: str) -> None:
    spec = TINY.text_prior if part == "text" else TINY.image_prior
    reference = reference_prior(spec, seed=1)
    export(reference, tmp_path / part / "prior", f"diffusion_pytorch_model.{suffix}")

    layout = read_layout(tmp_path, TINY)
    component = layout.text_prior if part == "text" else layout.image_prior
    assert component is not None
    ours = load_prior(component.path, component.spec)

    assert_prior_agrees(reference, ours, [865.0, 12.75, 0.0, 431.5])


@pytest.mark.parametrize("spec", [TINY.text_prior, TINY.image_prior], ids=["text", "image"])
def test_half_precision_file_equals_diffusers_with_rounded_weights(
    tmp_path: Path, spec: PriorSpec
) -> None:
    reference = reference_prior(spec, seed=2)
    path = export(reference, tmp_path, "diffusion_pytorch_model.fp16.safetensors", half=True)
    for parameter in reference.parameters():
        parameter.copy_(parameter.half())

    assert_prior_agrees(reference, load_prior(path, spec), [700.0, 3.0])


def test_prior_equals_the_recorded_output_of_openai(tmp_path: Path) -> None:
    state, data = recorded("diffusion_text_tiny")
    ours = load_prior(write(state, tmp_path / "text_cond.pt"), TINY_OPENAI_PRIOR)
    x = data["in.x"].unflatten(1, (64, 32))
    # OpenAI's network multiplies the unit vector by sqrt(768) itself; row 2 is unconditional.
    condition = data["in.embeddings"][:, None] * math.sqrt(768)

    with torch.inference_mode():
        both = ours.forward_with_variance(x, data["in.t"], condition)

    expected = data["out.model_output"].unflatten(1, (2, 64, 32))
    assert data["in.embeddings"][2].count_nonzero() == 0
    torch.testing.assert_close(both[..., :32], expected[:, 0], rtol=0, atol=TOLERANCE)
    torch.testing.assert_close(both[..., 32:], expected[:, 1], rtol=0, atol=TOLERANCE)


def openai_state(reference: PriorTransformer, spec: PriorSpec) -> dict[str, Tensor]:
    """Rename diffusers' tensors as OpenAI's files have them, q, k and v interleaved per head."""
    theirs = reference.state_dict()
    state = {"wrapped.pos_emb": theirs["positional_embedding"][0]}
    names = {
        "time_embed.c_fc": "time_embedding.linear_1",
        "time_embed.c_proj": "time_embedding.linear_2",
        "input_proj": "proj_in",
        "output_proj": "proj_to_clip_embeddings",
        "ln_pre": "norm_in",
        "ln_post": "norm_out",
    }
    if spec.normalizes_condition:
        names |= {"clip_embed.0": "embedding_proj_norm", "clip_embed.1": "embedding_proj"}
    else:
        names |= {"clip_embed": "embedding_proj"}
    for i in range(spec.num_layers):
        block, source = f"backbone.resblocks.{i}", f"transformer_blocks.{i}"
        names |= {
            f"{block}.attn.c_proj": f"{source}.attn1.to_out.0",
            f"{block}.ln_1": f"{source}.norm1",
            f"{block}.ln_2": f"{source}.norm3",
            f"{block}.mlp.c_fc": f"{source}.ff.net.0.proj",
            f"{block}.mlp.c_proj": f"{source}.ff.net.2",
        }
        for part in ("weight", "bias"):
            per_head = [
                theirs[f"{source}.attn1.to_{letter}.{part}"].chunk(spec.num_heads)
                for letter in "qkv"
            ]
            rows = [rows for head in zip(*per_head, strict=True) for rows in head]
            state[f"wrapped.{block}.attn.c_qkv.{part}"] = torch.cat(rows)
    for name, source in names.items():
        for part in ("weight", "bias"):
            state[f"wrapped.{name}.{part}"] = theirs[f"{source}.{part}"]
    return state


@pytest.mark.parametrize("spec", [TINY.text_prior, TINY.image_prior], ids=["text", "image"])
def test_both_layouts_hold_the_same_model(tmp_path: Path, spec: PriorSpec) -> None:
    reference = reference_prior(spec, seed=3)
    name = "image_cond.pt" if spec.normalizes_condition else "text_cond.pt"
    ours = load_prior(write(openai_state(reference, spec), tmp_path / name), spec)

    assert_prior_agrees(reference, ours, [500.0, 20.0])


@pytest.mark.parametrize(
    ("part", "timesteps"), [("shap-e-text", [640.25, 3.0]), ("shap-e-image", [640.25, 3.0])]
)
def test_prior_of_official_size_equals_diffusers(
    tmp_path: Path, part: str, timesteps: list[float]
) -> None:
    spec = PRIORS[part]
    reference = reference_prior(spec, seed=4)
    path = export(reference, tmp_path, "diffusion_pytorch_model.safetensors")

    ours = load_prior(path, spec)
    path.unlink()

    assert (
        sum(p.numel() for p in ours.parameters())
        == {
            "shap-e-text": 315_692_032,
            "shap-e-image": 315_956_224,
        }[part]
    )
    assert_prior_agrees(reference, ours, timesteps)
