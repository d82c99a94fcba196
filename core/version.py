# SPDX-License-Identifier: GPL-3.0-or-later
"""Maquette's version, as in blender_manifest.toml (a test holds the two together)."""

VERSION = "0.1.0"
