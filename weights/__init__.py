# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of `weights_fetch`: packs as files on disk and on the hub; no torch, no Blender."""
