# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluate a pack: prompts and pictures through the pipeline, unseen shapes through the latent."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch

from ..core import pipeline
from ..core.config import GenerationRequest
from ..core.errors import CheckpointError
from ..core.pack import PACK_FILE, read_manifest
from ..core.resident import open_pack
from ..training.shapes.kinds import KINDS
from ..weights_fetch import pack_hash
from .asking import Asker
from .clip_model import CONFIG_FILE, ClipModel, load_clip
from .course import LEFT_OUT, NO_CLIP, Course, Missing, OnProgress
from .encoders import open_encoder
from .journal import Journal
from .judge import MODELS_DIR, load_judge
from .kind_notes import kind_notes
from .prompts import EvaluationPrompt
from .questions import draw_prompts
from .reconstruction import ReconstructionScores, score_reconstructions
from .renders import missing_blender
from .report import EvaluationReport
from .retrieval import ClipRetrieval, JudgeRetrieval
from .scene_judge import NAME as SCENE_JUDGE
from .scene_judge import SceneJudge, load_scene_judge
from .scores import NOTHING_ASKED, PromptScores
from .sections import (
    ImageScores,
    Retrieval,
    Variety,
    answer_pictures,
    answer_prompts,
    answer_scenes,
    measure_diversity,
)
from .settings import SECTIONS, EvaluationSettings
from .truths import judge_truths

_COSTS = {"images": 4.0, "reconstruction": 2.0, "diversity": 4.0, "truths": 0.5}
"""Of one case, where a prompt costs 1."""
_NUM_TRUTHS = 102
_NUM_SCENE_TRUTHS = 60


def evaluate(
    pack_dir: Path,
    settings: EvaluationSettings,
    *,
    on_progress: OnProgress,
    cancel: threading.Event | None = None,
    journal: Path | None = None,
    models_dir: Path = MODELS_DIR,
) -> EvaluationReport:
    """Measure how well a pack does what it is asked for; blocks for minutes.

    Args:
        pack_dir: folder of the pack.
        settings: what to measure.
        on_progress: told the stage and the fraction done.
        cancel: set it to stop within about a second.
        journal: keeps what was found; a later call with the same settings goes on from there.
        models_dir: where the judges are, and the encoder of a pack that ships none.

    Raises:
        InvalidRequestError: there is no such CLIP model.
        CheckpointError: the judge or the pack is missing or damaged.
        PackError: the folder holds no pack.
        CancelledError: cancelled.
        OSError: the journal cannot be written.
    """
    started = time.perf_counter()
    on_progress("Loading the judge", 0.0)
    evaluation = _Evaluation(pack_dir, settings, models_dir, cancel or threading.Event())
    kept = Journal(journal, evaluation.identity)
    try:
        report = evaluation.run(kept, on_progress)
    finally:
        kept.close()
        pipeline.release()
    on_progress("Done", 1.0)
    return replace(report, seconds=time.perf_counter() - started)


class _Evaluation:
    """One pack, one set of settings."""

    def __init__(
        self,
        pack_dir: Path,
        settings: EvaluationSettings,
        models_dir: Path,
        cancel: threading.Event,
    ) -> None:
        self._pack_dir, self._settings, self._models_dir = pack_dir, settings, models_dir
        self._asker = Asker(pack_dir, cancel)
        self._description = pipeline.describe_pack(pack_dir)
        self._hash = pack_hash(pack_dir)
        self._judge = load_judge(models_dir)
        self._kinds = [kind for kind in self._judge.spec.kinds if kind in KINDS]
        self._scene_judge = _scene_judge(models_dir)
        self._prompts = draw_prompts(settings, self._kinds)
        self._notes: list[str] = []

    @property
    def identity(self) -> dict[str, object]:
        """Everything that the items of the journal depend on."""
        judges = [
            (self._models_dir / f"{name}.json").read_text(encoding="utf-8")
            for name in ("judge", SCENE_JUDGE)
            if (self._models_dir / f"{name}.json").is_file()
        ]
        # Other sections may be asked for next time; their items stand for themselves.
        settings = {k: v for k, v in asdict(self._settings).items() if k != "sections"}
        # A generator that changed meanwhile asks for something else.
        asked = hashlib.sha256(repr(self._prompts).encode()).hexdigest()
        return {"pack": self._hash, "settings": settings, "judges": judges, "asked": asked}

    def run(self, journal: Journal, on_progress: OnProgress) -> EvaluationReport:
        """Measure everything that the settings ask for."""
        settings = self._settings
        plan = {name: settings.count(name) * _COSTS.get(name, 1.0) for name in SECTIONS}
        plan["truths"] = _COSTS["truths"] * min(settings.count("prompts"), _NUM_TRUTHS)
        course = Course(journal, plan, on_progress, self._asker.cancel)
        prompts = self._prompts["prompts"] if settings.count("prompts") else ()
        clip = self._clip()
        scores = self._answer(course, prompts, clip)
        synonyms = self._synonyms(course)
        scenes, scene_truths = self._scenes(course)
        images = self._images(course)
        diversity = self._diversity(course)
        pipeline.release()
        return EvaluationReport(
            pack=self._name(),
            pack_hash=self._hash,
            seed=settings.seed,
            scores=scores,
            synonyms=synonyms,
            scenes=scenes,
            scene_judge=scene_truths,
            images=images,
            diversity=diversity,
            reconstruction=self._reconstruct(course),
            judge=judge_truths(course, self._judge, prompts[:_NUM_TRUTHS], settings.seed),
            clip=clip.name if isinstance(clip, ClipModel) else clip,
            notes=(*self._notes, *kind_notes(self._kinds, self._description.known_kinds)),
        )

    def _missing(self, section: str) -> Missing | None:
        """Return why a section of prompts is not measured, if it is not."""
        if not self._settings.count(section):
            return LEFT_OUT
        if not self._description.has_text:
            return Missing("it has no text model", is_about_pack=True)
        return None

    def _answer(
        self, course: Course, prompts: tuple[EvaluationPrompt, ...], clip: ClipModel | Missing
    ) -> PromptScores | Missing:
        if missing := self._missing("prompts"):
            return missing
        matched = clip if isinstance(clip, ClipModel) else None
        retrieval = Retrieval(
            JudgeRetrieval(self._judge.spec, prompts),
            ClipRetrieval(matched, prompts, self._settings.seed) if matched else None,
        )
        return answer_prompts(
            course,
            self._asker,
            self._judge,
            prompts,
            section="prompts",
            stage="Answering prompts",
            retrieval=retrieval,
        )

    def _synonyms(self, course: Course) -> PromptScores | Missing:
        if missing := self._missing("synonyms"):
            return missing
        return answer_prompts(
            course,
            self._asker,
            self._judge,
            self._prompts["synonyms"],
            section="synonyms",
            stage="Asking in words never said",
        )

    def _scenes(self, course: Course) -> tuple[PromptScores | Missing, PromptScores]:
        missing = self._missing("two-objects")
        if missing is None and isinstance(self._scene_judge, Missing):
            missing = self._scene_judge
        if missing is not None or isinstance(self._scene_judge, Missing):
            return missing or LEFT_OUT, NOTHING_ASKED
        known = set(self._scene_judge.spec.kinds)
        prompts = [
            prompt
            for prompt in self._prompts["two-objects"]
            if {each.kind for each in prompt.asked.objects} <= known
        ]
        scores = answer_scenes(course, self._asker, self._scene_judge, prompts)
        first, seed = prompts[:_NUM_SCENE_TRUTHS], self._settings.seed
        truths = judge_truths(course, self._scene_judge, first, seed, section="scene truths")
        return scores, truths

    def _images(self, course: Course) -> ImageScores | Missing:
        if not self._settings.count("images"):
            return LEFT_OUT
        if not self._description.has_image:
            return Missing("it has no image model", is_about_pack=True)
        if why := missing_blender():
            return Missing(why)
        return answer_pictures(
            course,
            self._asker,
            self._judge,
            self._prompts["images"],
            sees_grounds=self._description.sees_grounds,
        )

    def _diversity(self, course: Course) -> tuple[Variety, ...] | Missing:
        if missing := self._missing("diversity"):
            return missing
        return measure_diversity(course, self._asker, self._prompts["diversity"])

    def _reconstruct(self, course: Course) -> ReconstructionScores | Missing:
        count = self._settings.count("reconstruction")
        if not count:
            return LEFT_OUT
        models = open_pack(self._pack_dir, torch.device("cpu"), torch.float32, course.check)
        is_native = (self._pack_dir / PACK_FILE).is_file()
        basis = models.prior(GenerationRequest(prompt="any")).basis if is_native else None
        decoder = models.load_decoder(course.check)
        way = open_encoder(
            self._pack_dir, self._hash, models, basis, course.check, self._models_dir
        )
        if isinstance(way, Missing):
            return way
        return score_reconstructions(
            course, way, decoder, self._kinds, count=count, seed=self._settings.seed
        )

    def _clip(self) -> ClipModel | Missing:
        if not self._settings.count("prompts"):
            return LEFT_OUT
        if self._settings.clip:
            return load_clip(self._settings.clip)
        own = self._pack_dir / "clip"
        if (own / CONFIG_FILE).is_file():
            self._notes.append("R-precision is by the pack's own CLIP, which its prior listens to.")
            return load_clip(str(own))
        return NO_CLIP

    def _name(self) -> str:
        is_native = (self._pack_dir / PACK_FILE).is_file()
        return read_manifest(self._pack_dir).id if is_native else self._pack_dir.name


def _scene_judge(models_dir: Path) -> SceneJudge | Missing:
    try:
        return load_scene_judge(models_dir)
    except CheckpointError as error:
        return Missing(f"there is no judge of scenes ({error})")
