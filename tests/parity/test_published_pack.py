# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole published pack: from prompt or picture to latent, against diffusers' pipelines."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    DiffusionPipeline,
    HeunDiscreteScheduler,
    ShapEImg2ImgPipeline,
    ShapEPipeline,
)
from maquette.core.conditioning.clip_text import ClipTextEncoder
from maquette.core.config import GenerationRequest, ReferenceImage
from maquette.core.diffusion.denoiser import guided_denoiser
from maquette.core.diffusion.samplers import sample_heun
from maquette.core.diffusion.schedule import diffusers_sigmas, exp_alphas_cumprod
from maquette.core.interrupt import Check
from maquette.core.packed_linear import PackedLinear, is_available
from maquette.core.published_pack import PublishedPack
from maquette.tests.parity.reference_models import (
    TINY,
    export,
    reference_image_encoder,
    reference_prior,
    reference_renderer,
    reference_text_encoder,
)
from PIL import Image
from torch import Tensor
from transformers import CLIPImageProcessor, CLIPTokenizer

NUM_STEPS = 12
GUIDANCE_SCALE = 4.0
TOLERANCE = 1e-3
"""Relative L2 of a whole run."""

PRIOR = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def scheduler() -> HeunDiscreteScheduler:
    return HeunDiscreteScheduler(
        num_train_timesteps=1024,
        beta_schedule="exp",
        prediction_type="sample",
        use_karras_sigmas=True,
        clip_sample=True,
        clip_sample_range=1.0,
    )


def initial_noise() -> Tensor:
    shape = (1, TINY.text_prior.num_latents * TINY.text_prior.channels)
    return torch.randn(shape, generator=torch.Generator().manual_seed(8))


def reference_latent(pipeline: DiffusionPipeline, asked: object, noise: Tensor) -> Tensor:
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(
        asked,
        latents=noise,
        num_inference_steps=NUM_STEPS,
        guidance_scale=GUIDANCE_SCALE,
        output_type="latent",
    ).images


def our_latent(folder: Path, request: GenerationRequest) -> Tensor:
    pack = PublishedPack(folder, torch.device("cpu"), torch.float32, TINY)
    condition = pack.condition(request).tokens
    denoise = guided_denoiser(
        pack.prior(request),
        condition,
        torch.zeros_like(condition),
        GUIDANCE_SCALE,
        convention="diffusers",
        alphas_cumprod=exp_alphas_cumprod(convention="diffusers"),
    )
    sigmas = diffusers_sigmas(NUM_STEPS)
    noise = initial_noise().view(1, TINY.text_prior.num_latents, TINY.text_prior.channels)
    return sample_heun(denoise, noise * float(sigmas[0]), sigmas, on_step=lambda *_: None)


def relative_l2(actual: Tensor, expected: Tensor) -> float:
    return float((actual - expected).norm() / expected.norm())


def test_prompt_to_latent_equals_diffusers(
    tmp_path: Path, tokenizer: CLIPTokenizer, scheduler: HeunDiscreteScheduler
) -> None:
    prior = reference_prior(TINY.text_prior, seed=11)
    encoder = reference_text_encoder(TINY.text_encoder, seed=12)
    renderer = reference_renderer(TINY.decoder, seed=13)
    export(prior, tmp_path / "text" / "prior", PRIOR)
    export(encoder, tmp_path / "text" / "text_encoder", "model.safetensors")
    export(renderer, tmp_path / "shap_e_renderer", PRIOR)
    pipeline = ShapEPipeline(prior, encoder, tokenizer, scheduler, renderer)
    prompt = "a red mushroom with a white stem"

    latent = our_latent(tmp_path, GenerationRequest(prompt=prompt, pack="shap-e"))

    assert relative_l2(latent, reference_latent(pipeline, prompt, initial_noise())) < TOLERANCE


def test_picture_to_latent_equals_diffusers(
    tmp_path: Path, scheduler: HeunDiscreteScheduler
) -> None:
    prior = reference_prior(TINY.image_prior, seed=14)
    encoder = reference_image_encoder(TINY.image_encoder, seed=15)
    renderer = reference_renderer(TINY.decoder, seed=13)
    # A plain snapshot of the image repository, with pickled weights.
    export(prior, tmp_path / "prior", "diffusion_pytorch_model.bin")
    export(encoder, tmp_path / "image_encoder", "pytorch_model.bin")
    export(renderer, tmp_path / "shap_e_renderer", "diffusion_pytorch_model.bin")
    pipeline = ShapEImg2ImgPipeline(prior, encoder, CLIPImageProcessor(), scheduler, renderer)
    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 4), dtype=np.uint8)
    pixels[..., 3] = 255

    image = ReferenceImage(pixels=pixels, source="test")
    latent = our_latent(tmp_path, GenerationRequest(image=image, pack="shap-e"))

    # Unlike the text pipeline, this one takes noise that is already scaled.
    noise = initial_noise() * float(diffusers_sigmas(NUM_STEPS)[0])
    expected = reference_latent(pipeline, Image.fromarray(pixels[..., :3]), noise)
    assert relative_l2(latent, expected) < TOLERANCE


@pytest.fixture
def half_pack(tmp_path: Path) -> Path:
    """A pack for prompts whose renderer is in half precision, as it is published."""
    export(reference_prior(TINY.text_prior, seed=11), tmp_path / "text" / "prior", PRIOR)
    encoder = reference_text_encoder(TINY.text_encoder, seed=12)
    export(encoder, tmp_path / "text" / "text_encoder", "model.safetensors")
    renderer = reference_renderer(TINY.decoder, seed=13).half()
    export(renderer, tmp_path / "shap_e_renderer", PRIOR)
    return tmp_path


def test_the_projection_stays_as_small_as_its_file_and_computes_in_full(half_pack: Path) -> None:
    """Half precision in the file is exact in fp32, so only the order of sums may differ."""
    cpu = torch.device("cpu")
    kept = PublishedPack(half_pack, cpu, torch.bfloat16, TINY).decoder
    widened = PublishedPack(half_pack, cpu, torch.bfloat16, TINY).decoder.float()
    latent = torch.randn(
        1, TINY.decoder.num_latents, TINY.decoder.channels, generator=torch.Generator()
    )

    # The first one was loaded apart, since `float` converts in place.
    dtypes = {matrix.weight.dtype for matrix in kept.params_proj.matrices}
    assert dtypes == {torch.float16}
    assert {parameter.dtype for parameter in kept.mlp.parameters()} == {torch.float32}
    for matrix, expected in zip(kept.weights(latent), widened.weights(latent), strict=True):
        assert matrix.dtype == torch.float32
        torch.testing.assert_close(matrix, expected, rtol=1e-5, atol=1e-5)


def test_a_projection_in_full_precision_stays_in_its_file(half_pack: Path) -> None:
    cpu = torch.device("cpu")
    latent = torch.ones(1, TINY.decoder.num_latents, TINY.decoder.channels)
    in_half = PublishedPack(half_pack, cpu, torch.bfloat16, TINY).decoder.weights(latent)
    folder = half_pack / "shap_e_renderer"
    # The same numbers, which half precision can hold, in files twice as large.
    export(reference_renderer(TINY.decoder, seed=13).half().float(), folder, PRIOR)
    pack = PublishedPack(half_pack, cpu, torch.bfloat16, TINY)
    first = pack.decoder

    assert all(matrix.weight is None for matrix in first.params_proj.matrices)
    for matrix, expected in zip(first.weights(latent), in_half, strict=True):
        assert torch.equal(matrix, expected)
    assert pack.decoder is first

    # Another file in its place, such as that of another version, is read anew and whole.
    (folder / PRIOR).unlink()
    export(reference_renderer(TINY.decoder, seed=14).half(), folder, PRIOR)
    assert not torch.equal(pack.decoder.weights(latent)[0], in_half[0])


@torch.inference_mode()
def test_a_prior_in_bf16_answers_nearly_as_diffusers_in_full(half_pack: Path) -> None:
    """Rounding to eight bits in every layer; a head or a matrix in the wrong place would be off by
    the whole answer."""
    request, generator = GenerationRequest(prompt="a chair", pack="shap-e"), torch.Generator()
    spec = TINY.text_prior
    x = torch.randn(2, spec.num_latents, spec.channels, generator=generator)
    timestep = torch.tensor([300.0, 12.5])
    condition = torch.randn(2, spec.condition_width, generator=generator)
    reference = reference_prior(spec, seed=11)
    expected = reference(x, timestep, condition).predicted_image_embedding.chunk(2, dim=-1)[0]

    prior = PublishedPack(half_pack, torch.device("cpu"), torch.bfloat16, TINY).prior(request)

    assert 0 < relative_l2(prior(x, timestep, condition[:, None]), expected) < 0.03
    assert isinstance(prior.blocks[0].attn.qkv, PackedLinear) == is_available()


def test_the_encoder_is_dropped_and_its_last_answer_remembered(
    half_pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = PublishedPack(half_pack, torch.device("cpu"), torch.float32, TINY)
    loaded: list[weakref.ref[ClipTextEncoder]] = []
    load = PublishedPack._load_text_encoder

    def load_and_watch(self: PublishedPack, check: Check) -> ClipTextEncoder:
        encoder = load(self, check)
        loaded.append(weakref.ref(encoder))
        return encoder

    monkeypatch.setattr(PublishedPack, "_load_text_encoder", load_and_watch)

    first = pack.condition(GenerationRequest(prompt="a red chair")).tokens
    again = pack.condition(GenerationRequest(prompt="a red chair", seed=3)).tokens
    other = pack.condition(GenerationRequest(prompt="a blue cup")).tokens

    gc.collect()
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert [encoder() for encoder in loaded] == [None, None]
