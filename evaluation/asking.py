# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking a pack, as a user would, and keeping what became of each question."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..core import pipeline
from ..core.config import GenerationRequest, ReferenceImage
from ..core.errors import (
    CancelledError,
    EmptySurfaceError,
    ImageInputError,
    NonFiniteError,
    UnknownPromptError,
)
from ..core.mesh import GenerationResult
from .judge import Verdict
from .mesh_facts import MeshFacts, mesh_facts
from .pictures import small_picture
from .scene_judge import SceneVerdict

Failure = Literal["empty", "refused"]
"""Why there is no mesh: the field had no surface, or the pack did not take the question."""

RESOLUTION = 128
"""Samples per axis, those of the preset that the sidebar begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a pack made of one question, and what was found out about it."""

    failure: Failure | None = None
    verdict: Verdict | None = None
    """Where one object was asked for."""
    scene: SceneVerdict | None = None
    """Where two were."""
    rivals: dict[str, int] = field(default_factory=dict)
    """How many other captions fit as well, by who matched them: `judge`, `clip`."""
    facts: MeshFacts | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall seconds by stage."""
    picture: bytes = b""
    """PNG."""

    def to_json(self) -> dict[str, Any]:
        """Return it as a journal keeps it."""
        return asdict(self) | {"picture": base64.b64encode(self.picture).decode()}

    @staticmethod
    def from_json(content: dict[str, Any]) -> Answer:
        """Read what `to_json` wrote."""
        scene, facts = content["scene"], content["facts"]
        return Answer(
            failure=content["failure"],
            verdict=Verdict(**content["verdict"]) if content["verdict"] else None,
            scene=_scene(scene) if scene else None,
            rivals=content["rivals"],
            facts=MeshFacts(**facts) if facts else None,
            seconds=content["seconds"],
            picture=base64.b64decode(content["picture"]),
        )


def _scene(content: dict[str, Any]) -> SceneVerdict:
    return SceneVerdict(tuple(content["kinds"]), tuple(content["colors"]), content["relation"])


Judged = Callable[[GenerationResult], Answer]
"""From a mesh to an answer that holds what was seen in it."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks one pack."""

    pack_dir: Path
    cancel: threading.Event

    def check(self) -> None:
        """Raise CancelledError if the evaluation was cancelled."""
        if self.cancel.is_set():
            raise CancelledError

    def make(
        self,
        *,
        prompt: str = "",
        image: ReferenceImage | None = None,
        seed: int,
    ) -> GenerationResult | Failure:
        """Return what the pack makes of a prompt or a picture, or why it makes nothing."""
        request = GenerationRequest(
            prompt=prompt,
            image=image,
            pack=self.pack_dir.name,
            seed=seed,
            resolution=RESOLUTION,
            texture_size=0,
        )
        try:
            (result,) = pipeline.generate(
                request, self.pack_dir, on_progress=_ignore, cancel=self.cancel
            )
        except (EmptySurfaceError, NonFiniteError):
            return "empty"
        except (UnknownPromptError, ImageInputError):
            return "refused"
        return result

    def answer(
        self,
        judged: Judged,
        *,
        prompt: str = "",
        image: ReferenceImage | None = None,
        seed: int,
    ) -> Answer:
        """Return what became of a question; `judged` sees the mesh if there is one."""
        made = self.make(prompt=prompt, image=image, seed=seed)
        if not isinstance(made, GenerationResult):
            return Answer(failure=made)
        seen = judged(made)
        return Answer(
            verdict=seen.verdict,
            scene=seen.scene,
            rivals=seen.rivals,
            facts=mesh_facts(made.mesh, self.check),
            seconds=dict(made.stage_seconds),
            picture=small_picture(made.mesh),
        )


def _ignore(stage: str, fraction: float) -> None:
    """Single generations are too short to report on."""
