# SPDX-License-Identifier: GPL-3.0-or-later
"""How much main memory this process took at its peak, and how much the machine has."""

from __future__ import annotations

import os
import sys


def peak_bytes() -> int | None:
    """Return the most main memory this process has held, None where the system does not tell."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # The only system of ours that counts in bytes.
    return peak if sys.platform == "darwin" else peak * 1024


def total_bytes() -> int | None:
    """Return the machine's main memory, None where the system does not tell."""
    if sys.platform == "win32" or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
