# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry a plan out: pip in a process of its own, a try whether it loads, then into place."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from contextlib import suppress

from .errors import EngineError, EngineInstallError, EngineLoadError, EngineOfflineError
from .folder import Receipt, remove_tree, tree_size
from .pip_output import UNPACKED, OnProgress, PipOutput
from .plan import SetupPlan
from .process import run

_CHECK = """
import json, sys
place, paths, modules = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
sys.path[:] = [*paths, place]
import numpy
for name in modules:
    __import__(name)
import torch
assert float((torch.ones(3) @ torch.ones(3)).item()) == 3.0
print(json.dumps({"torch": str(torch.__version__), "numpy": numpy.__file__}))
"""
"""Run by Blender's own Python, with the search path that Blender will have."""

_LOADED_IN_CHECK = ("torch", "safetensors", "huggingface_hub", "PIL")
"""Beside what was asked for in addition."""


def install(
    plan: SetupPlan,
    *,
    online: bool,
    on_progress: OnProgress,
    cancel: threading.Event,
    log: list[str],
) -> Receipt:
    """Install what a plan says; blocks for minutes.

    The engine that was there before stays until the new one has been seen to load. After a
    failure the downloads are kept, so that the next try need not repeat them.

    Args:
        plan: what to do.
        online: whether the user allows connections (`bpy.app.online_access` in Blender).
        on_progress: hears how far it is, on this thread.
        cancel: set it from any thread; obeyed within a fraction of a second.
        log: receives every line that matters, also when this fails.

    Raises:
        EngineError: see `engine.errors`.
    """
    if plan.wheels is None and not online:
        raise EngineOfflineError
    folder = plan.folder
    folder.check()
    folder.require_space(plan.disk_bytes)
    remove_tree(folder.unfinished)
    try:
        on_progress("Starting", 0.0)
        folder.unfinished.mkdir(parents=True)
        folder.temporary.mkdir(exist_ok=True)
        _run_pip(plan, on_progress, cancel, log)
        on_progress("Checking", UNPACKED)
        version = _check(plan, cancel, log)
        receipt = Receipt(
            variant=plan.variant,
            packages={package.name: package.version for package in plan.packages},
            torch=version,
            size=tree_size(folder.unfinished),
        )
        folder.write_receipt(receipt)
        folder.finish()
        log.append(f"Done: PyTorch {version}, {receipt.size / 1e6:.0f} MB in {folder.packages}")
        return receipt
    except EngineError as error:
        log.append(f"Stopped: {error}")
        raise
    except OSError as error:
        log.append(f"Stopped: {error}")
        reason = (error.strerror or str(error)).lower()
        raise EngineInstallError(reason, "look at the log") from error
    finally:
        with suppress(EngineError):
            remove_tree(folder.unfinished)
            remove_tree(folder.temporary)
        _write_log(plan, log)


def _run_pip(
    plan: SetupPlan, on_progress: OnProgress, cancel: threading.Event, log: list[str]
) -> None:
    if not plan.packages:
        return
    log.append(plan.command)
    output = PipOutput(plan, on_progress, log)
    status = run(
        plan.arguments,
        environment=_environment(plan),
        on_line=output,
        on_wait=output.look,
        cancel=cancel,
    )
    if status != 0:
        raise output.error()
    on_progress("Unpacking", UNPACKED)


def _environment(plan: SetupPlan) -> dict[str, str]:
    """Keep the user's settings of pip, such as proxy and index, but for where it installs to."""
    temporary = str(plan.folder.temporary)
    return os.environ | {
        "TMPDIR": temporary,
        "TEMP": temporary,
        "TMP": temporary,
        "PIP_USER": "0",
        "PIP_REQUIRE_VIRTUALENV": "0",
        "PIP_RESUME_RETRIES": "5",
        "PIP_RETRIES": "2",
        "PIP_ROOT_USER_ACTION": "ignore",
        "NO_COLOR": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONUNBUFFERED": "1",
    }


def _check(plan: SetupPlan, cancel: threading.Event, log: list[str]) -> str:
    """Load the engine as Blender will, in a process that may crash; return torch's version."""
    place = str(plan.folder.unfinished)
    paths = [path for path in sys.path if path != str(plan.folder.packages)]
    modules = [*_LOADED_IN_CHECK, *(each.module for each in plan.packages if each.is_int8)]
    code = ("-I", "-c", _CHECK, place, json.dumps(paths), json.dumps(modules))
    lines: list[str] = []
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONIOENCODING": "utf-8"}
    status = run(
        (str(plan.python), *code), environment=environment, on_line=lines.append, cancel=cancel
    )
    log.extend(lines)
    found = lines[-1] if lines else ""
    if status != 0 or not found.startswith("{"):
        raise _load_error(found, status)
    answer = json.loads(found)
    if answer["numpy"].startswith(place):
        raise EngineLoadError("numpy came from the wrong place", "report this with the log")
    return str(answer["torch"])


def _load_error(last_line: str, status: int) -> EngineLoadError:
    if "WinError 126" in last_line or "c10.dll" in last_line:
        return EngineLoadError("Windows lacks a library", "install the Visual C++ Redistributable")
    reason = last_line.strip() or f"Python ended with status {status}"
    return EngineLoadError(reason, "look at the log")


def _write_log(plan: SetupPlan, log: list[str]) -> None:
    """Keep the log beside the engine, so that it outlives Blender."""
    text = "\n".join([time.strftime("%Y-%m-%d %H:%M:%S"), *log, ""])
    with suppress(OSError):
        plan.folder.log.write_text(text, encoding="utf-8")
