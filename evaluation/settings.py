# SPDX-License-Identifier: GPL-3.0-or-later
"""What an evaluation is asked to measure, and on how many cases."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import InvalidRequestError

SECTIONS = {
    "prompts": 200,
    "synonyms": 160,
    "two-objects": 120,
    "images": 100,
    "reconstruction": 192,
    "diversity": 24,
}
"""What can be measured, with how many cases it is measured by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSettings:
    """What is measured; the same settings ask every pack the same."""

    sections: tuple[str, ...] = tuple(SECTIONS)
    num_prompts: int = SECTIONS["prompts"]
    samples: int | None = None
    """At most so many cases of each section, for a cheap look."""
    seed: int = 0
    """Of prompts, noise and shapes."""
    clip: str = ""
    """A CLIP model for R-precision, as `clip_model.load_clip` takes it."""

    def __post_init__(self) -> None:
        if unknown := set(self.sections) - set(SECTIONS):
            raise InvalidRequestError(
                f"there is no section {min(unknown)!r}, only {', '.join(SECTIONS)}"
            )
        for name, value, low in (
            ("prompts", self.num_prompts, 1),
            ("samples", self.samples, 1),
            ("seed", self.seed, 0),
        ):
            if value is not None and value < low:
                raise InvalidRequestError(f"{name} must be at least {low}, got {value}")

    def most(self, section: str) -> int:
        """Return how many cases a section has if it is measured at all."""
        count = self.num_prompts if section == "prompts" else SECTIONS[section]
        return min(count, self.samples or count)

    def count(self, section: str) -> int:
        """Return how many cases of a section there are; 0 if it is left out."""
        return self.most(section) if section in self.sections else 0
