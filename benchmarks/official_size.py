# SPDX-License-Identifier: GPL-3.0-or-later
"""One guided evaluation and the decode at the published size, side by side with diffusers.

Random weights, so speed only: nothing here says what the published weights produce.
Usage: python -m maquette.benchmarks.official_size [--runs 3] [--threads 2] [--save]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict

import torch
from torch import Tensor

from ..core.conditioning.clip import open_clip_module
from ..core.decoder.stf import Decoder
from ..core.device import choose_dtype
from ..core.diffusion.denoiser import guided_denoiser
from ..core.diffusion.schedule import exp_alphas_cumprod
from ..core.geometry.grid import NodeEvaluator, evaluate_dense
from ..core.prior.transformer import LatentPrior
from ..core.specs import DECODERS, PRIORS
from .timing import Timing, interleaved, save

_GRID = 128
_DIFFUSERS_CHUNK = 4096


def main() -> None:
    """Print a table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    # diffusers imports torchvision too; this makes it importable beside another build of torch.
    open_clip_module()
    rows: dict[str, tuple[Timing, Timing]] = {}
    with torch.inference_mode():
        baseline = _diffusers_guided()
        fastest = choose_dtype(torch.device("cpu"), "auto")
        for dtype in dict.fromkeys((torch.float32, fastest)):
            name = f"guided evaluation, {str(dtype).removeprefix('torch.')}"
            rows[name] = interleaved(_guided(dtype), baseline, runs=arguments.runs)
        del baseline
        rows[f"dense field, {_GRID}^3, fp32"] = interleaved(
            _dense_field(), _diffusers_field(), runs=arguments.runs
        )
    _print_table(rows)
    if arguments.save:
        results = {
            name: {
                "maquette": asdict(ours),
                "diffusers": asdict(theirs),
                "wall_ratio": theirs.wall_seconds / ours.wall_seconds,
                "cpu_ratio": theirs.cpu_seconds / ours.cpu_seconds,
            }
            for name, (ours, theirs) in rows.items()
        }
        sys.stdout.write(f"saved {save('official_size', results)}\n")


def _guided(dtype: torch.dtype) -> Callable[[], Tensor]:
    spec = PRIORS["shap-e-text"]
    prior = _randomised(LatentPrior(spec)).to(dtype)
    condition = torch.randn(1, 1, spec.condition_width)
    denoise = guided_denoiser(
        prior,
        condition,
        torch.zeros_like(condition),
        15.0,
        convention="openai",
        alphas_cumprod=exp_alphas_cumprod(),
    )
    x, sigma = torch.randn(1, spec.num_latents, spec.channels), torch.tensor([1.0])
    return lambda: denoise(x, sigma)


def _diffusers_guided() -> Callable[[], Tensor]:
    from diffusers import PriorTransformer

    prior = _randomised(
        PriorTransformer(
            num_attention_heads=16,
            attention_head_dim=64,
            num_layers=24,
            embedding_dim=1024,
            num_embeddings=1024,
            additional_embeddings=0,
            time_embed_act_fn="gelu",
            norm_in_type="layer",
            encoder_hid_proj_type=None,
            added_emb_type=None,
            time_embed_dim=4096,
            embedding_proj_dim=768,
            clip_embed_dim=2048,
        )
    )
    x, condition = torch.randn(2, 1024, 1024), torch.randn(2, 768)
    return lambda: prior(x, timestep=500, proj_embedding=condition).predicted_image_embedding


def _dense_field() -> Callable[[], Tensor]:
    decoder = _randomised(Decoder(DECODERS["shap-e"]))
    field = decoder.field(torch.randn(1024, 1024))

    def run() -> Tensor:
        evaluator = NodeEvaluator(field.signed_distance, _GRID, torch.device("cpu"))
        return evaluate_dense(evaluator).values

    return run


def _diffusers_field() -> Callable[[], Tensor]:
    from diffusers.pipelines.shap_e.renderer import ShapERenderer

    renderer = _randomised(ShapERenderer())
    latent = torch.randn(1, 1024, 1024)
    axis = torch.linspace(-1, 1, _GRID)
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).view(1, -1, 3)

    def run() -> Tensor:
        # What decode_to_mesh does before marching cubes, whose tables are empty here.
        for name, value in renderer.params_proj(latent).items():
            renderer.mlp.state_dict()[name.removeprefix("nerstf.")].copy_(value[0])
        values = [
            renderer.mlp(position=chunk, direction=None, ts=None, nerf_level="fine").signed_distance
            for chunk in points.split(_DIFFUSERS_CHUNK, dim=1)
        ]
        return torch.cat(values, dim=1)

    return run


def _randomised(module: torch.nn.Module) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.normal_(std=0.02, generator=generator)
    return module.eval()


def _print_table(rows: dict[str, tuple[Timing, Timing]]) -> None:
    lines = [
        f"{'median seconds':32} {'maquette':>9} {'diffusers':>10}"
        f" {'wall ratio':>11} {'cpu ratio':>10}"
    ]
    for name, (ours, theirs) in rows.items():
        lines.append(
            f"{name:32} {ours.wall_seconds:9.2f} {theirs.wall_seconds:10.2f}"
            f" {theirs.wall_seconds / ours.wall_seconds:10.2f}x"
            f" {theirs.cpu_seconds / ours.cpu_seconds:9.2f}x"
        )
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
