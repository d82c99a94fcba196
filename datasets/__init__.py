# SPDX-License-Identifier: GPL-3.0-or-later
"""One's own assets as training data: read by Blender, measured, sharded.

Beside `training`, not in it: this needs Blender and no torch, training needs torch and no Blender.
"""
