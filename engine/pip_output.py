# SPDX-License-Identifier: GPL-3.0-or-later
"""pip's lines as progress, and its last words as a reason."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .errors import EngineInstallError
from .folder import tree_size
from .plan import SetupPlan

OnProgress = Callable[[str, float], None]
"""Called with the stage in words and the fraction of the set-up done, in [0, 1]."""

DOWNLOADED = 0.7
UNPACKED = 0.92
"""Where the bar stands after the downloads and after unpacking; the check takes the rest."""
UNPACKED_PER_BYTE = 3.7
"""How much larger the packages are on disk than their wheels."""
LOOK_SECONDS = 1.0

_WHEEL = re.compile(r"^\s*(Downloading|Using cached|Processing) (\S+\.whl)(?: \((?P<size>.*)\))?$")
_BYTES = re.compile(r"^Progress (\d+) of (\d+)$")

_REASONS = (
    (r"No space left on device|WinError 112", "the disk is full", "make room and try again"),
    (
        r"SSLError|CERTIFICATE_VERIFY_FAILED",
        "the connection is not trusted",
        "check the certificate of the proxy",
    ),
    (
        r"NewConnectionError|Failed to establish|NameResolution|Connection broken|ReadTimeout"
        r"|ConnectTimeout|Connection aborted|ProxyError|Max retries",
        "the index could not be reached",
        "check the connection and try again",
    ),
    (
        r"No matching distribution found for (?P<what>[\w.-]+)",
        "{what} is not offered there",
        "choose another build of PyTorch",
    ),
    (
        r"Permission denied|WinError 5\b",
        "a file is protected",
        "choose another engine folder",
    ),
    (r"HASH|do not match the hashes", "a package arrived damaged", "try again"),
)
"""What pip writes, the reason in our words, and what to do; the first that fits counts."""


@dataclass
class PipOutput:
    """Listens to one run of pip."""

    plan: SetupPlan
    on_progress: OnProgress
    lines: list[str]
    """Everything that may go to the log; lines of progress do not."""
    _done: int = 0
    """Bytes of the wheels before the current one."""
    _current: tuple[str, int] = ("", 0)
    """Name and bytes of the wheel at work."""
    _seen: set[str] = field(default_factory=set)
    _is_unpacking: bool = False
    _size_before: int = 0
    """Bytes of the temporary files when the current wheel, or unpacking, began."""
    _looked_at: float = 0.0

    @property
    def _total(self) -> int:
        return max(1, sum(self.plan.size_of(package) for package in self.plan.packages))

    def __call__(self, line: str) -> None:
        """Take in one line."""
        if found := _BYTES.match(line):
            self._show(int(found[1]), int(found[2]))
            return
        self.lines.append(line)
        if (found := _WHEEL.match(line)) and not line.endswith(".metadata"):
            self._begin(found[2].replace("\\", "/").rpartition("/")[2])
        elif line.startswith("Installing collected packages"):
            self._is_unpacking = True
            self._size_before = tree_size(self.plan.folder.temporary)
            self.on_progress("Unpacking", DOWNLOADED)

    def look(self) -> None:
        """Learn from the disk how far a silent pip is; older ones never tell bytes."""
        if time.monotonic() - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = time.monotonic()
        if not self._is_unpacking and self.plan.pip.progress == "raw":
            return
        grown = max(0, tree_size(self.plan.folder.temporary) - self._size_before)
        if self._is_unpacking:
            share = min(1.0, grown / (self._total * UNPACKED_PER_BYTE))
            self.on_progress("Unpacking", DOWNLOADED + (UNPACKED - DOWNLOADED) * share)
        elif self._current[1]:
            self._show(min(grown, self._current[1]), self._current[1])

    def _begin(self, wheel: str) -> None:
        name = normalized(wheel.partition("-")[0])
        package = next((p for p in self.plan.packages if normalized(p.name) == name), None)
        if package is None or name in self._seen:
            return
        self._seen.add(name)
        self._done += self._current[1]
        self._current = (package.name, self.plan.size_of(package))
        self._size_before = tree_size(self.plan.folder.temporary)
        self._show(0, self._current[1])

    def _show(self, done: int, total: int) -> None:
        name, size = self._current
        # The table's size of this wheel, not pip's: the bar must end where the table's total does.
        share = size * done / max(1, total)
        fraction = min(1.0, (self._done + share) / self._total)
        stage = f"Fetching {name}" if self.plan.wheels is None else f"Reading {name}"
        self.on_progress(stage, DOWNLOADED * fraction)

    def error(self) -> EngineInstallError:
        """Return why pip gave up."""
        text = "\n".join(self.lines)
        for pattern, reason, advice in _REASONS:
            if found := re.search(pattern, text):
                return EngineInstallError(reason.format(**found.groupdict()), advice)
        errors = [line for line in self.lines if line.startswith("ERROR:")]
        reason = errors[-1].removeprefix("ERROR:").strip() if errors else "pip ended with an error"
        return EngineInstallError(reason, "look at the log")


def normalized(name: str) -> str:
    """Return a distribution's name as packages are compared by it."""
    return re.sub(r"[-_.]+", "-", name).lower()
