# SPDX-License-Identifier: GPL-3.0-or-later
"""Results as files for other programs, through Blender's own exporters."""

from __future__ import annotations

from .dialog import CLASSES

__all__ = ["CLASSES"]
