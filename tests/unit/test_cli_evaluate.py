# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest
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
    """Replace the judge; what it was asked for goes into the list."""
    calls: list[dict[str, Any]] = []

    def evaluate(pack_dir: Path, **options: Any) -> Report:
        calls.append({"pack_dir": pack_dir, **options})
        options["on_progress"]("Judging", 0.5)
        return Report()

    module = types.ModuleType("maquette.evaluation.run")
    module.evaluate = evaluate  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return calls


def test_the_numbers_are_written_as_json(maquette, calls):
    assert maquette("evaluate", "--pack", "starter", "--json") == 0

    assert maquette.answer == {"kind_accuracy": 0.9, "n": 200}
    assert calls[0]["num_prompts"] == 200


def test_the_numbers_are_written_for_people(maquette, calls):
    assert maquette("evaluate", "-n", "20", "--seed", "3") == 0

    assert maquette.out == "right kind  90 %\n"
    assert maquette.err == " 50 % Judging\n"
    assert (calls[0]["num_prompts"], calls[0]["seed"]) == (20, 3)


@pytest.mark.parametrize("number", ["0", "-1", "nan", "1000000"])
def test_an_impossible_number_of_prompts(maquette, calls, number):
    assert maquette("evaluate", "-n", number) == 2

    assert number in maquette.sentence
    assert calls == []


@pytest.mark.parametrize("missing", ["maquette.evaluation", "maquette.evaluation.run"])
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
