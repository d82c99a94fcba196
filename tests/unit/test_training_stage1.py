# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage 1 on views, whole: stopped and resumed to the bit, both encoders, mistakes named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from maquette.core.specs import DECODERS, ENCODERS, DecoderSpec, EncoderSpec
from maquette.tests.unit.tiny_assets import write_balls
from maquette.training import stage1_command
from maquette.training.asset_source import AssetSource
from maquette.training.config import EncoderConfig, FieldLossConfig, StageConfig
from maquette.training.memory import measure
from maquette.training.source import Inputs
from maquette.training.stage1_command import encode_assets
from maquette.training.stage1_config import (
    DistillConfig,
    PictureLossConfig,
    RayLossConfig,
    SourceConfig,
    Stage1Config,
    load_stage1_config,
)
from maquette.training.stage1_measure import held_out_grid, held_out_quality, psnr
from maquette.training.stage1_model import ViewsAutoEncoder
from maquette.training.stage1_probe import stage1_probe
from maquette.training.stage1_views import Objective, train_stage1
from maquette.training.values import ConfigError

pytestmark = pytest.mark.needs_torch

CPU = torch.device("cpu")
STAGE = StageConfig(
    num_steps=2, batch_size=2, learning_rate=1e-3, warmup_steps=1, ema_decay=0.9, save_every=1
)
CONFIG = Stage1Config(
    seed=4,
    decoder_size=DecoderSpec(
        num_latents=32,
        channels=8,
        hidden_width=16,
        num_generated=2,
        num_hidden=3,
        position_frequencies=3,
    ),
    points_encoder=EncoderConfig(width=16, num_layers=2, num_heads=2, num_tokens=4, num_points=64),
    source=SourceConfig(held_out_views=2),
    rays=RayLossConfig(num_rays=16, num_views=2, num_coarse=4, num_fine=4, rays_at_once=10),
    distill_loss=DistillConfig(num_points=32),
    picture_loss=PictureLossConfig(grid_resolution=10, image_size=16, num_views=2),
    field_loss=FieldLossConfig(
        queries_per_shape=32,
        near_distance=0.03,
        color_distance=0.05,
        color_weight=1.0,
        distance_scale=0.1,
        latent_noise=0.0,
    ),
    field=STAGE,
    nerf=STAGE,
    distill=STAGE,
    finetune=STAGE,
)
VIEWS_ENCODER = EncoderSpec(
    num_latents=32,
    channels=8,
    width=16,
    num_layers=2,
    num_heads=2,
    num_points=512,
    num_views=6,
    image_size=32,
    num_centers=16,
    num_neighbors=16,
    conv_widths=(16, 16),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        return write_balls(tmp_path_factory.mktemp("balls"), patch, num_open=1)


class Killed(AssetSource):
    """A source whose process dies after some batches."""

    left = 0

    def inputs(self, indices: torch.Tensor, generator: torch.Generator) -> Inputs:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().inputs(indices, generator)


def source(folder: Path, config: Stage1Config = CONFIG) -> AssetSource:
    return AssetSource(folder, config.encoder, config.source)


@pytest.mark.parametrize("killed_after", [1, 5, 7])
def test_a_killed_run_goes_on_to_the_bit(folder: Path, tmp_path: Path, killed_after: int) -> None:
    """Within the first phase, the third and the last of four."""
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    whole = train_stage1(CONFIG, source(folder), tmp_path / "whole", CPU)

    dying = Killed(folder, CONFIG.encoder, CONFIG.source)
    dying.left = killed_after
    with pytest.raises(KeyboardInterrupt):
        train_stage1(CONFIG, dying, tmp_path / "broken", CPU)
    resumed = train_stage1(CONFIG, source(folder), tmp_path / "broken", CPU)

    for (name, ours), theirs in zip(
        whole.state_dict().items(), resumed.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs), name


def test_the_paper_encoder_learns_from_points_and_views(folder: Path) -> None:
    """Every parameter of encoder and decoder gets a gradient in the last phase."""
    config = replace(CONFIG, points_encoder=None, views_encoder=VIEWS_ENCODER)
    torch.manual_seed(0)
    model = ViewsAutoEncoder(config)
    # A field that is inside somewhere, so that there is a mesh to look at.
    torch.nn.init.constant_(model.decoder.mlp.output.bias[:1], 0.0)
    objective = Objective(config, model, source(folder, config))

    losses = objective.losses("finetune", torch.tensor([0, 2]), torch.Generator().manual_seed(1))
    losses["loss"].backward()

    assert set(losses) == {
        "loss",
        "nerf_color",
        "nerf_transmittance",
        "stf_distance",
        "stf_color",
        "picture",
    }
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def test_computing_the_paper_encoder_twice_changes_no_gradient(folder: Path) -> None:
    config = replace(CONFIG, points_encoder=None, views_encoder=VIEWS_ENCODER)
    torch.manual_seed(0)
    model = ViewsAutoEncoder(config)
    inputs = source(folder, config).inputs(torch.tensor([1]), torch.Generator())
    slopes = []
    for encode in (
        lambda: model.encode(inputs, torch.Generator().manual_seed(2))[0],
        lambda: model.encode_one(inputs.points[0], inputs.views[0], _first_seed(2)),
    ):
        model.zero_grad()
        encode().square().sum().backward()
        weight = model.encoder.neighborhoods.convs[0].weight
        slopes.append(weight.grad.clone())

    torch.testing.assert_close(*slopes, rtol=0, atol=0)


def _first_seed(seed: int) -> int:
    return int(torch.randint(2**62, (), generator=torch.Generator().manual_seed(seed)))


def test_noise_reaches_its_share_of_latents() -> None:
    model = ViewsAutoEncoder(CONFIG)
    latent = torch.zeros(4000, 32, 8)

    noisy = model.noisy(latent, torch.Generator().manual_seed(3))

    share = (noisy.flatten(1).abs().amax(1) > 0.01).float().mean()
    # Of a tenth that is noised, t ** 5 is small for the first timesteps.
    assert 0.06 < share < 0.1


def test_held_out_views_are_compared_and_all_assets_encoded(folder: Path) -> None:
    torch.manual_seed(0)
    model = ViewsAutoEncoder(CONFIG)

    first, again = (
        held_out_quality(model, source(folder), num_assets=2, size=16) for _ in range(2)
    )
    latents = encode_assets(model, source(folder), 0)

    assert first == again and first is not None and first.num_assets == 2
    assert 0 < first.nerf_psnr < 40 and 0 <= first.stf_coverage_iou <= 1
    assert latents.shape == (3, 32, 8) and latents.dtype == torch.float16
    grid = held_out_grid(model, source(folder), num_assets=2, size=16)
    assert grid is not None and grid.shape == (3, 2 * 16, 3 * 16)
    none = replace(CONFIG, source=SourceConfig())
    assert held_out_grid(model, source(folder, none), num_assets=2, size=16) is None
    assert held_out_quality(model, source(folder, none), num_assets=2, size=16) is None


def test_psnr_by_hand() -> None:
    truth = torch.zeros(1, 2, 2, 4)

    assert psnr(torch.full((1, 2, 2, 4), 0.1), truth) == pytest.approx(20.0, abs=1e-4)
    assert psnr(truth, truth) == 100.0


def test_the_command_trains_tells_and_goes_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from argparse import Namespace

    monkeypatch.setattr(stage1_command, "load_stage1_config", lambda path: CONFIG)
    arguments = Namespace(
        config=None, data=folder, run=tmp_path / "run", device=CPU, print_memory=False
    )

    for _ in range(2):
        stage1_command.run_stage1_views(arguments)

    told = (tmp_path / "run" / "stage1_views.json").read_text()
    for phase in ("start", "field", "nerf", "distill", "finetune"):
        assert told.count(f'"{phase}"') == 1
    state = torch.load(tmp_path / "run" / "stage1_views.pt", weights_only=True)
    ViewsAutoEncoder(CONFIG).load_state_dict(state)
    saved = torch.load(tmp_path / "run" / "latents.pt", weights_only=True)
    assert saved["latents"].shape == (3, 32, 8)


def test_memory_is_told_before_a_run() -> None:
    need = measure(lambda: stage1_probe(CONFIG), is_gpu=False)
    more = replace(CONFIG, rays=replace(CONFIG.rays, num_rays=64, rays_at_once=0))

    module = ViewsAutoEncoder(CONFIG)
    count = sum(each.numel() for each in module.parameters())
    assert need.gradients == 4 * count and need.moments == 8 * count
    assert measure(lambda: stage1_probe(more), is_gpu=False).activations > need.activations


def test_recipes_can_be_read() -> None:
    laptop = load_stage1_config(Path("training/configs/assets_laptop.toml"))
    official = load_stage1_config(Path("training/configs/official_stage1.toml"))

    assert laptop.decoder.heads == DECODERS["shap-e"].heads
    assert isinstance(laptop.encoder, EncoderConfig)
    assert (official.decoder, official.encoder) == (DECODERS["shap-e"], ENCODERS["shap-e"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("num_latents = 128", "num_latents = 96"), r"num_generated \* hidden_width, 128"),
        (("num_latents = 128", "num_latents = 128\ncolor_width = 8"), "is one network"),
        (("num_tokens = 16", "num_tokens = 13"), "num_tokens must divide"),
        (("[points_encoder]", "[views_encoder]"), "does not know num_tokens"),
        (("seed = 1", 'seed = 1\narchitecture = "shap-e"'), "give architecture, or else"),
        (("[nerf]", "[field]"), r"\[field\] needs a section \[field_loss\]"),
        (("[finetune]", "[finetuning]"), "does not know finetuning"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    text = Path("training/configs/assets_laptop.toml").read_text()
    assert change[0] in text
    (tmp_path / "changed.toml").write_text(text.replace(*change))

    with pytest.raises(ConfigError, match=message):
        load_stage1_config(tmp_path / "changed.toml")
