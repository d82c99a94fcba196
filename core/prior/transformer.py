# SPDX-License-Identifier: GPL-3.0-or-later
"""The diffusion prior of Shap-E (arXiv:2305.02463, section 4.2): a transformer over latents.

Its sequence is [condition tokens, one time token, latent tokens]; it predicts the clean latent.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..nn import MLP as MLP
from ..nn import Block as Block
from ..nn import SelfAttention as SelfAttention
from ..specs import PriorSpec
from .basis import LatentBasis, LinearEstimate
from .gaussian import Asked, ConditionalGaussian


class LatentPrior(nn.Module):
    """Predicts the clean latent from a scaled noisy one."""

    def __init__(self, spec: PriorSpec) -> None:
        super().__init__()
        self.spec = spec
        width = spec.width
        outputs = spec.token_channels * (2 if spec.predicts_variance else 1)
        self.time_embed = MLP(width, 4 * width)
        self.condition_norm = (
            nn.LayerNorm(spec.condition_width) if spec.normalizes_condition else nn.Identity()
        )
        self.condition_in = nn.Linear(spec.condition_width, width)
        self.pooled_in = (
            nn.Linear(spec.num_pooled * spec.condition_width, width) if spec.num_pooled else None
        )
        self.latent_in = nn.Linear(spec.token_channels, width)
        self.position_embedding = nn.Parameter(torch.zeros(spec.num_latent_tokens, width))
        self.norm_in = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width, spec.num_heads) for _ in range(spec.num_layers))
        self.norm_out = nn.LayerNorm(width)
        self.latent_out = nn.Linear(width, outputs)
        self.basis = (
            LatentBasis(spec.num_latents, spec.channels, spec.basis_size)
            if spec.basis_size
            else None
        )
        self.gaussian = (
            ConditionalGaussian(
                spec.gaussian,
                spec.num_pooled,
                spec.condition_width,
                spec.basis_size,
                spec.num_shape,
            )
            if spec.gaussian
            else None
        )

    def forward(
        self, x: Tensor, timestep: Tensor, condition: Tensor, asked: Asked | None = None
    ) -> Tensor:
        """Predict the clean latent.

        Args:
            x: noisy latent divided by sqrt(sigma**2 + 1), [B, L, C].
            timestep: index into the noise schedule, 0 (clean) to 1023, may be fractional, [B].
            condition: pooled text as one token, image grid or word slots, [B, T, E]; zeros mean
                unconditional.
            asked: what `read` makes of the condition, if that is known already.

        Returns:
            The predicted clean latent, not clamped, fp32, [B, L, C].
        """
        if self.basis is None:
            return self._run(x, timestep, condition, self.spec.channels).float()
        sigma = self.sigma(timestep)
        noisy = x.float() * (sigma**2 + 1).sqrt()[:, None, None]
        known = self.denoise(self.basis.project(noisy), sigma, condition, asked)
        residual = self.residual(known.inputs, timestep, condition)
        return self.basis.reconstruct(known.clean + known.scale * residual)

    def read(self, condition: Tensor) -> Asked | None:
        """Return all that follows of conditions [B, T, E] alone; None where nothing does."""
        if self.basis is None or self.gaussian is None:
            return None
        return self.gaussian.read(condition[:, : self.spec.num_pooled], self.basis)

    def denoise(
        self, noisy: Tensor, sigma: Tensor, condition: Tensor, asked: Asked | None = None
    ) -> LinearEstimate:
        """Return what is known of noisy coefficients without the transformer; only with a basis.

        Args:
            noisy: [B, K].
            sigma: noise levels, [B].
            condition: as in `forward`.
            asked: as in `forward`.
        """
        assert self.basis is not None
        if self.gaussian is None:
            return self.basis.denoise(noisy, sigma)
        pooled = condition[:, : self.spec.num_pooled]
        return self.gaussian.denoise(noisy, sigma, pooled, self.basis, asked)

    def lay_out_for_few_tokens(self) -> None:
        """Keep matrices column by column in memory: the same numbers, and shapes.

        Where tokens are few, a CPU spends up to a third of a product on turning its matrix round.
        """
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                layer.weight.data = layer.weight.data.t().contiguous().t()

    def forward_with_variance(self, x: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
        """Return the clean latent and the variance logits side by side, [B, L, 2C]."""
        return self._run(x, timestep, condition, 2 * self.spec.channels)

    def residual(self, coefficients: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
        """Run the transformer on scaled basis coefficients.

        Args:
            coefficients: `LinearEstimate.inputs`, [B, K].
            timestep: as in `forward`, [B].
            condition: as in `forward`, [B, T, E].

        Returns:
            How far the linear estimate is off, in units of its scale, fp32, [B, K].
        """
        tokens = coefficients.view(-1, self.spec.num_tokens, self.spec.token_channels)
        out = self._run(tokens, timestep, condition, self.spec.token_channels).float().flatten(1)
        if self.gaussian is None:
            return out
        # Colors are as they were told: corrected, they fell back on those that kinds are seen in.
        shape = self.spec.num_shape
        return torch.cat([out[:, :shape], torch.zeros_like(out[:, shape:])], dim=1)

    def sigma(self, timestep: Tensor) -> Tensor:
        """Return the noise level of timesteps [B] under the exp schedule, [B]."""
        exponent = self.spec.schedule_rate * (timestep.float() + 1) / self.spec.num_timesteps
        return torch.expm1(exponent).sqrt()

    def _run(self, x: Tensor, timestep: Tensor, condition: Tensor, num_outputs: int) -> Tensor:
        dtype = self.latent_in.weight.dtype
        time = self.time_embed(timestep_embedding(timestep, self.spec.width).to(dtype))
        condition = condition.to(dtype)
        latents = self.latent_in(x.to(dtype)) + self.position_embedding
        if self.pooled_in is not None:
            pooled = condition[:, : self.spec.num_pooled].flatten(1)
            latents = latents + self.pooled_in(pooled)[:, None]
        prompt = self.condition_in(self.condition_norm(condition))
        h = torch.cat([prompt, time[:, None], latents], dim=1)  # [B, T + 1 + L, W]
        h = self.norm_in(h)
        for block in self.blocks:
            h = block(h)
        h = self.norm_out(h[:, -latents.shape[1] :])
        # Samplers read only the first channels, so the rest of the projection is not computed.
        weight, bias = self.latent_out.weight[:num_outputs], self.latent_out.bias[:num_outputs]
        out: Tensor = F.linear(h, weight, bias)
        return out


def timestep_embedding(timestep: Tensor, width: int, *, max_period: float = 10000.0) -> Tensor:
    """Return [cos, sin] of the timestep at geometric frequencies, fp32, [B, width]."""
    half = width // 2
    steps = torch.arange(half, dtype=torch.float32, device=timestep.device)
    angles = timestep.float()[:, None] * torch.exp(steps * (-math.log(max_period) / half))
    return torch.cat([angles.cos(), angles.sin()], dim=-1)
