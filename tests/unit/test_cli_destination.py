# SPDX-License-Identifier: GPL-3.0-or-later
"""What -o means, and that files appear all at once or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from maquette.cli.destination import (
    Destination,
    find_destination,
    publish,
    require_writable,
    staging,
)
from maquette.cli.errors import OutputError, UsageError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_o_files_go_to_the_current_folder(folder):
    assert find_destination(None, "glb", 1) == Destination(folder, ".glb")
    assert find_destination(None, None, 1).suffix == ".blend"


@pytest.mark.parametrize(
    ("output", "stem", "suffix"),
    [
        ("x.glb", "x", ".glb"),
        ("x.GLB", "x", ".GLB"),
        ("deep/x.y.obj", "x.y", ".obj"),
        ("x.usdc", "x", ".usdc"),
        (".blend/x.blend", "x", ".blend"),
    ],
)
def test_a_known_suffix_is_a_file(output, stem, suffix):
    found = find_destination(output, None, 1)

    assert (found.stem, found.suffix, found.replaces) == (stem, suffix, True)
    assert found.folder == Path(output).parent


@pytest.mark.parametrize("output", ["out", "out/", "v1.2/", ".hidden", "exists.glb", "exists.v2"])
def test_what_is_a_folder_or_looks_like_one_is_a_folder(output):
    Path("exists.glb").mkdir()
    Path("exists.v2").mkdir()

    found = find_destination(output, "obj", 1)

    assert (found.folder, found.stem, found.suffix) == (Path(output), None, ".obj")


def test_a_file_where_a_folder_is_wanted():
    Path("taken").touch()

    with pytest.raises(OutputError, match="not a folder"):
        find_destination("taken", None, 1)


def test_an_unknown_suffix_tells_how_to_name_a_folder():
    with pytest.raises(UsageError, match=r"end a folder with /"):
        find_destination("v1.2", None, 1)


def test_several_results_are_numbered_and_replace_nothing():
    Path("x-1.glb").touch()
    found = find_destination("x.glb", None, 2)

    assert not found.replaces
    assert next(found.free_stems("ignored", is_numbered=True)) == "x-2"


def test_a_name_is_free_only_if_its_companions_are(folder):
    Path("a.mtl").touch()
    Path("a-2-base-color.png").touch()

    assert next(Destination(folder, ".obj").free_stems("a", is_numbered=False)) == "a-3"
    assert next(Destination(folder, ".glb").free_stems("a", is_numbered=False)) == "a"


def test_a_dangling_link_counts_as_taken(folder):
    Path("a.glb").symlink_to("nowhere")

    assert next(Destination(folder, ".glb").free_stems("a", is_numbered=False)) == "a-2"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_file_is_not_replaced():
    Path("x.glb").touch(0o444)

    with pytest.raises(OutputError, match="read-only"):
        find_destination("x.glb", None, 1)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_told_beforehand(folder):
    folder.chmod(0o555)

    with pytest.raises(OutputError, match="no permission"):
        require_writable(folder / "new")


def test_a_full_disk_is_told_beforehand(folder, monkeypatch):
    def fsync(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)

    with pytest.raises(OutputError, match="the disk is full"):
        require_writable(folder / "new")
    assert not list(folder.iterdir())


def test_finding_out_leaves_nothing(folder):
    require_writable(folder / "new" / "deep")

    assert not list(folder.iterdir())


def write(stage: Path, *names: str) -> None:
    for name in names:
        (stage / name).write_text(f"new {name}")


def test_files_appear_together(folder):
    destination = Destination(folder / "out", ".obj")

    with staging(destination.folder) as stage:
        write(stage, "x.obj", "x.mtl")
        files = publish(stage, destination)

    assert files == (folder / "out" / "x.obj", folder / "out" / "x.mtl")
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["x.mtl", "x.obj"]


def test_the_suffix_is_the_one_that_was_typed(folder):
    destination = Destination(folder, ".GLB", stem="x", replaces=True)

    with staging(folder) as stage:
        write(stage, "x.glb")
        publish(stage, destination)

    assert [path.name for path in folder.iterdir()] == ["x.GLB"]


def test_a_name_taken_meanwhile_is_left_alone(folder):
    destination = Destination(folder, ".obj")

    with staging(folder) as stage:
        write(stage, "x.obj", "x.mtl")
        Path("x.obj").write_text("somebody else's")
        with pytest.raises(FileExistsError):
            publish(stage, destination)

    assert [path.name for path in folder.iterdir()] == ["x.obj"]
    assert Path("x.obj").read_text() == "somebody else's"


def test_when_the_disk_refuses_nothing_new_remains(folder, monkeypatch):
    destination = Destination(folder, ".obj")
    replace = os.replace

    def refuse_main(source: Path, target: Path) -> None:
        if target.suffix == ".obj":
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse_main)

    with (
        pytest.raises(OutputError, match=r"x\.obj: the disk is full"),
        staging(folder) as stage,
    ):
        write(stage, "x.obj", "x.mtl")
        publish(stage, destination)

    assert not list(folder.iterdir())


def test_staging_removes_what_it_made_after_a_failure(folder):
    with pytest.raises(RuntimeError), staging(folder / "a" / "b") as stage:
        write(stage, "half")
        raise RuntimeError

    assert not list(folder.iterdir())


def test_staging_keeps_a_folder_that_was_there(folder):
    Path("a").mkdir()
    Path("a/mine").touch()

    with pytest.raises(RuntimeError), staging(folder / "a" / "b"):
        raise RuntimeError

    assert [path.name for path in Path("a").iterdir()] == ["mine"]
