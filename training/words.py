# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of words of a pack: those of its captions, and those that stand for one of them.

Three sources, the surer first: the captions' own words; a thesaurus written by hand
(configs/thesaurus.txt); and neighbours, for words of everyday and of BERT's vocabulary whose
vectors by all-MiniLM-L6-v2 lie close to a word of the first two. Neighbours are right in three of
four cases at best, so they have to be close, and whoever writes such a word is told.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.conditioning.word_tokens import WordTable
from .minilm import MiniLM
from .shapes.phrases import caption_vocabulary, caption_words
from .shapes.synonyms import (
    ADJECTIVE_WORDS,
    COLOR_WORDS,
    COUNT_WORDS,
    KIND_NOUNS,
    PART_NOUNS,
    RELATION_WORDS,
    SUBSTANCES,
    UNSEEN_SYNONYMS,
    bare,
    plural,
)

logger = logging.getLogger(__name__)

WORDS_FILE = "words.json"
_CONFIGS = Path(__file__).parent / "configs"
_CLOSENESS = 0.7
"""Cosine from which a word is taken for its neighbour; chosen on the thesaurus, see decisions."""


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a pack with what they mean."""

    roles: dict[str, str]
    """Of each word of the captions: kind, kinds (a plural), colour, material, part, adjective,
    relation, count or filler."""
    others: dict[str, str | None]
    """Words that stand for one of these; None where a word is no slip of another."""

    def table(self) -> WordTable:
        """Return the words with their tokens."""
        return WordTable(tuple(self.roles), self.others)


def make_words(model: MiniLM | None, *, kept: Collection[str] = ()) -> Words:
    """Put a table together.

    Args:
        model: for neighbours; without one there are only captions and thesaurus.
        kept: words that the thesaurus may not tell about, to measure what neighbours alone do.
    """
    roles = word_roles()
    thesaurus = {word: meant for word, meant in read_thesaurus().items() if word not in kept}
    others: dict[str, str | None] = {
        word: head_word(meant) for word, meant in thesaurus.items() if word not in roles
    }
    if model is None:
        return Words(roles, others)
    candidates = [*read_list(_CONFIGS / "everyday_words.txt"), *model.whole_words()]
    strange = [word for word in dict.fromkeys(candidates) if word not in roles | others]
    near = neighbours(model, strange, meanings(roles, thesaurus))
    others |= near
    table = WordTable(tuple(roles), others)
    slips = [word for word in strange if word not in near and table.read(word).known]
    return Words(roles, others | dict.fromkeys(slips))


def neighbours(
    model: MiniLM, words: Sequence[str], anchors: Mapping[str, str], closeness: float = _CLOSENESS
) -> dict[str, str | None]:
    """Return the words that are close to an anchor, with the word of the captions it stands for.

    Args:
        model: makes vectors.
        words: lower case.
        anchors: word -> name of what it stands for, as in shapes/synonyms.py.
        closeness: cosine from which a neighbour counts.
    """
    known = list(anchors)
    likeness, nearest = (model.vectors(words) @ model.vectors(known).T).max(1)
    found = zip(words, likeness.tolist(), nearest.tolist(), strict=True)
    return {word: head_word(anchors[known[i]]) for word, value, i in found if value >= closeness}


def word_roles() -> dict[str, str]:
    """Return every word of the captions with the most telling of its roles, sorted."""
    roles = dict.fromkeys(caption_vocabulary(), "filler")

    def give(role: str, texts: Collection[str]) -> None:
        for text in texts:
            for word in caption_words(text):
                roles[word] = role

    # The most telling comes last.
    for counts in COUNT_WORDS.values():
        give("count", [word for word in counts if " " not in word])
    for relations in RELATION_WORDS.values():
        give("relation", [text.split()[0] for text in relations])
    for adjectives in ADJECTIVE_WORDS.values():
        give("adjective", adjectives)
    for parts in PART_NOUNS.values():
        named = [bare(part) for part in parts]
        give("part", [*named, *map(plural, named)])
    for substances in SUBSTANCES.values():
        give("material", substances)
    for colors in COLOR_WORDS.values():
        give("colour", colors)
    for nouns in KIND_NOUNS.values():
        heads = [noun.split()[-1] for noun in nouns]
        give("kinds", [plural(head) for head in heads])
    for nouns in KIND_NOUNS.values():
        give("kind", [noun.split()[-1] for noun in nouns])
    return {word: role for word, role in roles.items() if word in set(caption_vocabulary())}


def head_word(name: str) -> str:
    """Return the one word of the captions that says what a name of shapes/synonyms.py means."""
    tables = (KIND_NOUNS, COLOR_WORDS, PART_NOUNS, ADJECTIVE_WORDS, RELATION_WORDS)
    for table in tables:
        if name in table:
            texts = [bare(text) for text in table[name]]
            single = next((text for text in texts if " " not in text), None)
            return single or texts[0].split()[-1]
    raise KeyError(f"{name!r} is nothing that captions speak of")


def meanings(roles: Collection[str], thesaurus: Mapping[str, str]) -> dict[str, str]:
    """Return the words that neighbours are looked for among, with what they stand for."""
    found: dict[str, str] = {}
    for table in (KIND_NOUNS, COLOR_WORDS, SUBSTANCES, PART_NOUNS, ADJECTIVE_WORDS):
        for name, texts in table.items():
            for text in texts:
                found.setdefault(bare(text), name)
    return found | {word: name for word, name in thesaurus.items() if word not in roles}


def read_thesaurus() -> dict[str, str]:
    """Return word -> name of shapes/synonyms.py; of several meanings the first."""
    found: dict[str, str] = {}
    for line in _lines(_CONFIGS / "thesaurus.txt"):
        name, _, words = line.partition(":")
        for word in words.split():
            found.setdefault(word, name)
    return found


def read_list(path: Path) -> list[str]:
    """Return the words of a list, in order."""
    return [word for line in _lines(path) for word in line.split()]


def _lines(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def share_right(words: Words, asked: Mapping[str, str]) -> float:
    """Return the share of words that the table takes for what they mean.

    Args:
        words: of a pack.
        asked: word -> name of shapes/synonyms.py.
    """
    table = words.table()
    meant = meanings((), {})
    right = [
        any(meant.get(known) == name for known in table.read(word).known)
        or table.read(word).known == (head_word(name),)
        for word, name in asked.items()
    ]
    return sum(right) / len(right)


def save_words(words: Words, folder: Path) -> None:
    """Write `words.json`."""
    content = {"roles": words.roles, "others": words.others}
    text = json.dumps(content, indent=0, ensure_ascii=False)
    part = folder / f"{WORDS_FILE}.part"
    part.write_text(text + "\n", encoding="utf-8")
    part.replace(folder / WORDS_FILE)


def load_words(folder: Path) -> Words:
    """Read what `save_words` wrote.

    Raises:
        FileNotFoundError: there is none.
    """
    path = folder / WORDS_FILE
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run `words` first")
    content = json.loads(path.read_text(encoding="utf-8"))
    return Words(dict(content["roles"]), dict(content["others"]))


def write_words(model: MiniLM, folder: Path) -> None:
    """Make a table, say how many of the words kept from captions it understands, and write it."""
    words = make_words(model)
    without = make_words(model, kept=UNSEEN_SYNONYMS)
    logger.info(
        "%d words of captions, %d others; of %d synonyms that no caption says, %.1f %% are"
        " understood, %.1f %% by neighbours alone",
        len(words.roles),
        len(words.others),
        len(UNSEEN_SYNONYMS),
        100 * share_right(words, UNSEEN_SYNONYMS),
        100 * share_right(without, UNSEEN_SYNONYMS),
    )
    save_words(words, folder)
