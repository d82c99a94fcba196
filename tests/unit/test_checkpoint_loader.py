# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading is strict and names the first thing wrong."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path

import pytest
import torch
from maquette.core.checkpoint.clip_keys import clip_key_map
from maquette.core.checkpoint.decoder_keys import decoder_key_map
from maquette.core.checkpoint.key_maps import (
    AS_IS,
    Entry,
    Ignored,
    InterleavedHeads,
    KeyMap,
    StackedRows,
    Transposed,
)
from maquette.core.checkpoint.loader import load_module
from maquette.core.checkpoint.prior_keys import prior_key_map
from maquette.core.decoder.stf import Decoder
from maquette.core.errors import CheckpointError
from maquette.core.prior.transformer import LatentPrior
from maquette.core.specs import CLIPS, DecoderSpec, PriorSpec
from safetensors.torch import save_file
from torch import Tensor, nn

pytestmark = pytest.mark.needs_torch

TEXT = PriorSpec(
    num_latents=8,
    channels=4,
    width=8,
    num_layers=1,
    num_heads=2,
    condition_width=6,
    normalizes_condition=False,
    predicts_variance=True,
)
IMAGE = PriorSpec(
    num_latents=8,
    channels=4,
    width=8,
    num_layers=1,
    num_heads=2,
    condition_width=6,
    normalizes_condition=True,
    predicts_variance=True,
)
DECODER = DecoderSpec(
    num_latents=8,
    channels=4,
    hidden_width=4,
    num_generated=2,
    num_hidden=3,
    position_frequencies=1,
)


class Pair(nn.Module):
    """Two layers and an integer buffer."""

    table: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 2)
        self.second = nn.Linear(2, 2)
        self.register_buffer("table", torch.zeros(4, dtype=torch.int64))


def ours(names: Collection[str]) -> KeyMap:
    ignored = (Ignored(r"unused\.\d+", (2,)), Ignored(r"anything"))
    return KeyMap(holds="a pair", entries=None, ignored=ignored)


def pair_state() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    state = {
        name: torch.randn(t.shape, generator=generator) for name, t in Pair().state_dict().items()
    }
    return state | {"table": torch.tensor([3, 1, 2, 0])}


def written(path: Path, state: dict[str, Tensor]) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    return path


def refusal(path: Path, state: dict[str, Tensor]) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_module(Pair, written(path, state), ours)
    assert caught.value.path == path
    return caught.value.reason


def test_every_value_arrives(tmp_path: Path) -> None:
    state = pair_state()

    module = load_module(Pair, written(tmp_path / "w.safetensors", state), ours)

    assert {name: tensor.tolist() for name, tensor in module.state_dict().items()} == {
        name: tensor.tolist() for name, tensor in state.items()
    }
    assert not module.training
    assert not any(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("wanted", [torch.float16, torch.bfloat16, torch.float32])
def test_precision_is_converted_and_integers_are_kept(
    tmp_path: Path, stored: torch.dtype, wanted: torch.dtype
) -> None:
    state = pair_state()
    state = {name: t.to(stored) if t.is_floating_point() else t for name, t in state.items()}

    path = written(tmp_path / "w.safetensors", state)
    module = load_module(Pair, path, ours, dtype=wanted)

    for name, tensor in module.state_dict().items():
        expected = state[name].to(wanted) if name != "table" else state[name]
        assert torch.equal(tensor, expected)
        assert tensor.dtype == expected.dtype


def test_the_file_may_go_once_it_is_loaded(tmp_path: Path) -> None:
    state = pair_state()
    path = written(tmp_path / "w.safetensors", state)

    module = load_module(Pair, path, ours)
    path.write_bytes(bytes(path.stat().st_size))
    path.unlink()

    assert torch.equal(module.first.weight, state["first.weight"])


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    state = pair_state()
    del state["second.bias"]

    assert refusal(tmp_path / "w.safetensors", state) == "lacks 'second.bias' of a pair"


def test_an_unknown_tensor_is_named(tmp_path: Path) -> None:
    state = pair_state() | {"unused.0": torch.ones(2), "third.weight": torch.ones(1)}

    reason = refusal(tmp_path / "w.safetensors", state)

    assert reason == "has 'third.weight', which a pair does not have"


def test_a_wrong_shape_is_named(tmp_path: Path) -> None:
    state = pair_state() | {"first.weight": torch.ones(3, 2)}

    reason = refusal(tmp_path / "w.safetensors", state)

    assert reason == "'first.weight' has shape [3, 2], expected [2, 3]"


def test_an_unused_tensor_is_accepted_but_its_shape_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    extra = {"unused.1": torch.ones(2), "anything": torch.ones(5)}
    load_module(Pair, written(path, pair_state() | extra), ours)

    reason = refusal(path, pair_state() | {"unused.1": torch.ones(3)})

    assert reason == "'unused.1' has shape [3], expected [2]"


def test_a_foreign_file_is_recognised_as_such(tmp_path: Path) -> None:
    reason = refusal(tmp_path / "w.safetensors", {"conv.weight": torch.ones(2)})

    assert reason == "holds something else than a pair (its first tensor: 'conv.weight')"


def test_numbers_of_the_wrong_kind_are_refused(tmp_path: Path) -> None:
    integers = pair_state() | {"first.bias": torch.ones(2, dtype=torch.int32)}
    floats = pair_state() | {"table": torch.ones(4)}

    path = tmp_path / "w.safetensors"
    assert refusal(path, integers) == "'first.bias' is torch.int32, expected floating-point numbers"
    assert refusal(path, floats) == "'table' is torch.float32, expected torch.int64 numbers"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_numbers_are_refused(tmp_path: Path, value: float) -> None:
    state = pair_state()
    state["first.weight"][1, 2] = value

    assert "not numbers in torch.float32" in refusal(tmp_path / "w.safetensors", state)


def test_values_beyond_half_precision_are_refused_when_it_is_asked_for(tmp_path: Path) -> None:
    state = pair_state() | {"first.bias": torch.tensor([1e6, 0.0])}
    path = written(tmp_path / "w.safetensors", state)

    with pytest.raises(CheckpointError, match="holds values that are not numbers"):
        load_module(Pair, path, ours, dtype=torch.float16)


def test_a_buffer_that_no_file_can_fill_is_a_bug(tmp_path: Path) -> None:
    class Forgetful(Pair):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("scale", torch.ones(2), persistent=False)

    with pytest.raises(RuntimeError, match=r"Forgetful\.scale was never given values"):
        load_module(Forgetful, written(tmp_path / "w.safetensors", pair_state()), ours)


def test_a_map_that_does_not_fit_its_module_is_a_bug(tmp_path: Path) -> None:
    path = written(tmp_path / "w.safetensors", pair_state())

    with pytest.raises(ValueError, match="map of a pair and module differ"):
        load_module(Pair, path, lambda names: KeyMap(holds="a pair", entries={}))


def save_prior(folder: Path, spec: PriorSpec) -> Path:
    return written(folder / "prior.safetensors", LatentPrior(spec).state_dict())


@pytest.mark.parametrize(
    ("stored", "wanted", "reason"),
    [
        (IMAGE, TEXT, "holds an image prior, not a text prior"),
        (TEXT, IMAGE, "holds a text prior, not an image prior"),
    ],
)
def test_mixed_up_priors_are_named(
    tmp_path: Path, stored: PriorSpec, wanted: PriorSpec, reason: str
) -> None:
    path = save_prior(tmp_path, stored)

    with pytest.raises(CheckpointError) as caught:
        load_module(lambda: LatentPrior(wanted), path, partial(prior_key_map, wanted))
    assert caught.value.reason == reason


PUBLISHED_NAMES = {
    "a text prior": ["wrapped.clip_embed.weight"],
    "an image prior": ["wrapped.clip_embed.0.weight", "wrapped.clip_embed.1.weight"],
    "a decoder": ["renderer.nerstf.mlp.0.bias", "encoder.output_tokens"],
    "a CLIP text encoder": ["text_model.embeddings.token_embedding.weight"],
    "a CLIP image encoder": ["vision_model.embeddings.class_embedding"],
    "a whole CLIP model": ["text_projection.weight", "visual_projection.weight", "logit_scale"],
    "the prior of another model": ["prd_embedding", "embedding_proj.weight"],
}


@pytest.mark.parametrize("holds", PUBLISHED_NAMES)
def test_published_files_in_the_wrong_place_are_named(tmp_path: Path, holds: str) -> None:
    path = written(
        tmp_path / "w.safetensors", {name: torch.ones(1) for name in PUBLISHED_NAMES[holds]}
    )
    as_decoder = (lambda: Decoder(DECODER), path, partial(decoder_key_map, DECODER))
    as_prior = (lambda: LatentPrior(TEXT), path, partial(prior_key_map, TEXT))

    wanted = "a text prior" if holds == "a decoder" else "a decoder"
    with pytest.raises(CheckpointError, match=f"holds {holds}, not {wanted}"):
        load_module(*(as_prior if holds == "a decoder" else as_decoder))


def test_the_encoder_of_a_transmitter_is_skipped_and_nothing_else(tmp_path: Path) -> None:
    decoder = Decoder(DECODER).state_dict()
    names = {name: "renderer.nerstf.mlp.0.bias" for name in decoder}
    key_map = decoder_key_map(DECODER, {*names.values(), "encoder.output_tokens"})

    def is_known(name: str) -> bool:
        return any(each.matches(name) for each in key_map.ignored)

    assert is_known("encoder.encoder.1.resblocks.0.attn.c_kv.weight")
    assert is_known("encoder.processor.resblocks.10.mlp.c_fc.bias")
    assert is_known("encoder.point_conv.mlp_convs.1.weight")
    assert is_known("encoder.mv_pcl_embed.unk_token")
    assert is_known("renderer.nerstf.mlp.1.weight")
    assert not is_known("renderer.nerstf.mlp.2.weight")
    assert not is_known("encoder.params_proj.projections.nerstf__mlp__0__weight.proj.weight")
    assert not is_known("encoder.decoder.weight")


def test_layouts_rearrange_exactly() -> None:
    q, k, v = (torch.arange(4.0)[:, None] + 10 * i for i in range(3))
    # Two heads of width two: q, k, v of the first head, then of the second.
    interleaved = torch.cat([q[:2], k[:2], v[:2], q[2:], k[2:], v[2:]])

    stacked = StackedRows().assemble([q, k, v])

    assert torch.equal(InterleavedHeads(2).assemble([interleaved]), stacked)
    assert torch.equal(InterleavedHeads(2).assemble([interleaved[:, 0]]), stacked[:, 0])
    assert StackedRows().source_shape((12, 1), 3) == (4, 1)
    assert Transposed().source_shape((2, 5), 1) == (5, 2)
    assert torch.equal(Transposed().assemble([q]), q.T)
    assert AS_IS.assemble([q]) is q


@pytest.mark.parametrize("spec", CLIPS.values(), ids=CLIPS)
def test_clip_maps_use_every_source_once(spec: object) -> None:
    entries = clip_key_map(spec, []).entries  # type: ignore[arg-type]

    assert entries is not None
    sources = [source for entry in entries.values() for source in entry.sources]
    assert len(sources) == len(set(sources))
    assert isinstance(next(iter(entries.values())), Entry)
