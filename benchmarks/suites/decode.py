# SPDX-License-Identifier: GPL-3.0-or-later
"""From a latent to a mesh with vertex colors, all of it, at the published size and 128 samples."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import cache

import torch
from torch import Tensor

from ...core.config import GenerationRequest
from ...core.decoder.stf import Decoder, SignedDistanceField
from ...core.device import choose_color_dtype
from ...core.mesh import MeshData
from ...core.meshing import mesh_from_field
from ...core.specs import DECODERS
from ..baselines import diffusers_models
from ..fields import decoder_of
from ..options import Options
from ..rows import Row, ratio_row
from ..timing import Timing, in_turn

DIFFUSERS = "diffusers decode_to_mesh"
_METRIC, _GOAL = "latent to colored mesh, 128³", 10.0
_SHAPE = "chair"
_CPU = torch.device("cpu")


def rows(options: Options) -> list[Row]:
    """Compare with diffusers, in fp32 on both sides but for our colors."""
    missing = diffusers_models.why_missing()
    if missing:
        return [Row(metric=_METRIC, baseline=DIFFUSERS, goal=_GOAL, note=missing)]
    found = decodes(options)
    note = "ours also drops specks, computes normals and sets the mesh on the ground"
    return [
        ratio_row(
            _METRIC,
            found["ours"],
            found[DIFFUSERS],
            baseline=DIFFUSERS,
            goal=_GOAL,
            note=note,
        )
    ]


@cache
def decodes(options: Options) -> dict[str, Timing]:
    """Time both; later suites read the same figures."""
    with torch.inference_mode():
        calls: dict[str, Callable[[], object]] = {"ours": _ours(decoder_of(_SHAPE))}
        if not diffusers_models.why_missing():
            calls[DIFFUSERS] = _theirs()
        return in_turn(calls, runs=1 if options.is_quick else 2, warm_up=False)


def _ours(decoder: Decoder) -> Callable[[], MeshData]:
    request = GenerationRequest(prompt="x", texture_size=0)
    color_dtype = choose_color_dtype(_CPU, "auto")
    return lambda: mesh_of(decoder.field(_latent(), color_dtype=color_dtype), request)


def mesh_of(field: SignedDistanceField, request: GenerationRequest) -> MeshData:
    """Return the mesh that a generation makes of a field."""
    finished = mesh_from_field(
        field,
        request,
        min_component_share=0.005,
        device=_CPU,
        stage=lambda name: nullcontext(),
        check=lambda: None,
        report=lambda stage, fraction: None,
    )
    return finished.mesh


def _theirs() -> Callable[[], object]:
    renderer = diffusers_models.renderer_of(_SHAPE)
    return lambda: renderer.decode_to_mesh(_latent()[None], _CPU)


def _latent() -> Tensor:
    spec = DECODERS["shap-e"]
    generator = torch.Generator().manual_seed(0)
    return torch.rand(spec.num_latents, spec.channels, generator=generator) * 2 - 1
