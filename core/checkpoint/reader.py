# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights files as named tensors, opened without executing anything.

Two formats are read, told apart by content and held to their file name: safetensors, and the
zip archives of `torch.save` through `weights_only=True`. Tensors are views of the mapped file;
they live only inside `WeightsFile.mapped`, so that reading never keeps a second copy.
"""

from __future__ import annotations

import pickle
import re
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..errors import CheckpointError

Format = Literal["safetensors", "torch"]

_SUFFIXES: dict[str, Format] = {
    ".safetensors": "safetensors",
    ".pt": "torch",
    ".pth": "torch",
    ".bin": "torch",
}

_MAX_HEADER_BYTES = 100_000_000
"""The format's own limit."""

# What the restricted unpickler and the archive reader raise on hostile or damaged bytes: they
# were written for well-formed files, so nearly every built-in error is possible.
_ARCHIVE_ERRORS = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    struct.error,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    EOFError,
    OSError,
    OverflowError,
)


@dataclass(frozen=True, slots=True)
class TensorHeader:
    """What is known of a tensor before any of its values are read."""

    shape: tuple[int, ...]
    num_bytes: int


class WeightsFile:
    """The names and shapes in a weights file, and access to the mapped values."""

    def __init__(self, path: Path) -> None:
        """Read the names and shapes.

        Raises:
            CheckpointError: the file is missing, damaged, foreign or wants to run code.
        """
        self.path = path
        self.format = _check_format(path)
        with self._open() as source:
            self.headers: Mapping[str, TensorHeader] = source.headers()

    @contextmanager
    def mapped(self) -> Iterator[Callable[[str], Tensor]]:
        """Map the file and give a function from name to read-only tensor.

        The tensors must not outlive the block: pages that were read are only given back when
        the mapping ends.
        """
        with self._open() as source:
            yield source.tensor

    def _open(self) -> _SafetensorsSource | _TorchSource:
        if self.format == "safetensors":
            return _SafetensorsSource(self.path)
        return _TorchSource(self.path)


class _SafetensorsSource:
    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            # safetensors ships without complete type information.
            self._file: Any = safe_open(path, framework="pt", device="cpu")
        except (SafetensorError, OSError) as error:
            raise _damaged(path, error) from error

    def __enter__(self) -> _SafetensorsSource:
        return self

    def __exit__(self, *_: object) -> None:
        del self._file

    def headers(self) -> dict[str, TensorHeader]:
        return {name: _header(self.tensor(name)) for name in self._file.keys()}

    def tensor(self, name: str) -> Tensor:
        try:
            tensor: Tensor = self._file.get_tensor(name)
        except (SafetensorError, RuntimeError, ValueError) as error:
            raise _damaged(self._path, error) from error
        return tensor


class _TorchSource:
    def __init__(self, path: Path) -> None:
        num_stored_bytes = _check_archive(path)
        try:
            content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
        except _ARCHIVE_ERRORS as error:
            raise CheckpointError(path, _describe_refusal(error)) from error
        self._tensors = _require_tensors(path, content)
        # torch trusts the index: a record that is too short would be read on into the next one.
        storages = [tensor.untyped_storage() for tensor in self._tensors.values()]
        if sum({each.data_ptr(): each.nbytes() for each in storages}.values()) > num_stored_bytes:
            raise CheckpointError(path, "is damaged (values are missing): fetch it again")

    def __enter__(self) -> _TorchSource:
        return self

    def __exit__(self, *_: object) -> None:
        self._tensors = {}

    def headers(self) -> dict[str, TensorHeader]:
        return {name: _header(tensor) for name, tensor in self._tensors.items()}

    def tensor(self, name: str) -> Tensor:
        return self._tensors[name]


def _header(tensor: Tensor) -> TensorHeader:
    return TensorHeader(tuple(tensor.shape), tensor.numel() * tensor.element_size())


def _check_format(path: Path) -> Format:
    """Return the format that both the name and the first bytes say."""
    expected = _SUFFIXES.get(path.suffix.lower())
    if expected is None:
        raise CheckpointError(path, f"is not a weights file: use one of {', '.join(_SUFFIXES)}")
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except IsADirectoryError as error:
        raise CheckpointError(path, "is a folder, not a weights file") from error
    except FileNotFoundError as error:
        raise CheckpointError(path, "is missing: fetch the pack again") from error
    except OSError as error:
        reason = "is a folder, not a weights file" if path.is_dir() else f"cannot be read ({error})"
        raise CheckpointError(path, reason) from error
    found = _format_of(path, start)
    if found != expected:
        names = {"safetensors": "a safetensors file", "torch": "a PyTorch archive"}
        raise CheckpointError(
            path,
            f"is named {path.suffix} but is {names[found]}: correct its name or fetch it again",
        )
    return found


def _format_of(path: Path, start: bytes) -> Format:
    if not start:
        raise CheckpointError(path, "is empty: fetch it again")
    # A safetensors file is the length of its header in 8 bytes, then the header in JSON. It is
    # looked for first, because that length may begin with any of the bytes below.
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= _MAX_HEADER_BYTES:
        return "safetensors"
    if start.startswith(b"PK\x03\x04"):
        return "torch"
    if start.startswith(b"version https://git-lfs"):
        raise CheckpointError(path, "is only a Git LFS pointer: fetch the file it stands for")
    if start[:1] == b"\x80":
        raise CheckpointError(
            path, "is a bare pickle, which could run code: use the published file or safetensors"
        )
    raise CheckpointError(path, f"is not a weights file (it starts with {start[:16]!r})")


def _check_archive(path: Path) -> int:
    """Refuse archives that torch.load could not map or would treat as programs.

    Returns:
        How many bytes of tensor values the archive stores.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except _ARCHIVE_ERRORS as error:
        raise _damaged(path, error) from error
    # Every entry lies in one top folder whose name is free.
    sizes = {entry.filename.partition("/")[2]: entry.file_size for entry in entries}
    if "constants.pkl" in sizes or any(name.startswith("code/") for name in sizes):
        raise CheckpointError(path, "is a TorchScript program, not plain weights")
    if "data.pkl" not in sizes:
        raise CheckpointError(path, "is a zip archive, but not one made by torch.save")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise CheckpointError(path, "is a compressed archive, which torch.save never writes")
    return sum(size for name, size in sizes.items() if name.startswith("data/"))


def _require_tensors(path: Path, content: object) -> dict[str, Tensor]:
    if not isinstance(content, dict) or not content:
        raise CheckpointError(path, f"holds a {type(content).__name__}, not named tensors")
    tensors: dict[str, Tensor] = {}
    for name, value in content.items():
        if not isinstance(name, str):
            raise CheckpointError(path, f"has an entry named {name!r}, which is not a word")
        if not isinstance(value, Tensor) or value.layout != torch.strided or value.is_quantized:
            kind = "sparse or quantized" if isinstance(value, Tensor) else type(value).__name__
            raise CheckpointError(path, f"entry {name!r} is {kind}, not a plain tensor")
        if value.device.type != "cpu":
            raise CheckpointError(path, f"entry {name!r} has no values")
        tensors[name] = value.detach()
    return tensors


def _describe_refusal(error: BaseException) -> str:
    """Turn what torch.load raised into one clause of a sentence."""
    if isinstance(error, pickle.UnpicklingError):
        forbidden = re.search(r"(?:GLOBAL|global|class|function) ([\w.]+\.\w+)", str(error))
        if forbidden:
            return f"asks to run code ({forbidden[1]}), which is refused: use the published file"
        return "is damaged (its index cannot be read): fetch it again"
    return f"is truncated or damaged ({_first_line(error)}): fetch it again"


def _damaged(path: Path, error: BaseException) -> CheckpointError:
    return CheckpointError(path, f"is truncated or damaged ({_first_line(error)}): fetch it again")


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")[:120]
