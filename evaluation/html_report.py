# SPDX-License-Identifier: GPL-3.0-or-later
"""One evaluation, or two side by side, as a page to read."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from statistics import median

from ..core.version import VERSION
from .charts import histogram_chart, interval_bar
from .distributions import list_distributions
from .html_gallery import galleries
from .html_page import page, section
from .metric import Metric, show
from .report import EvaluationReport
from .scores import PromptScores

_NUM_MISTAKES = 12
_INTRODUCTION = (
    "Prompts, pictures and shapes here were kept out of training. What came out was judged by"
    " small classifiers of point clouds that have only ever seen ground truth, never a result of"
    " any pack. Shares come with 95 % Wilson intervals: where the intervals of two packs overlap,"
    " chance may have made the difference."
)


def build_page(reports: Sequence[EvaluationReport]) -> str:
    """Return the report of one pack, or of two, as one HTML file.

    Args:
        reports: one or two, of the same settings.
    """
    names = pack_names(reports)
    title = f"Evaluation of {' and '.join(names)}"
    parts = [
        _about(reports, names),
        section("numbers", "Numbers", _table(reports, names)),
        section("judges", "What the judges reach on ground truth", _judges(reports[0])),
    ]
    if charts := _charts(reports, names):
        parts.append(section("spread", "How the values are spread", charts))
    if mistakes := _mistakes(reports, names):
        parts.append(section("mistakes", "Kinds taken for others", mistakes))
    if times := _times(reports, names):
        parts.append(section("time", "Time of each stage", times))
    return page(title, "\n".join([*parts, *galleries(reports, names)]))


def pack_names(reports: Sequence[EvaluationReport]) -> tuple[str, ...]:
    """Return what to call the packs: two of the same name are told apart by their hashes."""
    names = [each.pack for each in reports]
    if len(set(names)) == len(names):
        return tuple(names)
    return tuple(f"{each.pack} {each.pack_hash[:6]}" for each in reports)


def _about(reports: Sequence[EvaluationReport], names: Sequence[str]) -> str:
    packs = "".join(
        f"<li>{_key(number, reports)}<strong>{escape(name)}</strong>, files with the hash"
        f" <code>{escape(each.pack_hash)}</code>, measured in {each.seconds / 60:.1f} minutes</li>"
        for number, (name, each) in enumerate(zip(names, reports, strict=True))
    )
    notes = dict.fromkeys(note for each in reports for note in each.notes)
    told = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return (
        f"<p>{_INTRODUCTION}</p><ul>{packs}</ul>"
        f"<p>Seed {reports[0].seed}, Maquette {VERSION}. Times are wall times of this machine.</p>"
        f"{told}"
    )


def _key(number: int, reports: Sequence[EvaluationReport]) -> str:
    """Return the color of a pack in charts, where there is more than one."""
    return f'<span class="key s{number}" aria-hidden="true"></span> ' if len(reports) > 1 else ""


def _table(reports: Sequence[EvaluationReport], names: Sequence[str]) -> str:
    heads = "".join(
        f'<th scope="col">{_key(number, reports)}{escape(name)}</th>'
        for number, name in enumerate(names)
    )
    bodies: list[str] = []
    group = ""
    for metrics in _aligned(reports):
        first = next(each for each in metrics if each is not None)
        if first.group != group:
            group = first.group
            named = f'<th scope="rowgroup" colspan="{len(reports) + 1}">{escape(group)}</th>'
            bodies.append(f"<tr>{named}</tr>")
        cells = "".join(_cell(each, number) for number, each in enumerate(metrics))
        bodies[-1] += f'<tr><th scope="row">{escape(first.label)}</th>{cells}</tr>'
    return (
        '<div class="scroll"><table><thead><tr><th scope="col">Measure</th>'
        f"{heads}</tr></thead>{''.join(f'<tbody>{body}</tbody>' for body in bodies)}</table></div>"
    )


def _aligned(reports: Sequence[EvaluationReport]) -> list[list[Metric | None]]:
    """Return each metric that is shown once, in order, with None where a report lacks it."""
    by_key = [
        {metric.key: metric for metric in each.metrics if metric.is_shown} for each in reports
    ]
    longest = max((list(each) for each in by_key), key=len)
    return [[each.get(key) for each in by_key] for key in longest]


def _cell(metric: Metric | None, number: int) -> str:
    if metric is None:
        return '<td class="faint">not measured</td>'
    if metric.value is None:
        return f'<td class="faint">{escape(metric.to_text())}</td>'
    if metric.unit != "share":
        return f'<td class="number">{escape(metric.to_text())}</td>'
    bar = interval_bar(
        f"{metric.key}-{number}", metric.label, metric.value, metric.interval, number
    )
    low, high = metric.interval or (metric.value, metric.value)
    right = round(metric.value * (metric.num or 0))
    return (
        f'<td class="number"><strong>{show(metric.value, "share")}</strong>'
        f' <span class="faint">{100 * low:.1f} to {100 * high:.1f} %, {right} of'
        f" {metric.num}</span><br>{bar}</td>"
    )


def _judges(report: EvaluationReport) -> str:
    rows = [
        ("right kind", report.judge.kind),
        ("right main color", report.judge.colour),
        ("right part color", report.judge.part_colour),
        ("both objects, each in its color", report.scene_judge.objects),
        ("both kinds in the right places", report.scene_judge.relation),
    ]
    lines = "".join(
        f'<tr><th scope="row">{label}</th><td class="number">{escape(str(share))}</td></tr>'
        for label, share in rows
    )
    return (
        "<p>The generator's own shapes for the same prompts, through the same kind of mesh and the"
        " same judges. No pack can be expected to do better.</p>"
        '<div class="scroll"><table><thead><tr><th scope="col">Judged</th>'
        f'<th scope="col">Right</th></tr></thead><tbody>{lines}</tbody></table></div>'
    )


def _charts(reports: Sequence[EvaluationReport], names: Sequence[str]) -> str:
    cards = []
    for number, each in enumerate(list_distributions(reports, names)):

        def written(value: float, unit: str = each.unit) -> str:
            return show(value, unit)  # type: ignore[arg-type]

        chart = histogram_chart(
            f"chart-{number}", each.title, each.histograms, each.labels, written
        )
        cards.append(f'<div class="card"><h3>{escape(each.title)}</h3>{chart}</div>')
    return f'<div class="charts">{"".join(cards)}</div>' if cards else ""


def _mistakes(reports: Sequence[EvaluationReport], names: Sequence[str]) -> str:
    rows = [
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(asked)}</td><td>{escape(seen)}</td>'
        f'<td class="number">{count}</td></tr>'
        for name, report in zip(names, reports, strict=True)
        if isinstance(report.scores, PromptScores)
        for (asked, seen), count in report.scores.confusions().most_common(_NUM_MISTAKES)
    ]
    if not rows:
        return ""
    heads = "".join(
        f'<th scope="col">{head}</th>' for head in ("Pack", "Asked for", "Taken for", "Times")
    )
    return (
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _times(reports: Sequence[EvaluationReport], names: Sequence[str]) -> str:
    stages = [each.health.stage_seconds() for each in reports]
    order = list(dict.fromkeys(stage for each in stages for stage in each))
    if not order:
        return ""
    heads = "".join(f'<th scope="col">{escape(name)}, median</th>' for name in names)
    rows = "".join(
        f'<tr><th scope="row">{escape(stage)}</th>'
        + "".join(
            f'<td class="number">{show(median(each[stage]), "seconds")}</td>'
            if stage in each
            else '<td class="faint">not part of it</td>'
            for each in stages
        )
        + "</tr>"
        for stage in order
    )
    return (
        f'<div class="scroll"><table><thead><tr><th scope="col">Stage</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
