# SPDX-License-Identifier: GPL-3.0-or-later
"""A hub on the loopback interface, with the faults of real networks on demand.

It speaks what `huggingface_hub` asks for: HEAD and GET of `/{repo}/resolve/{revision}/{path}`
with ETag and X-Repo-Commit, large files by a redirect to another host with X-Linked-Etag and
X-Linked-Size, small ones by a redirect on the same host, and byte ranges. The other host is the
name `localhost`, where the hub itself is `127.0.0.1`.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE_BYTES = 10_000
"""From this size on a file counts as stored outside git."""
BLOCK_BYTES = 16_384
STORES = ("/cdn", "/api/resolve-cache")
"""Where large and small files are delivered from."""


@dataclass
class Fault:
    """What goes wrong with a file; every field is off by default."""

    drop_after: list[int] = field(default_factory=list)
    """One number per GET: the bytes sent before the connection breaks."""
    announce: int | None = None
    """Say and send only so many bytes, as if that were all."""
    content: bytes | None = None
    """Deliver this instead; the metadata still describes the right content."""
    status: int | None = None
    """Answer everything with this error."""
    get_statuses: list[int] = field(default_factory=list)
    """One number per GET: answer it with this error."""
    stall_after: int | None = None
    """Send so many bytes, then nothing until the server closes."""
    stall_head: bool = False
    ignores_range: bool = False
    is_no_hub: bool = False
    """Answer as a login page would: 200, without the hub's headers."""


@dataclass(frozen=True)
class Request:
    """One request that arrived."""

    method: str
    path: str
    host: str
    headers: dict[str, str]


class HubServer:
    """Serves `files`, keyed by `repo@revision/path`, until the `with` block ends."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.faults: dict[str, Fault] = {}
        self.requests: list[Request] = []
        self.has_stalled = threading.Event()
        self.is_closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler_class())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> HubServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.is_closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """What to give as `endpoint`."""
        return f"http://127.0.0.1:{self.port}"

    def fault(self, path: str) -> Fault:
        """The faults of every file with this path, to be changed by the test."""
        return self.faults.setdefault(path, Fault())

    def gets(self, path: str) -> list[Request]:
        """The GET requests for a file's content that arrived, redirects not counted."""
        found = (r for r in self.requests if r.method == "GET" and r.path.startswith(STORES))
        return [request for request in found if request.path.endswith(path)]

    def _content(self, path: str) -> bytes:
        for store in STORES:
            path = path.removeprefix(store)
        repo, _, rest = path.lstrip("/").partition("/resolve/")
        revision, _, name = rest.partition("/")
        if f"{repo}@{unquote(revision)}/{name}" in self.files:
            return self.files[f"{repo}@{unquote(revision)}/{name}"]
        owners = (key for key in self.files if key.startswith(f"{repo}@") and revision == COMMIT)
        return next((self.files[key] for key in owners if key.endswith(f"/{name}")), b"")

    def _handler_class(hub: HubServer) -> type[BaseHTTPRequestHandler]:
        class Handler(_Handler):
            server_hub = hub

        return Handler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_hub: HubServer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub = self.server_hub
        headers = {name.lower(): value for name, value in self.headers.items()}
        hub.requests.append(Request(self.command, self.path, headers["host"], headers))
        name = self.path.partition("/resolve/")[2].partition("/")[2]
        fault = hub.faults.get(name, Fault())
        content = hub._content(self.path)
        if fault.stall_head and self.command == "HEAD":
            hub.has_stalled.set()
            hub.is_closing.wait(60)
        elif fault.status is not None or not content:
            self._refuse(fault.status or 404)
        elif self.command == "GET" and fault.get_statuses:
            self._refuse(fault.get_statuses.pop(0))
        elif fault.is_no_hub:
            self._reply(200, {"Content-Length": "5"}, b"hello")
        elif self.path.startswith(STORES):
            self._deliver(content, fault, headers.get("range"))
        elif len(content) >= LARGE_BYTES:
            target = f"http://localhost:{hub.port}{STORES[0]}{self.path}"
            self._reply(302, {**_describe(content, "X-Linked-"), "Location": target})
        else:
            self._reply(307, {"Location": f"{STORES[1]}{self.path}"})

    def _refuse(self, status: int) -> None:
        codes = {404: "EntryNotFound", 401: "RepoNotFound", 403: "GatedRepo"}
        headers = {"X-Error-Code": codes[status]} if status in codes else {}
        self._reply(status, {**headers, "Content-Length": "0"})

    def _deliver(self, content: bytes, fault: Fault, byte_range: str | None) -> None:
        headers = _describe(content, "")
        body = content if fault.content is None else fault.content
        start = 0
        if byte_range is not None and not fault.ignores_range and self.command == "GET":
            start = int(byte_range.removeprefix("bytes=").rstrip("-"))
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        body = body[start : fault.announce] if self.command == "GET" else body[start:]
        headers["Content-Length"] = str(len(body))
        limit = len(body)
        if self.command == "GET" and fault.drop_after:
            limit = min(limit, fault.drop_after.pop(0))
        if self.command == "GET" and fault.stall_after is not None:
            limit = min(limit, fault.stall_after)
        self._reply(206 if "Content-Range" in headers else 200, headers, body[:limit])
        if limit < len(body):
            self._break_off(is_stall=fault.stall_after is not None)

    def _break_off(self, *, is_stall: bool) -> None:
        self.close_connection = True
        if is_stall:
            self.server_hub.has_stalled.set()
            self.server_hub.is_closing.wait(60)

    def _reply(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", "0")
        self.end_headers()
        if self.command == "GET":
            for start in range(0, len(body), BLOCK_BYTES):
                try:
                    self.wfile.write(body[start : start + BLOCK_BYTES])
                except OSError:  # the client stopped listening, as a test asked it to
                    self.close_connection = True
                    return


def _describe(content: bytes, prefix: str) -> dict[str, str]:
    """The hub's metadata: git's name for a small file, the sha256 for a large one."""
    if len(content) >= LARGE_BYTES:
        etag = hashlib.sha256(content).hexdigest()
    else:
        etag = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    headers = {f"{prefix}ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}
    if prefix:
        headers[f"{prefix}Size"] = str(len(content))
    return headers
