# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading torch's libraries ahead of its import, so that Blender's window does not freeze.

`import torch` maps and links hundreds of megabytes while it holds the interpreter's lock, which
the window needs to go on: 0.6 to 0.9 s in one piece. A foreign call does the same without the
lock; the import then finds everything in place.
"""

from __future__ import annotations

import ctypes
import os
import sys
from importlib.util import find_spec
from pathlib import Path

_SUFFIXES = {"linux": ".so", "darwin": ".dylib"}
"""On Windows torch's own import makes such calls."""

_LIBRARIES = (("libtorch_global_deps", "RTLD_GLOBAL"), ("libtorch", "RTLD_LOCAL"))
"""In the order and the manner of torch's import; the second one brings all that is large."""


def load_libraries() -> None:
    """Load them into this process, on the calling thread; does nothing after the first import.

    What cannot be loaded is left to the import, which says why.
    """
    suffix = _SUFFIXES.get(sys.platform)
    if suffix is None or "torch" in sys.modules:
        return
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return
    folder = Path(spec.origin).parent / "lib"
    # ctypes.CDLL would hold the lock too; a call of the system's own function does not.
    load = ctypes.CDLL(None).dlopen
    load.restype, load.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_int)
    for name, scope in _LIBRARIES:
        path = folder / f"{name}{suffix}"
        if path.is_file():
            # Windows has none of these flags.
            load(os.fsencode(path), os.RTLD_LAZY | getattr(os, scope))
