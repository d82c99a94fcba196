# SPDX-License-Identifier: GPL-3.0-or-later
"""UV unwrapping and texture baking from the field."""
