# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside Blender: answers the driver's questions from a timer on the main thread.

One line of JSON in, {"source": ...}; one line out, {"value": ...} or {"error": traceback}. An
expression's value is sent back; statements share one namespace, in which `probes` is imported.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import traceback
from pathlib import Path

import bpy

INTERVAL = 0.01  # Seconds between two looks at the socket.

sys.path.insert(0, str(Path(__file__).parent))
import probes  # noqa: E402 - found only now


class Bridge:
    """A server for one client, which never blocks Blender."""

    def __init__(self, path: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(1)
        self._listener.setblocking(False)
        self._client: socket.socket | None = None
        self._received = b""
        self._namespace = {"bpy": bpy, "probes": probes}

    def __call__(self) -> float:
        """Answer what has come in; a callback of `bpy.app.timers`."""
        try:
            self._receive()
        except BlockingIOError:
            pass
        while b"\n" in self._received:
            line, _, self._received = self._received.partition(b"\n")
            answer = json.dumps(self._answer(json.loads(line)["source"]), default=repr) + "\n"
            self._client.setblocking(True)
            self._client.sendall(answer.encode())
            self._client.setblocking(False)
        return INTERVAL

    def _receive(self) -> None:
        if self._client is None:
            self._client, _ = self._listener.accept()
            self._client.setblocking(False)
        while chunk := self._client.recv(65536):
            self._received += chunk
        self._client = None  # It has hung up; the next one may call.

    def _answer(self, source: str) -> dict[str, object]:
        try:
            try:
                code = compile(source, "<driver>", "eval")
            except SyntaxError:
                exec(compile(source, "<driver>", "exec"), self._namespace)
                return {"value": None}
            return {"value": eval(code, self._namespace)}
        except Exception:  # noqa: BLE001 - it is the driver's, and goes back there
            return {"error": traceback.format_exc()}


bpy.app.timers.register(Bridge(os.environ["MAQUETTE_GUI_SOCKET"]), persistent=True)
