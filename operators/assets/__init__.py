# SPDX-License-Identifier: GPL-3.0-or-later
"""Results as assets: in this file or in a library, and out of either again."""

from __future__ import annotations

from .saving import CLASSES

__all__ = ["CLASSES"]
