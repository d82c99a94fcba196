# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights files on disk to modules in memory, strictly."""
