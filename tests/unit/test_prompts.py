# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of prompts as people and spreadsheets write them; good ones whole, bad ones by line."""

from __future__ import annotations

import csv
import io

import pytest
from maquette.core.config import MAX_SEED
from maquette.core.errors import PromptListError
from maquette.core.prompts import (
    MAX_FAULTS,
    MAX_ROWS,
    PromptRow,
    decode_list,
    parse_lines,
    parse_list,
    parse_table,
)


def prompts_of(rows: tuple[PromptRow, ...]) -> list[tuple[int, str]]:
    return [(row.line, row.prompt) for row in rows]


def faults_of(text: str, name: str = "list.csv") -> list[tuple[int, str]]:
    with pytest.raises(PromptListError) as caught:
        parse_list(text, name)
    assert caught.value.source == name
    assert name in str(caught.value) and "\n" not in str(caught.value)
    return [(fault.line, fault.kind) for fault in caught.value.faults]


# Lines


def test_each_line_is_a_prompt_and_keeps_its_number():
    text = "a red chair\n\n# for the kitchen\n   a blue mug  \n\t\n椅子\n"

    assert prompts_of(parse_list(text, "Text")) == [
        (1, "a red chair"),
        (4, "a blue mug"),
        (6, "椅子"),
    ]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_lines_end_as_they_do_on_any_system(ending):
    assert prompts_of(parse_lines(ending.join(["a", "b", "c"]), "Text")) == [
        (1, "a"),
        (2, "b"),
        (3, "c"),
    ]


def test_a_line_with_commas_is_one_prompt():
    assert prompts_of(parse_list("a chair, red, wooden\na mug; blue", "Text")) == [
        (1, "a chair, red, wooden"),
        (2, "a mug; blue"),
    ]


def test_a_first_line_that_speaks_of_a_prompt_makes_no_table():
    assert prompts_of(parse_list("a prompt, well made\nb", "Text")) == [
        (1, "a prompt, well made"),
        (2, "b"),
    ]


def test_a_text_that_is_a_table_is_read_as_one():
    (row,) = parse_list("prompt,seed\na chair,7\n", "Text")

    assert (row.prompt, row.seed) == ("a chair", 7)


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing yet\n"])
def test_a_list_without_prompts_is_refused(text):
    assert faults_of(text, "Text") == [(0, "no prompt")]


def test_every_bad_line_is_told():
    text = f"a chair\n{'x' * 1001}\na mug\na\x07bell\n"

    assert faults_of(text, "Text") == [(2, "long prompt"), (4, "unprintable")]


def test_a_list_that_is_far_too_long():
    assert len(parse_lines("a\n" * MAX_ROWS, "Text")) == MAX_ROWS
    assert faults_of("a\n" * (MAX_ROWS + 1), "Text") == [(0, "many prompts")]


# Tables


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_in_any_usual_dialect(delimiter):
    table = [
        ["prompt", "seed", "count", "preset", "name"],
        ["a red chair", "7", "2", "Fine", "Kitchen Chair"],
        ['a "blue" mug, large; tall', "", "", "", ""],
    ]
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter).writerows(table)

    rows = parse_list(written.getvalue(), "list.csv")

    assert rows == (
        PromptRow(
            line=2, prompt="a red chair", seed=7, count=2, preset="fine", name="Kitchen Chair"
        ),
        PromptRow(line=3, prompt='a "blue" mug, large; tall'),
    )


def test_columns_in_any_order_and_case_and_empty_rows():
    rows = parse_table(" Seed ; PROMPT \n3;a chair\n;\n\n;a mug\n", "list.csv")

    assert [(row.line, row.prompt, row.seed) for row in rows] == [
        (2, "a chair", 3),
        (5, "a mug", None),
    ]


def test_a_quoted_prompt_over_several_lines_is_found_where_it_begins():
    text = 'prompt,seed\n"a red\nchair",1\n"a\nmug",x\n'

    assert faults_of(text) == [(4, "seed")]


def test_a_byte_order_mark_is_no_part_of_the_header():
    content = "prompt,seed\na chair,1\n".encode("utf-8-sig")

    (row,) = parse_list(decode_list(content, "list.csv"), "list.csv")

    assert row.prompt == "a chair"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_the_encodings_that_spreadsheets_write(encoding):
    content = "prompt\nein grüner Stuhl\n".encode(encoding)

    assert decode_list(content, "list.csv").endswith("ein grüner Stuhl\n")


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\x00\x00", b"\xff\xfe\x00", b"a\0b"])
def test_what_is_no_text_is_refused(content):
    with pytest.raises(PromptListError) as caught:
        decode_list(content, "list.csv")

    assert [fault.kind for fault in caught.value.faults] == ["no text"]


def test_every_bad_cell_is_told_with_its_line():
    text = (
        "prompt,seed,count,preset\n"
        "a chair,1,1,draft\n"
        ",1,1,\n"
        "a chair,-1,1,\n"
        "a chair,1.5,0,best\n"
        f"a chair,{MAX_SEED + 1},65,\n"
        "a chair,red,1,normal,\n"
        "a chair,1,1,normal,large\n"
        f"a chair,{'9' * 5000},1,\n"
        "a chair,٣,1,\n"
    )

    assert faults_of(text) == [
        (3, "empty prompt"),
        (4, "seed"),
        (5, "seed"),
        (5, "count"),
        (5, "unknown preset"),
        (6, "seed"),
        (6, "count"),
        (7, "seed"),
        (8, "more cells than columns"),
        (9, "seed"),
        (10, "seed"),
    ]


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("seed,count", "no prompt column"),
        ("", "no prompt column"),
        ("prompt,sead", "unknown column"),
        ("prompt,seed,prompt", "doubled column"),
    ],
)
def test_a_header_that_cannot_be_used(header, kind):
    assert faults_of(f"{header}\na chair,1,2\n") == [(1, kind)]


def test_a_quote_that_is_never_closed():
    faults = faults_of('prompt,seed\na chair,1\n"a mug,2\na lamp,3\n')

    assert [kind for _, kind in faults] == ["no table"]


def test_the_largest_numbers_are_taken():
    (row,) = parse_table(f"prompt,seed,count\na,{MAX_SEED},64\n", "list.csv")

    assert (row.seed, row.count) == (MAX_SEED, 64)


def test_the_wrong_file_is_not_told_line_by_line():
    assert len(faults_of("prompt,seed\n" + "a,b\n" * 500)) == MAX_FAULTS
