# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights files that are not what they should be: one sentence each, and nothing executed."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from maquette.core.checkpoint.reader import WeightsFile
from maquette.core.errors import CheckpointError
from safetensors.torch import save_file

pytestmark = pytest.mark.needs_torch

STATE = {"a.weight": torch.arange(20.0).view(4, 5), "a.bias": torch.arange(3).half()}


class Attack:
    """Runs a command when it is unpickled."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.witness}",)


def refusal(path: Path) -> str:
    """Return the reason why a file is refused; it names the file."""
    with pytest.raises(CheckpointError) as caught:
        WeightsFile(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value.reason


def saved(path: Path, content: object = STATE) -> Path:
    if path.suffix == ".safetensors":
        save_file(STATE, path)
    else:
        torch.save(content, path)
    return path


def rewritten(path: Path, change: Callable[[str, bytes], bytes | None], **options: int) -> Path:
    """Copy an archive of torch.save entry by entry; None leaves an entry out."""
    with zipfile.ZipFile(saved(path.with_name("original.pt"))) as source:
        entries = [(info.filename, source.read(info)) for info in source.infolist()]
    with zipfile.ZipFile(path, "w", **options) as target:
        for name, data in entries:
            changed = change(name, data)
            if changed is not None:
                target.writestr(name, changed)
    return path


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "w.pth", "w.bin"])
def test_names_shapes_and_values_are_read(tmp_path: Path, name: str) -> None:
    weights = WeightsFile(saved(tmp_path / name))

    assert {key: header.shape for key, header in weights.headers.items()} == {
        "a.weight": (4, 5),
        "a.bias": (3,),
    }
    with weights.mapped() as tensor_of:
        for key, expected in STATE.items():
            assert torch.equal(tensor_of(key), expected)
            assert tensor_of(key).dtype == expected.dtype


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
@pytest.mark.parametrize("kept", [0.2, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str, kept: float) -> None:
    path = saved(tmp_path / name)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])

    assert "truncated or damaged" in refusal(path)


def test_trailing_bytes_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.safetensors")
    path.write_bytes(path.read_bytes() + b"more")

    assert "truncated or damaged" in refusal(path)


@pytest.mark.parametrize("name", ["w.safetensors", "w.bin"])
def test_a_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    assert "is missing" in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()

    assert refusal(tmp_path / name) == "is empty: fetch it again"


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
def test_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()

    assert refusal(tmp_path / name) == "is a folder, not a weights file"


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
def test_text_is_refused_with_its_beginning(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("<!DOCTYPE html><title>Not found</title>")

    assert "<!DOCTYPE html>" in refusal(tmp_path / name)


def test_a_git_lfs_pointer_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "w.bin"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")

    assert "Git LFS pointer" in refusal(path)


def test_a_foreign_suffix_is_refused(tmp_path: Path) -> None:
    assert "use one of .safetensors, .pt" in refusal(tmp_path / "w.ckpt")


def test_a_renamed_file_is_refused(tmp_path: Path) -> None:
    archive = saved(tmp_path / "a.pt").rename(tmp_path / "a.safetensors")
    plain = saved(tmp_path / "b.safetensors").rename(tmp_path / "b.pt")

    assert "is named .safetensors but is a PyTorch archive" in refusal(archive)
    assert "is named .pt but is a safetensors file" in refusal(plain)


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    witness = tmp_path / "executed"
    path = saved(tmp_path / "w.pt", {"a": Attack(witness)})

    assert "asks to run code (posix.system)" in refusal(path)
    assert not witness.exists()


def test_a_bare_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    witness = tmp_path / "executed"
    path = tmp_path / "w.bin"
    path.write_bytes(pickle.dumps(Attack(witness)))

    assert "could run code" in refusal(path)
    assert not witness.exists()


def test_a_whole_module_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pt", torch.nn.Linear(2, 2))

    assert "asks to run code (torch.nn.modules.linear.Linear)" in refusal(path)


def test_a_torchscript_program_is_refused(tmp_path: Path) -> None:
    path = rewritten(tmp_path / "w.pt", lambda name, data: data)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("original/code/__torch__.py", "class Model: pass")

    assert refusal(path) == "is a TorchScript program, not plain weights"


def test_another_zip_archive_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.pt", "w") as archive:
        archive.writestr("folder/notes.txt", "hello")

    assert "not one made by torch.save" in refusal(tmp_path / "w.pt")


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    path = rewritten(tmp_path / "w.pt", lambda name, data: data, compression=zipfile.ZIP_DEFLATED)

    assert "compressed archive" in refusal(path)


def test_a_damaged_index_is_refused(tmp_path: Path) -> None:
    path = rewritten(
        tmp_path / "w.pt",
        lambda name, data: b"\x80\x02nonsense" if name.endswith("data.pkl") else data,
    )

    assert "damaged" in refusal(path)


@pytest.mark.parametrize("change", [lambda data: None, lambda data: data[:4]], ids=["gone", "cut"])
def test_values_that_are_missing_in_an_archive_are_noticed(
    tmp_path: Path, change: Callable[[bytes], bytes | None]
) -> None:
    path = rewritten(
        tmp_path / "w.pt",
        lambda name, data: change(data) if name.endswith("data/0") else data,
    )

    assert "damaged" in refusal(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([torch.ones(2)], "holds a list"),
        ({}, "holds a dict"),
        ({"a": torch.ones(2), "optimizer": {"lr": 1.0}}, "entry 'optimizer' is dict"),
        ({"a": torch.ones(2), "step": 3}, "entry 'step' is int"),
        ({7: torch.ones(2)}, "an entry named 7"),
        ({"a": torch.ones(3).to_sparse()}, "entry 'a' is sparse"),
        ({"a": torch.ones(3, device="meta")}, "entry 'a' has no values"),
    ],
)
def test_anything_but_named_plain_tensors_is_refused(
    tmp_path: Path, content: object, reason: str
) -> None:
    assert reason in refusal(saved(tmp_path / "w.pt", content))
