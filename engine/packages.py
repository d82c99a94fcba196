# SPDX-License-Identifier: GPL-3.0-or-later
"""The one table of packages that Set Up Engine installs: versions, sizes, and where torch is from.

The list is complete, so that pip decides nothing: it is run with `--no-deps`, and what the user
reads before agreeing is what arrives. The versions are those that the tests run with. Left out of
what the packages themselves ask for, on purpose:

- numpy: Blender brings its own, which other add-ons are built for;
- setuptools and triton: torch needs them only to compile kernels, which is never done here;
- cuda-bindings: only torch's profiler uses it;
- openvino-telemetry: nothing of ours is reported to anybody, and OpenVINO does without;
- hf-xet: packs are fetched over plain HTTP (see `weights.hub`).

Sizes are those of the wheels for Python 3.11, in bytes; None where no index could be asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Variant = Literal["cpu", "cuda", "rocm", "mps"]
"""Builds of torch, by what they compute on beside the CPU."""

TORCH_VERSION = "2.13.0"

BROUGHT_BY_BLENDER = ("numpy",)
LEFT_OUT = ("cuda-bindings", "hf-xet", "openvino-telemetry", "setuptools", "triton")
INT8_MACHINES = ("x86_64",)
"""Processors whose instructions for 8-bit integers are used; see `core.device`."""


@dataclass(frozen=True, slots=True)
class Package:
    """One distribution, and the module by which it is recognised."""

    name: str
    version: str
    module: str
    size: int
    """Bytes of the wheel, the largest of all systems."""
    systems: tuple[str, ...] = ("linux", "win32", "darwin")
    """As `sys.platform` names them."""
    is_cuda: bool = False
    """Libraries of NVIDIA's, which torch for Linux expects as packages of their own."""
    is_int8: bool = False
    """Whether it is installed only where 8-bit integers are asked for."""


@dataclass(frozen=True, slots=True)
class TorchBuild:
    """Where one build of torch comes from."""

    index: str
    """Searched beside pip's own index; empty where that one has this build."""
    suffix: str
    """Of the version, so that no other build is taken where the index cannot be reached."""
    size: int | None


PYTORCH_INDEX = "https://download.pytorch.org/whl"

TORCH_BUILDS: dict[tuple[str, str, Variant], TorchBuild] = {
    ("linux", "x86_64", "cpu"): TorchBuild(f"{PYTORCH_INDEX}/cpu", "+cpu", 191_794_682),
    ("linux", "x86_64", "cuda"): TorchBuild("", "", 526_574_961),
    ("linux", "x86_64", "rocm"): TorchBuild(f"{PYTORCH_INDEX}/rocm7.2", "+rocm7.2", None),
    ("linux", "aarch64", "cpu"): TorchBuild(f"{PYTORCH_INDEX}/cpu", "+cpu", None),
    ("win32", "x86_64", "cpu"): TorchBuild("", "", 122_015_870),
    ("win32", "x86_64", "cuda"): TorchBuild(f"{PYTORCH_INDEX}/cu130", "+cu130", None),
    ("darwin", "arm64", "mps"): TorchBuild("", "", 111_187_938),
}
"""By system, processor and variant; what is not here does not exist."""

PACKAGES = (
    Package("torch", TORCH_VERSION, "torch", 0),
    Package("torchvision", "0.28.0", "torchvision", 7_670_000),
    Package("safetensors", "0.8.0", "safetensors", 520_000),
    Package("open_clip_torch", "3.3.0", "open_clip", 1_550_000),
    Package("huggingface_hub", "2.4.0", "huggingface_hub", 860_000),
    Package("pillow", "13.0.0", "PIL", 7_280_000),
    Package("fast-simplification", "0.2.0", "fast_simplification", 350_000),
    # What those import.
    Package("timm", "1.0.31", "timm", 2_800_000),
    Package("sympy", "1.14.0", "sympy", 6_300_000),
    Package("mpmath", "1.3.0", "mpmath", 540_000),
    Package("networkx", "3.6.1", "networkx", 2_070_000),
    Package("jinja2", "3.1.6", "jinja2", 130_000),
    Package("markupsafe", "3.0.4", "markupsafe", 20_000),
    Package("filelock", "4.2.11", "filelock", 220_000),
    Package("fsspec", "2026.9.0", "fsspec", 220_000),
    Package("typing_extensions", "4.16.0", "typing_extensions", 50_000),
    Package("regex", "2026.11.15", "regex", 810_000),
    Package("ftfy", "6.3.1", "ftfy", 40_000),
    Package("wcwidth", "0.9.4", "wcwidth", 790_000),
    Package("tqdm", "4.70.1", "tqdm", 80_000),
    Package("colorama", "0.4.6", "colorama", 30_000, systems=("win32",)),
    Package("pyyaml", "6.0.3", "yaml", 810_000),
    Package("packaging", "26.3", "packaging", 130_000),
    Package("click", "8.5.1", "click", 130_000),
    Package("httpx2", "2.16.2", "httpx2", 100_000),
    Package("httpcore2", "2.16.2", "httpcore2", 90_000),
    Package("h11", "0.16.0", "h11", 40_000),
    Package("anyio", "4.16.0", "anyio", 130_000),
    Package("idna", "3.20", "idna", 70_000),
    Package("truststore", "0.10.5", "truststore", 20_000),
    # Apache-2.0; the wheel for Windows, that for Linux has 59 MB.
    Package("openvino", "2026.4.1", "openvino", 84_970_000, is_int8=True),
    # One folder `nvidia` holds the modules of all of them.
    Package("nvidia-cublas", "13.1.1.3", "nvidia", 423_140_000, is_cuda=True),
    Package("nvidia-cuda-cupti", "13.0.85", "nvidia", 10_720_000, is_cuda=True),
    Package("nvidia-cuda-nvrtc", "13.0.88", "nvidia", 90_220_000, is_cuda=True),
    Package("nvidia-cuda-runtime", "13.0.96", "nvidia", 2_240_000, is_cuda=True),
    Package("nvidia-cudnn-cu13", "9.20.0.48", "nvidia", 366_170_000, is_cuda=True),
    Package("nvidia-cufft", "12.0.0.61", "nvidia", 214_090_000, is_cuda=True),
    Package("nvidia-cufile", "1.15.1.6", "nvidia", 1_220_000, is_cuda=True),
    Package("nvidia-curand", "10.4.0.35", "nvidia", 59_540_000, is_cuda=True),
    Package("nvidia-cusolver", "12.0.4.66", "nvidia", 200_940_000, is_cuda=True),
    Package("nvidia-cusparse", "12.6.3.3", "nvidia", 145_940_000, is_cuda=True),
    Package("nvidia-cusparselt-cu13", "0.8.1", "nvidia", 170_150_000, is_cuda=True),
    Package("nvidia-nccl-cu13", "2.29.7", "nvidia", 205_980_000, is_cuda=True),
    Package("nvidia-nvjitlink", "13.5.37", "nvidia", 46_640_000, is_cuda=True),
    Package("nvidia-nvshmem-cu13", "3.4.5", "nvidia", 60_410_000, is_cuda=True),
    Package("nvidia-nvtx", "13.0.85", "nvidia", 150_000, is_cuda=True),
)
"""In the order in which the user reads them."""

NEEDED = ("torch", "safetensors")
"""Modules without which no pack runs."""
NEEDED_FOR_SHAP_E = ("open_clip", "huggingface_hub", "PIL")
"""Modules that fetching and running the published pack, and reading pictures, need beside them."""
NEEDED_FOR_INT8 = ("openvino",)
"""Modules that compute in 8-bit integers."""
