# SPDX-License-Identifier: GPL-3.0-or-later
"""How well a pack does what its prompts say; judged by a classifier of ground truth only."""
