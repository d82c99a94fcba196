# SPDX-License-Identifier: GPL-3.0-or-later
"""A hand and an eye for the real application: mouse, keyboard, pictures, and a bridge inside."""
