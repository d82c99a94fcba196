# SPDX-License-Identifier: GPL-3.0-or-later
"""The `maquette` command: everything that Maquette does, without Blender's window."""
