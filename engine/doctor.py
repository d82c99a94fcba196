# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bug report needs to know: `maquette doctor`, and Diagnostics in the preferences."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .. import weights_fetch
from . import examine, memory
from .examine import Compute
from .self_test import SelfTest


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that was found."""

    versions: dict[str, str]
    compute: Compute
    packs_root: Path
    packs: tuple[weights_fetch.PackState, ...]
    extra: tuple[tuple[str, str], ...]
    """What only Blender knows, such as the engine's folder."""
    self_test: SelfTest

    def to_json(self) -> dict[str, object]:
        """Return everything by name."""
        return {
            "versions": self.versions,
            "compute": self.compute.to_json(),
            "memory": {"total_bytes": memory.total_bytes(), "peak_bytes": memory.peak_bytes()},
            "packs_folder": str(self.packs_root),
            "packs": [
                {
                    "pack": state.pack_id,
                    "status": state.status,
                    "message": state.message,
                    "folder": str(state.folder),
                }
                for state in self.packs
            ],
            "self_test": self.self_test.to_json(),
        }

    def to_text(self) -> str:
        """Return everything as lines to read and to copy."""
        packs = [(state.pack_id, f"{state.message} ({state.folder})") for state in self.packs]
        lines = [
            *_section("Versions", list(self.versions.items())),
            *_section("Computing", self.compute.to_rows()),
            *_section("Model packs", packs),
            *(_section("Blender", list(self.extra)) if self.extra else ()),
            *_section("Self-test", [(self.self_test.status, self.self_test.message)]),
        ]
        return "\n".join(lines)


def report(
    packs_root: Path,
    self_test: SelfTest,
    extra: tuple[tuple[str, str], ...] = (),
    *,
    loaded: tuple[str, ...] | None = None,
) -> Report:
    """Look around; imports torch, and with it takes seconds.

    Args:
        packs_root: the packs folder.
        self_test: how it went.
        extra: further rows, about what only the caller knows.
        loaded: packages to try to load instead of the usual ones.
    """
    return Report(
        versions=examine.versions(loaded),
        compute=examine.compute(),
        packs_root=packs_root,
        packs=tuple(weights_fetch.pack_state(name, packs_root) for name in weights_fetch.PACKS),
        extra=extra,
        self_test=self_test,
    )


def _section(title: str, rows: list[tuple[str, str]]) -> list[str]:
    width = max(len(name) for name, _ in rows)
    return [title, *(f"  {name.ljust(width)}  {text}" for name, text in rows)]
