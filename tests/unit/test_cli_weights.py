# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette weights` as a user sees it: text, JSON and exit codes."""

from __future__ import annotations

import argparse
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import close_session, constants
from maquette import weights_fetch
from maquette.cli import weights
from maquette.tests.unit.hub_server import HubServer
from maquette.tests.unit.tiny_pack import (
    CONFIG,
    ENCODER,
    ON_HUB,
    ORIGINAL,
    PRIOR,
    RENDERER,
    RENDERER_FILE,
    TEXT_FILES,
    WEIGHTS,
    tiny_pack,
)
from maquette.weights import download as weights_download
from maquette.weights import hub as weights_hub


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for pack_id in list(weights_fetch.PACKS):
        monkeypatch.delitem(weights_fetch.PACKS, pack_id)
    monkeypatch.setitem(weights_fetch.PACKS, "tiny", tiny_pack())
    monkeypatch.setenv("MAQUETTE_PACKS", str(tmp_path / "packs"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(weights_hub, "RETRY_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(weights_download, "RETRY_WAIT_SECONDS", 0.01)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def hub() -> Iterator[HubServer]:
    close_session()
    with HubServer(dict(ON_HUB)) as server:
        yield server
    close_session()


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    files = {
        "prior/config.json": CONFIG,
        f"prior/{WEIGHTS}": PRIOR,
        f"encoder/{WEIGHTS}": ENCODER,
        RENDERER_FILE: RENDERER,
    }
    for name, content in files.items():
        (tmp_path / "stick" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "stick" / name).write_bytes(content)
    return tmp_path / "stick"


def run(*words: str) -> int:
    parser = argparse.ArgumentParser(prog="maquette")
    weights.add_parser(parser.add_subparsers())
    return weights.run(parser.parse_args(["weights", *words]))


def answer(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]


def test_list_shows_state_sizes_and_licence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == 0

    header, line, folder = capsys.readouterr().out.splitlines()
    assert header.split() == ["PACK", "ON", "THIS", "MACHINE", "TO", "FETCH", "LICENCE"]
    assert line.split("  ")[0] == "tiny"
    assert "not on this machine" in line
    assert "text 350.0 kB, image 300.0 kB" in line
    assert folder.endswith("packs")


def test_list_as_json_is_one_object(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("list", "--json", "--packs-folder", str(tmp_path / "other")) == 0

    listed = answer(capsys)
    assert listed["packs_folder"] == str(tmp_path / "other")
    (pack,) = listed["packs"]
    assert (pack["pack"], pack["status"], pack["ready_parts"]) == ("tiny", "missing", [])
    assert len(pack["missing"]) == 6


def test_fetch_reports_licence_progress_and_result(
    hub: HubServer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run("fetch", "tiny", "--part", "text", "--endpoint", hub.url) == 0

    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "Tiny, licence none, see a test"
    assert out.splitlines()[-1] == f"tiny: ready: text, 350.0 kB in {tmp_path / 'packs' / 'tiny'}"
    assert [line.split("% ")[1] for line in err.splitlines()] == [
        f"fetching {name}" for name in (*TEXT_FILES, RENDERER_FILE)
    ]


def test_fetch_as_json_prints_nothing_else(
    hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fetch", "tiny", "--part", "text", "--json", "--endpoint", hub.url) == 0

    assert answer(capsys)["ready_parts"] == ["text"]


def test_a_failed_fetch_is_one_sentence(hub: HubServer, capsys: pytest.CaptureFixture[str]) -> None:
    hub.fault("prior/config.json").status = 404

    assert run("fetch", "tiny", "--endpoint", hub.url) == 3

    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith("maquette: cannot fetch text/prior/config.json, ")


def test_a_failed_fetch_as_json_names_the_kind(
    hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fetch", "tiny", "--offline", "--json", "--endpoint", hub.url) == 3

    assert answer(capsys)["error"]["kind"] == "OfflineError"
    assert hub.requests == []


@pytest.mark.parametrize(
    "words", [["fetch", "nope"], ["fetch", "tiny", "--part", "sound"], ["verify", "nope"]]
)
def test_an_unknown_name_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert run(*words) == 2

    assert "choose" in capsys.readouterr().err


def test_import_then_verify_then_damage(
    stick: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run("import", str(stick), "--pack", "tiny") == 0
    assert run("verify") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("tiny: verified, text ready")

    (tmp_path / "packs" / "tiny" / TEXT_FILES[1]).write_bytes(bytes(len(PRIOR)))
    assert run("verify", "tiny") == 3
    assert "has another content" in capsys.readouterr().out
    assert run("verify", "--json") == 3
    (result,) = answer(capsys)["packs"]
    assert result["status"] == "damaged"
    assert "another content" in result["error"]


def test_verify_without_any_pack_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify") == 0

    assert capsys.readouterr().out == "There is no pack on this machine\n"


def test_an_import_that_makes_nothing_usable_fails_but_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick" / "text_cond.pt").write_bytes(ORIGINAL)

    assert run("import", str(tmp_path / "stick"), "--pack", "tiny") == 3

    assert "lacks text/encoder" in capsys.readouterr().err
    assert (tmp_path / "packs" / "tiny" / "text" / "prior" / "text_cond.pt").exists()


def test_importing_from_nowhere_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("import", "/does/not/exist", "--pack", "tiny") == 3

    assert capsys.readouterr().err == (
        "maquette: cannot import from /does/not/exist: there is no such folder\n"
    )


def test_a_full_disk_is_an_output_error(
    stick: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise weights_fetch.DiskSpaceError(stick, 1000, 1)

    monkeypatch.setattr(weights_fetch, "import_pack", fail)

    assert run("import", str(stick), "--pack", "tiny") == 5


def test_ctrl_c_keeps_what_arrived_and_leaves_with_130(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupt(self: object, stage: str, fraction: float) -> None:
        if WEIGHTS in stage:
            signal.raise_signal(signal.SIGINT)

    hub.fault(f"prior/{WEIGHTS}").stall_after = 60_000
    with monkeypatch.context() as patch:
        patch.setattr(weights.Console, "progress", interrupt)
        assert run("fetch", "tiny", "--part", "text", "--endpoint", hub.url) == 130

    assert not (tmp_path / "packs" / "tiny" / TEXT_FILES[1]).exists()
    hub.faults.clear()
    assert run("fetch", "tiny", "--part", "text", "--endpoint", hub.url) == 0


def test_ctrl_c_ends_verification_at_the_first_pack(
    stick: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run("import", str(stick), "--pack", "tiny")
    capsys.readouterr()
    monkeypatch.setattr(
        weights.Console, "progress", lambda *args: signal.raise_signal(signal.SIGINT)
    )

    assert run("verify") == 130

    assert capsys.readouterr().out == ""


def test_an_action_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run()

    assert caught.value.code == 2
