# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that holds Blender: one line of JSON in per asset, one line out.

python -m maquette.datasets.worker SETTINGS
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TextIO

from .layout import write_tar
from .measuring import Description, members_of
from .reading import AssetError, captions_inside, open_asset
from .settings import BuildSettings
from .sources import Source


def main() -> None:
    """Work until standard input ends."""
    answers = claim_output()
    settings = BuildSettings(**json.loads(sys.argv[1]))
    for line in sys.stdin:
        task = json.loads(line)
        answer = _answer(task, settings)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    # Blender's destructors are not to be trusted.
    os._exit(0)


def claim_output() -> TextIO:
    """Return standard output, kept for answers from now on.

    Blender and its importers write to both streams; what they write is dropped.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    return answers


def _answer(task: dict[str, str], settings: BuildSettings) -> Description:
    source = Source(task["file"], task["key"])
    try:
        notes = build_part(Path(task["path"]), Path(task["target"]), source, settings)
    except (AssetError, ValueError) as error:
        return {"reason": str(error)}
    except OSError as error:
        # The disk, and not the asset, is to blame.
        return {"error": f"{error.strerror or error}"}
    except Exception as error:  # noqa: BLE001 - one asset must not end the build
        return {"reason": f"it could not be measured ({type(error).__name__}: {error})"[:300]}
    return {"notes": notes}


def build_part(path: Path, target: Path, source: Source, settings: BuildSettings) -> list[str]:
    """Write the sample of one asset; return what of its colours had to be guessed.

    Raises:
        AssetError: the asset cannot be used.
        OSError: the sample cannot be written.
    """
    import bpy

    from ..operators.capture.surface import capture

    open_asset(path)
    captured = capture(bpy.context.evaluated_depsgraph_get())
    notes = list(captured.notes)
    about: Description = {"inside": captions_inside(), "notes": notes}
    about["blender"] = bpy.app.version_string
    write_tar(target, [(source.key, members_of(captured.surface, source, settings, about))])
    return notes


if __name__ == "__main__":
    main()
