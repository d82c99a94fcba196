# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetching with the real huggingface_hub client, from a hub on the loopback interface."""

from __future__ import annotations

import errno
import json
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from huggingface_hub import close_session, constants
from maquette import weights_fetch
from maquette.tests.unit.hub_server import COMMIT, HubServer
from maquette.tests.unit.tiny_pack import (
    CONFIG,
    ENCODER,
    IMAGE_FILES,
    ON_HUB,
    ORIGINAL,
    PRIOR,
    RENDERER,
    RENDERER_FILE,
    TEXT_BYTES,
    TEXT_FILES,
    WEIGHTS,
    sha256,
    tiny_pack,
)
from maquette.weights import disk as weights_disk
from maquette.weights import download as weights_download
from maquette.weights import hub as weights_hub

PRIOR_PATH = f"prior/{WEIGHTS}"
ENCODER_PATH = f"encoder/{WEIGHTS}"


@dataclass
class Progress:
    """Records what `on_progress` hears; may act at some byte count."""

    calls: list[tuple[int, int, str]] = field(default_factory=list)
    at_bytes: int | None = None
    act: Callable[[], None] = lambda: None

    def __call__(self, done: int, total: int, file: str) -> None:
        self.calls.append((done, total, file))
        if self.at_bytes is not None and done >= self.at_bytes:
            self.at_bytes = None
            self.act()

    @property
    def done(self) -> list[int]:
        return [done for done, _, _ in self.calls]


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The tiny pack, no waiting between tries, no proxy, and a token that must stay here."""
    monkeypatch.setitem(weights_fetch.PACKS, "tiny", tiny_pack())
    monkeypatch.setattr(weights_hub, "RETRY_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(weights_download, "RETRY_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf-home"))


@pytest.fixture(scope="module", autouse=True)
def client() -> Iterator[None]:
    """The client reads the proxy settings once, when it is made."""
    close_session()
    yield
    close_session()


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer(dict(ON_HUB)) as server:
        yield server


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    return tmp_path / "packs"


def fetch(hub: HubServer, packs: Path, **options: object) -> weights_fetch.PackState:
    settings: dict[str, object] = {"parts": ("text",), "online": True, "endpoint": hub.url}
    return weights_fetch.fetch_pack("tiny", packs, **(settings | options))  # type: ignore[arg-type]


def files_under(folder: Path) -> set[str]:
    """Every file but the lock and the receipt."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".maquette")
    }


def test_a_fetch_delivers_the_chosen_part_and_nothing_else(hub: HubServer, packs: Path) -> None:
    state = fetch(hub, packs)

    folder = packs / "tiny"
    assert state.status == "ready"
    assert state.ready_parts == ("text",)
    assert files_under(folder) == {*TEXT_FILES, RENDERER_FILE}
    assert (folder / TEXT_FILES[1]).read_bytes() == PRIOR
    assert (folder / RENDERER_FILE).read_bytes() == RENDERER
    assert weights_fetch.pack_directory("tiny", packs, ("text",)) == folder


def test_the_second_part_reuses_the_shared_renderer(hub: HubServer, packs: Path) -> None:
    fetch(hub, packs)
    hub.requests.clear()

    state = fetch(hub, packs, parts=("image",))

    assert state.status == "ready"
    assert not any("renderer" in request.path for request in hub.requests)
    assert weights_fetch.pack_state("tiny", packs).ready_parts == ("text", "image")


def test_the_receipt_names_commit_size_and_hash(hub: HubServer, packs: Path) -> None:
    fetch(hub, packs)

    receipt = json.loads((packs / "tiny" / ".maquette.json").read_text())["files"]
    assert receipt[TEXT_FILES[2]] == {
        "size": len(ENCODER),
        "sha256": sha256(ENCODER),
        "origin": f"maker/tiny@{COMMIT}",
        "is_damaged": False,
    }


def test_progress_never_goes_back_and_ends_at_the_total(hub: HubServer, packs: Path) -> None:
    # A server without ranges that breaks off makes the download begin anew.
    hub.fault(PRIOR_PATH).drop_after = [150_000, 120_000]
    hub.fault(PRIOR_PATH).ignores_range = True
    progress = Progress()

    fetch(hub, packs, on_progress=progress)

    assert progress.done == sorted(progress.done)
    assert progress.calls[-1][0] == progress.calls[-1][1] == TEXT_BYTES
    assert len(set(progress.done)) > 10


def test_no_token_no_environment_and_no_cache_leave_a_trace(
    hub: HubServer, packs: Path, tmp_path: Path
) -> None:
    fetch(hub, packs)

    assert all("authorization" not in request.headers for request in hub.requests)
    assert {request.headers["user-agent"] for request in hub.requests} == {"maquette"}
    assert {path.name for path in tmp_path.iterdir()} == {"packs"}
    assert files_under(packs) == {f"tiny/{name}" for name in (*TEXT_FILES, RENDERER_FILE)}


def test_content_is_asked_for_by_commit(hub: HubServer, packs: Path) -> None:
    fetch(hub, packs)

    contents = hub.gets(PRIOR_PATH)
    assert contents and all(f"/resolve/{COMMIT}/" in request.path for request in contents)


def test_a_dropped_connection_is_resumed_where_it_broke(hub: HubServer, packs: Path) -> None:
    hub.fault(PRIOR_PATH).drop_after = [70_000]

    state = fetch(hub, packs)

    first, second = hub.gets(PRIOR_PATH)
    assert state.status == "ready"
    assert "range" not in first.headers
    offset = int(second.headers["range"].removeprefix("bytes=").rstrip("-"))
    assert 0 < offset <= 70_000
    assert (packs / "tiny" / TEXT_FILES[1]).read_bytes() == PRIOR


def test_a_later_fetch_goes_on_where_the_first_gave_up(hub: HubServer, packs: Path) -> None:
    tries = weights_hub.MAX_FRUITLESS_TRIES
    hub.fault(PRIOR_PATH).drop_after = [90_000] + [0] * tries
    with pytest.raises(weights_fetch.DownloadError, match=r"what was fetched so far is kept"):
        fetch(hub, packs)
    assert weights_fetch.pack_state("tiny", packs, ("text",)).status == "partial"
    hub.requests.clear()

    fetch(hub, packs)

    (request,) = hub.gets(PRIOR_PATH)
    assert int(request.headers["range"].removeprefix("bytes=").rstrip("-")) > 0
    assert (packs / "tiny" / TEXT_FILES[1]).read_bytes() == PRIOR
    assert files_under(packs / "tiny") == {*TEXT_FILES, RENDERER_FILE}


def test_a_partial_file_of_another_version_is_not_resumed(hub: HubServer, packs: Path) -> None:
    stale = packs / "tiny" / f"{TEXT_FILES[1]}.0123456789ab.part"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"x" * 50_000)

    fetch(hub, packs)

    assert not stale.exists()
    assert "range" not in hub.gets(PRIOR_PATH)[0].headers


@pytest.mark.parametrize("path", [PRIOR_PATH, ENCODER_PATH, "prior/config.json"])
def test_wrong_content_is_refused_and_leaves_nothing(
    hub: HubServer, packs: Path, path: str
) -> None:
    right = next(content for key, content in ON_HUB.items() if key.endswith(f"main/{path}"))
    hub.fault(path).content = bytes(reversed(right))

    with pytest.raises(weights_fetch.WeightsDamagedError, match="arrived with another content"):
        fetch(hub, packs)

    folder = packs / "tiny"
    assert not (folder / "text" / path).exists()
    assert not list(folder.rglob("*.part"))
    hub.faults.clear()
    assert fetch(hub, packs).status == "ready"


def test_a_body_that_ends_early_is_completed(hub: HubServer, packs: Path) -> None:
    # The first answer claims to be complete; ranges deliver the rest.
    hub.fault(ENCODER_PATH).announce = 40_000
    progress = Progress(at_bytes=len(PRIOR) + 40_000, act=hub.faults.clear)

    assert fetch(hub, packs, on_progress=progress).status == "ready"


def test_a_body_that_always_ends_early_is_given_up(hub: HubServer, packs: Path) -> None:
    hub.fault(ENCODER_PATH).announce = 40_000

    with pytest.raises(weights_fetch.DownloadError, match=r"sent only 40000 of 60000 bytes"):
        fetch(hub, packs)

    assert not (packs / "tiny" / TEXT_FILES[2]).exists()


def test_a_body_that_is_too_long_is_given_up(hub: HubServer, packs: Path) -> None:
    hub.fault(ENCODER_PATH).content = ENCODER[:-1] + b"more than was announced"

    with pytest.raises(weights_fetch.WeightsError, match=r"more than 60000 bytes|another content"):
        fetch(hub, packs)

    assert not (packs / "tiny" / TEXT_FILES[2]).exists()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, r"does not have encoder/.* \(404\)"),
        (401, r"refuses access to encoder/.* \(401\)"),
        (403, r"refuses access to encoder/.* \(403\)"),
        (400, "answered with error 400"),
        (503, "answered with error 503"),
    ],
)
def test_a_refusal_is_one_sentence_with_the_file_and_the_reason(
    hub: HubServer, packs: Path, status: int, words: str
) -> None:
    hub.fault(ENCODER_PATH).status = status

    with pytest.raises(weights_fetch.DownloadError, match=words) as caught:
        fetch(hub, packs)

    assert caught.value.file == TEXT_FILES[2]
    assert "\n" not in str(caught.value)
    assert files_under(packs) == set() if packs.exists() else True


def test_a_busy_server_is_asked_again(hub: HubServer, packs: Path) -> None:
    hub.fault(ENCODER_PATH).get_statuses = [429, 503]

    assert fetch(hub, packs).status == "ready"


def test_a_refused_range_starts_anew(hub: HubServer, packs: Path) -> None:
    hub.fault(PRIOR_PATH).drop_after = [90_000]
    refuse = Progress(at_bytes=60_000, act=lambda: hub.fault(PRIOR_PATH).get_statuses.extend([416]))

    assert fetch(hub, packs, on_progress=refuse).status == "ready"
    assert ["range" in request.headers for request in hub.gets(PRIOR_PATH)] == [False, False]


def test_a_server_that_is_down_is_named(packs: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    with pytest.raises(weights_fetch.DownloadError, match=rf"127\.0\.0\.1:{port}.*connection"):
        weights_fetch.fetch_pack(
            "tiny", packs, online=True, endpoint=f"http://127.0.0.1:{port}", parts=("text",)
        )

    assert not packs.exists()


def test_a_login_page_is_not_taken_for_the_hub(hub: HubServer, packs: Path) -> None:
    hub.fault("prior/config.json").is_no_hub = True

    with pytest.raises(weights_fetch.DownloadError, match="does not answer like the hub"):
        fetch(hub, packs)


@pytest.mark.parametrize("endpoint", ["huggingface.co", "ftp://host", "https://"])
def test_an_endpoint_must_be_a_web_address(packs: Path, endpoint: str) -> None:
    with pytest.raises(weights_fetch.DownloadError, match="is no web address"):
        weights_fetch.fetch_pack("tiny", packs, online=True, endpoint=endpoint)


def test_another_file_than_the_published_one_is_not_even_begun(hub: HubServer, packs: Path) -> None:
    hub.files[f"maker/tiny@main/{PRIOR_PATH}"] = bytes(reversed(PRIOR))
    hub.files[f"maker/tiny@main/{ENCODER_PATH}"] = ENCODER + b"1"

    with pytest.raises(weights_fetch.DownloadError, match=r"now offers another file \(sha256"):
        fetch(hub, packs)
    hub.files[f"maker/tiny@main/{PRIOR_PATH}"] = PRIOR
    with pytest.raises(weights_fetch.DownloadError, match=r"offers 60001 bytes where 60000 were"):
        fetch(hub, packs)

    assert all(request.method == "HEAD" for request in hub.requests)


def test_the_hub_may_not_send_us_to_a_stranger(
    hub: HubServer, packs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights_hub, "HUB_DOMAINS", ("127.0.0.1",))
    with pytest.raises(weights_fetch.DownloadError, match=r"sends us on to http://localhost:"):
        fetch(hub, packs)
    assert not hub.gets(PRIOR_PATH)

    monkeypatch.setattr(weights_hub, "HUB_DOMAINS", ("127.0.0.1", "localhost"))
    assert fetch(hub, packs).status == "ready"


class Cancellation:
    """Cancels on another thread as soon as the server has gone silent."""

    def __init__(self, hub: HubServer) -> None:
        self.event = threading.Event()
        self._hub = hub
        self._cancelled_at = 0.0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        self._hub.has_stalled.wait(60)
        self._cancelled_at = time.monotonic()
        self.event.set()

    def seconds_since(self) -> float:
        return time.monotonic() - self._cancelled_at


@pytest.fixture
def patient_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a cancel, a silent server would hold the client for a minute."""
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 60)
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 60)


@pytest.mark.usefixtures("patient_client")
def test_cancel_in_the_middle_of_a_dead_connection(hub: HubServer, packs: Path) -> None:
    hub.fault(PRIOR_PATH).stall_after = 60_000
    cancellation = Cancellation(hub)

    with pytest.raises(weights_fetch.FetchCancelledError):
        fetch(hub, packs, cancel=cancellation.event)

    assert cancellation.seconds_since() < 20
    assert not (packs / "tiny" / TEXT_FILES[1]).exists()


def test_what_arrived_before_a_cancel_is_not_fetched_again(hub: HubServer, packs: Path) -> None:
    hub.fault(PRIOR_PATH).stall_after = 60_000
    cancel = threading.Event()
    with pytest.raises(weights_fetch.FetchCancelledError):
        fetch(hub, packs, cancel=cancel, on_progress=Progress(at_bytes=50_000, act=cancel.set))
    hub.faults.clear()

    assert fetch(hub, packs).status == "ready"
    offset = hub.gets(PRIOR_PATH)[-1].headers["range"].removeprefix("bytes=").rstrip("-")
    assert int(offset) >= 50_000 - len(CONFIG)


@pytest.mark.usefixtures("patient_client")
def test_cancel_before_the_hub_has_answered(hub: HubServer, packs: Path) -> None:
    hub.fault("prior/config.json").stall_head = True
    cancellation = Cancellation(hub)

    with pytest.raises(weights_fetch.FetchCancelledError):
        fetch(hub, packs, cancel=cancellation.event)

    assert cancellation.seconds_since() < 20
    assert not packs.exists()


def test_an_error_in_the_progress_callback_ends_the_fetch(hub: HubServer, packs: Path) -> None:
    def fail() -> None:
        raise RuntimeError("the panel is gone")

    with pytest.raises(RuntimeError, match="the panel is gone"):
        fetch(hub, packs, on_progress=Progress(at_bytes=1000, act=fail))

    assert fetch(hub, packs).status == "ready"


def test_offline_contacts_nobody(hub: HubServer, packs: Path) -> None:
    with pytest.raises(weights_fetch.OfflineError, match=r"Preferences, System.*import the files"):
        fetch(hub, packs, online=False)

    assert hub.requests == []
    assert not packs.exists()


def test_what_is_complete_needs_no_connection(hub: HubServer, packs: Path) -> None:
    fetch(hub, packs)
    hub.requests.clear()

    assert fetch(hub, packs, online=False).status == "ready"
    assert hub.requests == []


def test_the_hubs_own_offline_switch_is_obeyed(
    hub: HubServer, packs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    with pytest.raises(weights_fetch.OfflineError, match="HF_HUB_OFFLINE is set"):
        fetch(hub, packs)

    assert hub.requests == []


def test_a_full_disk_is_noticed_before_anything_is_fetched(
    hub: HubServer, packs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(packs.parent)._replace(free=TEXT_BYTES)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

    with pytest.raises(weights_fetch.DiskSpaceError, match="make room") as caught:
        fetch(hub, packs)

    assert caught.value.required_bytes == TEXT_BYTES
    assert all(request.method == "HEAD" for request in hub.requests)
    assert not packs.exists()


def test_a_file_that_cannot_grow_is_named_and_resumed_later(hub: HubServer, packs: Path) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(weights_fetch.PackFolderError, match="file too large"):
            fetch(hub, packs)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert not (packs / "tiny" / TEXT_FILES[1]).exists()
    assert fetch(hub, packs).status == "ready"


def test_a_disk_that_fills_up_while_writing(
    hub: HubServer, packs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: weights_download.PartFile, start: int, data: bytes) -> None:
        with weights_disk.disk_errors(packs / "tiny" / "x"):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(weights_download.PartFile, "write_at", fail)

    with pytest.raises(weights_fetch.DiskSpaceError, match="make room"):
        fetch(hub, packs)


def test_a_packs_folder_that_is_a_file_is_named(hub: HubServer, packs: Path) -> None:
    packs.write_text("not a folder")

    with pytest.raises(weights_fetch.PackFolderError, match=r"cannot use .*tiny, "):
        fetch(hub, packs)


def test_a_read_only_disk_is_named(
    hub: HubServer, packs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Path, *args: object, **options: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "mkdir", fail)

    with pytest.raises(weights_fetch.PackFolderError, match=r"tiny, read-only file system"):
        fetch(hub, packs)


def test_a_read_only_packs_folder_is_named(hub: HubServer, packs: Path) -> None:
    packs.mkdir(mode=0o500)
    if _is_writable(packs):
        pytest.skip("this user may write everywhere")

    with pytest.raises(weights_fetch.PackFolderError, match="permission denied"):
        fetch(hub, packs)


def _is_writable(folder: Path) -> bool:
    try:
        (folder / "probe").touch()
    except OSError:
        return False
    return True


def test_two_fetches_of_one_pack_do_not_mix(hub: HubServer, packs: Path) -> None:
    with weights_disk.pack_lock(packs / "tiny"):
        with pytest.raises(weights_fetch.PackBusyError, match="wait until it is done"):
            fetch(hub, packs)

    assert fetch(hub, packs).status == "ready"


def test_an_original_on_disk_is_not_fetched_again(hub: HubServer, packs: Path) -> None:
    original = packs / "tiny" / "text" / "prior" / "text_cond.pt"
    original.parent.mkdir(parents=True)
    original.write_bytes(ORIGINAL)

    state = fetch(hub, packs)

    assert state.status == "ready"
    assert not any("/prior/" in request.path for request in hub.requests)


def test_a_damaged_file_is_fetched_again(hub: HubServer, packs: Path) -> None:
    fetch(hub, packs)
    path = packs / "tiny" / TEXT_FILES[1]
    path.write_bytes(bytes(len(PRIOR)))
    with pytest.raises(weights_fetch.WeightsDamagedError):
        weights_fetch.verify_pack("tiny", packs)

    fetch(hub, packs)

    assert path.read_bytes() == PRIOR
    assert weights_fetch.verify_pack("tiny", packs).ready_parts == ("text",)


def test_unknown_names_are_answered_with_the_known_ones(packs: Path) -> None:
    with pytest.raises(weights_fetch.UnknownPackError, match="no pack 'nope': choose ") as error:
        weights_fetch.fetch_pack("nope", packs, online=True)
    assert set(error.value.known) >= {"starter", "shap-e"}
    with pytest.raises(weights_fetch.UnknownPackError, match=r"'sound': choose text or image"):
        weights_fetch.fetch_pack("tiny", packs, online=True, parts=("sound",))


def test_image_files_are_told_from_text_files_by_their_place(hub: HubServer, packs: Path) -> None:
    fetch(hub, packs, parts=("image",))

    assert files_under(packs / "tiny") == {*IMAGE_FILES, RENDERER_FILE}
    with pytest.raises(weights_fetch.WeightsMissingError, match="lacks text/prior"):
        weights_fetch.pack_directory("tiny", packs, ("text",))
