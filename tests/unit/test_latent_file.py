# SPDX-License-Identifier: GPL-3.0-or-later
"""Latents in files, and how the command line reads, writes and begins with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from maquette.cli import encode as encode_command
from maquette.cli.errors import UsageError
from maquette.core.config import KnownLatent, MeshInput
from maquette.core.errors import InvalidRequestError, LatentFileError
from maquette.core.latent_file import LatentFile, from_text, read_latent, to_text, write_latent
from maquette.tests.unit.cli_harness import CommandLine, FakeDescription, build_command_line
from maquette.tests.unit.surfaces import cube

HASH = "0123456789abcdef"
VALUES = np.linspace(-1, 1, 20, dtype=np.float16).reshape(4, 5)
HELD = LatentFile(
    latent=KnownLatent(values=VALUES, source="Stuhl 椅子.glb"), pack="starter", pack_hash=HASH
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_latent(tmp_path / "chair.npz", HELD)
    return tmp_path / "chair.npz"


def test_a_latent_comes_back_from_its_file(file: Path) -> None:
    held = read_latent(file)

    np.testing.assert_array_equal(held.latent.values, VALUES)
    assert (held.latent.source, held.pack, held.pack_hash) == ("Stuhl 椅子.glb", "starter", HASH)


def test_the_same_latent_is_the_same_bytes(file: Path, tmp_path: Path) -> None:
    write_latent(tmp_path / "again.npz", HELD)

    assert file.read_bytes() == (tmp_path / "again.npz").read_bytes()


def about(**changes: Any) -> np.ndarray:
    facts = {"format": 1, "source": "x", "pack": "starter", "pack_hash": HASH}
    return np.array(json.dumps(facts | changes))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"latent": VALUES}, "maquette encode did not write it"),
        ({"latent": VALUES, "about": np.array("{")}, "did not write it"),
        ({"latent": VALUES, "about": about(format=2)}, "it has format 2"),
        ({"latent": VALUES.astype(float), "about": about()}, "numbers are damaged"),
        ({"latent": np.full((2, 2), np.nan, np.float16), "about": about()}, "are damaged"),
        ({"latent": np.array([{}], object), "about": about()}, "did not write it"),
    ],
)
def test_another_content_is_refused(tmp_path: Path, content: dict[str, Any], words: str) -> None:
    np.savez(tmp_path / "x.npz", **content)

    with pytest.raises(LatentFileError, match=words):
        read_latent(tmp_path / "x.npz")


@pytest.mark.parametrize("data", [b"", b"text", b"PK\x03\x04 and no more"])
def test_another_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.npz").write_bytes(data)

    with pytest.raises(LatentFileError):
        read_latent(tmp_path / "x.npz")


def test_a_cut_off_file_is_refused_wherever_it_ends(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    for end in range(0, len(whole), 37):
        (tmp_path / "cut.npz").write_bytes(whole[:end])
        with pytest.raises(LatentFileError):
            read_latent(tmp_path / "cut.npz")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(LatentFileError, match="there is no such file"):
        read_latent(tmp_path / "nowhere.npz")


def test_text_and_back() -> None:
    again = from_text(to_text(HELD.latent), "x")

    np.testing.assert_array_equal(again.values, VALUES)
    assert "\n" not in to_text(HELD.latent)


@pytest.mark.parametrize("text", ["", "4 5", "4 5 ?", "4 6 " + "AAAA" * 10, "a b AAAA"])
def test_damaged_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        from_text(text, "x")


@pytest.fixture
def maquette(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> CommandLine:
    return build_command_line(monkeypatch, capsys, tmp_path)


def test_a_latent_alone_is_rebuilt(maquette: CommandLine, file: Path) -> None:
    assert maquette("generate", "--latent", str(file), "--json") == 0

    (request,) = maquette.pipeline.requests
    np.testing.assert_array_equal(request.latent.values, VALUES)
    assert request.like is None and not request.is_sampled


@pytest.mark.parametrize(
    ("words", "strength"),
    [(("--strength", "0.4"), 0.4), (("--count", "2"), 0.75), (("a red chair",), 0.75)],
)
def test_more_than_that_starts_near_it(
    maquette: CommandLine, file: Path, words: tuple[str, ...], strength: float
) -> None:
    assert maquette("generate", "--latent", str(file), *words) == 0

    (request,) = maquette.pipeline.requests
    np.testing.assert_array_equal(request.like.latent.values, VALUES)
    assert request.like.strengths == (strength,) and request.latent is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--strength", "0.4", "a chair"), "give that too"),
        (("--latent", "FILE", "--image", "x.png"), "x.png"),
        (("--latent", "FILE", "--pack", "shap-e"), "use --pack starter"),
        (("--latent", "nowhere.npz"), "there is no such file"),
        (("--latent", "FILE", "--strength", "2"), "strength must be a number from 0 to 1"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    maquette: CommandLine, file: Path, words: tuple[str, ...], sentence: str
) -> None:
    assert maquette("generate", *(str(file) if w == "FILE" else w for w in words)) == 2

    assert sentence in maquette.sentence
    assert not maquette.pipeline.requests


def test_a_pack_that_has_changed_is_a_warning(maquette: CommandLine, tmp_path: Path) -> None:
    write_latent(
        tmp_path / "old.npz", LatentFile(latent=HELD.latent, pack="starter", pack_hash="0" * 16)
    )

    assert maquette("generate", "--latent", str(tmp_path / "old.npz")) == 0

    assert "has changed since this latent was made" in maquette.err


@pytest.fixture
def encoding(maquette: CommandLine, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """Stand in for Blender, and for a pack with an encoder."""
    mesh = MeshInput(surface=cube(), source="chair.glb", notes=("a note",))
    monkeypatch.setattr(encode_command, "require_bpy", lambda: None)
    monkeypatch.setattr(encode_command, "read_mesh", lambda path: mesh)
    description = FakeDescription()
    description.reads_meshes = True
    maquette.pipeline.describe_pack = lambda pack_dir: description
    maquette.pipeline.encode_mesh = lambda request, pack_dir, **_: KnownLatent(
        values=VALUES, source=request.mesh.source
    )
    return maquette


def test_encode_writes_the_latent_of_a_file(encoding: CommandLine) -> None:
    assert encoding("encode", "chair.glb", "--json") == 0

    assert encoding.files == ["chair.npz"]
    held = read_latent(encoding.folder / "chair.npz")
    np.testing.assert_array_equal(held.latent.values, VALUES)
    assert (held.pack, held.pack_hash, held.latent.source) == ("starter", HASH, "chair.glb")
    assert encoding.answer["shape"] == [4, 5] and encoding.answer["triangles"] == 12
    assert encoding.answer["warnings"] == ["a note"]
    assert "warning: a note" in encoding.err


def test_encode_replaces_the_file_that_is_named(encoding: CommandLine) -> None:
    target = encoding.folder / "mine.npz"
    target.write_text("old")

    assert encoding("encode", "chair.glb", "-o", "mine.npz") == 0

    assert read_latent(target).pack == "starter"
    assert encoding.files == ["mine.npz"]


def test_a_pack_without_an_encoder_is_told_before_the_file_is_read(
    encoding: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    description = FakeDescription()
    description.reads_meshes = False
    encoding.pipeline.describe_pack = lambda pack_dir: description
    monkeypatch.setattr(encode_command, "read_mesh", None)

    assert encoding("encode", "chair.glb") == 3

    assert "no encoder of meshes" in encoding.sentence


def test_a_latent_is_an_npz_file(encoding: CommandLine) -> None:
    assert encoding("encode", "chair.glb", "-o", "chair.txt") == 2
    assert "a latent is a .npz file" in encoding.sentence


def test_other_files_are_no_meshes(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"use one of \.blend"):
        encode_command.read_mesh(tmp_path / "chair.txt")
    with pytest.raises(UsageError, match="there is no such file"):
        encode_command.read_mesh(tmp_path / "chair.glb")
