# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender holds as plain triangles with base colours, ready to leave the main thread."""
