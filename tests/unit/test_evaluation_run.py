# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole evaluation: of a perfect pack, of one that fails, of an untrained one on disk."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from maquette.core.conditioning.word_encoder import WordEncoder
from maquette.core.config import GenerationRequest, SamplerConfig
from maquette.core.decoder.stf import Decoder
from maquette.core.errors import (
    CancelledError,
    CheckpointError,
    EmptySurfaceError,
    InvalidRequestError,
)
from maquette.core.mesh import GenerationRecord, GenerationResult, MeshData
from maquette.core.pack import PackManifest
from maquette.core.prior.transformer import LatentPrior
from maquette.core.specs import DecoderSpec, PriorSpec, WordEncoderSpec
from maquette.evaluation import asking, run
from maquette.evaluation.course import Course
from maquette.evaluation.encoders import Encoded, load_stored_encoder
from maquette.evaluation.ground_truth import shape_surface
from maquette.evaluation.journal import Journal
from maquette.evaluation.judge import MODELS_DIR, load_judge
from maquette.evaluation.prompts import held_out_prompts
from maquette.evaluation.reconstruction import (
    ReconstructionScores,
    score_reconstructions,
    unseen_shape,
)
from maquette.evaluation.run import evaluate
from maquette.evaluation.scores import PromptScores
from maquette.evaluation.settings import EvaluationSettings
from maquette.training.config import EncoderConfig
from maquette.training.encoder import PointEncoder
from maquette.training.export import export_pack
from maquette.training.shapes.field import ShapeBatch
from maquette.training.shapes.scenes import build_scene
from maquette.training.text import word_roles
from maquette.weights_fetch import pack_hash
from safetensors.torch import save_file

pytestmark = pytest.mark.needs_torch

DECODER = DecoderSpec(
    num_latents=16,
    channels=8,
    hidden_width=16,
    num_generated=1,
    num_hidden=2,
    position_frequencies=1,
)
ENCODER = EncoderConfig(width=16, num_layers=2, num_heads=2, num_tokens=4, num_points=64)


def ignore(stage: str, fraction: float) -> None:
    assert stage
    assert 0 <= fraction <= 1


@pytest.fixture
def tiny_pack(tmp_path: Path) -> Path:
    """Return an untrained pack in the starter's layout."""
    torch.manual_seed(0)
    words = word_roles()
    manifest = PackManifest(
        id="tiny",
        version="1",
        prior=PriorSpec(
            num_latents=16,
            channels=8,
            width=16,
            num_layers=1,
            num_heads=2,
            condition_width=8,
            normalizes_condition=False,
            predicts_variance=False,
            basis_size=16,
            num_tokens=4,
            num_pooled=2,
        ),
        decoder=DECODER,
        word_encoder=WordEncoderSpec(
            vocabulary_size=len(words) + 1, width=8, num_layers=1, num_heads=2, num_slots=2
        ),
        sampler=SamplerConfig(num_steps=2, guidance_scale=1.0),
        words=words,
    )
    folder = tmp_path / "tiny"
    modules = LatentPrior(manifest.prior), Decoder(DECODER), WordEncoder(manifest.word_encoder)
    export_pack(folder, manifest, *modules)
    return folder


def models_with_encoder(folder: Path, pack: str) -> Path:
    """Return a folder with the judge and an untrained encoder for a pack of that hash."""
    shutil.copytree(MODELS_DIR, folder, ignore=shutil.ignore_patterns("encoder.*"))
    torch.manual_seed(1)
    state = PointEncoder(ENCODER, DECODER).state_dict()
    save_file({name: each.half() for name, each in state.items()}, folder / "encoder.safetensors")
    config = {name: getattr(ENCODER, name) for name in EncoderConfig.__slots__}
    facts = {"config": config, "pack_hash": pack, "num_points": 64}
    (folder / "encoder.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


def result_of(request: GenerationRequest, mesh: MeshData) -> GenerationResult:
    record = GenerationRecord(
        prompt=request.prompt,
        image_source="",
        seed=request.seed,
        pack=request.pack,
        pack_hash="",
        settings={},
        version="0",
    )
    return GenerationResult(name="x", mesh=mesh, record=record, stage_seconds={"sample": 2.0})


def perfect_generate(
    request: GenerationRequest, pack_dir: Path, **hooks: Any
) -> Iterator[GenerationResult]:
    """Answer with ground truth in metres, standing on the floor, with linear colours."""
    kinds = load_judge().spec.kinds
    asked = {prompt.text: prompt.asked for prompt in held_out_prompts(8, 0, kinds)}
    shape = build_scene(asked[request.prompt], np.random.default_rng([9, request.seed]))
    vertices, faces, colors = shape_surface(shape, request.resolution)
    vertices = vertices * 0.6 + np.float32(2.0)
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    mesh = MeshData(
        vertices=vertices,
        faces=faces,
        normals=np.tile(np.array([0, 0, 1], dtype=np.float32), (len(vertices), 1)),
        vertex_colors=linear.astype(np.float32),
    )
    yield result_of(request, mesh)


def failing_generate(
    request: GenerationRequest, pack_dir: Path, **hooks: Any
) -> Iterator[GenerationResult]:
    raise EmptySurfaceError(-0.5)
    yield


@pytest.fixture(autouse=True)
def few_truths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_NUM_TRUTHS", 1)


def test_a_pack_that_answers_with_ground_truth_is_found_good(
    tiny_pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking.pipeline, "generate", perfect_generate)

    settings = EvaluationSettings(sections=("prompts",), num_prompts=8)
    report = evaluate(tiny_pack, settings, on_progress=ignore)

    content = report.to_json()
    assert content["n"] == 8
    assert isinstance(report.scores, PromptScores)
    assert report.scores.kind.num_right >= 6
    assert report.scores.colour.num_right >= 6
    assert content["empty_meshes"] == 0
    assert content["closed_share"] == 1.0
    assert content["seconds_per_mesh"] == 2.0
    assert content["judge_on_ground_truth"]["n"] == 1  # type: ignore[index]


def test_empty_meshes_are_wrong_answers(tiny_pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking.pipeline, "generate", failing_generate)

    settings = EvaluationSettings(sections=("prompts", "synonyms"), num_prompts=3, samples=3)
    content = evaluate(tiny_pack, settings, on_progress=ignore).to_json()

    assert content["empty_meshes"] == 6
    assert content["kind_accuracy"] == 0.0
    assert content["synonym_accuracy"] == 0.0
    assert content["judge_r_precision"] == 0.0


def test_an_untrained_pack_goes_through_all_of_it(tiny_pack: Path, tmp_path: Path) -> None:
    models = models_with_encoder(tmp_path / "models", pack_hash(tiny_pack))
    fractions: list[float] = []

    report = evaluate(
        tiny_pack,
        EvaluationSettings(samples=1),
        on_progress=lambda stage, fraction: fractions.append(fraction),
        models_dir=models,
    )

    content = report.to_json()
    assert content["pack"] == "tiny"
    assert content["pack_hash"] == pack_hash(tiny_pack)
    assert content["num_reconstructions"] == 1
    assert isinstance(report.reconstruction, ReconstructionScores)
    assert 0 <= report.reconstruction.iou < 0.9
    assert content["stf_psnr_db"] is not None
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    possible = content["not_possible"]
    assert "no image model" in possible["image_kind_accuracy"]  # type: ignore[index]
    assert "no density" in possible["nerf_psnr_db"]  # type: ignore[index]


def test_an_encoder_of_another_pack_leaves_reconstruction_out(
    tiny_pack: Path, tmp_path: Path
) -> None:
    models = models_with_encoder(tmp_path / "models", "feedfeedfeedfeed")

    settings = EvaluationSettings(sections=("reconstruction",), samples=1)
    report = evaluate(tiny_pack, settings, on_progress=ignore, models_dir=models)

    content = report.to_json()
    assert content["iou"] is None
    assert "belongs to the pack with hash feedfeedfeedfeed" in content["not_possible"]["iou"]  # type: ignore[index]
    assert content["empty_meshes"] is None


def test_a_run_that_was_stopped_goes_on_and_finds_the_same(
    tiny_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    cancel = threading.Event()

    def counted(request: GenerationRequest, pack_dir: Path, **hooks: Any) -> Any:
        asked.append(request.prompt)
        if len(asked) == 2:
            cancel.set()
        return perfect_generate(request, pack_dir)

    monkeypatch.setattr(asking.pipeline, "generate", counted)
    settings = EvaluationSettings(sections=("prompts",), num_prompts=3)
    journal = tmp_path / "report.1.partial.jsonl"

    with pytest.raises(CancelledError):
        evaluate(tiny_pack, settings, on_progress=ignore, cancel=cancel, journal=journal)
    again = evaluate(tiny_pack, settings, on_progress=ignore, journal=journal).to_json()
    unbroken = evaluate(tiny_pack, settings, on_progress=ignore).to_json()

    # The second one was made when the stop was asked for, and was not looked at any more.
    assert asked == [asked[0], asked[1], asked[1], asked[3], asked[0], asked[1], asked[3]]
    assert again | {"seconds": 0} == unbroken | {"seconds": 0}


@pytest.mark.parametrize(
    ("name", "value"), [("num_prompts", 0), ("seed", -1), ("samples", 0), ("sections", ("x",))]
)
def test_settings_out_of_range_are_named(name: str, value: Any) -> None:
    shown = "x" if name == "sections" else str(value)
    with pytest.raises(InvalidRequestError, match=shown):
        EvaluationSettings(**{name: value})


def test_samples_bound_every_section() -> None:
    settings = EvaluationSettings(samples=5, sections=("prompts", "images"))

    counts = [settings.count(name) for name in ("prompts", "images", "synonyms")]
    assert counts == [5, 5, 0]


def test_encoder_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = models_with_encoder(tmp_path / "models", "aa")
    torch.manual_seed(1)
    original = PointEncoder(ENCODER, DECODER)

    trained = load_stored_encoder("aa", DECODER, folder)

    assert trained.num_points == 64
    for name, value in original.state_dict().items():
        torch.testing.assert_close(trained.encoder.state_dict()[name], value.half().float())


def test_missing_and_damaged_encoders_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"encoder\.json: cannot be read"):
        load_stored_encoder("aa", DECODER, tmp_path)

    (tmp_path / "encoder.json").write_text('{"pack_hash": "aa"}', encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"encoder\.json: is not an encoder"):
        load_stored_encoder("aa", DECODER, tmp_path)

    folder = models_with_encoder(tmp_path / "models", "aa")
    (folder / "encoder.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(CheckpointError, match=r"encoder\.safetensors: is not an encoder"):
        load_stored_encoder("aa", DECODER, folder)


class TruthAsDecoder:
    """A decoder whose n-th field is the n-th shape itself, its colours off by a constant."""

    spec = DECODER

    def __init__(self, offset: float) -> None:
        self._offset = offset
        self._count = 0

    def encode(self, shape: Any, generator: torch.Generator) -> Encoded:
        self._count += 1
        return Encoded(torch.zeros(2, 3))

    def field(self, latent: torch.Tensor) -> TruthAsDecoder:
        self._batch = ShapeBatch([unseen_shape(("chair", "cat"), 0, self._count - 1)[0]])
        return self

    def signed_distance(self, points: torch.Tensor) -> torch.Tensor:
        return (self._batch.signed_distance(points[None])[0] / 0.1).tanh()

    def color(self, points: torch.Tensor) -> torch.Tensor:
        return self._batch.distance_and_colour(points[None])[1][0] + self._offset


def test_reconstructing_the_truth_itself_scores_full_marks() -> None:
    truth, done = TruthAsDecoder(0.1), []
    course = Course(
        Journal(None, {}),
        {"reconstruction": 1.0},
        lambda stage, fraction: done.append(fraction),
        threading.Event(),
    )

    scores = score_reconstructions(
        course,
        truth.encode,
        truth,  # type: ignore[arg-type]
        ("chair", "cat"),
        count=2,
        seed=0,
    )

    assert [each.iou for each in scores.shapes] == [1.0, 1.0]
    # Points on a border between two pieces may take either colour, so not exactly 20 dB.
    assert scores.color_psnr_db == pytest.approx(20.0, abs=0.3)
    # Only the object is off by that, not the ground around it.
    assert all(decibels > 20.0 for decibels in scores.stf_decibels)
    assert [each.split for each in scores.shapes] == ["any", "any"]
    assert done == [0.0, 0.5, 1.0]
