# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole evaluation: of a perfect pack, of one that fails, of an untrained one on disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from maquette.core.conditioning.word_encoder import WordEncoder
from maquette.core.config import GenerationRequest, SamplerConfig
from maquette.core.decoder.stf import Decoder
from maquette.core.errors import CheckpointError, EmptySurfaceError, InvalidRequestError
from maquette.core.mesh import GenerationRecord, GenerationResult, MeshData
from maquette.core.pack import PackManifest
from maquette.core.prior.transformer import LatentPrior
from maquette.core.specs import DecoderSpec, PriorSpec, WordEncoderSpec
from maquette.evaluation import run
from maquette.evaluation.ground_truth import shape_surface
from maquette.evaluation.judge import MODELS_DIR
from maquette.evaluation.prompts import held_out_prompts
from maquette.evaluation.reconstruction import (
    TrainedEncoder,
    load_encoder,
    score_reconstructions,
)
from maquette.evaluation.streams import Stream, stream_rng
from maquette.training.config import EncoderConfig
from maquette.training.encoder import PointEncoder
from maquette.training.export import export_pack
from maquette.training.shapes.field import ShapeBatch
from maquette.training.shapes.generate import build_shape, generate_shape
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
    return GenerationResult(name="x", mesh=mesh, record=record, stage_seconds={})


def perfect_generate(
    request: GenerationRequest, pack_dir: Path, **hooks: Any
) -> Iterator[GenerationResult]:
    """Answer with ground truth in metres, standing on the floor, with linear colours."""
    asked = {prompt.text: prompt.attributes for prompt in held_out_prompts(20, 0)}
    shape = build_shape(asked[request.prompt], np.random.default_rng([9, request.seed]))
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


def test_a_pack_that_answers_with_ground_truth_is_found_good(
    tiny_pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run.pipeline, "generate", perfect_generate)
    monkeypatch.setattr(run, "_NUM_JUDGED_TRUTHS", 4)

    report = run.evaluate(
        tiny_pack, num_prompts=20, num_reconstructions=0, seed=0, on_progress=ignore
    )

    content = report.to_json()
    assert content["n"] == 20
    assert report.scores.kind.num_right >= 18
    assert report.scores.colour.num_right >= 18
    assert content["empty_meshes"] == 0
    assert content["judge_on_ground_truth"]["n"] == 4  # type: ignore[index]


def test_empty_meshes_are_wrong_answers(tiny_pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.pipeline, "generate", failing_generate)
    monkeypatch.setattr(run, "_NUM_JUDGED_TRUTHS", 1)

    report = run.evaluate(tiny_pack, num_prompts=3, num_reconstructions=0, on_progress=ignore)

    assert report.to_json()["empty_meshes"] == 3
    assert report.to_json()["kind_accuracy"] == 0.0


def test_an_untrained_pack_goes_through_all_of_it(
    tiny_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_NUM_JUDGED_TRUTHS", 1)
    models = models_with_encoder(tmp_path / "models", pack_hash(tiny_pack))
    fractions = []

    report = run.evaluate(
        tiny_pack,
        num_prompts=1,
        num_reconstructions=2,
        on_progress=lambda stage, fraction: fractions.append(fraction),
        models_dir=models,
    )

    content = report.to_json()
    assert content["pack"] == "tiny"
    assert content["pack_hash"] == pack_hash(tiny_pack)
    assert content["num_reconstructions"] == 2
    assert 0 <= report.reconstruction.iou < 0.9  # type: ignore[union-attr]
    assert content["notes"] == []
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_an_encoder_of_another_pack_leaves_reconstruction_out(
    tiny_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run.pipeline, "generate", failing_generate)
    monkeypatch.setattr(run, "_NUM_JUDGED_TRUTHS", 1)
    models = models_with_encoder(tmp_path / "models", "feedfeedfeedfeed")

    report = run.evaluate(tiny_pack, num_prompts=1, on_progress=ignore, models_dir=models)

    assert report.to_json()["iou"] is None
    assert "belongs to the pack with hash feedfeedfeedfeed" in report.to_text()


@pytest.mark.parametrize(("name", "value"), [("num_prompts", 0), ("seed", -1)])
def test_numbers_out_of_range_are_named(tiny_pack: Path, name: str, value: int) -> None:
    with pytest.raises(InvalidRequestError, match=str(value)):
        run.evaluate(tiny_pack, on_progress=ignore, **{name: value})


def test_encoder_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = models_with_encoder(tmp_path / "models", "aa")
    torch.manual_seed(1)
    original = PointEncoder(ENCODER, DECODER)

    trained = load_encoder("aa", DECODER, folder)

    assert trained.num_points == 64
    for name, value in original.state_dict().items():
        torch.testing.assert_close(trained.encoder.state_dict()[name], value.half().float())


def test_missing_and_damaged_encoders_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"encoder\.json: cannot be read"):
        load_encoder("aa", DECODER, tmp_path)

    (tmp_path / "encoder.json").write_text('{"pack_hash": "aa"}', encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"encoder\.json: is not an encoder"):
        load_encoder("aa", DECODER, tmp_path)

    folder = models_with_encoder(tmp_path / "models", "aa")
    (folder / "encoder.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(CheckpointError, match=r"encoder\.safetensors: is not an encoder"):
        load_encoder("aa", DECODER, folder)


class TruthAsDecoder:
    """A decoder whose n-th field is the n-th shape itself, its colours off by a constant."""

    def __init__(self, offset: float) -> None:
        self._offset = offset
        self._count = 0

    def field(self, latent: torch.Tensor) -> TruthAsDecoder:
        rng = stream_rng(Stream.RECONSTRUCTION, 0, self._count)
        split = "held_out" if self._count % 3 == 2 else "any"
        self._batch = ShapeBatch([generate_shape(rng, split=split)])
        self._count += 1
        return self

    def signed_distance(self, points: torch.Tensor) -> torch.Tensor:
        return self._batch.signed_distance(points[None])[0]

    def color(self, points: torch.Tensor) -> torch.Tensor:
        return self._batch.distance_and_colour(points[None])[1][0] + self._offset


def test_reconstructing_the_truth_itself_scores_full_marks() -> None:
    blank = TrainedEncoder(lambda points, colors: torch.zeros(1, 2, 3), 64)  # type: ignore[arg-type]
    done = []

    scores = score_reconstructions(
        blank,
        None,
        TruthAsDecoder(0.1),  # type: ignore[arg-type]
        count=2,
        seed=0,
        on_shape=done.append,
    )

    assert [each.iou for each in scores.shapes] == [1.0, 1.0]
    # Points on a border between two pieces may take either colour, so not exactly 20 dB.
    assert scores.color_psnr_db == pytest.approx(20.0, abs=0.3)
    assert [each.split for each in scores.shapes] == ["any", "any"]
    assert done == [1, 2]
