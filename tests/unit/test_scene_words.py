# SPDX-License-Identifier: GPL-3.0-or-later
"""Which prompts speak of several objects, and where they are divided."""

from __future__ import annotations

import numpy as np
import pytest
from maquette.core.conditioning.scene_words import read_scene
from maquette.core.conditioning.word_tokens import WordTable
from maquette.training.shapes import phrases
from maquette.training.shapes.phrases import caption_vocabulary, draw_caption
from maquette.training.shapes.scenes import sample_pair, sample_scene
from maquette.training.words import word_roles

ROLES = word_roles()
TABLE = WordTable(caption_vocabulary(), {"armchair": "chair", "sitting": "chair"})


def _read(prompt: str) -> tuple[str, str, str] | None:
    found = read_scene(TABLE, prompt, ROLES)
    if found is None or found.relation == "in a row":
        return None
    first, second = (" ".join(each.known) for each in found.objects)
    return first, found.relation, second


def _row(prompt: str) -> tuple[str, ...]:
    found = read_scene(TABLE, prompt, ROLES)
    if found is None or found.relation != "in a row":
        return ()
    return tuple(" ".join(each.known) for each in found.objects)


@pytest.mark.parametrize(
    ("prompt", "halves"),
    [
        ("a red chair next to a blue table", ("a red chair", "next to", "a blue table")),
        ("An apple on top of a pine tree.", ("an apple", "on", "a pine tree")),
        ("a cup that is underneath a bridge", ("a cup", "under", "a bridge")),
        ("a table with an apple on it", ("an apple", "on", "a table")),
        (
            "a table with a snowman with a red hat on it",
            ("a snowman with a red hat", "on", "a table"),
        ),
        ("a snowman with a red hat with an apple on it", None),
        ("a stool with white legs with a duck with black wings under it", None),
        ("a tree that has a bench beside it", ("a bench", "next to", "a tree")),
        ("a cat and a dog next to each other", ("a cat", "next to", "a dog")),
        ("a cat and a dog side by side", ("a cat", "next to", "a dog")),
        ("an armchair standing on a desk", ("an chair", "on", "a desk")),
        ("an ice cream cone on a table, on a plain background", None),
    ],
)
def test_pairs_are_divided(prompt: str, halves: tuple[str, str, str] | None) -> None:
    found = _read(prompt)

    assert found is not None
    if halves is not None:
        assert found == halves
    else:
        assert found[0].split()[1] in ("apple", "duck", "ice")


@pytest.mark.parametrize(
    ("prompt", "objects"),
    [
        ("two cats sitting on a couch", ("cat", "cat", "on", "a couch")),
        ("three red apples under a tree", (*("red apple",) * 3, "under", "a tree")),
        ("a table with two mugs on it", ("mug", "mug", "on", "a table")),
        ("a dog next to two black cats", ("a dog", *("black cat",) * 2, "next to")),
        ("a cat on two chairs", ("a cat", "on", "two chairs")),
        (
            "a bicycle with two red wheels on a table",
            ("a bicycle with two red wheels", "on", "a table"),
        ),
    ],
)
def test_several_of_a_kind_are_so_many_objects_of_a_scene(
    prompt: str, objects: tuple[str, ...]
) -> None:
    found = read_scene(TABLE, prompt, ROLES)

    assert found is not None
    said = [" ".join(each.known) for each in found.objects]
    place = objects.index(found.relation)
    assert tuple(said) == (*objects[:place], *objects[place + 1 :])


@pytest.mark.parametrize(
    "prompt",
    [
        "a red chair",
        "",
        "a cat and a dog",
        "a lamp standing",
        "a chair red on the inside",
        "a chair on a plain background",
        "a cup on a table next to a chair",
        "a chair and a table next to a lamp",
        "a table on which an apple lies",
        "a snowman with a black scarf and a red hat",
        "a wooden boat on the water",
        "under a table",
    ],
)
def test_all_else_is_one_thing_to_say(prompt: str) -> None:
    assert _read(prompt) is None


@pytest.mark.parametrize(
    ("prompt", "row"),
    [
        ("three red apples", ("red apple",) * 3),
        ("a pair of pink fish", ("a pink fish",) * 2),
        ("two pines, on a plain background", ("pine a plain background",) * 2),
        ("2 ice creams", ("ice cream",) * 2),
        ("two tall wooden chairs with white legs", ("tall wooden chair with white legs",) * 2),
        ("three cats next to each other", ("cat to",) * 3),
        ("a bicycle with two red wheels", ()),
        ("a house with three windows", ()),
        ("two chair", ("chair",) * 2),
        ("a two-story house", ()),
        ("3 fish", ("fish",) * 3),
        ("apples", ()),
        ("two apples and three carrots", ()),
        ("two cats on a couch", ()),
    ],
)
def test_a_number_of_one_thing_is_as_many_of_it(prompt: str, row: tuple[str, ...]) -> None:
    assert _row(prompt) == row


def test_captions_of_several_alike_are_so_many_single_ones() -> None:
    """The truth is what the generator of captions was asked to say."""
    num_rows = num_right = 0
    for index in range(500):
        rng = np.random.default_rng([6, index])
        labels = sample_scene(rng, "any")
        row = _row(draw_caption(labels, rng).text)
        if labels.count == 1:
            assert row == ()
            continue
        num_rows += 1
        is_single = not any(ROLES[word] == "kinds" for each in row for word in each.split())
        num_right += len(row) == labels.count and is_single
    assert num_rows > 30
    assert num_right >= 0.97 * num_rows


def test_tokens_are_those_of_the_words() -> None:
    found = read_scene(TABLE, "a tiny qwertz cat beside a big armchair", ROLES)

    assert found is not None
    for half in found.objects:
        assert TABLE.read(" ".join(half.known)).tokens == half.tokens
    assert found.whole.unknown == ("qwertz", "big") and found.whole.taken == (
        ("armchair", "chair"),
    )


def test_captions_of_two_objects_are_divided_and_those_of_one_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The truth is what the generator of captions joined."""
    joined: list[tuple[str, str, str]] = []
    relate = phrases._relate

    def noted(said: list[str], relation: str, rng: np.random.Generator) -> str:
        joined.append((said[0], relation, said[1]))
        return relate(said, relation, rng)

    monkeypatch.setattr(phrases, "_relate", noted)
    num_pairs = num_right = 0
    for index in range(600):
        rng = np.random.default_rng([5, index])
        labels = sample_pair(rng, "any") if index % 2 else sample_scene(rng, "any")
        joined.clear()
        found = _read(draw_caption(labels, rng, is_complete=index % 4 == 1).text)
        if not joined:
            assert found is None
            continue
        num_pairs += 1
        first, relation, second = joined[0]
        truths = [(first, relation, second)]
        truths += [(second, relation, first)] if relation == "next to" else []
        num_right += found is not None and any(_says(found, truth) for truth in truths)
    assert num_pairs > 300
    assert num_right >= 0.99 * num_pairs


def _says(found: tuple[str, str, str], truth: tuple[str, str, str]) -> bool:
    """Tell whether the words are there; openers and closers may stand around them."""
    plain = [" ".join(TABLE.read(truth[side]).known) for side in (0, 2)]
    return found[1] == truth[1] and plain[0] in found[0] and plain[1] in found[2]
