# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest
from maquette.cli.evaluate import SECTIONS
from maquette.tests.unit.cli_harness import CommandLine, build_command_line


@pytest.fixture
def maquette(monkeypatch, capsys, tmp_path) -> CommandLine:
    return build_command_line(monkeypatch, capsys, tmp_path)


class Report:
    def to_json(self) -> dict[str, object]:
        return {"kind_accuracy": 0.9, "n": 200}

    def to_text(self) -> str:
        return "right kind  90 %"


@pytest.fixture
def calls(monkeypatch) -> list[dict[str, Any]]:
    """Replace the judges; what they were asked for goes into the list."""
    calls: list[dict[str, Any]] = []

    def compare(pack_dirs: list[Path], settings: dict[str, Any], **options: Any) -> Report:
        calls.append({"pack_dirs": pack_dirs, **settings, **options})
        options["on_progress"]("Judging", 0.5)
        return Report()

    def make_sheet(pack_dir: Path, path: Path, **options: Any) -> dict[str, object]:
        calls.append({"pack_dir": pack_dir, "path": path, **options})
        return {"sheet": str(path), "samples": options["count"]}

    module = types.ModuleType("maquette.evaluation.command")
    module.compare, module.make_sheet = compare, make_sheet  # type: ignore[attr-defined]
    module.EvaluationSettings = dict  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return calls


def test_the_numbers_are_written_as_json(maquette, calls):
    assert maquette("evaluate", "--pack", "starter", "--json") == 0

    assert maquette.answer == {"kind_accuracy": 0.9, "n": 200}
    assert calls[0]["num_prompts"] == 200
    assert calls[0]["sections"] == SECTIONS
    assert calls[0]["report"] is None


def test_the_numbers_are_written_for_people(maquette, calls):
    assert maquette("evaluate", "-n", "20", "--seed", "3") == 0

    assert maquette.out == "right kind  90 %\n"
    assert maquette.err == " 50 % Judging\n"
    assert (calls[0]["num_prompts"], calls[0]["seed"]) == (20, 3)


def test_parts_and_samples_are_passed_on(maquette, calls):
    assert maquette("evaluate", "--only", "images", "prompts", "--samples", "4") == 0

    assert calls[0]["sections"] == ("images", "prompts")
    assert calls[0]["samples"] == 4


def test_a_second_pack_may_be_a_folder(maquette, calls, tmp_path):
    (tmp_path / "mine").mkdir()

    assert maquette("evaluate", "--against", str(tmp_path / "mine")) == 0

    assert calls[0]["pack_dirs"] == [tmp_path, tmp_path / "mine"]


def test_a_pack_that_is_nowhere(maquette, calls):
    assert maquette("evaluate", "--pack", "nowhere") == 2

    assert "there is no pack 'nowhere'" in maquette.sentence
    assert calls == []


def test_the_report_goes_where_it_was_asked(maquette, calls):
    assert maquette("evaluate", "--report", "page.html", "--clip", "ViT-B-32,weights.pt") == 0

    assert calls[0]["report"] == Path("page.html")
    assert calls[0]["clip"] == "ViT-B-32,weights.pt"


def test_a_sheet_needs_no_judge(maquette, calls):
    assert maquette("evaluate", "--sheet", "sheet.png", "--seed", "7") == 0

    assert (calls[0]["path"], calls[0]["count"], calls[0]["seed"]) == (Path("sheet.png"), 100, 7)
    assert maquette.out == "100 random results are in sheet.png\n"


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--report", "page.txt", "--report must name a .html file"),
        ("--sheet", "sheet.jpg", "--sheet must name a .png file"),
        ("--report", "nowhere/page.html", "folder of --report does not exist"),
    ],
)
def test_files_that_cannot_be(maquette, calls, option, value, told):
    assert maquette("evaluate", option, value) == 2

    assert told in maquette.sentence
    assert calls == []


@pytest.mark.parametrize("option", ["-n", "--samples"])
@pytest.mark.parametrize("number", ["0", "-1", "nan", "1000000"])
def test_an_impossible_number_of_prompts(maquette, calls, option, number):
    assert maquette("evaluate", option, number) == 2

    assert number in maquette.sentence
    assert calls == []


def test_the_parts_are_those_that_there_are():
    from maquette.evaluation import settings

    assert SECTIONS == tuple(settings.SECTIONS)


@pytest.mark.parametrize("missing", ["maquette.evaluation", "maquette.evaluation.command"])
def test_an_installation_without_the_judge_says_where_to_get_it(maquette, monkeypatch, missing):
    def refuse(name: str, package: str) -> None:
        raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    monkeypatch.setattr("importlib.import_module", refuse)

    assert maquette("evaluate") == 2

    assert "needs a checkout of Maquette's source" in maquette.sentence


def test_a_judge_that_lacks_something_is_not_hidden(maquette, monkeypatch):
    def refuse(name: str, package: str) -> None:
        raise ModuleNotFoundError("No module named 'scipy'", name="scipy")

    monkeypatch.setattr("importlib.import_module", refuse)

    assert maquette("evaluate") == 1

    assert "scipy" in maquette.sentence
