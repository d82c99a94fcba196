# SPDX-License-Identifier: GPL-3.0-or-later
"""CLIP and word encoders: prompt or picture to condition."""
