# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender with a profile of its own, and the other end of the bridge inside it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from .screen import HEIGHT, WIDTH, Screen
from .waiting import PATIENCE, wait

HERE = Path(__file__).parent
START_SECONDS = 90.0
ANSWER_SECONDS = 120.0
"""How long one answer may take; nothing that Blender does here should, so it hangs then."""


class BlenderError(Exception):
    """Blender has ended, or what it was asked for raised; the message holds its words."""


class Application:
    """One Blender: `start` it, `ask` it, `close` it. Its output goes to `profile/blender.log`."""

    def __init__(self, program: str, profile: Path) -> None:
        self.profile = profile
        self.log = profile / "blender.log"
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._received = b""
        profile.mkdir(parents=True, exist_ok=True)
        self._environment = os.environ | {
            "HOME": str(profile),
            "TMPDIR": str(profile),
            "BLENDER_USER_RESOURCES": str(profile / "blender"),
            "MAQUETTE_GUI_SOCKET": str(profile / "bridge"),
            "LIBGL_ALWAYS_SOFTWARE": "1",
            # The profile is thrown away, and the desktop's files must not be found through it.
            "XDG_CONFIG_HOME": str(profile / ".config"),
            "XDG_CACHE_HOME": str(profile / ".cache"),
            "XDG_DATA_HOME": str(profile / ".local/share"),
        }

    # ── Its life ──

    def command(self, *arguments: str) -> str:
        """Run Blender without a window to its end; returns its output.

        Raises:
            BlenderError: it failed.
        """
        finished = subprocess.run(
            [self._program, *arguments],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300 * PATIENCE,
            check=False,
        )
        if finished.returncode != 0:
            raise BlenderError(f"status {finished.returncode}: {finished.stdout}")
        return finished.stdout

    def start(self, screen: Screen, *arguments: str) -> None:
        """Open the window over the whole screen and wait until Blender answers."""
        path = Path(self._environment["MAQUETTE_GUI_SOCKET"])
        path.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._program,
                    *("--window-geometry", "0", "0", str(WIDTH), str(HEIGHT)),
                    "--no-window-focus",
                    *arguments,
                    *("--python", str(HERE / "bridge.py")),
                ],
                env=self._environment | screen.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait(lambda: self._check() and path.exists(), "Blender to start", START_SECONDS)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(ANSWER_SECONDS * PATIENCE)
        self._socket.connect(str(path))
        self._received = b""
        wait(lambda: self.ask("bool(probes.area('VIEW_3D'))"), "the window", START_SECONDS)

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.poll() is None

    @property
    def process_id(self) -> int:
        """The running process."""
        assert self._process is not None
        return self._process.pid

    def wait_for_end(self, seconds: float) -> tuple[int, float]:
        """Wait until Blender has ended by itself; returns its status and how long that took."""
        assert self._process is not None
        started = time.monotonic()
        status = self._process.wait(timeout=seconds * PATIENCE)
        self.close()
        return status, time.monotonic() - started

    def close(self) -> None:
        """End the process if it still runs, and hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def _check(self) -> bool:
        if self._process is None or self._process.poll() is None:
            return True
        lines = self.log.read_text(errors="replace").splitlines()[-30:]
        raise BlenderError("\n".join([f"ended with status {self._process.returncode}", *lines]))

    # ── Talking to it ──

    def ask(self, source: str) -> object:
        """Return an expression's value, or run statements.

        Raises:
            BlenderError: it raised, or Blender has ended.
        """
        assert self._socket is not None
        try:
            self._socket.sendall(json.dumps({"source": source}).encode() + b"\n")
            while b"\n" not in self._received:
                chunk = self._socket.recv(65536)
                if not chunk:
                    raise ConnectionResetError
                self._received += chunk
        except ConnectionError:
            self._process.wait(timeout=30)
            self._check()
            raise
        line, _, self._received = self._received.partition(b"\n")
        answer = json.loads(line)
        if "error" in answer:
            raise BlenderError(answer["error"])
        return answer["value"]

    def wait_until(self, expression: str, seconds: float = 20.0) -> object:
        """Return the first true value of an expression.

        Raises:
            TimeoutError: it was not to be had in time.
        """
        return wait(lambda: self.ask(expression), expression, seconds)

    def settle(self) -> None:
        """Wait until Blender has handled the events that were sent before."""
        # Timers run between the arrival of events and their handling, so an answer proves that of
        # the turn before only.
        for _ in range(3):
            self.ask("None")
