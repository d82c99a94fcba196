# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documents link to within the project is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\(([^)\s]+)\)")
NOT_OURS = ("build", "dist", "node_modules", "runs")


def documents() -> list[Path]:
    folders = [
        each
        for each in ROOT.iterdir()
        if each.is_dir() and not each.name.startswith(".") and each.name not in NOT_OURS
    ]
    return sorted(
        [*ROOT.glob("*.md"), *(each for folder in folders for each in folder.rglob("*.md"))]
    )


def targets(text: str) -> set[str]:
    found = {match.partition("#")[0] for match in LINK.findall(text)}
    return {each for each in found if each and "://" not in each}


@pytest.mark.parametrize("document", documents(), ids=lambda each: str(each.relative_to(ROOT)))
def test_links_lead_to_files_of_the_project(document):
    for target in targets(document.read_text(encoding="utf-8")):
        path = (document.parent / target).resolve()
        assert path.is_relative_to(ROOT) and path.exists(), f"{document.name} links to {target}"


def test_links_are_found():
    text = "See [a](b.md#c), ![d](images/e.png), [f](https://g.h/i.md) and [j](#k)."

    assert targets(text) == {"b.md", "images/e.png"}
