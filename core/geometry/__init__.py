# SPDX-License-Identifier: GPL-3.0-or-later
"""Field to triangle mesh."""
