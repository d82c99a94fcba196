# SPDX-License-Identifier: GPL-3.0-or-later
"""What is learnt from runs whose times follow a known law."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from maquette.core.config import (
    GenerationRequest,
    Likeness,
    ReferenceImage,
    SamplerChanges,
    SamplerConfig,
    SurfaceConfig,
)
from maquette.core.experience import Experience, read_experience
from maquette.core.mesh import GenerationRecord, GenerationResult, MeshData

PACK_SAMPLER = SamplerConfig(num_steps=20, guidance_scale=3.0)


def law(request: GenerationRequest, sampler: SamplerConfig, speed: float = 1.0) -> dict[str, float]:
    """Seconds by stage of a machine that obeys the model exactly."""
    guided = 1.0 if sampler.guidance_scale == 1.0 else 2.0
    evaluations = {"heun": 2 * sampler.num_steps - 1}.get(sampler.method, sampler.num_steps)
    # One pass is about the prompt, the other about no prompt at all.
    passes = evaluations if guided == 1.0 else evaluations + -(-evaluations // sampler.delta_reuse)
    seconds = {
        "load": 1.2,
        "condition": 0.003,
        "sample": 0.005 * passes,
        "field": 0.001,
        "surface": 0.6 * (request.resolution / 128) ** 2.2,
        "colours": 0.07 * (request.resolution / 128) ** 2,
        "thumbnail": 0.1,
    }
    if request.texture_size:
        seconds["unwrap"] = 0.3 * (request.resolution / 128) ** 2
        seconds["texture"] = 1.1 * (request.texture_size / 1024) ** 2
    return {stage: value * speed for stage, value in seconds.items()}


def ask(**settings: Any) -> GenerationRequest:
    return GenerationRequest(**({"prompt": "a chair"} | settings))


def result_of(
    request: GenerationRequest, speed: float = 1.0, device: str = "cpu", **times: float
) -> GenerationResult:
    """The first result of a run that had to load the pack."""
    sampler = request.settle_sampler(PACK_SAMPLER)
    empty = np.zeros((0, 3), np.float32)
    return GenerationResult(
        name="Chair",
        mesh=MeshData(
            vertices=empty, faces=np.zeros((0, 3), np.int32), normals=empty, vertex_colors=empty
        ),
        record=GenerationRecord(
            prompt="a chair",
            image_source="",
            seed=0,
            pack=request.pack,
            pack_hash="",
            settings={
                "method": sampler.method,
                "num_steps": sampler.num_steps,
                "guidance_scale": sampler.guidance_scale,
                "delta_reuse": sampler.delta_reuse,
                "device": device,
            },
            version="1",
        ),
        stage_seconds=law(request, sampler, speed) | times,
    )


def learnt(*requests: GenerationRequest) -> Experience:
    experience = Experience()
    for request in requests:
        experience.learn(request, result_of(request))
    return experience


def seconds(experience: Experience, request: GenerationRequest, **ready: bool) -> float:
    plan = experience.plan(request, **ready)
    assert plan is not None
    return plan.seconds


def test_nothing_is_known_before_the_first_run() -> None:
    assert Experience().plan(ask()) is None


@pytest.mark.parametrize(
    "asked",
    [
        ask(),
        ask(resolution=64, texture_size=512),
        ask(resolution=256, texture_size=4096),
        ask(texture_size=0),
        ask(sampler=SamplerChanges(num_steps=100)),
        ask(sampler=SamplerChanges(guidance_scale=8.0)),
        ask(sampler=SamplerChanges(method="heun", num_steps=64)),
        ask(sampler=SamplerChanges(guidance_scale=1.0)),
        ask(sampler=SamplerConfig(num_steps=7)),
        ask(sampler=SamplerChanges.fast()),
        ask(sampler=SamplerChanges(num_steps=9, delta_reuse=2)),
        ask(sampler=SamplerChanges(guidance_scale=1.0, delta_reuse=2)),
    ],
)
def test_one_run_tells_every_setting_on_a_machine_that_obeys_the_model(
    asked: GenerationRequest,
) -> None:
    experience = learnt(ask())

    expected = sum(law(asked, asked.settle_sampler(PACK_SAMPLER)).values())

    assert seconds(experience, asked) == pytest.approx(expected)


def test_variants_cost_what_one_costs_but_getting_ready() -> None:
    experience = learnt(ask())
    times = law(ask(), PACK_SAMPLER)
    once = times["load"] + times["condition"]
    each = sum(times.values()) - once

    assert seconds(experience, ask(count=5)) == pytest.approx(once + 5 * each)
    assert seconds(experience, ask(), is_loaded=True) == pytest.approx(times["condition"] + each)


def test_the_start_of_the_libraries_is_counted_once() -> None:
    experience = Experience()
    experience.learn(ask(), result_of(ask()), start=2.5)
    whole = sum(law(ask(), PACK_SAMPLER).values())

    assert seconds(experience, ask()) == pytest.approx(whole + 2.5)
    assert seconds(experience, ask(), is_started=True) == pytest.approx(whole)


def test_a_pack_found_in_memory_teaches_nothing_about_loading() -> None:
    experience = learnt(ask())
    for _ in range(9):
        experience.learn(ask(), result_of(ask(), load=1e-4))

    assert seconds(experience, ask()) == pytest.approx(sum(law(ask(), PACK_SAMPLER).values()))


def test_settings_used_before_are_predicted_from_their_own_times() -> None:
    """Texels are not all of a small texture's time, which is learnt with the first one."""
    experience = learnt(ask())
    small = ask(texture_size=64)
    experience.learn(small, result_of(small, texture=0.5))

    plan = experience.plan(small)
    assert plan is not None and plan.variant["texture"] == pytest.approx(0.5)
    plan = experience.plan(ask())
    assert plan is not None and plan.variant["texture"] == pytest.approx(1.1)


@pytest.mark.parametrize("seed", range(5))
def test_noise_and_disturbed_runs_move_the_estimate_little(seed: int) -> None:
    """Every third run is disturbed; the others scatter by 20 %."""
    draw = random.Random(seed)
    experience = Experience()
    for run in range(9):
        speed = draw.uniform(3, 10) if run % 3 == 1 else draw.uniform(0.8, 1.2)
        experience.learn(ask(), result_of(ask(), speed))

    true = sum(law(ask(), PACK_SAMPLER).values())
    assert 0.8 * true <= seconds(experience, ask()) <= 1.2 * true


def test_a_faster_machine_is_believed_after_half_of_the_runs_remembered() -> None:
    experience = Experience()
    for speed in [1.0] * 9 + [0.25] * 5:
        experience.learn(ask(), result_of(ask(), speed))

    true = sum(law(ask(), PACK_SAMPLER).values())
    assert seconds(experience, ask()) == pytest.approx(0.25 * true)


def test_packs_devices_precisions_and_sources_are_kept_apart() -> None:
    experience = learnt(ask())
    image = ReferenceImage(pixels=np.zeros((1, 1, 4), np.uint8), source="x.png")

    assert experience.plan(ask(pack="shap-e")) is None
    assert experience.plan(ask(device="cuda")) is None
    assert experience.plan(ask(precision="bf16")) is None
    assert experience.plan(ask(image=image)) is None


def test_auto_means_the_device_that_it_was_the_last_time() -> None:
    experience = Experience()
    experience.learn(ask(device="cuda:1"), result_of(ask(), 0.1, device="cuda"))
    assert experience.plan(ask()) is None

    experience.learn(ask(), result_of(ask(), device="cpu"))

    assert seconds(experience, ask()) == seconds(experience, ask(device="cpu"))
    assert seconds(experience, ask(device="cuda:0")) == pytest.approx(
        0.1 * seconds(experience, ask())
    )


def test_a_texture_is_unknown_until_one_was_painted() -> None:
    experience = learnt(ask(texture_size=0))

    assert experience.plan(ask(texture_size=0)) is not None
    assert experience.plan(ask()) is None


def test_a_fast_run_tells_what_a_whole_one_takes() -> None:
    fast = ask(sampler=SamplerChanges.fast())
    experience = learnt(fast)

    own = experience.plan(ask(sampler=SamplerChanges(num_steps=20)))

    # 16 evaluations were 24 passes of 5 ms; 20 whole ones are 40.
    assert own is not None and own.variant["sample"] == pytest.approx(0.2)


def test_explicit_samplers_do_not_pass_for_the_packs_own() -> None:
    experience = learnt(ask())
    fifty = ask(sampler=SamplerConfig(num_steps=50))
    experience.learn(fifty, result_of(fifty))

    own = experience.plan(ask())
    assert own is not None and own.variant["sample"] == pytest.approx(0.005 * 2 * 20)


def test_results_like_an_earlier_one_take_at_most_the_time_planned() -> None:
    experience = learnt(ask())
    like = ask(like=Likeness(seeds=(1, 2), strengths=(0.75, 0.5)), count=3)
    experience.learn(like, result_of(like, sample=0.01))

    plain = experience.plan(ask(count=3))
    plan = experience.plan(like)
    assert plain is not None and plan is not None
    assert plan.variant["sample"] == pytest.approx(0.2)
    assert plan.seconds == pytest.approx(plain.seconds + 2 * 0.2)


def test_a_file_brings_everything_back(tmp_path: Path) -> None:
    experience = learnt(ask(), ask(resolution=64), ask(sampler=SamplerChanges(num_steps=50)))
    path = tmp_path / "times.json"

    experience.save(path)
    again = read_experience(path)

    for request in (ask(), ask(resolution=200, count=3), ask(sampler=SamplerConfig())):
        assert again.plan(request) == experience.plan(request)
    assert [each.name for each in tmp_path.iterdir()] == ["times.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"format": 2, "groups": {}, "automatic": ""}',
        '{"format": 1, "groups": [], "automatic": ""}',
        '{"format": 1, "groups": {"a": {"stages": {"load": [[1, -1]]}, "sampler": {}}}}',
        '{"format": 1, "automatic": "", "groups": {"a": {"stages": {},'
        ' "sampler": {"num_steps": 0}}}}',
        '{"format": 1, "automatic": "", "groups": {"a": {"stages": {"load": [["x", 1]]},'
        ' "sampler": {}}}}',
        '{"format": 1, "automatic": "", "groups": {"a": {"stages": {"load": [[NaN, 1]]},'
        ' "sampler": {}}}}',
        "\x00\xff",
    ],
)
def test_a_damaged_file_holds_nothing_and_is_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "times.json"
    path.write_bytes(text.encode("latin-1"))

    experience = read_experience(path)

    assert experience.plan(ask()) is None
    experience.learn(ask(), result_of(ask()))
    experience.save(path)
    assert read_experience(path).plan(ask()) is not None


def test_the_file_never_outgrows_its_bounds(tmp_path: Path) -> None:
    experience = Experience()
    path = tmp_path / "times.json"
    sizes = []
    for number in range(1, 1201):
        request = ask(
            pack=f"pack-{number % 40}",
            resolution=16 + number % 97,
            texture_size=64 + number % 89,
            sampler=SamplerChanges(num_steps=1 + number % 83),
        )
        experience.learn(request, result_of(request))
        if number % 400 == 0:
            experience.save(path)
            sizes.append(path.stat().st_size)

    content = json.loads(path.read_text())
    assert len(content["groups"]) == 24
    assert max(sizes) < 24 * 9 * 6 * 9 * 50
    assert experience.plan(ask(pack=f"pack-{1200 % 40}")) is not None


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "times.json"
    learnt(ask()).save(path)
    before = path.read_bytes()
    (tmp_path / "times.json.part").mkdir()

    with pytest.raises(OSError, match="part"):
        learnt(ask(), ask(resolution=64)).save(path)

    assert path.read_bytes() == before


def test_stages_that_nobody_knows_are_left_out() -> None:
    experience = Experience()
    strange = result_of(ask())
    experience.learn(ask(), replace(strange, stage_seconds=strange.stage_seconds | {"tea": 99.0}))

    assert seconds(experience, ask()) == pytest.approx(sum(law(ask(), PACK_SAMPLER).values()))


def test_what_a_mesh_is_asked_for_is_learnt_by_itself() -> None:
    """Maps, levels and hulls cost time of their own, and nothing where they are left out."""
    plain, counted = ask(), ask(surface=SurfaceConfig(triangles=20_000))
    mapped = ask(surface=SurfaceConfig(triangles=20_000, normal_map=True, occlusion_map=True))
    rich = ask(surface=SurfaceConfig(triangles=20_000, num_lods=2, collision="convex"))
    experience = Experience()
    experience.learn(plain, result_of(plain))
    assert experience.plan(counted) is None

    experience.learn(counted, result_of(counted, unwrap=0.5, surface=1.0))
    assert experience.plan(mapped) is None
    assert experience.plan(rich) is None

    experience.learn(mapped, result_of(mapped, unwrap=0.5, surface=1.0, texture=4.1))
    experience.learn(rich, result_of(rich, unwrap=0.5, surface=1.0, levels=0.8, collision=0.1))
    base = seconds(experience, counted)
    assert seconds(experience, mapped) == pytest.approx(base + 3.0)
    assert seconds(experience, rich) == pytest.approx(base + 0.9)
    # In proportion to the triangles where these are what the work is about.
    half = replace(rich, surface=replace(rich.surface, triangles=10_000))
    of_colours = 0.07
    saved = (0.5 + 0.8 + of_colours) / 2
    assert seconds(experience, half) == pytest.approx(base + 0.9 - saved)
