# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured on an asset before it is encoded: points, views, whether it is closed."""
