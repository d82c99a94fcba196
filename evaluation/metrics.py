# SPDX-License-Identifier: GPL-3.0-or-later
"""Every number of a report once, in the order in which it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from statistics import fmean, median
from typing import TYPE_CHECKING

from .course import Missing
from .measures import Share
from .metric import Metric, Unit
from .scores import HealthScores, PromptScores

if TYPE_CHECKING:
    from .reconstruction import ReconstructionScores
    from .report import EvaluationReport
    from .sections import ImageScores, Variety

PROMPTS = "Prompts whose kind and color were never trained together"
WORDS = "Words that training never said"
SCENES = "Two objects"
IMAGES = "Pictures rendered by another engine"
RECONSTRUCTION = "Reconstruction of unseen shapes"
HEALTH = "Health of the meshes"
VARIETY = "Variety and time"


def list_metrics(report: EvaluationReport) -> tuple[Metric, ...]:
    """Return every number of a report, in the order in which it is shown."""
    return (
        *_of_prompts(report),
        *_of_words(report.synonyms),
        *_of_scenes(report.scenes),
        *_of_images(report.images),
        *_of_reconstruction(report.reconstruction),
        *_of_health(report.health),
        *_of_variety(report.diversity, report.health),
    )


def _share(
    key: str,
    label: str,
    group: str,
    scores: PromptScores | Missing,
    read: Callable[[PromptScores], Share],
) -> Metric:
    if isinstance(scores, Missing):
        return Metric(key=key, label=label, group=group, unit="share", missing=scores)
    return _of_share(key, label, group, read(scores), "nothing of the kind was asked")


def _of_share(key: str, label: str, group: str, share: Share, why_none: str) -> Metric:
    return Metric(
        key=key,
        label=label,
        group=group,
        unit="share",
        value=share.fraction,
        interval=share.interval,
        num=share.num,
        missing=None if share.num else Missing(why_none),
    )


def _of_prompts(report: EvaluationReport) -> Iterator[Metric]:
    scores = report.scores
    yield _share("kind_accuracy", "right kind", PROMPTS, scores, lambda s: s.kind)
    yield _share("colour_accuracy", "right main color", PROMPTS, scores, lambda s: s.colour)
    both = _share(
        "heldout_accuracy",
        "both right: held-out combination",
        PROMPTS,
        scores,
        lambda s: s.kind_and_colour,
    )
    yield replace(both, key="kind_and_colour_accuracy", is_shown=False)
    yield both
    yield _share("part_colour_accuracy", "right part color", PROMPTS, scores, _part_colour)
    clip = report.clip if isinstance(report.clip, Missing) else scores
    yield _share(
        "clip_r_precision", "CLIP R-precision", PROMPTS, clip, lambda s: s.precision("clip")
    )
    yield _share(
        "judge_r_precision",
        "R-precision by the judge",
        PROMPTS,
        scores,
        lambda s: s.precision("judge"),
    )
    refused = None if isinstance(scores, Missing) else float(scores.count("refused"))
    missing = scores if isinstance(scores, Missing) else None
    yield Metric(
        key="refused_prompts",
        label="refused prompts",
        group=PROMPTS,
        unit="count",
        value=refused,
        missing=missing,
    )


def _part_colour(scores: PromptScores) -> Share:
    return scores.part_colour


def _of_words(scores: PromptScores | Missing) -> Iterator[Metric]:
    yield _share("synonym_accuracy", "meaning right", WORDS, scores, lambda s: s.meaning)


def _of_scenes(scores: PromptScores | Missing) -> Iterator[Metric]:
    yield _share(
        "two_object_accuracy",
        "both objects, each in its color",
        SCENES,
        scores,
        lambda s: s.objects,
    )
    yield _share("two_object_kinds_accuracy", "both kinds", SCENES, scores, lambda s: s.kinds)
    yield _share(
        "two_object_relation_accuracy",
        "both kinds in the right places",
        SCENES,
        scores,
        lambda s: s.relation,
    )


def _of_images(images: ImageScores | Missing) -> Iterator[Metric]:
    if isinstance(images, Missing):
        groups: list[tuple[str, str, PromptScores | Missing]] = [("", "", images)]
    else:
        groups = [
            ("", "", images.scores),
            ("_with_background", ", with a background", images.with_background(True)),
            ("_without_background", ", without one", images.with_background(False)),
        ]
    for suffix, words, scores in groups:
        yield _share(
            f"image_kind{suffix}_accuracy", f"right kind{words}", IMAGES, scores, lambda s: s.kind
        )
        yield _share(
            f"image_colour{suffix}_accuracy",
            f"right main color{words}",
            IMAGES,
            scores,
            lambda s: s.colour,
        )


def _mean(
    key: str, label: str, group: str, unit: Unit, values: Sequence[float], missing: Missing | None
) -> Metric:
    """Return the mean of some values, or why there are none."""
    if not values and missing is None:
        missing = Missing("nothing of the kind was made")
    value = fmean(values) if values else None
    return Metric(key=key, label=label, group=group, unit=unit, value=value, missing=missing)


def _of_reconstruction(scores: ReconstructionScores | Missing) -> Iterator[Metric]:
    why = scores if isinstance(scores, Missing) else None
    unseen = None if isinstance(scores, Missing) else scores.of_split("any") or scores
    held_out = None if isinstance(scores, Missing) else scores.of_split("held_out")
    rows: list[tuple[str, str, Unit, list[float]]] = [
        ("iou", "IoU, mean", "ratio", [unseen.iou] if unseen else []),
        ("iou_median", "IoU, median", "ratio", [unseen.iou_median] if unseen else []),
        (
            "colour_psnr_db",
            "color PSNR on the surface, mean",
            "dB",
            [unseen.color_psnr_db] if unseen else [],
        ),
        (
            "colour_psnr_db_pooled",
            "color PSNR of all points",
            "dB",
            [unseen.color_psnr_db_pooled] if unseen else [],
        ),
        ("stf_psnr_db", "PSNR of views, as STF", "dB", unseen.stf_decibels if unseen else []),
        ("iou_held_out", "IoU, held-out pairs", "ratio", [held_out.iou] if held_out else []),
        (
            "colour_psnr_db_held_out",
            "color PSNR, held-out pairs",
            "dB",
            [held_out.color_psnr_db] if held_out else [],
        ),
    ]
    for key, label, unit, values in rows:
        yield _mean(key, label, RECONSTRUCTION, unit, values, why)
    nerf = unseen.nerf_decibels if unseen else []
    if unseen and not nerf:
        why = Missing("its field has no density", is_about_pack=True)
    yield _mean("nerf_psnr_db", "PSNR of views, as NeRF", RECONSTRUCTION, "dB", nerf, why)
    yield Metric(
        key="num_reconstructions",
        label="shapes",
        group=RECONSTRUCTION,
        unit="count",
        value=float(len(unseen.shapes)) if unseen else 0.0,
    )


def _of_health(health: HealthScores) -> Iterator[Metric]:
    for key, label, count in (
        ("empty_meshes", "empty meshes", health.num_empty),
        ("meshes_asked", "meshes asked for", health.num_asked),
    ):
        asked = health.num_asked > 0
        yield Metric(
            key=key,
            label=label,
            group=HEALTH,
            unit="count",
            value=float(count) if asked else None,
            missing=None if asked else Missing("no mesh was asked for"),
        )
    for key, label, share in (
        ("closed_share", "closed", health.closed),
        ("sound_share", "sound: manifold, facing outward", health.sound),
        ("single_part_share", "in one piece", health.single),
    ):
        yield _of_share(key, label, HEALTH, share, "no mesh was made")
    yield _mean("mean_parts", "pieces, mean", HEALTH, "ratio", health.parts, None)
    middle = [median(health.thickness)] if health.thickness else []
    yield _mean("thickness", "thickness of the longest side", HEALTH, "percent", middle, None)
    yield _mean(
        "thin_share", "surface on walls under 2 %", HEALTH, "percent", health.thin_shares, None
    )


def _of_variety(variety: tuple[Variety, ...] | Missing, health: HealthScores) -> Iterator[Metric]:
    why = variety if isinstance(variety, Missing) else None
    found = () if isinstance(variety, Missing) else variety
    distances = [each.chamfer for each in found if each.chamfer is not None]
    yield _mean(
        "diversity_chamfer", "Chamfer distance across seeds", VARIETY, "percent", distances, why
    )
    totals = [median(health.total_seconds())] if health.total_seconds() else []
    yield _mean("seconds_per_mesh", "time per mesh, median", VARIETY, "seconds", totals, None)
