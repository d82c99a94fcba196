# SPDX-License-Identifier: GPL-3.0-or-later
"""Which models a pack folder holds, in which of several files, and whether its configs fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from maquette.core.checkpoint.pack_layout import PackLayout, read_layout
from maquette.core.config import SamplerConfig
from maquette.core.errors import CheckpointError, PackError
from maquette.core.pack import PackManifest
from maquette.core.specs import CLIPS, DECODERS, PRIORS, WordEncoderSpec

pytestmark = pytest.mark.needs_torch

FP16 = "diffusion_pytorch_model.fp16.safetensors"
FETCHED = (
    f"text/prior/{FP16}",
    "text/text_encoder/model.fp16.safetensors",
    f"image/prior/{FP16}",
    "image/image_encoder/model.fp16.safetensors",
    f"shap_e_renderer/{FP16}",
)

TEXT_PRIOR_CONFIG = {
    "_class_name": "PriorTransformer",
    "added_emb_type": None,
    "additional_embeddings": 0,
    "attention_head_dim": 64,
    "clip_embed_dim": 2048,
    "dropout": 0.0,
    "embedding_dim": 1024,
    "embedding_proj_dim": 768,
    "embedding_proj_norm_type": None,
    "encoder_hid_proj_type": None,
    "norm_in_type": "layer",
    "num_attention_heads": 16,
    "num_embeddings": 1024,
    "num_layers": 24,
    "time_embed_act_fn": "gelu",
    "time_embed_dim": 4096,
}
IMAGE_PRIOR_CONFIG = TEXT_PRIOR_CONFIG | {
    "attention_head_dim": 128,
    "num_attention_heads": 8,
    "embedding_proj_dim": 1024,
    "embedding_proj_norm_type": "layer",
}
RENDERER_CONFIG = {
    "_class_name": "ShapERenderer",
    "act_fn": "swish",
    "background": [255.0, 255.0, 255.0],
    "d_hidden": 256,
    "d_latent": 1024,
    "insert_direction_at": 4,
    "n_hidden_layers": 6,
    "n_output": 12,
    "param_names": [f"nerstf.mlp.{i}.weight" for i in range(4)],
    "param_shapes": [[256, 93], [256, 256], [256, 256], [256, 256]],
}
TEXT_ENCODER_CONFIG = {
    "architectures": ["CLIPTextModelWithProjection"],
    "hidden_act": "quick_gelu",
    "hidden_size": 768,
    "intermediate_size": 3072,
    "layer_norm_eps": 1e-05,
    "max_position_embeddings": 77,
    "model_type": "clip_text_model",
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "projection_dim": 768,
    "vocab_size": 49408,
}
IMAGE_ENCODER_CONFIG = {
    "architectures": ["CLIPVisionModel"],
    "hidden_act": "quick_gelu",
    "hidden_size": 1024,
    "image_size": 224,
    "intermediate_size": 4096,
    "layer_norm_eps": 1e-05,
    "model_type": "clip_vision_model",
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
    "patch_size": 14,
}
CONFIGS = {
    "text/prior": TEXT_PRIOR_CONFIG,
    "text/text_encoder": TEXT_ENCODER_CONFIG,
    "image/prior": IMAGE_PRIOR_CONFIG,
    "image/image_encoder": IMAGE_ENCODER_CONFIG,
    "shap_e_renderer": RENDERER_CONFIG,
}


def make(folder: Path, *names: str, configs: dict[str, dict[str, object]] | None = None) -> Path:
    """Create empty files, which no layout reads, and configurations."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    for place, content in (configs or {}).items():
        (folder / place).mkdir(parents=True, exist_ok=True)
        (folder / place / "config.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def files_of(layout: PackLayout, folder: Path) -> dict[str, str]:
    """Return the files of a layout, relative to the pack, by the name of their component."""
    names = (
        "text_prior",
        "image_prior",
        "decoder",
        "text_encoder",
        "image_encoder",
        "word_encoder",
    )
    components = {name: getattr(layout, name) for name in names}
    return {
        name: component.path.relative_to(folder).as_posix()
        for name, component in components.items()
        if component is not None
    }


def test_a_fetched_pack_has_everything(tmp_path: Path) -> None:
    layout = read_layout(make(tmp_path, *FETCHED, configs=CONFIGS))

    assert layout.kind == "hub"
    assert files_of(layout, tmp_path) == {
        "text_prior": FETCHED[0],
        "text_encoder": FETCHED[1],
        "image_prior": FETCHED[2],
        "image_encoder": FETCHED[3],
        "decoder": FETCHED[4],
    }
    assert layout.image_prior is not None
    assert layout.image_prior.spec == PRIORS["shap-e-image"]
    assert layout.decoder is not None
    assert layout.decoder.spec == DECODERS["shap-e"]
    assert layout.text_encoder is not None
    assert layout.text_encoder.spec == CLIPS["vit-l-14-text"]


def test_a_pack_with_one_part_has_no_other(tmp_path: Path) -> None:
    layout = read_layout(make(tmp_path, FETCHED[0], FETCHED[1], FETCHED[4]))

    assert files_of(layout, tmp_path).keys() == {"text_prior", "text_encoder", "decoder"}


def test_a_plain_text_repository_is_known(tmp_path: Path) -> None:
    names = (f"prior/{FP16}", "text_encoder/pytorch_model.bin", f"shap_e_renderer/{FP16}")
    layout = read_layout(make(tmp_path, *names, configs={"prior": TEXT_PRIOR_CONFIG}))

    assert files_of(layout, tmp_path) == {
        "text_prior": names[0],
        "text_encoder": names[1],
        "decoder": names[2],
    }


@pytest.mark.parametrize("configs", [{}, {"prior": IMAGE_PRIOR_CONFIG}], ids=["bare", "described"])
def test_a_plain_image_repository_is_known(
    tmp_path: Path, configs: dict[str, dict[str, object]]
) -> None:
    names = (f"prior/{FP16}", "image_encoder/model.fp16.safetensors", f"shap_e_renderer/{FP16}")
    layout = read_layout(make(tmp_path, *names, configs=configs))

    assert files_of(layout, tmp_path) == {
        "image_prior": names[0],
        "image_encoder": names[1],
        "decoder": names[2],
    }


def test_the_old_renderer_folder_is_not_used(tmp_path: Path) -> None:
    layout = read_layout(make(tmp_path, f"prior/{FP16}", "renderer/diffusion_pytorch_model.bin"))

    assert layout.decoder is None


@pytest.mark.parametrize(
    "folders", [("", "", ""), ("text/prior/", "image/prior/", "shap_e_renderer/")]
)
def test_openai_files_are_known_at_the_top_and_in_their_components(
    tmp_path: Path, folders: tuple[str, str, str]
) -> None:
    originals = ("text_cond.pt", "image_cond.pt", "transmitter.pt")
    names = [folder + name for folder, name in zip(folders, originals, strict=True)]
    layout = read_layout(make(tmp_path, *names, "text/text_encoder/model.fp16.safetensors"))

    assert layout.kind == "openai"
    assert files_of(layout, tmp_path) == {
        "text_prior": names[0],
        "image_prior": names[1],
        "decoder": names[2],
        "text_encoder": "text/text_encoder/model.fp16.safetensors",
    }


@pytest.mark.parametrize(
    ("folder", "ranked"),
    [
        (
            "text/prior",
            (
                "diffusion_pytorch_model.safetensors",
                "diffusion_pytorch_model.fp16.safetensors",
                "diffusion_pytorch_model.bin",
                "diffusion_pytorch_model.fp16.bin",
                "text_cond.pt",
            ),
        ),
        (
            "text/text_encoder",
            (
                "model.safetensors",
                "model.fp16.safetensors",
                "pytorch_model.bin",
                "pytorch_model.fp16.bin",
            ),
        ),
    ],
)
def test_of_several_files_the_best_is_taken(
    tmp_path: Path, folder: str, ranked: tuple[str, ...]
) -> None:
    make(tmp_path, "transmitter.pt", *(f"{folder}/{name}" for name in ranked))

    for best in ranked:
        files = files_of(read_layout(tmp_path), tmp_path)
        assert f"{folder}/{best}" in files.values()
        (tmp_path / folder / best).unlink()


def test_a_native_pack_is_described_by_its_manifest(tmp_path: Path) -> None:
    manifest = PackManifest(
        id="starter",
        version="1",
        prior=PRIORS["starter"],
        decoder=DECODERS["starter"],
        word_encoder=WordEncoderSpec(
            vocabulary_size=3, width=8, num_layers=1, num_heads=1, num_slots=2
        ),
        sampler=SamplerConfig(),
        words={"red": "colour", "mug": "kind"},
    )
    (tmp_path / "pack.json").write_text(manifest.to_json({}), encoding="utf-8")

    layout = read_layout(tmp_path)

    assert layout.kind == "native"
    assert files_of(layout, tmp_path) == {
        "text_prior": "prior.safetensors",
        "decoder": "decoder.safetensors",
        "word_encoder": "words.safetensors",
    }
    assert layout.text_prior is not None
    assert layout.text_prior.spec == PRIORS["starter"]
    assert layout.decoder is not None
    assert layout.decoder.spec == DECODERS["starter"]


@pytest.mark.parametrize("names", [(), ("notes.txt", "prior/readme.md")])
def test_a_folder_without_models_is_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(PackError, match="there is no model in"):
        read_layout(make(tmp_path, *names))


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        ("text/prior", "num_attention_heads", 8),
        ("text/prior", "num_layers", 12),
        ("text/prior", "embedding_proj_norm_type", "layer"),
        ("image/prior", "embedding_proj_norm_type", None),
        ("shap_e_renderer", "insert_direction_at", 3),
        ("shap_e_renderer", "param_shapes", [[256, 93]]),
        ("text/text_encoder", "hidden_act", "gelu"),
        ("image/image_encoder", "patch_size", 16),
        ("image/image_encoder", "model_type", "clip_text_model"),
    ],
)
def test_a_config_that_differs_is_refused(
    tmp_path: Path, place: str, key: str, value: object
) -> None:
    configs = CONFIGS | {place: CONFIGS[place] | {key: value}}

    with pytest.raises(CheckpointError) as caught:
        read_layout(make(tmp_path, *FETCHED, configs=configs))
    assert caught.value.path == tmp_path / place / "config.json"
    assert caught.value.reason.startswith(f"says {key} = {value!r}, expected ")


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "\x00\xff"])
def test_a_damaged_config_is_refused(tmp_path: Path, text: str) -> None:
    make(tmp_path, *FETCHED)
    path = tmp_path / "text" / "prior" / "config.json"
    path.write_text(text, encoding="latin-1")

    with pytest.raises(CheckpointError, match="fetch it again"):
        read_layout(tmp_path)
