# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to jobs, for whoever wants to know: plain lists of callbacks, main thread only.

    def _on_landed(context, objects, spec, results): ...
    def register(): events.landed.append(_on_landed)
    def unregister(): events.landed.remove(_on_landed)

A callback that raises is logged, and the job goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)

started: list[Callable] = []
"""(job): a job's worker has been started. `job` is its MaquetteJob, not to be kept."""

progressed: list[Callable] = []
"""(job): stage and fraction have moved; at most once per drawing."""

shown: list[Callable] = []
"""(): what is running is about to be drawn; also while no stage moves."""

wants_preview: list[Callable[[], bool]] = []
"""(): whether the run that starts now should make previews; one yes is enough."""

previewed: list[Callable] = []
"""(job, preview): a `core.mesh.PreviewMesh` replaces the one before."""

landed: list[Callable] = []
"""(context, objects, spec, results): everything that a job made is in the scene.

Called just before the undo step, so that what a callback changes belongs to it. `results[i]` is
what `objects[i]` was made from.
"""

released: list[Callable] = []
"""(): no model is in memory any more, so that the next run loads one again."""

ended: list[Callable] = []
"""(job): a job is DONE, FAILED or CANCELLED, after `landed` if anything landed."""

settings_changed: list[Callable] = []
"""(context): a setting that matters for how long a run takes has another value."""

print_settings_changed: list[Callable] = []
"""(context): a setting of the print check has another value."""


def call(callbacks: list[Callable], *arguments: object) -> None:
    """Call each callback; one that raises does not keep the others from being called."""
    for callback in tuple(callbacks):
        try:
            callback(*arguments)
        except Exception:
            logger.exception("a listener failed: %s", getattr(callback, "__qualname__", callback))
