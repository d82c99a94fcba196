# SPDX-License-Identifier: GPL-3.0-or-later
"""A coloured point cloud and views of an object to its latent."""
