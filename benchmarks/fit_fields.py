# SPDX-License-Identifier: GPL-3.0-or-later
"""Fit field networks of the published size to three shapes that are known in closed form.

Random weights make fields of noise, whose surface fills the box; what is timed on them says
nothing. These have the surface, the thin parts and the steepness of real ones.
Usage: python -m maquette.benchmarks.fit_fields [--shape chair] [--steps 500]
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.decoder.implicit_mlp import ImplicitMLP
from ..core.specs import DECODERS
from ..tests.analytic_fields import Field, ball, block, ring, rod, union
from .fields import FOLDER, read_field
from .shapes import NAMES

_STEEPNESS = 16.0
"""Slope of the unsquashed field; 0.25 per cell at 128 samples."""

_OCTAVES = 7
"""Of the positional encoding that are fitted: the others would draw noise between the samples."""

_BATCH = 8192
_CANDIDATES = 1 << 21
_POOL = 1 << 18
_NEAR = 0.02


def main() -> None:
    """Fit the shapes and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=NAMES, action="append")
    parser.add_argument("--steps", type=int, default=500)
    arguments = parser.parse_args()
    for name in arguments.shape or NAMES:
        started = time.process_time()
        state = fit(SHAPES[name](), arguments.steps)
        FOLDER.mkdir(exist_ok=True)
        save_file(state, FOLDER / f"{name}.safetensors")
        wrong = disagreement(name)
        seconds = time.process_time() - started
        sys.stdout.write(f"{name}: {seconds:.0f} CPU-s, {wrong:.3%} of signs near it differ\n")


def fit(shape: Field, steps: int, *, seed: int = 0) -> dict[str, Tensor]:
    """Return the tensors of a network fitted to a shape, fp16, in the order of `fields`."""
    torch.manual_seed(seed)
    network = _Network()
    pool = _points_about(shape, torch.Generator().manual_seed(seed))
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps, pct_start=0.1)
    for _ in range(steps):
        points = pool[torch.randint(len(pool), (_BATCH,))]
        optimizer.zero_grad()
        # Half precision where it does not count: the error it leaves is far below a cell.
        with torch.autocast("cpu", dtype=torch.bfloat16):
            raw = network(points)
        _loss(raw.float(), points, shape).backward()
        network.keep_high_octaves_silent()
        optimizer.step()
        schedule.step()
    return {name: value.detach().half() for name, value in network.named_tensors()}


class _Network(nn.Module):
    """The published field with weights of its own instead of generated ones."""

    def __init__(self) -> None:
        super().__init__()
        spec = DECODERS["shap-e"]
        self.mlp = ImplicitMLP(spec)
        self.generated = nn.ParameterList(
            nn.Parameter(torch.empty(shape).uniform_(-1, 1) * (3 / shape[1]) ** 0.5)
            for shape in spec.generated_shapes()
        )
        self._audible = _octave_of_columns(spec.position_frequencies) < _OCTAVES
        with torch.no_grad():
            first = self.generated[0]
            first *= self._audible * 2.0 ** (-0.5 * _octave_of_columns(spec.position_frequencies))
            # Meshes know no direction, so these columns are never read; zeros keep files small.
            self.mlp.shared[0].weight[:, spec.hidden_width :] = 0.0

    def forward(self, points: Tensor) -> Tensor:
        """Return raw channels at points [P, 3], [P, C]."""
        return self.mlp(points[None], [weight[None] for weight in self.generated])[0]

    def keep_high_octaves_silent(self) -> None:
        """Drop the gradient of the octaves that are not fitted."""
        self.generated[0].grad *= self._audible

    def named_tensors(self) -> list[tuple[str, Tensor]]:
        """Return everything that makes the field, by name."""
        return [
            *((f"generated.{i}", weight) for i, weight in enumerate(self.generated)),
            *self.mlp.named_parameters(prefix="mlp"),
        ]


def _octave_of_columns(num_frequencies: int) -> Tensor:
    """Return the octave of each column of the encoding, 0 for the position itself, [E]."""
    octaves = torch.arange(num_frequencies).repeat_interleave(3)
    return torch.cat([torch.zeros(3, dtype=torch.long), octaves, octaves])


def _points_about(shape: Field, generator: torch.Generator) -> Tensor:
    """Return points of the box, three quarters of them near the surface, [P, 3]."""
    anywhere = torch.rand(_CANDIDATES, 3, generator=generator) * 2 - 1
    # The nearer the likelier, so that thin parts get as many points as thick ones.
    likelihood = torch.exp(-shape(anywhere).abs() / _NEAR)
    near = torch.multinomial(likelihood, 3 * _POOL, replacement=True, generator=generator)
    return torch.cat([anywhere[near], anywhere[:_POOL]])


def _loss(raw: Tensor, points: Tensor, shape: Field) -> Tensor:
    target = (_STEEPNESS * shape(points)).clamp(-4.0, 4.0)
    # Beyond the clamp only the side counts: the far field may be anything that is far.
    error = (raw[:, 0].clamp(-4.0, 4.0) - target).abs() / (1 + target.abs())
    wrong_side = F.relu(-raw[:, 0] * target.sign())
    color = (raw[:, 3:6].sigmoid() - _color(points)).square().mean()
    return error.mean() + 0.1 * wrong_side.mean() + 0.3 * color


def _color(points: Tensor) -> Tensor:
    """Return stripes and a gradient, sRGB, [P, 3]."""
    stripes = 0.5 + 0.35 * torch.sin(points @ torch.tensor([9.0, 5.0, 7.0]))
    return torch.stack([stripes, 0.5 + 0.4 * points[:, 2], 0.85 - 0.6 * stripes], dim=1)


def disagreement(name: str) -> float:
    """Return the share of points within a cell of the surface on whose side network and shape
    do not agree."""
    shape, field = SHAPES[name](), read_field(name)
    points = torch.rand(2_000_000, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1
    points = points[shape(points).abs() < 2 / 127]
    with torch.no_grad():
        return float(((field.signed_distance(points) > 0) != (shape(points) > 0)).float().mean())


def _blob() -> Field:
    centers = ((0.0, 0.0, 0.0), (0.42, 0.1, 0.1), (-0.35, 0.3, 0.2), (-0.1, -0.4, 0.3))
    lobes = [ball(0.38, center) for center in (*centers, (0.1, 0.05, -0.45))]

    def field(points: Tensor) -> Tensor:
        distances = torch.stack([lobe(points) for lobe in lobes])
        bumps = 0.012 * torch.sin(14 * points).prod(dim=1)
        return torch.logsumexp(distances * 12, dim=0) / 12 + bumps - 0.03

    return field


def _chair() -> Field:
    """Legs of five, slats of two and a half cells' diameter at 128 samples."""
    corners = [(x, y) for x in (-0.4, 0.4) for y in (-0.4, 0.4)]
    legs = [rod((x, y, -0.85), (x, y, -0.1), 0.04) for x, y in corners]
    slats = [rod((x, 0.4, -0.05), (x, 0.4, 0.75), 0.02) for x in torch.linspace(-0.36, 0.36, 7)]
    seat = block((0.47, 0.47, 0.05), (0.0, 0.0, -0.08))
    return union(seat, rod((-0.42, 0.4, 0.78), (0.42, 0.4, 0.78), 0.05), *legs, *slats)


def _torus() -> Field:
    """Wires of two cells' diameter at 128 samples, across a torus and around a ball beside it."""
    spokes = [
        rod((0.0, 0.0, 0.0), (0.6 * math.cos(a), 0.6 * math.sin(a), 0.0), 0.016)
        for a in torch.linspace(0, 2 * math.pi, 8)[:-1].tolist()
    ]
    return union(ring(0.6, 0.17), ball(0.1, (0.0, 0.0, 0.6)), ring(0.25, 0.016), *spokes)


SHAPES: dict[str, Callable[[], Field]] = {"blob": _blob, "chair": _chair, "torus": _torus}
"""A smooth one, one with thin parts, one with wires and a loose piece."""


if __name__ == "__main__":
    main()
