# SPDX-License-Identifier: GPL-3.0-or-later
"""The usual ways, written again or taken from other projects, to compare with."""
