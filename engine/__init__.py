# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python packages that run the models: whether they are here, how they get here, what they see.

Nothing here imports Blender, and nothing imports torch before somebody asks for it. Docstring
only, since Blender imports this package at start-up.
"""
