# SPDX-License-Identifier: GPL-3.0-or-later
"""What `stage1-views` has learnt as a native pack, which answers the same to the bit."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from maquette.core.checkpoint.pack_layout import PublishedSpecs
from maquette.core.conditioning.word_encoder import WordEncoder
from maquette.core.config import GenerationRequest
from maquette.core.encode import load_encoder
from maquette.core.native_pack import NativePack
from maquette.core.pack import read_manifest
from maquette.core.published_pack import PublishedPack
from maquette.core.specs import PRIORS
from maquette.tests.unit.test_training_stage1 import CONFIG, VIEWS_ENCODER
from maquette.training import export_views, stages
from maquette.training.conditions import load_conditions
from maquette.training.config import TrainingConfig, load_config
from maquette.training.export_views import run_export_views
from maquette.training.stage1_command import MODEL_FILE
from maquette.training.stage1_config import Stage1Config
from maquette.training.stage1_model import ViewsAutoEncoder
from maquette.training.stage2 import PriorData, train_prior
from maquette.training.text import word_encoder_spec
from maquette.training.values import ConfigError
from maquette.training.views_latents import load_views_latents, save_views_latents
from maquette.weights.own import find_own_packs
from maquette.weights.table import PACKS

pytestmark = pytest.mark.needs_torch

CPU = torch.device("cpu")
NUM_ASSETS, NUM_HELD_OUT = 20, 4
SPEC = replace(
    PRIORS["starter"],
    num_latents=32,
    channels=8,
    width=16,
    num_layers=1,
    num_heads=2,
    basis_size=8,
    num_tokens=4,
)


class Shards:
    """Stands in for a data set, of which only the number of shapes is asked."""

    num_training = NUM_ASSETS - NUM_HELD_OUT

    def __init__(self, folder: Path) -> None:
        pass

    def __len__(self) -> int:
        return NUM_ASSETS


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> TrainingConfig:
    monkeypatch.setitem(PRIORS, "tiny", SPEC)
    monkeypatch.setattr(stages, "ShapeDataset", Shards)
    loaded = load_config(Path("training/configs/starter_cpu.toml"))
    stage = replace(loaded.stage2, num_steps=2, batch_size=2)
    return replace(loaded, architecture="tiny", stage2=stage)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


@pytest.fixture
def model(run: Path) -> ViewsAutoEncoder:
    """What `stage1-views` leaves, in numbers that half precision holds exactly."""
    torch.manual_seed(2)
    model = ViewsAutoEncoder(CONFIG).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half())
    torch.save(model.state_dict(), run / MODEL_FILE)
    # Spreads that fall, as those of real latents do, so that a basis of eight is well defined.
    factors = torch.randn(NUM_ASSETS, NUM_ASSETS) * 0.7 ** torch.arange(NUM_ASSETS)
    latents = factors @ torch.linalg.qr(torch.randn(32 * 8, NUM_ASSETS)).Q.T
    save_views_latents(latents.view(-1, 32, 8).half(), 1.0, run)
    return model


@pytest.fixture
def trained(config: TrainingConfig, run: Path, model: ViewsAutoEncoder) -> ViewsAutoEncoder:
    """The same with the basis, the words and the prior that the stages after it leave."""
    stages.latents(config, Namespace(run=run, warm_start=None, device=CPU))
    words = WordEncoder(word_encoder_spec(24))
    tokens = torch.randn(NUM_ASSETS, 2, 4, SPEC.condition_width).half()
    saved = {"conditions": tokens, "spec": asdict(words.spec), "state": words.state_dict()}
    torch.save(saved, run / "conditions.pt")
    basis, coefficients = stages._load_latents(config, Namespace(run=run))
    data = PriorData(
        coefficients,
        basis,
        load_conditions(run / "conditions.pt", 0.0),
        num_validation=NUM_HELD_OUT,
    )
    train_prior(config, data, run)
    return model


@pytest.fixture
def packs(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "packs"
    find_own_packs(tmp_path / "nowhere")


def _export(
    monkeypatch: pytest.MonkeyPatch,
    config: TrainingConfig,
    run: Path,
    pack: Path,
    views: Stage1Config = CONFIG,
) -> None:
    monkeypatch.setattr(export_views, "load_stage1_config", lambda path: views)
    monkeypatch.setattr(export_views, "load_config", lambda path: config)
    run_export_views(
        Namespace(config=Path("views.toml"), stage2=Path("two.toml"), run=run, pack=pack, title="")
    )


def test_the_basis_of_views_is_that_of_their_latents(
    config: TrainingConfig, run: Path, model: ViewsAutoEncoder
) -> None:
    given = load_views_latents(run)
    assert given is not None
    flat = given["latents"].flatten(1).float()
    training = flat[: Shards.num_training]

    for _ in range(2):
        # Once more, as a second start does, since the latents are kept beside the basis.
        stages.latents(config, Namespace(run=run, warm_start=None, device=CPU))

    saved = torch.load(run / "latents.pt", weights_only=True)
    exact = torch.linalg.svdvals(training - training.mean(0))[: SPEC.basis_size]
    found = saved["basis"]["spread"] * (len(training) - 1) ** 0.5
    torch.testing.assert_close(found, exact, rtol=2e-2, atol=0)
    rows = saved["basis"]["rows"]
    expected = (flat - training.mean(0)) @ rows.T
    torch.testing.assert_close(saved["coefficients"].float(), expected, rtol=1e-2, atol=1e-2)
    assert saved["half_extent"] == 1.0


def test_another_number_of_shapes_is_named(
    config: TrainingConfig, run: Path, model: ViewsAutoEncoder
) -> None:
    save_views_latents(torch.zeros(7, 32, 8).half(), 1.0, run)

    with pytest.raises(ConfigError, match="hold 20 shapes, and `stage1-views` has encoded 7"):
        stages.latents(config, Namespace(run=run, warm_start=None, device=CPU))


@torch.inference_mode()
def test_a_pack_answers_as_what_was_trained(
    config: TrainingConfig,
    run: Path,
    trained: ViewsAutoEncoder,
    packs: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points, colors = torch.rand(2, 1, 64, 3)

    _export(monkeypatch, config, run, packs / "mine")

    pack = NativePack(packs / "mine", CPU, torch.float32)
    latent = trained.encoder(points, colors)
    encoder = pack._load_encoder(lambda: None)
    assert torch.equal(encoder(points, colors), latent)
    directions = torch.nn.functional.normalize(points - 0.5, dim=-1)
    weights = trained.decoder.weights(latent)
    again = pack.decoder.weights(latent)
    assert torch.equal(
        pack.decoder.mlp(points, again, directions),
        trained.decoder.mlp(points, weights, directions),
    )
    request = GenerationRequest(prompt="a red chair")
    average = torch.load(run / "stage2.pt", weights_only=True)["average"]
    prior = pack.prior(request)
    for (name, found), expected in zip(prior.named_parameters(), average, strict=True):
        assert torch.equal(found, expected.half().float()), name
    assert pack.condition(request).tokens.shape == (1, 4, SPEC.condition_width)


def test_blender_lists_it_and_it_reads_meshes_in_the_size_of_training(
    config: TrainingConfig,
    run: Path,
    trained: ViewsAutoEncoder,
    packs: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _export(monkeypatch, config, run, packs / "mine")

    find_own_packs(packs)

    assert PACKS["mine"].own and PACKS["mine"].title == "Mine"
    encoder = read_manifest(packs / "mine").encoder
    assert encoder is not None
    assert (encoder.half_extent, encoder.num_points) == (1.0, CONFIG.points_encoder.num_points)  # type: ignore[union-attr]


def test_what_is_missing_is_named(
    config: TrainingConfig,
    run: Path,
    model: ViewsAutoEncoder,
    packs: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pack = packs / "mine"
    with pytest.raises(ConfigError, match="run `stage2` first"):
        _export(monkeypatch, config, run, pack)
    with pytest.raises(ConfigError, match=r"starter makes 256 x 32 .* decoder reads 32 x 8"):
        _export(monkeypatch, replace(config, architecture="starter"), run, pack)
    with pytest.raises(ConfigError, match="is the name of another pack"):
        _export(monkeypatch, config, run, packs / "starter")
    torch.save({"latents": torch.zeros(2, 32, 8)}, run / "latents.pt")
    with pytest.raises(ConfigError, match="give `stage1-views` once more"):
        _export(monkeypatch, config, run, pack)
    large = replace(CONFIG, points_encoder=None, views_encoder=VIEWS_ENCODER)
    with pytest.raises(ConfigError, match="was made with other settings"):
        _export(monkeypatch, config, run, pack, large)
    torch.save(ViewsAutoEncoder(large).state_dict(), run / MODEL_FILE)
    with pytest.raises(ConfigError, match=r"packs hold \[points_encoder\] or the published sizes"):
        _export(monkeypatch, config, run, pack, large)
    (run / MODEL_FILE).unlink()
    with pytest.raises(ConfigError, match="run `stage1-views` first"):
        _export(monkeypatch, config, run, pack)


def test_the_published_sizes_become_a_transmitter(
    config: TrainingConfig, run: Path, packs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small sizes stand in for the published ones, whose name alone decides."""
    small = replace(CONFIG, points_encoder=None, views_encoder=VIEWS_ENCODER)
    torch.manual_seed(4)
    model = ViewsAutoEncoder(small).eval()
    torch.save(model.state_dict(), run / MODEL_FILE)

    _export(monkeypatch, config, run, packs / "mine", replace(small, architecture="shap-e"))

    specs = PublishedSpecs(encoder=VIEWS_ENCODER, decoder=small.decoder)
    encoder = load_encoder(packs / "mine", published=specs)
    decoder = PublishedPack(packs / "mine", CPU, torch.float32, specs).decoder
    for found, expected in ((encoder, model.encoder), (decoder.mlp, model.decoder.mlp)):
        for name, tensor in expected.state_dict().items():
            assert torch.equal(found.state_dict()[name], tensor), name
    latent = torch.rand(1, 32, 8)
    for found, expected in zip(decoder.weights(latent), model.decoder.weights(latent), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("architecture", ["starter", "shap-e-text"])
def test_nothing_untrained_is_exported(
    config: TrainingConfig, run: Path, architecture: str
) -> None:
    arguments = Namespace(run=run)

    with pytest.raises(ConfigError, match=r"stage2\.pt is missing: run `stage2` first"):
        stages.export(replace(config, architecture=architecture), arguments)
