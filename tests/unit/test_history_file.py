# SPDX-License-Identifier: GPL-3.0-or-later
"""The prompt history as a file: order, bounds, damage, and nothing lost."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from maquette.core import history
from maquette.core.history import HistoryEntry, HistoryFileError


def entry(prompt: str = "a chair", *, seed: int = 0, day: int = 1, **more: Any) -> HistoryEntry:
    date = f"2026-11-{day:02}T12:00:00+00:00"
    return HistoryEntry(prompt=prompt, pack="starter", seed=seed, date=date, **more)


def prompts(entries: list[HistoryEntry]) -> list[str]:
    return [each.prompt for each in entries]


def write_text(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_the_newest_is_first() -> None:
    assert prompts(history.add([entry("a")], entry("b"))) == ["b", "a"]


def test_the_same_twice_in_a_row_is_one_entry_with_the_later_date() -> None:
    entries = history.add([entry("a", day=1), entry("b")], entry("a", day=2))

    assert prompts(entries) == ["a", "b"]
    assert entries[0].date.startswith("2026-11-02")


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"settings": {"num_steps": 8}}, {"image_source": "chair.png"}]
)
def test_what_differs_is_kept_beside_it(other: dict[str, Any]) -> None:
    assert len(history.add([entry()], entry(**other))) == 2


def test_the_same_later_again_is_another_entry() -> None:
    entries = history.add(history.add([entry("a")], entry("b")), entry("a"))

    assert prompts(entries) == ["a", "b", "a"]


def test_the_oldest_go_when_there_are_too_many() -> None:
    entries: list[HistoryEntry] = []
    for number in range(history.MAX_ENTRIES + 5):
        entries = history.add(entries, entry(str(number)))

    assert len(entries) == history.MAX_ENTRIES
    assert (entries[0].prompt, entries[-1].prompt) == (str(history.MAX_ENTRIES + 4), "5")


def test_merging_orders_by_time_across_zones_and_drops_what_is_there_already() -> None:
    early, late = entry("early", day=1), entry("late", day=3)
    west = HistoryEntry(prompt="west", date="2026-11-01T12:00:00-05:00")  # 17:00 UTC

    merged = history.merge([late, early], [west, early, HistoryEntry(prompt="undated")])

    assert prompts(merged) == ["late", "west", "early", "undated"]


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    entries = [
        entry(
            "红色的椅子 🪑\nжёлтый", seed=2**31 - 1, settings={"num_steps": 8, "sampler": "heun"}
        ),
        entry("", image_source="/pictures/chair.png", settings={"target_size": 0.1}),
    ]

    history.write(tmp_path / "h.json", entries)

    assert history.read(tmp_path / "h.json") == entries
    assert [each.source for each in entries] == ["TEXT", "IMAGE"]


def test_half_a_surrogate_pair_is_written_too(tmp_path: Path) -> None:
    history.write(tmp_path / "h.json", [entry("broken \udc80 name")])

    assert prompts(history.read(tmp_path / "h.json")) == ["broken \udc80 name"]


def test_no_file_is_an_empty_history(tmp_path: Path) -> None:
    assert history.read(tmp_path / "none.json") == []


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "damaged"),
        ('{"maquette_history": 1, "entries": [', "damaged"),
        ("[" * 100_000, "damaged"),
        ("[]", "foreign"),
        ('{"version": 3, "items": []}', "foreign"),
        ('{"maquette_history": 1}', "damaged"),
        ('{"maquette_history": 1, "entries": ["a chair"]}', "damaged"),
        ('{"maquette_history": 1, "entries": [{"prompt": 3}]}', "damaged"),
        ('{"maquette_history": 1, "entries": [{"seed": true}]}', "damaged"),
        ('{"maquette_history": 1, "entries": [{"settings": []}]}', "damaged"),
        ('{"maquette_history": 2, "entries": []}', "newer"),
    ],
)
def test_a_file_with_something_else_is_told_apart(tmp_path: Path, content: str, fault: str) -> None:
    path = write_text(tmp_path / "h.json", content)

    with pytest.raises(HistoryFileError) as caught:
        history.read(path)

    assert caught.value.fault == fault
    assert caught.value.is_about_content
    assert "h.json" in str(caught.value)


def test_bytes_that_are_no_text_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "h.json"
    path.write_bytes(b"\xff\xfe\x00{")

    with pytest.raises(HistoryFileError, match="damaged"):
        history.read(path)


def test_a_huge_file_is_not_even_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_FILE_BYTES", 10)

    with pytest.raises(HistoryFileError, match="foreign"):
        history.read(write_text(tmp_path / "h.json", '{"maquette_history": 1, "entries": []}'))


def test_settings_of_a_kind_nobody_knows_are_left_out(tmp_path: Path) -> None:
    settings = {"num_steps": 8, "nested": {"a": 1}, "none": None, "list": [1]}
    content = {"maquette_history": 1, "entries": [{"prompt": "a", "settings": settings}]}

    (found,) = history.read(write_text(tmp_path / "h.json", json.dumps(content)))

    assert found.settings == {"num_steps": 8}


def test_a_folder_in_the_place_of_the_file_is_about_the_way_to_it(tmp_path: Path) -> None:
    for action in (history.read, lambda path: history.write(path, [])):
        with pytest.raises(HistoryFileError) as caught:
            action(tmp_path)
        assert not caught.value.is_about_content


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "h.json"
    history.write(path, [entry("old")])

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HistoryFileError, match="No space left on device"):
        history.write(path, [entry("new")])

    assert prompts(history.read(path)) == ["old"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_file_is_set_aside_without_touching_an_earlier_one(tmp_path: Path) -> None:
    kept = [
        history.set_aside(write_text(tmp_path / "history.json", content))
        for content in ("first", "second")
    ]

    assert [path.read_text() for path in kept] == ["first", "second"]
    assert len(set(kept)) == 2
    assert not (tmp_path / "history.json").exists()
