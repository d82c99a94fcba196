# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings files: what is right is read, what is wrong is named with its file, section and key."""

from __future__ import annotations

from pathlib import Path

import pytest
from maquette.training.config import load_config
from maquette.training.finetune_config import DEFAULT_FILE, load_finetune_config
from maquette.training.values import ConfigError

CONFIGS = Path("training/configs")
STARTER = CONFIGS / "starter_cpu.toml"


def _changed(tmp_path: Path, old: str, new: str) -> Path:
    text = STARTER.read_text()
    assert old in text
    path = tmp_path / "config.toml"
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("num_heads = 6", "num_heads = 0", r"\[encoder\]: num_heads must be at least 1, not 0"),
        ("num_heads = 6", "num_heads = 6.5", r"num_heads must be a whole number, not 6\.5"),
        ("num_heads = 6", "num_heads = true", "num_heads must be a whole number, not True"),
        ("latent_noise = 0.1", "latent_noise = -1", "latent_noise must be at least 0, not -1"),
        ("latent_noise = 0.1", 'latent_noise = "1"', "latent_noise must be a number, not '1'"),
        ("condition_dropout = 0.1", "condition_dropout = 1.5", "must be from 0 to 1, not 1.5"),
        ("learning_rate = 1e-3", "learning_rate = 0", "learning_rate must be above 0, not 0"),
        ("learning_rate = 1e-3", "learning_rate = nan", "learning_rate must be above 0, not nan"),
        ("ema_decay = 0.999", 'precision = "int8"', "one of fp32, bf16, fp16, not 'int8'"),
        ("ema_decay = 0.999", "recompute = 1", "recompute must be true or false, not 1"),
        ("[decoder]", "[decodr]", "does not know decodr"),
        ("num_points = 512", "", r"\[encoder\]: num_points is missing"),
        ('architecture = "starter"', 'architecture = "big"', "one of .*starter.*, not 'big'"),
        ("seed = 1", "seed = ", "is not TOML"),
        ("[data]", "data = 3\n[other]", r"\[data\] must be a section, not 3|does not know other"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = _changed(tmp_path, old, new)

    with pytest.raises(ConfigError, match=words) as caught:
        load_config(path)

    assert str(caught.value).startswith(str(path))


def test_a_missing_section_and_a_missing_file_are_named(tmp_path: Path) -> None:
    text = STARTER.read_text()
    path = tmp_path / "config.toml"
    path.write_text(text[: text.index("[stage2]")])

    with pytest.raises(ConfigError, match=r"section \[stage2\] is missing"):
        load_config(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "nothing.toml")


def test_whole_numbers_stand_for_numbers(tmp_path: Path) -> None:
    config = load_config(_changed(tmp_path, "color_weight = 16.0", "color_weight = 16"))

    assert config.field_loss.color_weight == 16.0
    assert isinstance(config.field_loss.color_weight, float)


def test_fine_tuning_has_settings_without_a_file() -> None:
    config = load_finetune_config(DEFAULT_FILE)

    assert config.lora is not None
    assert config.lora.layers == ("attention", "mlp", "condition")


def test_a_group_of_layers_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "finetune.toml"
    path.write_text(DEFAULT_FILE.read_text().replace('"mlp"', '"brain"'))

    with pytest.raises(ConfigError, match="layers must be a list, each one of attention, mlp"):
        load_finetune_config(path)
