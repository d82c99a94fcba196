# SPDX-License-Identifier: GPL-3.0-or-later
"""Side-by-side timings, reported as ratios; never part of the tests."""
