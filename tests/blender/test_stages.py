# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages of core in the user's language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from maquette.operators import stages

ROOT = Path(__file__).resolve().parents[2]


def test_every_stage_that_core_reports_is_known():
    names = ("pipeline.py", "latents.py", "encode.py", "meshing.py", "geometry/surface.py")
    sources = "".join((ROOT / "core" / name).read_text(encoding="utf-8") for name in names)
    reported = re.findall(r'(?:on_progress|announce|report)\(\s*"([^"]+)"', sources)

    assert len(reported) >= 6
    assert set(reported) == set(stages.STAGES)


@pytest.mark.parametrize("stage", ["Sampling", "Sampling (2 of 4)", "Something new"])
def test_without_a_translation_a_stage_stays_as_it_is(stage):
    assert stages.in_words(stage) == stage


def test_the_stage_of_a_variant_is_translated_by_its_parts(monkeypatch):
    german = {"Sampling": "Tastet ab", "{stage} ({index} of {count})": "{stage} ({index}/{count})"}
    monkeypatch.setattr(stages, "iface_", lambda text: german.get(text, text))

    assert stages.in_words("Sampling (2 of 4)") == "Tastet ab (2/4)"
