# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole words as tokens: those that a pack has learnt, and others that stand for one of them.

A table is kept as a `tokenizer.json` of Hugging Face's tokenizers (a `WordLevel` model), in which
several words may share a token, so that open_clip reads prompts with it too. Only here plurals and
slips of the finger are understood and unknown words left out instead of marked.
"""

from __future__ import annotations

import json
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .spelling import PATTERN, forms_of, nearest_to, words_of

_PADDING, _UNKNOWN, _END = "[PAD]", "[UNK]", "[END]"
PADDING, UNKNOWN, FIRST_WORD = 0, 1, 2
"""Tokens. The end of a prompt has the highest, by which open_clip finds it."""

_MIN_LETTERS = 5
"""Of a word that may be a slip; shorter ones are too near to one another."""


@dataclass(frozen=True, slots=True)
class WordReading:
    """How a prompt was understood."""

    tokens: tuple[int, ...]
    """Of the words that are known or taken for one, in order, without padding or end."""
    known: tuple[str, ...]
    """The learnt words of these tokens."""
    taken: tuple[tuple[str, str], ...]
    """Words that stand for a learnt word, each once: (as written, learnt)."""
    unknown: tuple[str, ...]
    """Words that stand for nothing, in order, each once."""


class WordTable:
    """The words of a pack, each with its token."""

    def __init__(self, learnt: Iterable[str], others: Mapping[str, str | None]) -> None:
        """Number the words.

        Args:
            learnt: words of training captions; their order gives the tokens.
            others: further words with the learnt word that each stands for; None where a word
                means nothing here and is no slip of another one either ("cable" beside "table").

        Raises:
            KeyError: a word stands for one that was not learnt.
        """
        self.learnt = tuple(learnt)
        self._tokens = {word: i for i, word in enumerate(self.learnt, start=FIRST_WORD)}
        for word, meant in others.items():
            self._tokens.setdefault(word, UNKNOWN if meant is None else self._tokens[meant])

    @property
    def num_tokens(self) -> int:
        """Tokens in all: padding, unknown, learnt words, end."""
        return FIRST_WORD + len(self.learnt) + 1

    @property
    def end(self) -> int:
        """The token that ends a prompt."""
        return self.num_tokens - 1

    def others(self) -> dict[str, str | None]:
        """Return the words that were not learnt, as they were given."""
        return {
            word: None if token == UNKNOWN else self.learnt[token - FIRST_WORD]
            for word, token in self._tokens.items()
            if token == UNKNOWN or self.learnt[token - FIRST_WORD] != word
        }

    def read(self, prompt: str) -> WordReading:
        """Split a prompt into words and find what each one stands for."""
        tokens: list[int] = []
        taken: dict[str, str] = {}
        unknown: dict[str, None] = {}
        for word in words_of(prompt):
            token, is_itself = self._token(word)
            if token == UNKNOWN:
                unknown[word] = None
                continue
            tokens.append(token)
            if not is_itself:
                taken[word] = self.learnt[token - FIRST_WORD]
        known = tuple(self.learnt[token - FIRST_WORD] for token in tokens)
        return WordReading(tuple(tokens), known, tuple(taken.items()), tuple(unknown))

    def row(self, tokens: Sequence[int], length: int) -> list[int]:
        """Return tokens with their end, cut or padded to a length."""
        row = [*tokens[: length - 1], self.end]
        return row + [PADDING] * (length - len(row))

    def nearest(self, word: str) -> str | None:
        """Return the learnt word that is spelled most like `word`, if any is close."""
        return nearest_to(word, self.learnt)

    def _token(self, word: str) -> tuple[int, bool]:
        """Return a word's token, and whether it is that learnt word or its plural."""
        for form in forms_of(word):
            if form in self._tokens:
                token = self._tokens[form]
                is_itself = token != UNKNOWN and self.learnt[token - FIRST_WORD] == form
                return token, is_itself
        return self._slip(word), False

    def _slip(self, word: str) -> int:
        """Return the token of the one word that is a slip away, `UNKNOWN` if none or several."""
        if len(word) < _MIN_LETTERS or not word.isalpha():
            return UNKNOWN
        found = {self._tokens[edit] for edit in _edits(word) if edit in self._tokens} - {UNKNOWN}
        return found.pop() if len(found) == 1 else UNKNOWN


def write_table(table: WordTable) -> str:
    """Return the text of the table's `tokenizer.json`."""
    special = {_PADDING: PADDING, _UNKNOWN: UNKNOWN, _END: table.end}
    others = {
        word: UNKNOWN if meant is None else FIRST_WORD + table.learnt.index(meant)
        for word, meant in sorted(table.others().items())
    }
    learnt = {word: i for i, word in enumerate(table.learnt, start=FIRST_WORD)}
    end = {"id": _END, "type_id": 0}
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added(name, token) for name, token in special.items()],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": PATTERN},
            "behavior": "Removed",
            "invert": True,
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": end}],
            "pair": [
                {"Sequence": {"id": "A", "type_id": 0}},
                {"Sequence": {"id": "B", "type_id": 0}},
                {"SpecialToken": end},
            ],
            "special_tokens": {_END: {"id": _END, "ids": [table.end], "tokens": [_END]}},
        },
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": special | learnt | others, "unk_token": _UNKNOWN},
    }
    return json.dumps(content, ensure_ascii=False, indent=0) + "\n"


def read_table(text: str, learnt: Sequence[str]) -> WordTable:
    """Read what `write_table` wrote.

    Args:
        text: of a `tokenizer.json`.
        learnt: the words of the pack's description, whose order the tokens must have.

    Raises:
        ValueError: it is no such text, or of another pack.
    """
    try:
        vocabulary = dict(json.loads(text)["model"]["vocab"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it has no table of words ({error})") from error
    expected = {word: i for i, word in enumerate(learnt, start=FIRST_WORD)}
    expected |= {_PADDING: PADDING, _UNKNOWN: UNKNOWN, _END: FIRST_WORD + len(learnt)}
    for word, token in expected.items():
        if vocabulary.pop(word, None) != token:
            raise ValueError(f"{word!r} does not have the token {token}")
    return WordTable(learnt, {word: _meant(word, i, learnt) for word, i in vocabulary.items()})


def _meant(word: str, token: object, learnt: Sequence[str]) -> str | None:
    if token == UNKNOWN:
        return None
    if not isinstance(token, int) or not FIRST_WORD <= token < FIRST_WORD + len(learnt):
        raise ValueError(f"{word!r} has the token {token!r}, which is no word's")
    return learnt[token - FIRST_WORD]


def _added(name: str, token: int) -> dict[str, object]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": token, "content": name, "special": True} | flags


def _edits(word: str) -> set[str]:
    """Return every string that is one letter less, more, other or exchanged away."""
    splits = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    letters = string.ascii_lowercase
    deletes = {left + right[1:] for left, right in splits if right}
    swaps = {left + right[1] + right[0] + right[2:] for left, right in splits if len(right) > 1}
    replaces = {left + c + right[1:] for left, right in splits if right for c in letters}
    inserts = {left + c + right for left, right in splits for c in letters}
    return deletes | swaps | replaces | inserts
