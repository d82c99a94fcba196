# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m maquette` is the command `maquette`."""

from __future__ import annotations

if __name__ == "__main__":
    import sys

    from .cli.main import main

    sys.exit(main())
