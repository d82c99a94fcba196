# SPDX-License-Identifier: GPL-3.0-or-later
"""What core says about a result, as the sidebar says it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from maquette.operators import known_things, notes
from maquette.training.shapes.synonyms import KIND_NOUNS

PACK = Path(__file__).parents[2] / "packs" / "starter" / "pack.json"

NOTES = [
    "some colors of the mesh had to be guessed",
    "1 loose speck was removed",
    "12 loose specks were removed",
    "The object was not made symmetric because its halves do not join",
    "5000 triangles were kept because fewer would tear the surface",
    "2 levels of detail were made: more would tear it",
    "the starter pack does not know 'gun' and left it out",
    "the starter pack does not know 'chiar' and left it out"
    " (the nearest word that it knows is 'chair')",
    "the starter pack takes 'setee' for 'settee'",
    "sampling went out of range: used full precision",
    "sampled 2 variants at a time",
    "used half precision",
    "used full precision",
    "used the CPU",
]
STEPS = (
    "sampled one variant at a time",
    "looked at 4096 points at a time",
    "made the mesh on the CPU",
)


@pytest.mark.parametrize("step", STEPS)
def test_what_was_done_about_too_little_memory_is_translated_too(step, monkeypatch):
    templates = []
    monkeypatch.setattr(notes, "rpt_", lambda text: templates.append(text) or text)
    note = f"cuda:0 ran out of memory: {step}"

    assert notes.in_words(note) == note
    assert len(templates) == 2


@pytest.mark.parametrize("lack", ["OpenVINO, which the engine can have", "a processor with VNNI"])
def test_why_there_are_no_8_bit_numbers_is_translated_with_what_was_used_instead(lack, monkeypatch):
    templates = []
    monkeypatch.setattr(notes, "rpt_", lambda text: templates.append(text) or text)
    note = f"8-bit numbers need {lack}: used half precision"

    assert notes.in_words(note) == note
    assert len(templates) == 2


@pytest.mark.parametrize("note", NOTES)
def test_a_note_is_known_and_stays_as_it_is_in_english(note, monkeypatch):
    templates = []
    monkeypatch.setattr(notes, "rpt_", lambda text: templates.append(text) or text)

    assert notes.in_words(note) == note
    assert len(templates) == 1


def test_every_template_is_a_note_of_some_kind(monkeypatch):
    templates = set()
    monkeypatch.setattr(notes, "rpt_", lambda text: templates.add(text) or text)
    more = [f"cuda:0 ran out of memory: {step}" for step in STEPS]
    more.append("8-bit numbers need OpenVINO, which the engine can have: used half precision")
    more.append("8-bit numbers need a processor with VNNI: used half precision")
    for note in [*NOTES, *more, "7 triangles were kept because the surface touches itself"]:
        notes.in_words(note)

    assert templates == set(notes.TEMPLATES)


def test_another_note_stays_as_it_is():
    assert notes.in_words("Nobody knows this {one}") == "Nobody knows this {one}"


def test_the_starter_pack_knows_every_thing_that_the_menu_names_and_no_more():
    words = json.loads(PACK.read_text(encoding="utf-8"))["words"]

    for thing in known_things.THINGS:
        roles = [words.get(word) for word in thing.split()]
        assert None not in roles and "kind" in roles, thing
    for nouns in KIND_NOUNS.values():
        assert len(set(nouns) & set(known_things.THINGS)) == 1, nouns
    assert len(known_things.THINGS) == len(KIND_NOUNS)
