# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures of a report: what was asked, what came, and what the judge saw in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from .course import Missing
from .html_page import figure, image, section
from .report import EvaluationReport
from .scores import Outcome, PromptScores
from .sections import ImageScores

MOST = 60
"""Pictures of a section; the first ones, in the order of the prompts."""

_ORDER = "The first {} of {}, in order and not chosen."


def galleries(reports: Sequence[EvaluationReport], names: Sequence[str]) -> list[str]:
    """Return the sections that show pictures, as far as there are any."""
    parts = [
        _prompt_gallery("Prompts", "gallery", [each.scores for each in reports], names, _object),
        _prompt_gallery(
            "Words never said", "words", [each.synonyms for each in reports], names, _word
        ),
        _prompt_gallery(
            "Two objects", "two-objects", [each.scenes for each in reports], names, _scene
        ),
        _image_gallery([each.images for each in reports], names),
        _variety_gallery(reports, names),
    ]
    return [part for part in parts if part]


def _prompt_gallery(
    title: str,
    name: str,
    scores: Sequence[PromptScores | Missing],
    names: Sequence[str],
    tell: Callable[[Outcome], str],
) -> str:
    kept = [
        (pack, each.outcomes)
        for pack, each in zip(names, scores, strict=True)
        if isinstance(each, PromptScores) and each.outcomes
    ]
    if not kept:
        return ""
    count = len(kept[0][1])
    cards = [
        _card([(pack, outcomes[index]) for pack, outcomes in kept], tell)
        for index in range(min(count, MOST))
    ]
    intro = f'<p class="faint">{_ORDER.format(len(cards), count)}</p>'
    return section(name, title, f'{intro}<div class="grid">{"".join(cards)}</div>')


def _card(answers: Sequence[tuple[str, Outcome]], tell: Callable[[Outcome], str]) -> str:
    """Return one prompt with what each pack made of it."""
    text = answers[0][1].prompt.text
    pictures, told = [], []
    for pack, outcome in answers:
        if outcome.answer.picture:
            pictures.append(image(outcome.answer.picture, f"What {pack} made of: {text}"))
        who = f"{escape(pack)}: " if len(answers) > 1 else ""
        told.append(f"{who}{tell(outcome)}")
    return figure(pictures or [""], f"<strong>{escape(text)}</strong><br>{'<br>'.join(told)}")


def _object(outcome: Outcome) -> str:
    """Say what is right and wrong with an answer that shows one object."""
    verdict = outcome.answer.verdict
    if verdict is None:
        return _failed(outcome)
    faults = []
    if not outcome.is_kind_right:
        faults.append(f"taken for {verdict.kind}")
    if not outcome.is_colour_right:
        faults.append(f"seen as {verdict.main_colour}")
    if outcome.is_part_colour_right is False and outcome.prompt.part is not None:
        faults.append(f"{outcome.prompt.part[0]} seen as {verdict.part_colour}")
    return _told(faults)


def _word(outcome: Outcome) -> str:
    told = _object(outcome)
    return f"Never said: {escape(outcome.prompt.unseen)}. {told}"


def _scene(outcome: Outcome) -> str:
    scene = outcome.answer.scene
    if scene is None:
        return _failed(outcome)
    faults = []
    if not outcome.are_kinds_right:
        faults.append(f"seen: {' and '.join(scene.kinds) or 'no kind that is known'}")
    elif not outcome.are_objects_right:
        faults.append(f"colors seen: {' and '.join(scene.colors)}")
    if outcome.are_kinds_right and not outcome.is_relation_right:
        faults.append(f"first one seen {scene.relation} the second")
    return _told(faults)


def _told(faults: Sequence[str]) -> str:
    if not faults:
        return "Right."
    return f'<span class="wrong">Wrong:</span> {escape(", ".join(faults))}.'


def _failed(outcome: Outcome) -> str:
    why = {"empty": "no surface came out", "refused": "the pack did not take the question"}
    return f'<span class="wrong">Wrong:</span> {why[outcome.answer.failure or "empty"]}.'


def _image_gallery(images: Sequence[ImageScores | Missing], names: Sequence[str]) -> str:
    kept = [
        (pack, each)
        for pack, each in zip(names, images, strict=True)
        if isinstance(each, ImageScores) and each.pictures
    ]
    if not kept:
        return ""
    cards = []
    for index, png in enumerate(kept[0][1].pictures[:MOST]):
        shown = kept[0][1].scores.outcomes[index].prompt.text
        pictures, told = [image(png, f"The picture that was given: {shown}")], []
        for pack, each in kept:
            outcome = each.scores.outcomes[index]
            if outcome.answer.picture:
                pictures.append(image(outcome.answer.picture, f"What {pack} made of it"))
            who = f"{escape(pack)}: " if len(kept) > 1 else ""
            told.append(f"{who}{_shown(outcome)}")
        cards.append(figure(pictures, f"<strong>{escape(shown)}</strong><br>{'<br>'.join(told)}"))
    count = len(kept[0][1].pictures)
    intro = (
        f'<p class="faint">{_ORDER.format(len(cards), count)} The first picture of each is what the'
        " pack was given; it never saw the words.</p>"
    )
    return section("pictures", "Pictures", f'{intro}<div class="grid">{"".join(cards)}</div>')


def _shown(outcome: Outcome) -> str:
    """Say what is right of what a picture alone can tell: the kind and the main color."""
    verdict = outcome.answer.verdict
    if verdict is None:
        return _failed(outcome)
    faults = [] if outcome.is_kind_right else [f"taken for {verdict.kind}"]
    if not outcome.is_colour_right:
        faults.append(f"seen as {verdict.main_colour}")
    return _told(faults)


def _variety_gallery(reports: Sequence[EvaluationReport], names: Sequence[str]) -> str:
    cards = []
    for pack, report in zip(names, reports, strict=True):
        if isinstance(report.diversity, Missing):
            continue
        for each in report.diversity[: MOST // 4]:
            pictures = [
                image(png, f"{each.text}, seed {number}")
                for number, png in enumerate(each.pictures, start=1)
            ]
            apart = "no two meshes" if each.chamfer is None else f"{100 * each.chamfer:.1f} % apart"
            who = f"{escape(pack)}: " if len(reports) > 1 else ""
            cards.append(
                figure(pictures or [""], f"<strong>{escape(each.text)}</strong><br>{who}{apart}")
            )
    if not cards:
        return ""
    intro = '<p class="faint">The same prompt with other seeds.</p>'
    return section("variety", "Variety", f'{intro}<div class="grid">{"".join(cards)}</div>')
