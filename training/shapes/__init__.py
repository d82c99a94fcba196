# SPDX-License-Identifier: GPL-3.0-or-later
"""A procedural generator of captioned, coloured 3D shapes."""
