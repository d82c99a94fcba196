# SPDX-License-Identifier: GPL-3.0-or-later
"""Which assets a data set is made of, what they are called, and what a build is refused for.

Builds with Blender are tried in tests/blender/test_dataset_build.py.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from maquette.cli import dataset
from maquette.datasets import build
from maquette.datasets.build import BuildReport, BuildRequest, build_dataset
from maquette.datasets.layout import read_tar, to_json, write_tar
from maquette.datasets.pool import Outcome, Task
from maquette.datasets.settings import BuildSettings
from maquette.datasets.sources import (
    Source,
    SourceError,
    assign_captions,
    caption_from_name,
    find_sources,
    read_captions,
)
from maquette.tests.unit.cli_harness import CommandLine, build_command_line


@pytest.mark.parametrize(
    ("file", "caption"),
    [
        ("RedChair_02.glb", "red chair"),
        ("old-oak_tree.obj", "old oak tree"),
        ("USSEnterprise.fbx", "uss enterprise"),
        ("lamp v2.blend", "lamp"),
        ("vase_final_3.glb", "vase"),
        ("8-ball.glb", "8 ball"),
        ("Ölkanne.glb", "ölkanne"),
        ("green apple/model.obj", "green apple"),
        ("scene.gltf", ""),
        ("0001.glb", ""),
        ("chairs/0001.glb", "chairs"),
    ],
)
def test_names_are_read_as_captions(file: str, caption: str) -> None:
    assert caption_from_name(file) == caption


def make_assets(folder: Path, *files: str) -> Path:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(file)
    return folder


def test_assets_are_found_in_folders_but_not_in_the_output(tmp_path: Path) -> None:
    make_assets(tmp_path, "a.glb", "b/C.OBJ", "b/c.mtl", ".hidden/d.glb", "out/e.glb", "f.blend1")

    sources = find_sources(tmp_path, tmp_path / "out")

    assert {source.file for source in sources} == {"a.glb", "b/C.OBJ"}


def test_keys_are_readable_and_follow_place_and_content(tmp_path: Path) -> None:
    make_assets(tmp_path, "x/Red Chair.glb", "y/Red Chair.glb")
    (tmp_path / "y" / "Red Chair.glb").write_bytes((tmp_path / "x" / "Red Chair.glb").read_bytes())
    first = {source.file: source.key for source in find_sources(tmp_path, tmp_path / "out")}

    (tmp_path / "y" / "Red Chair.glb").write_text("something else")
    second = {source.file: source.key for source in find_sources(tmp_path, tmp_path / "out")}

    assert all(key.startswith("red-chair-") and "." not in key for key in first.values())
    assert len(set(first.values())) == 2
    assert first["x/Red Chair.glb"] == second["x/Red Chair.glb"]
    assert first["y/Red Chair.glb"] != second["y/Red Chair.glb"]


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_folder_without_assets_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(SourceError, match=name):
        find_sources(tmp_path / name, tmp_path / "out")


def test_a_table_of_captions_is_read(tmp_path: Path) -> None:
    table = tmp_path / "captions.csv"
    table.write_text(
        "\ufefffile,license,caption\n"
        'a.glb,CC0,"a red chair, old"\na.glb,,a chair\n./b/c.obj,,a cup\n',
        encoding="utf-8",
    )

    assert read_captions(table) == {"a.glb": ["a red chair, old", "a chair"], "b/c.obj": ["a cup"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name,caption\na,b\n", "must name columns file and caption"),
        (b"", "must name columns file and caption"),
        (b"file,caption\na.glb,ok\nb.glb,\n", "line 3 of"),
        (b"file,caption\n,nobody\n", "line 2 of"),
        (b"file,caption\na.glb," + b"x" * 501 + b"\n", "line 2 of"),
        (b"file,caption\na.glb,\xff\n", "cannot be read as a table"),
    ],
)
def test_a_table_that_cannot_be_used_says_where(
    tmp_path: Path, content: bytes, message: str
) -> None:
    table = tmp_path / "captions.csv"
    table.write_bytes(content)

    with pytest.raises(SourceError, match=message):
        read_captions(table)


def test_a_name_alone_stands_for_a_file_only_where_it_is_the_only_one() -> None:
    sources = [Source("a/x.glb", "x-1"), Source("b/x.glb", "x-2"), Source("b/y.glb", "y-3")]
    table = {"x.glb": ["which?"], "a/x.glb": ["first"], "y.glb": ["why"], "z.glb": ["nobody"]}

    assigned, missing = assign_captions(sources, table)

    assert assigned == {"x-1": ["first"], "y-3": ["why"]}
    assert missing == ["x.glb", "z.glb"]


Reader = Callable[[Task], Outcome]


def fake_pool(monkeypatch: pytest.MonkeyPatch, read: Reader | None = None) -> list[str]:
    """Replace Blender: every asset becomes a sample of its own name; returns what is read."""
    read_files: list[str] = []

    def run_tasks(
        tasks: Sequence[Task], settings: BuildSettings, *, cancel: threading.Event, **_: object
    ) -> Iterator[Outcome]:
        for task in tasks:
            if cancel.is_set():
                return
            read_files.append(task.file)
            outcome = read(task) if read else Outcome(task)
            if not (outcome.reason or outcome.error):
                about = {"inside": [], "file": task.file, "key": task.key}
                write_tar(task.target, [(task.key, {"json": to_json(about)})])
            yield outcome

    monkeypatch.setattr(build, "run_tasks", run_tasks)
    return read_files


def run_build(
    folder: Path, output: Path, cancel: threading.Event | None = None, **settings: int
) -> BuildReport:
    request = BuildRequest(assets=folder, output=output, settings=BuildSettings(**settings))
    return build_dataset(request, lambda *_: None, cancel or threading.Event())


def test_a_build_that_was_stopped_reads_only_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_assets(tmp_path / "assets", *(f"{name}.glb" for name in "abcdefg"))
    cancel = threading.Event()

    def stop_after_four(task: Task) -> Outcome:
        if len(read_files) == 4:
            cancel.set()
        return Outcome(task)

    read_files = fake_pool(monkeypatch, stop_after_four)
    first = run_build(folder, tmp_path / "set", cancel, shard_size=2)
    assert (len(read_files), first.num_samples, first.is_complete) == (4, 4, False)
    again = fake_pool(monkeypatch)

    second = run_build(folder, tmp_path / "set", shard_size=2)

    assert sorted(read_files + again) == sorted(f"{name}.glb" for name in "abcdefg")
    assert second.num_samples == 7 and second.is_complete
    shards = sorted((tmp_path / "set").glob("shard-*.tar"))
    keys = [key for shard in shards for key, _ in read_tar(shard)]
    # The order is that of the plan, whatever was read when.
    assert keys == [source.key for source in find_sources(folder, tmp_path / "set")]


def test_a_shard_that_is_lost_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_assets(tmp_path / "assets", "a.glb", "b.glb")
    fake_pool(monkeypatch)
    run_build(folder, tmp_path / "set", shard_size=1)
    shard = tmp_path / "set" / "shard-00001.tar"
    before = shard.read_bytes()
    shard.unlink()

    read_files = fake_pool(monkeypatch)
    run_build(folder, tmp_path / "set", shard_size=1)

    assert len(read_files) == 1 and shard.read_bytes() == before


def test_a_changed_asset_is_added_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_assets(tmp_path / "assets", "a.glb", "b.glb")
    fake_pool(monkeypatch)
    run_build(folder, tmp_path / "set")
    (folder / "a.glb").write_text("painted")

    report = run_build(folder, tmp_path / "set")

    assert report.warnings == ["a.glb has changed or gone since it was added"]
    assert report.num_samples == 3


def test_other_settings_and_other_folders_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_assets(tmp_path / "assets", "a.glb")
    fake_pool(monkeypatch)
    run_build(folder, tmp_path / "set", num_views=4)

    with pytest.raises(SourceError, match="begun with num_views 4, not 5"):
        run_build(folder, tmp_path / "set", num_views=5)
    make_assets(tmp_path / "photos", "holiday.jpg")
    with pytest.raises(SourceError, match="holds other things"):
        run_build(folder, tmp_path / "photos")
    (tmp_path / "set" / ".build" / "plan.json").write_text("{")
    with pytest.raises(SourceError, match="is damaged"):
        run_build(folder, tmp_path / "set", num_views=4)


def test_a_full_disk_ends_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_assets(tmp_path / "assets", "a.glb")
    fake_pool(monkeypatch, lambda task: Outcome(task, error="No space left on device"))

    with pytest.raises(OSError, match="No space left on device"):
        run_build(folder, tmp_path / "set")


@pytest.fixture
def maquette(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> CommandLine:
    line = build_command_line(monkeypatch, capsys, tmp_path)
    monkeypatch.setattr(dataset, "require_bpy", lambda: None)
    make_assets(line.folder / "assets", "a chair.glb", "bad.glb")
    return line


def say_bad(task: Task) -> Outcome:
    return Outcome(task, reason="it has no faces" if task.file == "bad.glb" else "")


def test_the_command_says_what_it_built(
    maquette: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_pool(monkeypatch, say_bad)

    assert maquette("dataset", "build", "assets", "-o", "set") == 0

    assert maquette.out == (
        "1 asset in 1 shard in set, 0 closed\n1 asset left out, see set/report.json\n"
    )
    assert "warning: left out bad.glb: it has no faces" in maquette.err


def test_the_command_answers_in_json(
    maquette: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_pool(monkeypatch, say_bad)

    assert maquette("dataset", "build", "assets", "-o", "set", "--json", "--quiet") == 0

    assert maquette.answer == {
        "dataset": "set",
        "samples": 1,
        "closed": 0,
        "shards": maquette.answer["shards"],
        "bad": [{"file": "bad.glb", "reason": "it has no faces"}],
        "notes": [],
        "warnings": [],
    }
    ((_, members),) = read_tar(maquette.folder / "set" / maquette.answer["shards"][0])
    assert json.loads(members["json"])["caption"] == "a chair"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("nowhere", "-o", "set"), "there is no folder nowhere"),
        (("assets", "-o", "set", "--views", "0"), "--views must be from 1 to 100, got 0"),
        (("assets", "-o", "set", "--jobs", "0"), "--jobs must be from 1 to 256, got 0"),
        (("assets", "-o", "set", "--time-limit", "nan"), "--time-limit must be from 1 to 86400"),
        (("assets", "-o", "set", "--captions", "none.csv"), "none.csv cannot be read as a table"),
        (("assets",), "the following arguments are required: -o/--output"),
    ],
)
def test_what_cannot_be_asked_for(
    maquette: CommandLine, words: tuple[str, ...], sentence: str
) -> None:
    assert maquette("dataset", "build", *words) == 2
    assert maquette.sentence.startswith(sentence)
    assert not (maquette.folder / "set").exists()


def test_an_output_that_cannot_be_written(
    maquette: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_pool(monkeypatch)
    (maquette.folder / "file").write_text("")

    assert maquette("dataset", "build", "assets", "-o", "file/set") == 5
    fake_pool(monkeypatch, lambda task: Outcome(task, error="No space left on device"))
    assert maquette("dataset", "build", "assets", "-o", "full") == 5
    assert "No space left on device" in maquette.sentence


def test_nothing_usable_is_a_failure(
    maquette: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_pool(monkeypatch, lambda task: Outcome(task, reason="it has no faces"))

    assert maquette("dataset", "build", "assets", "-o", "set", "--json") == 1
    assert maquette.answer["samples"] == 0
