# SPDX-License-Identifier: GPL-3.0-or-later
"""Latent to field: generated MLP weights, signed distance, colour, density."""
