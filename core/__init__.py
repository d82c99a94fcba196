# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything of Maquette that is not Blender: networks, samplers, field, meshing, texture."""
