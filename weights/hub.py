# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the Hugging Face hub for a file, so that the answer can be stopped, resumed and checked.

The addresses, the metadata and the HTTP client (system certificates and proxies) are those of
huggingface_hub. Its own `hf_hub_download` is not used: since version 1 it throws a partial file
away when interrupted, it looks at a progress bar only once per 10 MB, and with Xet storage it
cannot be stopped at all. Here the request runs on a thread that never touches the disk, while
the caller writes, hashes and looks at `cancel` ten times a second, even when the line is dead.

No token is sent, and a user agent that names neither the machine's torch nor its environment.
Files stored with Xet are delivered over plain HTTP too, through the hub's bridge.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import cast
from urllib.parse import urljoin, urlsplit

from .background import in_background, wait_to_retry
from .errors import DownloadError, OfflineError
from .table import HubSource, PackFile

HEADERS = {"user-agent": "maquette"}
HUB_DOMAINS = ("huggingface.co", "hf.co")
"""The hub hands large files to hosts of its own under these names, and to no others."""
MAX_REDIRECTS = 5
MAX_FRUITLESS_TRIES = 4
"""Tries in a row that brought no byte before a download is given up."""
RETRY_WAIT_SECONDS = 1.0
KEPT = "try again, what was fetched so far is kept"


class LostConnectionError(Exception):
    """The connection failed in a way that another try may mend."""


class NotOfferedError(Exception):
    """This source does not have the file, or not the published one; another source may."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file as the hub offers it now."""

    file: PackFile
    source: HubSource
    url: str
    """Names the commit, so that a change on the hub cannot mix two versions."""
    commit: str
    size: int
    etag: str
    endpoint: str

    @property
    def sha256(self) -> str | None:
        """The hash to expect: the table's, else the hub's own for a large file."""
        return self.file.sha256 or self.hub_sha256

    @property
    def hub_sha256(self) -> str | None:
        """The hash that the hub tells of a large file."""
        return self.etag if re.fullmatch(r"[0-9a-f]{64}", self.etag) else None

    @property
    def git_sha1(self) -> str | None:
        """The git name to expect of a small file; the hub tells no sha256 for those."""
        return self.etag if re.fullmatch(r"[0-9a-f]{40}", self.etag) else None

    @property
    def origin(self) -> str:
        """Where it comes from, for the receipt."""
        return f"{self.source.repo}@{self.commit}"


def locate(file: PackFile, endpoint: str, cancel: threading.Event | None) -> HubFile:
    """Ask the hub for a file's size and hash, at each of its sources until one has it.

    Raises:
        DownloadError: the hub cannot be reached, or no source offers the published file.
        FetchCancelledError: `cancel` was set.
    """
    reason = "no place on the hub is known for it"
    for source in file.sources:
        try:
            return _with_retries(file.path, cancel, partial(_ask, file, source, endpoint))
        except NotOfferedError as error:
            reason = str(error)
    raise DownloadError(file.path, reason, "update Maquette, or import the file from a folder")


def _with_retries(name: str, cancel: threading.Event | None, ask: Callable[[], HubFile]) -> HubFile:
    attempt = 0
    while True:
        attempt += 1
        try:
            with closing(in_background(lambda: (ask() for _ in range(1)), cancel)) as answers:
                return next(answers)
        except LostConnectionError as error:
            if attempt == MAX_FRUITLESS_TRIES:
                raise DownloadError(name, str(error), f"check the connection and {KEPT}") from error
            wait_to_retry(cancel, RETRY_WAIT_SECONDS)


def _ask(file: PackFile, source: HubSource, endpoint: str) -> HubFile:
    """Send the HEAD request; runs on the background thread."""
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url

    where = {"repo_id": source.repo, "filename": file.repo_path, "endpoint": endpoint}
    with _hub_errors(file, f"{source.repo} at {endpoint}"):
        found = get_hf_file_metadata(
            hf_hub_url(**where, revision=source.revision),
            token=False,
            timeout=constants.HF_HUB_ETAG_TIMEOUT,
            headers=HEADERS,
            endpoint=endpoint,
        )
    if found.etag is None or found.commit_hash is None or found.size is None:
        raise DownloadError(
            file.path,
            f"{endpoint} does not answer like the hub",
            "check whether a proxy or a login page stands between",
        )
    result = HubFile(
        file=file,
        source=source,
        url=hf_hub_url(**where, revision=found.commit_hash),
        commit=found.commit_hash,
        size=found.size,
        etag=found.etag,
        endpoint=endpoint,
    )
    _require_published(result)
    return result


def _require_published(offer: HubFile) -> None:
    file = offer.file
    if file.is_pinned and file.size is not None and offer.size != file.size:
        raise NotOfferedError(
            f"{offer.source.repo} now offers {offer.size} bytes where {file.size} were published"
        )
    if offer.hub_sha256 is not None and not file.accepts(offer.hub_sha256):
        raise NotOfferedError(
            f"{offer.source.repo} now offers another file (sha256 {offer.hub_sha256[:12]}) than"
            " the published one"
        )


def stream(offer: HubFile, offset: int) -> Generator[tuple[int, bytes], None, None]:
    """Yield (position, bytes) from `offset` on, or from 0; runs on the background thread."""
    from huggingface_hub import constants, get_session, hf_raise_for_status

    # Identity: a compressed body could neither be resumed nor counted.
    headers = {**HEADERS, "accept-encoding": "identity"}
    if offset:
        headers["range"] = f"bytes={offset}-"
    url = offer.url
    with _hub_errors(offer.file, urlsplit(offer.url).netloc):
        for _ in range(MAX_REDIRECTS):
            _require_known_host(url, offer)
            with get_session().stream(
                "GET",
                url,
                headers=headers,
                follow_redirects=False,
                timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
            ) as response:
                if response.has_redirect_location:
                    url = urljoin(url, response.headers["location"])
                    continue
                if response.status_code == 416 and "range" in headers:
                    del headers["range"]
                    continue
                hf_raise_for_status(response)
                position = offset if response.status_code == 206 else 0
                for data in response.iter_bytes():
                    yield position, data
                    position += len(data)
                return
    raise DownloadError(offer.file.path, "the hub redirects in circles", KEPT)


def _require_known_host(url: str, offer: HubFile) -> None:
    """Refuse to be sent from the hub to a stranger; a mirror the user chose may send anywhere."""
    endpoint, target = urlsplit(offer.endpoint), urlsplit(url)
    if not _is_hub(endpoint.hostname):
        return
    if not _is_hub(target.hostname) or target.scheme != endpoint.scheme:
        raise DownloadError(
            offer.file.path,
            f"the hub sends us on to {target.scheme}://{target.netloc}, which it never did",
            "update Maquette, or import the file from a folder",
        )


def _is_hub(host: str | None) -> bool:
    return any(host == domain or (host or "").endswith(f".{domain}") for domain in HUB_DOMAINS)


@contextmanager
def _hub_errors(file: PackFile, place: str) -> Iterator[None]:
    """Sort the client's errors into: ours, worth another try, and not offered here."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    # The client's transport library changed its name between versions of huggingface_hub, so
    # its base error is taken from where the client itself inherits it.
    transport_error = cast("type[Exception]", HfHubHTTPError.__bases__[0])
    try:
        yield
    except OfflineModeIsEnabled as error:
        raise OfflineError(file.path, "HF_HUB_OFFLINE is set") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in (408, 429) or status >= 500:
            raise LostConnectionError(f"{place} answered with error {status}") from error
        if status in (401, 403, 404, 410):
            words = "refuses access to" if status in (401, 403) else "does not have"
            raise NotOfferedError(f"{place} {words} {file.repo_path} ({status})") from error
        raise DownloadError(file.path, f"{place} answered with error {status}", KEPT) from error
    except transport_error as error:
        detail = (str(error) or type(error).__name__).splitlines()[0]
        raise LostConnectionError(f"{place} cannot be reached ({detail})") from error
