# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests are refused where they are written, with the bad value in the message."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from maquette.core.config import (
    GenerationRequest,
    ReferenceImage,
    SamplerChanges,
    SamplerConfig,
    SurfaceConfig,
)
from maquette.core.errors import ImageInputError, InvalidRequestError


@pytest.mark.parametrize("prompt", ["", "   ", "\n\t"])
def test_an_empty_prompt_is_refused_with_an_example(prompt: str) -> None:
    with pytest.raises(InvalidRequestError, match="describe one object"):
        GenerationRequest(prompt=prompt)


def test_a_prompt_of_ten_thousand_characters_is_refused_with_its_length() -> None:
    with pytest.raises(InvalidRequestError, match="10000 characters"):
        GenerationRequest(prompt="a" * 10_000)


def test_an_unprintable_character_is_shown() -> None:
    with pytest.raises(InvalidRequestError, match=r"\\x00"):
        GenerationRequest(prompt="a red\x00 chair")


@pytest.mark.parametrize("prompt", ["a 🍄 with a 👨‍👩‍👧", "一把红色的椅子", "ein\nroter Stuhl"])
def test_prompts_in_any_script_are_accepted(prompt: str) -> None:
    assert GenerationRequest(prompt=prompt).prompt == prompt


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("resolution", 1),
        ("resolution", 5000),
        ("resolution", 64.0),
        ("resolution", math.nan),
        ("count", 0),
        ("count", True),
        ("seed", -1),
        ("seed", 2**31),
        ("texture_size", 3),
        ("target_size", 0.0),
        ("target_size", math.inf),
        ("target_size", math.nan),
        ("precision", "fp8"),
    ],
)
def test_a_setting_out_of_range_is_named_with_its_value(setting: str, value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=str(value)) as error:
        GenerationRequest(prompt="a chair", **{setting: value})
    assert setting.replace("_", " ") in str(error.value)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("num_steps", 0),
        ("num_steps", math.nan),
        ("guidance_scale", math.nan),
        ("guidance_scale", -1.0),
        ("sigma_min", 0.0),
        ("sigma_max", math.nan),
        ("rho", 0.5),
        ("method", "euler"),
        ("convention", "mine"),
    ],
)
def test_a_sampler_setting_out_of_range_is_refused(setting: str, value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=str(value)):
        SamplerConfig(**{setting: value})


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("triangles", -1),
        ("triangles", 99),
        ("triangles", 1e5),
        ("triangles", True),
        ("symmetry", "y"),
        ("symmetry", None),
        ("shading", "rough"),
        ("normal_map", 1),
        ("occlusion_map", "yes"),
        ("speck_share", 1.5),
        ("speck_share", math.nan),
        ("num_lods", 5),
        ("num_lods", -1),
        ("collision", "mesh"),
    ],
)
def test_a_surface_setting_out_of_range_is_refused(setting: str, value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=str(value)):
        SurfaceConfig(**{setting: value})


def test_a_choice_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(InvalidRequestError, match="shading must be flat, smooth or auto"):
        SurfaceConfig(shading="rough")  # type: ignore[arg-type]


def test_by_default_the_surface_stays_as_it_is() -> None:
    surface = GenerationRequest(prompt="a chair").surface

    assert surface == SurfaceConfig(
        triangles=0, symmetry="none", shading="smooth", num_lods=0, collision="none"
    )
    assert not surface.normal_map and not surface.occlusion_map and surface.speck_share is None


def test_the_noise_range_must_be_a_range() -> None:
    with pytest.raises(InvalidRequestError, match="sigma_min < sigma_max"):
        SamplerConfig(sigma_min=2.0, sigma_max=1.0)


def test_seeds_of_all_variants_must_fit() -> None:
    with pytest.raises(InvalidRequestError, match="leaves no room for 2 variants"):
        GenerationRequest(prompt="a chair", seed=2**31 - 1, count=2)


def test_a_picture_needs_no_prompt_but_four_channels() -> None:
    picture = ReferenceImage(pixels=np.zeros((8, 8, 4), np.uint8), source="x.png")
    assert GenerationRequest(image=picture).prompt == ""
    with pytest.raises(ImageInputError, match=r"x\.png.*\(8, 8, 3\)"):
        ReferenceImage(pixels=np.zeros((8, 8, 3), np.uint8), source="x.png")


def test_changes_keep_what_they_do_not_name() -> None:
    own = SamplerConfig(num_steps=20, guidance_scale=3.0, sigma_min=0.1)
    request = GenerationRequest(prompt="a chair", sampler=SamplerChanges(num_steps=12))

    assert request.settle_sampler(own) == SamplerConfig(
        num_steps=12, guidance_scale=3.0, sigma_min=0.1
    )


def test_without_changes_the_pack_decides_and_a_whole_sampler_wins() -> None:
    own, other = SamplerConfig(num_steps=20), SamplerConfig(num_steps=7)

    assert GenerationRequest(prompt="a chair").settle_sampler(own) == own
    assert GenerationRequest(prompt="a chair", sampler=other).settle_sampler(own) == other


def test_a_change_out_of_range_is_named() -> None:
    with pytest.raises(InvalidRequestError, match="steps must be a whole number from 1 to 1024"):
        SamplerChanges(num_steps=0)


def test_the_fast_sampler_is_the_same_from_either_side() -> None:
    fast = SamplerConfig.fast()

    assert fast == SamplerChanges.fast().apply(SamplerConfig())
    assert (fast.num_evaluations, fast.delta_reuse) == (16, 2)


@pytest.mark.parametrize("value", [0, 5, 1.5, True])
def test_a_reuse_outside_its_range_is_refused(value: int) -> None:
    with pytest.raises(InvalidRequestError, match="delta reuse must be a whole number from 1 to 4"):
        SamplerConfig(delta_reuse=value)


def test_heun_does_not_reuse_its_guidance() -> None:
    with pytest.raises(InvalidRequestError, match="delta reuse must be 1, got 2"):
        SamplerConfig(method="heun", delta_reuse=2)

    changed = SamplerChanges(method="heun").apply(SamplerConfig.fast())
    assert (changed.method, changed.delta_reuse) == ("heun", 1)


def test_the_published_sampler_guides_to_the_end() -> None:
    changed = SamplerChanges(method="heun").apply(SamplerConfig(guidance_floor=0.3))

    assert changed.guidance_floor == SamplerConfig.published().guidance_floor == 0.0
