# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured, a module per suite, in the order of the table."""
