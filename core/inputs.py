# SPDX-License-Identifier: GPL-3.0-or-later
"""What a generation may begin with besides words: a picture, a mesh, a latent. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import ImageInputError, InvalidRequestError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .asset import Surface


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceImage:
    """A decoded picture that conditions a generation."""

    pixels: NDArray[np.uint8]
    """sRGB with straight alpha, first row at the top, [H, W, 4]."""
    source: str
    """Where it came from, for messages and for the record on the object."""

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[2] != 4:
            raise ImageInputError(self.source, f"expected [H, W, 4], got {self.pixels.shape}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeshInput:
    """A mesh that a pack's encoder reads; the result is what the model understood of it."""

    surface: Surface
    """Anywhere, in any unit, Z up, front -Y."""
    source: str
    """What it is called, for messages and for the record on the object."""
    notes: tuple[str, ...] = ()
    """What the user should know, such as colors that had to be guessed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownLatent:
    """The latent of an earlier result that began with a mesh, as it was kept."""

    values: NDArray[np.float16]
    """[L, C]."""
    source: str
    """The mesh that it began with."""

    def __post_init__(self) -> None:
        is_whole = self.values.ndim == 2 and self.values.dtype.name == "float16"
        if not is_whole or not (abs(self.values) < math.inf).all():  # NaN fails it too.
            raise InvalidRequestError(
                f"a latent must be finite numbers of half precision, [L, C], got"
                f" {self.values.dtype} of shape {self.values.shape}"
            )
