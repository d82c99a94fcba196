# SPDX-License-Identifier: GPL-3.0-or-later
"""Where this process computes, and its place among those that train together.

torchrun starts the processes, on one machine or several, and tells each its place; alone there is
nothing to tell. Processes on GPUs talk through NCCL, those on CPUs through gloo.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor

from .values import ConfigError

_BUCKET_BYTES = 64 * 2**20
"""Gradients are shared in pieces of about this size, so that no second copy of all is needed."""


def start_processes(device: str) -> torch.device:
    """Join the processes that torchrun started, if any, and return this one's device.

    Args:
        device: `auto` for a GPU where there is one, `cpu`, `cuda`, or one GPU such as `cuda:1`.

    Raises:
        ConfigError: there is no such device, or fewer GPUs than processes.
    """
    chosen = _choose_device(device)
    if "RANK" in os.environ and not dist.is_initialized():
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    return chosen


def _choose_device(device: str) -> torch.device:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "cpu" or (device == "auto" and not count):
        return torch.device("cpu")
    try:
        asked = torch.device("cuda" if device == "auto" else device)
    except RuntimeError:
        raise ConfigError(f"--device must be auto, cpu, cuda or cuda:N, not {device!r}") from None
    index = int(os.environ.get("LOCAL_RANK", "0")) if asked.index is None else asked.index
    if asked.type != "cuda" or index >= count:
        raise ConfigError(
            f"--device {device} is not there for process {index} of this machine, which has"
            f" {count} GPUs that torch can use: give another device or fewer processes"
        )
    chosen = torch.device("cuda", index)
    torch.cuda.set_device(chosen)
    return chosen


def rank() -> int:
    """Return this process's place among those that train together, 0 when alone."""
    return dist.get_rank() if dist.is_initialized() else 0


def num_processes() -> int:
    """Return how many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def share_mean(tensors: Iterable[Tensor]) -> None:
    """Replace tensors by their mean over all processes, in place."""
    if not dist.is_initialized():
        return
    bucket: list[Tensor] = []
    num_bytes = 0
    for tensor in tensors:
        bucket.append(tensor)
        num_bytes += tensor.nbytes
        if num_bytes >= _BUCKET_BYTES:
            _share_bucket(bucket)
            bucket, num_bytes = [], 0
    if bucket:
        _share_bucket(bucket)


def _share_bucket(tensors: list[Tensor]) -> None:
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    start = 0
    for tensor in tensors:
        tensor.copy_(flat[start : start + tensor.numel()].view_as(tensor))
        start += tensor.numel()


def share_first(tensors: Iterable[Tensor]) -> None:
    """Replace tensors by those of the first process, in place."""
    if dist.is_initialized():
        for tensor in tensors:
            dist.broadcast(tensor, 0)


def agree(number: int, device: torch.device) -> bool:
    """Return whether all processes hold the same number."""
    if not dist.is_initialized():
        return True
    extremes = torch.tensor([number, -number], device=device)
    dist.all_reduce(extremes, dist.ReduceOp.MAX)
    return int(extremes[0]) == -int(extremes[1])
