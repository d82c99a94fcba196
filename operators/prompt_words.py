# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said about a list of prompts that cannot be used: which line, and what to do to it."""

from __future__ import annotations

from bpy.app.translations import pgettext_n as n_
from bpy.app.translations import pgettext_rpt as rpt_

from ..core import config, prompts
from ..core.errors import LineFault, PromptListError

_WORDS = {
    "empty prompt": n_("write a prompt"),
    "long prompt": n_("shorten the prompt to {limit} characters"),
    "unprintable": n_("delete the unprintable characters"),
    "seed": n_("{value} is no seed: write a whole number"),
    "count": n_("{value} is no count: write 1 to {most}"),
    "unknown preset": n_("preset {value}: use draft, fast, normal or fine"),
    "more cells than columns": n_("put the prompt in quotes or remove a cell"),
    "no prompt column": n_("name a column prompt"),
    "unknown column": n_("there is no column {value}: remove it"),
    "doubled column": n_("two columns are named {value}: keep one"),
    "no table": n_("mend the quotes around this line"),
    "no text": n_("save it as UTF-8 text"),
    "no file": n_("it cannot be read: choose another"),
    "no prompt": n_("write a prompt on each line"),
    "many prompts": n_("use at most {rows} prompts, not {value}"),
}

MAX_NAME, MAX_VALUE = 20, 14
"""Characters of a list's name and of a cell that are repeated."""


def of_list(error: PromptListError) -> str:
    """Return the first fault as a sentence that names the list."""
    name = _clip(error.source.replace("\\", "/").rpartition("/")[2], MAX_NAME)
    first = error.faults[0]
    if not first.line:
        return f"{name}: {_words(first)}"
    line = rpt_("Line {line} of {list}: {words}")
    return line.format(line=first.line, list=name, words=_words(first))


def of_fault(fault: LineFault) -> str:
    """Return a fault as a sentence that names its line, if it is about one."""
    words = _words(fault)
    if not fault.line:
        return words[:1].upper() + words[1:]
    return rpt_("Line {line}: {words}").format(line=fault.line, words=words)


def _words(fault: LineFault) -> str:
    return rpt_(_WORDS[fault.kind]).format(
        value=_clip(" ".join(fault.value.split()), MAX_VALUE),
        limit=config.MAX_PROMPT_CHARACTERS,
        most=config.MAX_COUNT,
        rows=prompts.MAX_ROWS,
    )


def _clip(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
