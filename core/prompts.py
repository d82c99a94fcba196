# SPDX-License-Identifier: GPL-3.0-or-later
"""A list of prompts, as lines of text or as a table: read whole, or refused whole.

Lines: one prompt each; empty ones and those that begin with # are left out.

    a red chair
    # for the kitchen
    a blue mug

Table (CSV): a header that names its columns, of which `prompt` is needed. Commas, semicolons or
tabs; quotes where a prompt holds one of them; UTF-8, UTF-16 or what Windows calls ANSI.

    prompt;seed;count;preset;name
    a red chair;7;2;fine;Kitchen Chair
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Literal

from .config import MAX_COUNT, MAX_PROMPT_CHARACTERS, MAX_SEED, GenerationRequest
from .errors import InvalidRequestError, LineFault, PromptListError

MAX_ROWS = 1000
MAX_FAULTS = 20
"""Told at a time; who has more has the wrong file."""

PRESETS = ("draft", "fast", "normal", "fine")
COLUMNS = ("prompt", "seed", "count", "preset", "name")

MAX_DIGITS = 10
"""Of a number that is looked at."""

_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptRow:
    """One prompt of a list; what it does not say is None or empty."""

    line: int
    """Where it stands, from 1."""
    prompt: str
    seed: int | None = None
    count: int | None = None
    preset: str = ""
    name: str = ""


def parse_list(text: str, source: str) -> tuple[PromptRow, ...]:
    """Return the prompts of a text: a table if the name says so or the header shows it.

    Args:
        text: the whole list.
        source: its name, for messages.

    Raises:
        PromptListError: a line cannot be used, or there is none.
    """
    if source.lower().endswith((".csv", ".tsv")) or _is_table(text):
        return parse_table(text, source)
    return parse_lines(text, source)


def parse_lines(text: str, source: str) -> tuple[PromptRow, ...]:
    """Return a prompt for each line that is neither empty nor a comment.

    Raises:
        PromptListError: a line cannot be used, or there is none.
    """
    lines = [(number, line.strip()) for number, line in enumerate(_lines(text), 1)]
    rows = [PromptRow(line=n, prompt=line) for n, line in lines if line and line[0] != "#"]
    faults = [fault for row in rows if (fault := _fault_of_prompt(row.line, row.prompt))]
    return _checked(rows, faults, source)


def parse_table(text: str, source: str) -> tuple[PromptRow, ...]:
    """Return a prompt for each row of a table that is not empty.

    Raises:
        PromptListError: the header lacks a column `prompt`, or a row cannot be used.
    """
    text = text.removeprefix("\ufeff")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    rows: list[PromptRow] = []
    faults: list[LineFault] = []
    try:
        header = _header(next(reader, []), source)
        first = reader.line_num + 1
        for cells in reader:
            values = [cell.strip() for cell in cells]
            # A quoted prompt may go over several lines; the first is where one looks for it.
            line, first = first, reader.line_num + 1
            if any(values) and not values[0].startswith("#"):
                row, found = _row(line, header, values)
                faults += found
                rows += [row] if row else []
    except csv.Error as error:
        faults.append(LineFault(reader.line_num, "no table", str(error)))
    return _checked(rows, faults, source)


def decode_list(content: bytes, source: str) -> str:
    """Return the text of a file as spreadsheets and text editors write it.

    Raises:
        PromptListError: it is no text.
    """
    is_utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if is_utf16 else ("utf-8-sig", "cp1252"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise PromptListError(source, (LineFault(0, "no text"),))


def _lines(text: str) -> list[str]:
    # Not splitlines(), for which a form feed or a Unicode separator ends a line too.
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _is_table(text: str) -> bool:
    header = _lines(text)[0]
    cells = [cell.strip().strip('"').lower() for cell in header.split(_delimiter(header))]
    return "prompt" in cells and (len(cells) > 1 or header.strip().lower() == "prompt")


def _delimiter(text: str) -> str:
    header = _lines(text)[0]
    return max(_DELIMITERS, key=header.count)


def _header(cells: list[str], source: str) -> list[str]:
    header = [cell.strip().lower() for cell in cells]
    if "prompt" not in header:
        raise PromptListError(source, (LineFault(1, "no prompt column"),))
    unknown = [cell for cell in header if cell and cell not in COLUMNS]
    doubled = [cell for cell in header if cell and header.count(cell) > 1]
    if unknown:
        raise PromptListError(source, (LineFault(1, "unknown column", unknown[0]),))
    if doubled:
        raise PromptListError(source, (LineFault(1, "doubled column", doubled[0]),))
    return header


def _row(
    line: int, header: list[str], values: list[str]
) -> tuple[PromptRow | None, list[LineFault]]:
    """Return the row, or what is wrong with it."""
    if len(values) > len(header) and any(values[len(header) :]):
        return None, [LineFault(line, "more cells than columns")]
    cells = dict(zip(header, values, strict=False))
    preset = cells.get("preset", "").lower()
    faults = [
        _fault_of_prompt(line, cells.get("prompt", "")),
        _fault_of_number(line, "seed", cells.get("seed", ""), 0, MAX_SEED),
        _fault_of_number(line, "count", cells.get("count", ""), 1, MAX_COUNT),
    ]
    if preset and preset not in PRESETS:
        faults.append(LineFault(line, "unknown preset", preset))
    found = [fault for fault in faults if fault]
    if found:
        return None, found
    row = PromptRow(
        line=line,
        prompt=cells["prompt"],
        seed=int(cells["seed"]) if cells.get("seed") else None,
        count=int(cells["count"]) if cells.get("count") else None,
        preset=preset,
        name=cells.get("name", ""),
    )
    return row, []


def _fault_of_prompt(line: int, prompt: str) -> LineFault | None:
    if not prompt:
        return LineFault(line, "empty prompt")
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        return LineFault(line, "long prompt")
    try:
        GenerationRequest(prompt=prompt)
    except InvalidRequestError:
        return LineFault(line, "unprintable")
    return None


def _fault_of_number(
    line: int, kind: Literal["seed", "count"], text: str, low: int, high: int
) -> LineFault | None:
    is_number = text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
    if not text or (is_number and low <= int(text) <= high):
        return None
    return LineFault(line, kind, text)


def _checked(rows: list[PromptRow], faults: list[LineFault], source: str) -> tuple[PromptRow, ...]:
    if not faults and not rows:
        faults = [LineFault(0, "no prompt")]
    if len(rows) > MAX_ROWS:
        faults = [LineFault(0, "many prompts", str(len(rows)))]
    if faults:
        raise PromptListError(source, tuple(faults[:MAX_FAULTS]))
    return tuple(rows)
