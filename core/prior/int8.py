# SPDX-License-Identifier: GPL-3.0-or-later
"""The blocks of a prior in 8-bit integers, run by OpenVINO where that is installed.

Weights are scaled per output row and activations per token, at the moment they are multiplied,
as in LLM.int8() (Dettmers et al., 2022, arXiv:2208.07339), so nothing is calibrated. Only the
blocks are replaced, which are all of the work; what is before and after them stays in torch.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import PrecisionUnavailableError
from ..interrupt import Check, ignore
from .transformer import Block, LatentPrior

if TYPE_CHECKING:
    from openvino import CompiledModel, InferRequest

BLOCKS_PER_GROUP = 4
"""Compiled together; a run that is cancelled stops before the next group, within a second."""

_LIMIT = 127
_TINY = 1e-12
"""Tokens of zeros must not be divided by zero."""


def is_installed() -> bool:
    """Return whether OpenVINO is there, without importing it."""
    return importlib.util.find_spec("openvino") is not None


def quantize_blocks(
    prior: LatentPrior, num_condition_tokens: int, *, half: bool = False, check: Check = ignore
) -> LatentPrior:
    """Replace the blocks of a prior by their 8-bit form, in place, and return it.

    Each block is given up as soon as it is converted, so that never much more than one copy of
    the weights is in memory. What remains of the prior becomes fp32. The number of threads is
    torch's at this moment.

    Args:
        prior: on the CPU, in any precision.
        num_condition_tokens: T of the conditions that it will be given, since a graph of known
            sizes is faster.
        half: compute what is between the products of matrices in bf16, for CPUs that are fast
            at it.
        check: called before each group of blocks.

    Raises:
        PrecisionUnavailableError: OpenVINO is not installed.
    """
    if not is_installed():
        raise PrecisionUnavailableError("int8", missing="OpenVINO")
    num_tokens = num_condition_tokens + 1 + prior.spec.num_latent_tokens
    groups: list[nn.Module] = []
    blocks: list[Block | None] = [block for block in prior.blocks if isinstance(block, Block)]
    prior.blocks = nn.ModuleList()
    for start in range(0, len(blocks), BLOCKS_PER_GROUP):
        check()
        group = [block for block in blocks[start : start + BLOCKS_PER_GROUP] if block is not None]
        groups.append(QuantizedBlocks(group, num_tokens, half=half))
        blocks[start : start + BLOCKS_PER_GROUP] = [None] * len(group)
    prior.float()
    prior.blocks = nn.ModuleList(groups)
    return prior


def is_quantized(prior: LatentPrior) -> bool:
    """Return whether `quantize_blocks` has replaced the blocks of a prior."""
    return any(isinstance(block, QuantizedBlocks) for block in prior.blocks)


class QuantizedBlocks(nn.Module):
    """Several blocks after one another, compiled by OpenVINO."""

    def __init__(self, blocks: Sequence[Block], num_tokens: int, *, half: bool) -> None:
        super().__init__()
        self._compiled = _compile(blocks, num_tokens, half=half)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens [B, T, W] to tokens [B, T, W], fp32."""
        request = self._compiled.create_infer_request()
        # One item at a time: a batch is no faster on a CPU and takes more memory.
        answers = [self._run(request, item) for item in x.float().chunk(len(x))]
        # What is computed in passing takes 70 MB in each group, which the next one can have.
        del request
        self._compiled.release_memory()
        return torch.cat(answers)

    def _run(self, request: InferRequest, x: Tensor) -> Tensor:
        found = request.infer([x.contiguous().numpy()], share_inputs=True)[0]
        # The answer lies in a buffer that the next call writes again.
        return torch.from_numpy(np.array(found))


def _compile(blocks: Sequence[Block], num_tokens: int, *, half: bool) -> CompiledModel:
    import openvino
    from openvino import opset13 as ops

    width = blocks[0].norm_attn.normalized_shape[0]
    tokens = ops.parameter([1, num_tokens, width], np.float32)
    h: Any = tokens
    for block in blocks:
        h = _block(ops, h, block)
    model = openvino.Model([ops.result(h)], [tokens], "blocks")
    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
    }
    return openvino.Core().compile_model(model, "CPU", settings)


def _block(ops: Any, h: Any, block: Block) -> Any:
    """Write `Block.forward` as a graph; h and the result are [1, T, W]."""
    attn = block.attn
    width = attn.out.in_features
    head = [0, 0, 3, attn.num_heads, width // attn.num_heads]
    qkv = ops.reshape(_linear(ops, _norm(ops, h, block.norm_attn), attn.qkv), _ints(head), True)
    qkv = ops.transpose(qkv, _ints([2, 0, 3, 1, 4]))  # [3, 1, heads, T, W / heads]
    parts = ops.split(qkv, np.int64(0), 3).outputs()
    q, k, v = (ops.squeeze(part, _ints([0])) for part in parts)
    attended = ops.transpose(ops.scaled_dot_product_attention(q, k, v), _ints([0, 2, 1, 3]))
    h = ops.add(h, _linear(ops, ops.reshape(attended, _ints([0, 0, width]), True), attn.out))
    hidden = ops.gelu(_linear(ops, _norm(ops, h, block.norm_mlp), block.mlp.fc), "erf")
    return ops.add(h, _linear(ops, hidden, block.mlp.proj))


def _linear(ops: Any, x: Any, layer: nn.Linear) -> Any:
    weight, scale = quantize_rows(layer.weight)
    rows = ops.multiply(ops.convert(ops.constant(weight.numpy()), "f32"), _floats(ops, scale))
    largest = ops.reduce_max(ops.abs(x), _ints([-1]), True)
    largest = ops.maximum(largest, ops.constant(np.float32(_TINY)))
    # Scaled to [-1, 1] the range is a constant, which is what OpenVINO's integer kernels ask for.
    low, high = (ops.constant(np.float32(bound)) for bound in (-(_LIMIT + 1) / _LIMIT, 1.0))
    levels = 2 * (_LIMIT + 1)
    scaled = ops.fake_quantize(ops.divide(x, largest), low, high, low, high, levels)
    product = ops.multiply(ops.matmul(scaled, rows, False, True), largest)
    return ops.add(product, _floats(ops, layer.bias))


def quantize_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return a matrix [R, C] as int8 in [-127, 127], and the scale of each row, fp32 [R, 1]."""
    weight = weight.float()
    scale = weight.abs().amax(dim=1, keepdim=True).clamp_min(_TINY) / _LIMIT
    return (weight / scale).round().to(torch.int8), scale


def _norm(ops: Any, x: Any, norm: nn.LayerNorm) -> Any:
    scaled = ops.mvn(x, _ints([-1]), True, norm.eps, "inside_sqrt")
    return ops.add(ops.multiply(scaled, _floats(ops, norm.weight)), _floats(ops, norm.bias))


def _floats(ops: Any, values: Tensor) -> Any:
    return ops.constant(values.float().numpy())


def _ints(values: list[int]) -> Any:
    return np.array(values, np.int64)
