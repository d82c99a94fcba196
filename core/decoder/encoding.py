# SPDX-License-Identifier: GPL-3.0-or-later
"""Positional encoding, which the decoder shares with the encoder of meshes."""

from __future__ import annotations

from ..encoding import encode_position

__all__ = ["encode_position"]
