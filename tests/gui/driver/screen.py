# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual screen with a real mouse and keyboard (X11's own test events), and pictures of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

WIDTH, HEIGHT = 1400, 900

Rectangle = tuple[int, int, int, int]
"""Left, top, width, height, in pixels from the top left."""


class Screen:
    """Starts at once; `close` ends it."""

    def __init__(self) -> None:
        # Xvfb chooses a free number itself and writes it to this pipe when it is ready.
        read_end, write_end = os.pipe()
        self._server = subprocess.Popen(
            [
                "Xvfb",
                *("-displayfd", str(write_end)),
                *("-screen", "0", f"{WIDTH}x{HEIGHT}x24"),
                *("-nolisten", "tcp", "-noreset"),
            ],
            pass_fds=[write_end],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(write_end)
        with os.fdopen(read_end) as pipe:
            number = pipe.readline().strip()
        if not number:
            raise RuntimeError(f"Xvfb ended with status {self._server.wait()}")
        self.environment = {"DISPLAY": f":{number}"}

    def close(self) -> None:
        """End the server; whatever shows windows on it must have ended before."""
        self._server.terminate()
        self._server.wait()

    def move(self, x: int, y: int) -> None:
        """Put the mouse there; by way of the neighbouring pixel, so that there is a movement."""
        self._xdotool("mousemove", x - 1, y, "mousemove", x, y)

    def click(self, x: int, y: int, button: int = 1) -> None:
        """Click there: button 1 is the left one, 3 the right one."""
        self.move(x, y)
        self._xdotool("click", button)

    def scroll(self, x: int, y: int, notches: int) -> None:
        """Turn the wheel over a point; positive numbers turn it towards the user."""
        self.move(x, y)
        self._xdotool("click", "--repeat", abs(notches), 5 if notches > 0 else 4)

    def press(self, *keys: str) -> None:
        """Press keys one after another, such as `Return` or `ctrl+shift+z`."""
        self._xdotool("key", "--delay", 30, *keys)

    def type(self, text: str) -> None:
        """Type the text."""
        self._xdotool("type", "--delay", 10, "--", text)

    def still_picture(self, path: Path, crop: Rectangle | None = None) -> None:
        """Save what is seen when nothing moves any more, or what moves on and on."""
        before = b""
        for _ in range(10):
            self.picture(path, crop)
            if path.read_bytes() == before:
                return
            before = path.read_bytes()

    def picture(self, path: Path, crop: Rectangle | None = None) -> None:
        """Save what is seen, whole or a part of it."""
        # Few colors are enough for an interface, and a guide's pictures should load quickly.
        options = ["-strip", "+dither", "-colors", "128", "-define", "png:exclude-chunks=date,time"]
        if crop is not None:
            left, top, width, height = crop
            options = ["-crop", f"{width}x{height}+{left}+{top}", "+repage", *options]
        self._run("import", "-window", "root", str(path))
        self._run("convert", str(path), *options, str(path))

    def _xdotool(self, *arguments: object) -> None:
        self._run("xdotool", *map(str, arguments))

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, env=os.environ | self.environment, timeout=30)
