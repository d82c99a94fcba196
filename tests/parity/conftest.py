# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference libraries are imported once, behind the torchvision that they need."""

from maquette.core.conditioning.clip import open_clip_module

open_clip_module()
