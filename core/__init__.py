# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything of Maquette that is not Blender: networks, samplers, field, meshing, texture."""

import os

# Read by OpenMP once, when torch is first imported; this is the only module that is always
# imported before. Threads that spin while they wait slow one another down tenfold where cores are
# shared with Blender's window.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
