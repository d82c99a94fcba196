# SPDX-License-Identifier: GPL-3.0-or-later
"""Where results go: what `-o` means, which names are free, and files that appear all at once."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from .errors import OutputError, UsageError, output_error, writing
from .names import candidates

SUFFIXES = {
    ".blend": "blend",
    ".glb": "glb",
    ".obj": "obj",
    ".ply": "ply",
    ".usd": "usd",
    ".usdc": "usd",
    ".stl": "stl",
    ".3mf": "3mf",
}
"""Format of each suffix that `-o FILE` may have; the first of a format is what it is given."""

FORMATS = tuple(dict.fromkeys(SUFFIXES.values()))

COMPANIONS = {
    "obj": (".mtl", "-base-color.png", "-normal.png"),
    "usd": ("-base-color.png", "-normal.png"),
}
"""How the names of the files that stand beside the main one go on after its stem."""

PROBE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the results of one command go."""

    folder: Path
    """May not exist yet."""
    suffix: str
    """As it was typed, such as `.GLB`."""
    stem: str | None = None
    """Chosen with `-o FILE`; None takes it from each prompt."""
    replaces: bool = False
    """Whether a file of that name gives way: only the one that `-o FILE` names."""

    @property
    def format(self) -> str:
        """`blend`, `glb`, `obj`, `ply`, `usd`, `stl` or `3mf`."""
        return SUFFIXES[self.suffix.lower()]

    @property
    def holds_levels(self) -> bool:
        """Whether levels of detail and a collision mesh go into the file beside the result."""
        return self.format in ("blend", "glb")

    def free_stems(self, stem: str, *, is_numbered: bool) -> Iterator[str]:
        """Yield the stems under which nothing stands yet, best first, without end."""
        if self.replaces:
            yield self.stem or stem
            return
        for candidate in candidates(self.stem or stem, is_numbered=is_numbered):
            if not any(os.path.lexists(path) for path in self.paths(candidate)):
                yield candidate

    def paths(self, stem: str) -> tuple[Path, ...]:
        """Return every file that a result of this stem may consist of, the main one first."""
        ends = (self.suffix, *COMPANIONS.get(self.format, ()))
        return tuple(self.folder / f"{stem}{end}" for end in ends)


def find_destination(output: str | None, file_format: str | None, num_results: int) -> Destination:
    """Say what `-o` and `--format` mean together.

    An existing folder, a name that ends in a separator and a name without a suffix are folders;
    a name that ends in a known suffix is a file.

    Raises:
        UsageError: the suffix is unknown or contradicts the format.
        OutputError: what stands there cannot be replaced.
    """
    wanted = next(s for s, name in SUFFIXES.items() if name == (file_format or "blend"))
    if output is None:
        return Destination(Path.cwd(), wanted)
    if not output.strip():
        raise UsageError("-o is empty: give a file or a folder")
    path = Path(output)
    ends_as_folder = output.endswith(tuple(filter(None, (os.sep, os.altsep))))
    if ends_as_folder or not path.suffix or os.path.isdir(path):
        if os.path.exists(path) and not os.path.isdir(path):
            raise OutputError(path, "it is not a folder, choose another with -o")
        return Destination(path, wanted)
    suffix = path.suffix
    if suffix.lower() not in SUFFIXES:
        known = " ".join(SUFFIXES)
        raise UsageError(
            f"cannot write {suffix} files: use one of {known}, or end a folder with {os.sep}"
        )
    if file_format not in (None, SUFFIXES[suffix.lower()]):
        raise UsageError(f"-o {output} and --format {file_format} contradict each other")
    if num_results > 1:
        return Destination(path.parent, suffix, stem=path.stem)
    # A link stays a link: what it points to is replaced.
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    destination = Destination(path.parent, path.suffix, stem=path.stem, replaces=True)
    _require_replaceable(path, destination)
    return destination


def _require_replaceable(path: Path, destination: Destination) -> None:
    if os.path.lexists(path):
        if not path.is_file():
            raise OutputError(path, "it is not a file, choose another name with -o")
        if not os.access(path, os.W_OK):
            raise OutputError(path, "it is read-only, choose another name with -o")
        return
    for companion in destination.paths(path.stem)[1:]:
        # Not ours, since the file that it would belong to is not there.
        if os.path.lexists(companion):
            raise OutputError(
                path, f"{companion.name} beside it would be lost, choose another name with -o"
            )


def require_writable(folder: Path) -> None:
    """Find out before minutes of work whether the folder, once made, can take a file.

    Raises:
        OutputError: it cannot.
    """
    with writing(folder):
        with suppress(FileNotFoundError):
            os.lstat(folder)  # Tells of names that are too long.
        existing = next(p for p in (folder, *folder.absolute().parents) if os.path.lexists(p))
        with tempfile.TemporaryFile(dir=existing) as probe:
            probe.write(bytes(PROBE_BYTES))
            probe.flush()
            os.fsync(probe.fileno())


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Give a hidden folder on the same disk to build files in; nothing of it remains.

    The folder itself is made when it does not exist, and taken away again after a failure.

    Raises:
        OutputError: it cannot be made.
    """
    made: list[Path] = []
    try:
        with writing(folder):
            for missing in reversed([p for p in (folder, *folder.parents) if not p.exists()]):
                missing.mkdir(exist_ok=True)
                made.append(missing)
            stage = Path(tempfile.mkdtemp(prefix=".maquette-", dir=folder))
        try:
            yield stage
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    except BaseException:
        for path in reversed(made):
            with suppress(OSError):
                path.rmdir()
        raise


def publish(stage: Path, destination: Destination) -> tuple[Path, ...]:
    """Move finished files out of the staging folder and return where they are, main one first.

    Raises:
        FileExistsError: a name was taken meanwhile; nothing was moved.
        OutputError: the disk refused; nothing new remains.
    """
    # The main file goes last: who sees it sees the rest too.
    sources = sorted(stage.iterdir(), key=lambda path: path.suffix == destination.suffix.lower())
    targets = [destination.folder / _final_name(source, destination) for source in sources]
    new: list[Path] = []
    try:
        for source, target in zip(sources, targets, strict=True):
            if not destination.replaces:
                _reserve(target)
            if not destination.replaces or not os.path.lexists(target):
                new.append(target)
            with writing(target):
                _sync(source)
                os.replace(source, target)
    except BaseException:
        for target in new:
            target.unlink(missing_ok=True)
        raise
    return tuple(reversed(targets))


def _final_name(source: Path, destination: Destination) -> str:
    is_main = source.suffix == destination.suffix.lower()
    return source.stem + destination.suffix if is_main else source.name


def _reserve(target: Path) -> None:
    """Take a name that is free, as no check beforehand could: others write here too."""
    try:
        target.open("xb").close()
    except FileExistsError:
        raise
    except OSError as error:
        raise output_error(target, error) from error


def _sync(path: Path) -> None:
    """Make the disk take the file now, so that a full one says so before the rename."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
