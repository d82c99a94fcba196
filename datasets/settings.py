# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured on every asset."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ..core.assets_in.cameras import NUM_VIEWS, CameraPath
from ..core.assets_in.cloud import NUM_POINTS
from ..core.assets_in.views import SIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSettings:
    """The same settings give the same samples; defaults are what the published encoder reads."""

    num_points: int = NUM_POINTS
    num_views: int = NUM_VIEWS
    view_size: int = SIZE
    cameras: CameraPath = "sphere"
    num_distances: int = NUM_POINTS
    """Half of them near the surface, half anywhere in the box; 0 for none."""
    shard_size: int = 64
    """Assets per shard."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("num_points", 16, 1 << 20),
            ("num_views", 1, 100),
            ("view_size", 16, 1024),
            ("num_distances", 0, 1 << 22),
            ("shard_size", 1, 100_000),
            ("seed", 0, 2**31 - 1),
        ):
            if not low <= (value := getattr(self, name)) <= high:
                raise ValueError(f"{name} must be from {low} to {high}, got {value}")
        if self.cameras not in ("sphere", "ring"):
            raise ValueError(f"cameras must be sphere or ring, got {self.cameras!r}")

    def to_json(self) -> dict[str, int | str]:
        """Return the settings by name."""
        return asdict(self)
