# SPDX-License-Identifier: GPL-3.0-or-later
"""Several tries at one prompt: how they stand, how they are shown, and which ones stay."""
