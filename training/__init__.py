# SPDX-License-Identifier: GPL-3.0-or-later
"""How the bundled starter pack is made: training data and both training stages."""
