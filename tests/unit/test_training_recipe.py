# SPDX-License-Identifier: GPL-3.0-or-later
"""A recipe's stages: read, begun in their order and side by side, skipped, stopped, told of."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from maquette.core.native_pack import NativePack
from maquette.training.config import TrainingConfig, load_config
from maquette.training.recipe import NEEDS, load_recipe, recipe_of
from maquette.training.recipe_processes import StageFailedError, hold
from maquette.training.recipe_run import TOOK_FILE, LegRun, Share, run_all, share_out
from maquette.training.recipe_state import is_finished, results_of
from maquette.training.values import ConfigError

pytestmark = pytest.mark.needs_torch

CONFIGS, RECIPES = Path("training/configs").resolve(), Path("training/recipes").resolve()
LEG = """
[[legs]]
name = "{name}"
config = "{config}"
stages = {stages}
"""


def _recipe(tmp_path: Path, *legs: str) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text("".join(legs))
    return path


def _leg(name: str, *stages: str, config: Path = CONFIGS / "starter_cpu.toml") -> str:
    return LEG.format(name=name, config=config, stages=json.dumps(stages))


def _arguments(tmp_path: Path, recipe: Path) -> Namespace:
    return Namespace(
        recipe=recipe,
        config=None,
        run=tmp_path / "run",
        pack=tmp_path / "pack",
        wheel=None,
        processes=2,
        device="cpu",
    )


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_recipes_can_be_read(path: Path) -> None:
    recipe = load_recipe(path)

    assert recipe.legs[0].stages[0] == "generate" and recipe.legs[-1].stages[-1] == "export"


@pytest.mark.parametrize(
    ("legs", "message"),
    [
        ("[[runs]]", "does not know runs"),
        ("", r"\[\[legs\]\] is missing"),
        (_leg("a/b", "generate"), "name must be that of a folder"),
        (_leg("a", "generate") + _leg("a", "text"), "there is another leg of that name"),
        (_leg("a"), "it has no stages"),
        (_leg("a", "train"), "stages must be of generate, .*, not 'train'"),
        (_leg("a", "stage1", "generate"), "generate must come before stage1"),
        (_leg("a", "generate", "generate"), "it has generate twice"),
        (_leg("a", "fit"), "fit needs a warm_start"),
        (_leg("a", "blend"), "blend needs a warm_start and an other"),
        (_leg("a", "generate") + 'warm_start = "b"', "warm_start must be an earlier leg, not 'b'"),
        (_leg("a", "text") + 'links = ["b/shards"]', "links must be LEG/FILE of earlier legs"),
        (
            _leg("a", "latents") + _leg("b", "decoder") + 'links = ["a/decoder.pt"]',
            "links give decoder.pt, which its own stages make",
        ),
        (_leg("a", "text") + "processes.stage1 = 0", r"\[processes\]: stage1 must be at least 1"),
        (_leg("a", "fit") + _leg("b", "fit") + 'warm_start = "a"', "fit needs a warm_start"),
    ],
)
def test_what_a_recipe_has_wrong_is_named(tmp_path: Path, legs: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_recipe(_recipe(tmp_path, legs))

    assert str(caught.value).startswith(str(tmp_path))


def test_settings_alone_are_a_leg_of_what_they_call_for() -> None:
    words = recipe_of(CONFIGS / "starter_cpu.toml").legs[0].stages
    scenes = recipe_of(CONFIGS / "starter_v1.toml").legs[0].stages

    assert set(NEEDS) - set(words) == {"words", "clip", "fit", "blend", "gaussian"}
    assert set(NEEDS) - set(scenes) == {"text", "fit", "blend"}
    with pytest.raises(ConfigError, match="give a --recipe of both"):
        recipe_of(CONFIGS / "starter_cpu_2.toml")


@pytest.mark.parametrize(
    ("wanted", "taken", "begun"),
    [
        # Cores that nobody else takes are threads.
        ({"clip": 1}, [], {"clip": Share(1, 2)}),
        ({"clip": 1, "latents": 1}, [], {"clip": Share(1), "latents": Share(1)}),
        # Nothing overtakes what waits for both cores.
        ({"words": 1, "stage1": 2, "clip": 1}, [], {"words": Share(1, 2)}),
        ({"stage1": 2, "clip": 1}, [], {"stage1": Share(2)}),
        ({"stage1": 2, "clip": 1}, [Share(1)], {}),
        ({"decoder": 1}, [Share(1)], {"decoder": Share(1)}),
        # Fitting shares shapes, and makes do with what is left.
        ({"clip": 1, "fit": 2}, [], {"clip": Share(1), "fit": Share(1)}),
        ({"fit": 2}, [], {"fit": Share(2)}),
        ({"fit": 2}, [Share(2)], {}),
        # More than there are cores is taken when nothing else runs.
        ({"stage1": 4, "clip": 1}, [], {"stage1": Share(4)}),
        ({"stage1": 4}, [Share(1, 2)], {}),
    ],
)
def test_two_cores_are_shared_out(
    wanted: dict[str, int], taken: list[Share], begun: dict[str, Share]
) -> None:
    assert share_out(wanted, taken, 2) == begun


def test_processes_decide_what_is_learnt_only_without_shares(tmp_path: Path) -> None:
    recipe = load_recipe(RECIPES / "starter_v1.toml")
    config = load_config(recipe.config_path(recipe.legs[-1]))
    arguments = _arguments(tmp_path, RECIPES / "starter_v1.toml")

    def command(stage: str, processes: int, shares: int) -> list[str]:
        from dataclasses import replace

        arguments.processes = processes
        shared = replace(config, stage1=replace(config.stage1, shares=shares))
        leg = LegRun(recipe, recipe.legs[-1], shared, arguments, lock=0)
        return leg.command(stage, Share(leg._num_processes(stage)))

    def spread(*given: object) -> str:
        words = command(*given)  # type: ignore[arg-type]
        name = "--nproc-per-node"
        return words[words.index(name) + 1] if name in words else ""

    assert spread("stage1", 8, 0) == "2"
    assert [spread("stage1", n, 6) for n in (1, 2, 4, 9)] == ["", "2", "3", "6"]
    assert spread("fit", 5, 0) == "5"
    assert spread("export", 8, 0) == spread("generate", 8, 0) == ""
    found = " ".join(command("fit", 1, 0))
    assert f"--run {tmp_path / 'run' / 'second'}" in found
    assert f"--warm-start {tmp_path / 'run' / 'first'}" in found
    assert "--with-encoder" in found


def test_what_is_finished_is_told_by_files(tmp_path: Path) -> None:
    config = load_config(CONFIGS / "starter_cpu.toml")
    steps = config.stage1.num_steps

    assert not is_finished("stage1", config, tmp_path)
    torch.save({"step": steps - 1}, tmp_path / "stage1.pt")
    assert not is_finished("stage1", config, tmp_path)
    torch.save({"step": steps}, tmp_path / "stage1.pt")
    assert is_finished("stage1", config, tmp_path)
    torch.save({"step": config.text.num_steps}, tmp_path / "text.pt")
    assert not is_finished("text", config, tmp_path)
    torch.save({}, tmp_path / "conditions.pt")
    assert is_finished("text", config, tmp_path)
    (tmp_path / "shards").mkdir()
    for start in range(0, config.data.num_shapes, config.data.shard_size):
        assert not is_finished("generate", config, tmp_path)
        (tmp_path / "shards" / f"{start:07d}.npz").touch()
    assert is_finished("generate", config, tmp_path)
    assert not is_finished("export", config, tmp_path)


def test_what_is_older_than_its_source_is_made_again_or_refused(tmp_path: Path) -> None:
    config = load_config(CONFIGS / "starter_cpu.toml")
    torch.save({"step": config.stage1.num_steps}, tmp_path / "stage1.pt")
    torch.save({}, tmp_path / "latents.pt")
    torch.save({"step": config.decoder.num_steps}, tmp_path / "decoder.pt")
    for age, name in enumerate(("decoder.pt", "latents.pt", "stage1.pt")):
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    assert is_finished("latents", config, tmp_path) and is_finished("decoder", config, tmp_path)

    os.utime(tmp_path / "stage1.pt", (1001, 1001))
    assert not is_finished("latents", config, tmp_path)
    os.utime(tmp_path / "latents.pt", (1002, 1002))

    with pytest.raises(ConfigError, match=r"decoder\.pt is older than latents\.pt, .* remove it"):
        is_finished("decoder", config, tmp_path)


Script = Callable[[str], str]


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[Script], list[str]]:
    """Let stages be little programs, and return the list of those that were begun."""

    def use(script: Script) -> list[str]:
        begun: list[str] = []

        def command(leg: LegRun, stage: str, share: Share) -> list[str]:
            begun.append(f"{leg.leg.name}/{stage}")
            text = f"import os, pathlib, sys, time; here = pathlib.Path({str(leg.folder)!r})\n"
            return [sys.executable, "-S", "-c", text + script(stage)]

        def finished(stage: str, config: TrainingConfig, folder: Path) -> bool:
            return stage != "export" and all((folder / each).exists() for each in results_of(stage))

        monkeypatch.setattr(LegRun, "command", command)
        monkeypatch.setattr("maquette.training.recipe_run.is_finished", finished)
        return begun

    return use


def _leaves(stage: str) -> str:
    return "".join(f"(here / {name!r}).touch()\n" for name in results_of(stage))


def test_legs_run_in_their_order_and_what_is_finished_is_skipped(
    tmp_path: Path, stand_in: Callable[[Script], list[str]]
) -> None:
    """Two cores: the CLIP runs beside what makes latents, as both wait until the other began."""
    begun = stand_in(
        lambda stage: (
            _leaves(stage)
            if stage not in ("clip", "latents", "fit")
            else f"(here / '{stage}.here').touch()\n"
            "both = ('clip', 'latents' if here.name == 'first' else 'fit')\n"
            "while not all((here / f'{each}.here').exists() for each in both):\n"
            f"    time.sleep(0.01)\n{_leaves(stage)}"
        )
    )
    arguments = _arguments(tmp_path, RECIPES / "starter_v1.toml")

    run_all(arguments)

    first, second = begun[:6], begun[6:]
    assert first[:3] == ["first/generate", "first/words", "first/stage1"]
    assert first[3:5] == ["first/clip", "first/latents"] and first[5] == "first/decoder"
    last = ["clip", "fit", "decoder", "gaussian", "stage2", "export"]
    assert second[:2] == ["second/clip", "second/fit"]
    assert sorted(second) == sorted(f"second/{each}" for each in last)
    link = tmp_path / "run" / "second" / "words.json"
    assert link.resolve() == (tmp_path / "run" / "first" / "words.json").resolve()
    told = (tmp_path / "run" / "second" / TOOK_FILE).read_text().splitlines()
    assert sorted(json.loads(line)["stage"] for line in told) == sorted(last)

    begun.clear()
    (tmp_path / "run" / "second" / "decoder.pt").unlink()
    run_all(arguments)

    assert begun == ["second/decoder", "second/export"]


def test_a_stage_that_fails_is_named_and_the_other_stopped(
    tmp_path: Path, stand_in: Callable[[Script], list[str]]
) -> None:
    waits = "(here / 'pid.part').write_text(str(os.getpid()))\n"
    waits += "os.replace(here / 'pid.part', here / 'pid')\ntime.sleep(600)\n"
    fails = "while not (here / 'pid').exists():\n    time.sleep(0.01)\n"
    begun = stand_in(
        lambda stage: fails + "sys.exit('decoder: no room')" if stage == "decoder" else waits
    )
    recipe = _recipe(tmp_path, _leg("one", "decoder", "stage2", "export"))

    with pytest.raises(StageFailedError, match=r"^decoder failed \(no room\): see .*decoder\.log$"):
        run_all(_arguments(tmp_path, recipe))

    assert begun == ["one/decoder", "one/stage2"]
    assert "no room" in (tmp_path / "run" / "one" / "decoder.log").read_text()
    assert not (tmp_path / "run" / "one" / TOOK_FILE).exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "run" / "one" / "pid").read_text()), 0)


def test_how_a_stage_ended_is_told_where_it_says_nothing(
    tmp_path: Path, stand_in: Callable[[Script], list[str]]
) -> None:
    recipe = _recipe(tmp_path, _leg("one", "export"))

    stand_in(lambda stage: "sys.exit(7)")
    with pytest.raises(StageFailedError, match=r"export failed \(exit status 7\)"):
        run_all(_arguments(tmp_path, recipe))
    stand_in(lambda stage: "os.kill(os.getpid(), 9)")
    with pytest.raises(StageFailedError, match=r"export failed \(killed by signal 9\)"):
        run_all(_arguments(tmp_path, recipe))


def test_being_told_to_end_ends_the_stages(
    tmp_path: Path, stand_in: Callable[[Script], list[str]]
) -> None:
    """The stage sends the signal itself, so that it is at work by then."""
    stand_in(
        lambda stage: (
            "(here / 'pid').write_text(str(os.getpid()))\n"
            f"os.kill({os.getpid()}, 15)\ntime.sleep(600)"
        )
    )

    with pytest.raises(SystemExit, match="the same command goes on"):
        run_all(_arguments(tmp_path, _recipe(tmp_path, _leg("one", "export"))))

    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "run" / "one" / "pid").read_text()), 0)


def test_a_run_has_one_master(tmp_path: Path) -> None:
    with hold(tmp_path), pytest.raises(ConfigError, match="is being worked on"), hold(tmp_path):
        pass
    with hold(tmp_path):
        pass


def test_it_is_not_started_by_torchrun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")

    with pytest.raises(ConfigError, match="without torchrun"):
        run_all(_arguments(tmp_path, RECIPES / "starter_v1.toml"))


TINY = {
    "num_shapes = 30000": "num_shapes = 576",
    "shard_size = 500": "shard_size = 288",
    "num_surface = 1024": "num_surface = 32",
    "num_queries = 6144": "num_queries = 32",
    "width = 192": "width = 16",
    "num_heads = 6": "num_heads = 2",
    "num_tokens = 32": "num_tokens = 4",
    "queries_per_shape = 1024": "queries_per_shape = 16",
    "decoded_points = 64": "decoded_points = 4",
    "num_points = 320": "num_points = 8",
}


def _tiny(tmp_path: Path, name: str) -> Path:
    """Write settings with the sizes of `TINY`, two steps a stage and few examples."""
    text = (CONFIGS / name).read_text()
    for old, new in TINY.items():
        text = text.replace(old, new)
    lines = []
    for line in text.splitlines():
        key = line.partition(" = ")[0]
        small = {"num_steps": "num_steps = 2", "batch_size": "batch_size = 2"}
        lines.append(small.get(key, line))
    path = tmp_path / name
    path.write_text("\n".join(lines))
    return path


def test_a_pack_comes_of_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two legs for real, at sizes that learn nothing: stages, torchrun, links and export."""
    first, second = (_tiny(tmp_path, name) for name in ("starter_cpu.toml", "starter_cpu_2.toml"))
    stages = ("generate", "text", "stage1", "latents", "decoder")
    linked = [f"first/{each}" for each in ("shards", "conditions.pt", "decoder.pt")]
    rest = f'warm_start = "first"\nlinks = {json.dumps(linked)}\n'
    recipe = _recipe(
        tmp_path,
        _leg("first", *stages, config=first) + "processes.stage1 = 1\n",
        _leg("second", "fit", "stage2", "export", config=second) + rest,
    )
    arguments = _arguments(tmp_path, recipe)
    # `export` keeps what `evaluate` needs below the working folder.
    monkeypatch.chdir(tmp_path)

    run_all(arguments)

    pack = NativePack(tmp_path / "pack", torch.device("cpu"), torch.float32)
    saved = torch.load(tmp_path / "run" / "second" / "latents.pt", weights_only=True)
    basis = pack.prior(None).basis  # type: ignore[arg-type]
    assert basis is not None
    torch.testing.assert_close(basis.spread, saved["basis"]["spread"], rtol=1e-3, atol=1e-4)
    for place in ("first/stage1", "first/decoder", "second/stage2"):
        state = torch.load(tmp_path / "run" / f"{place}.pt", weights_only=True, mmap=True)
        assert state["step"] == 2
