# SPDX-License-Identifier: GPL-3.0-or-later
"""The page holds everything itself, and says in words what its pictures and charts show."""

from __future__ import annotations

import io
from html.parser import HTMLParser

import numpy as np
import pytest
from maquette.evaluation.asking import Answer
from maquette.evaluation.charts import histogram_chart, interval_bar
from maquette.evaluation.course import Missing
from maquette.evaluation.html_report import build_page, pack_names
from maquette.evaluation.judge import Verdict
from maquette.evaluation.measures import histogram
from maquette.evaluation.mesh_facts import MeshFacts
from maquette.evaluation.pictures import encode_small
from maquette.evaluation.prompts import EvaluationPrompt
from maquette.evaluation.reconstruction import ReconstructionScores, ShapeScore
from maquette.evaluation.report import EvaluationReport
from maquette.evaluation.scores import Outcome, PromptScores
from maquette.evaluation.sections import ImageScores, Variety
from maquette.training.shapes.labels import ObjectLabels, SceneLabels
from PIL import Image

pytestmark = pytest.mark.needs_torch

VOID = {"meta", "img", "br", "line", "rect", "path", "link", "input", "hr"}
PICTURE = encode_small(np.full((16, 16, 4), 200, dtype=np.uint8))


class Reader(HTMLParser):
    """Follows a page as a browser does, and stumbles over what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def outcome(text: str, kind: str) -> Outcome:
    asked = SceneLabels(objects=(ObjectLabels(kind="chair", color="red"),))
    facts = MeshFacts(
        num_triangles=4, num_parts=1, is_closed=True, is_sound=True, thickness=0.1, thin_share=0.0
    )
    answer = Answer(
        verdict=Verdict(kind, "red", None), facts=facts, seconds={"sample": 1.0}, picture=PICTURE
    )
    return Outcome(EvaluationPrompt(text=text, asked=asked, seed=0), answer)


def report(pack: str = "tiny", **parts: object) -> EvaluationReport:
    scores = PromptScores((outcome("a <red> chair & co", "chair"), outcome("a chair", "stool")))
    facts: dict[str, object] = {
        "pack": pack,
        "pack_hash": "0123456789abcdef",
        "seed": 0,
        "scores": scores,
        "judge": scores,
        "images": ImageScores(scores, (PICTURE, PICTURE)),
        "reconstruction": ReconstructionScores((ShapeScore("any", 0.9, 0.001, 30.0),)),
        "diversity": (Variety("a chair", 0.03, (PICTURE, PICTURE)),),
        "seconds": 60.0,
    }
    return EvaluationReport(**(facts | parts))  # type: ignore[arg-type]


@pytest.fixture(params=[1, 2])
def page(request: pytest.FixtureRequest) -> str:
    return build_page([report("first"), report("second")][: request.param])


def test_every_element_is_closed_in_order(page: str) -> None:
    Reader(page)


def test_nothing_is_fetched(page: str) -> None:
    reader = Reader(page)

    assert not reader.all("script") and not reader.all("link")
    for _, attributes in reader.elements:
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    assert "@import" not in page and "url(" not in page


def test_a_screen_reader_is_told_what_it_cannot_see(page: str) -> None:
    reader = Reader(page)

    assert reader.all("html")[0]["lang"] == "en"
    assert len(reader.all("h1")) == 1 and len(reader.all("main")) == 1
    assert all(image["alt"] for image in reader.all("img"))
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    charts = reader.all("svg")
    assert charts
    for chart in charts:
        assert chart["role"] == "img"
        assert set(chart["aria-labelledby"].split()) <= set(ids)
    assert all(head["scope"] for head in reader.all("th"))


def test_there_is_a_light_and_a_dark_one(page: str) -> None:
    assert "color-scheme: light dark" in page
    assert "@media (prefers-color-scheme: dark)" in page


def test_prompts_are_shown_as_they_were_written(page: str) -> None:
    reader = Reader(page)

    assert "a <red> chair & co" in reader.text
    assert "taken for stool" in reader.text


def test_two_packs_stand_side_by_side() -> None:
    reader = Reader(build_page([report("first"), report("second")]))

    heads = [each for each in reader.all("th") if each.get("scope") == "col"]
    assert len(heads) >= 3
    assert "Evaluation of first and second" in reader.text


def test_packs_of_one_name_are_told_apart() -> None:
    other = report("tiny", pack_hash="feedfeedfeedfeed")

    assert pack_names([report(), other]) == ("tiny 012345", "tiny feedfe")


def test_what_is_missing_is_said_and_not_shown_as_zero() -> None:
    images = Missing("it has no image model", is_about_pack=True)

    reader = Reader(build_page([report(images=images), report("other")]))

    assert "not possible with this pack: it has no image model" in reader.text


def test_a_report_of_little_has_no_empty_parts() -> None:
    nothing = Missing("left out by --only")
    page = build_page(
        [report(scores=nothing, images=nothing, diversity=nothing, judge=PromptScores(()))]
    )

    reader = Reader(page)

    assert "How the values are spread" in reader.text  # of the reconstructions
    assert "Pictures" not in [*reader.text.split("\n")]
    assert not reader.all("figure")


def test_bars_of_a_histogram_are_as_high_as_their_counts() -> None:
    chart = histogram_chart(
        "c", "Sizes", [histogram([0.1, 0.1, 0.9], 0.0, 1.0, 2)], ["tiny"], lambda v: f"{v:g} m"
    )

    bars = Reader(chart).all("rect")
    heights = [float(bar["height"]) for bar in bars]
    assert heights[0] == pytest.approx(2 * heights[1], abs=0.1)
    assert "2 from 0 m to 0.5 m, 1 from 0.5 m to 1 m" in chart


def test_an_interval_reaches_as_far_as_it_says() -> None:
    bar = interval_bar("b", "right kind", 0.5, (0.25, 0.75), 0)

    assert "50.0 %, 95 % interval 25.0 to 75.0 %" in bar
    _, whisker = Reader(bar).all("path")
    # A pixel is left at either end, so that marks at 0 and 100 % are not cut in half.
    assert whisker["d"].startswith("M40.5 7.0H119.5")


def test_small_pictures_lie_on_grey() -> None:
    pixels = np.zeros((8, 8, 4), dtype=np.uint8)
    pixels[:4] = (255, 0, 0, 255)

    with Image.open(io.BytesIO(encode_small(pixels))) as picture:
        found = np.array(picture.convert("RGB"))

    assert found[0, 0].tolist() == [255, 0, 0]
    assert found[7, 7].tolist() == [214, 214, 214]
