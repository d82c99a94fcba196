# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the fitted fields: a smooth one, one with thin parts, one with wires."""

from __future__ import annotations

NAMES = ("blob", "chair", "torus")
