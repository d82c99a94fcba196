# SPDX-License-Identifier: GPL-3.0-or-later
"""A latent as a file (NumPy's .npz) and as text, to be kept beside what it was read from.

`latent` holds the numbers, half precision, [L, C]; `about` is JSON: format, source, pack,
pack_hash and version.
"""

from __future__ import annotations

import base64
import binascii
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import InvalidRequestError, LatentFileError
from .inputs import KnownLatent
from .version import VERSION

FORMAT = 1
SUFFIX = ".npz"


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentFile:
    """What such a file holds."""

    latent: KnownLatent
    pack: str
    """The pack whose encoder read the mesh, and whose decoder shows it."""
    pack_hash: str


def write_latent(path: Path, held: LatentFile) -> None:
    """Write a latent; the same bytes for the same content.

    Raises:
        OSError: the file cannot be written.
    """
    about = {
        "format": FORMAT,
        "source": held.latent.source,
        "pack": held.pack,
        "pack_hash": held.pack_hash,
        "version": VERSION,
    }
    with path.open("wb") as file:
        np.savez(file, latent=held.latent.values, about=np.array(json.dumps(about)))


def read_latent(path: Path) -> LatentFile:
    """Read what `write_latent` wrote; nothing in it is run.

    Raises:
        LatentFileError: the file is not there, damaged, or something else.
    """
    try:
        # Opened here, because NumPy leaves a damaged one open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            about = json.loads(str(content["about"]))
            values = content["latent"]
        if about["format"] != FORMAT:
            raise LatentFileError(path, f"it has format {about['format']!r}, not {FORMAT}")
        return LatentFile(
            latent=KnownLatent(values=values, source=str(about["source"])),
            pack=str(about["pack"]),
            pack_hash=str(about["pack_hash"]),
        )
    except FileNotFoundError:
        raise LatentFileError(path, "there is no such file") from None
    except OSError as error:
        reason = (error.strerror or "it is no .npz file").lower()
        raise LatentFileError(path, reason) from error
    except InvalidRequestError as error:
        if isinstance(error, LatentFileError):
            raise
        raise LatentFileError(path, "its numbers are damaged") from error
    except (ValueError, KeyError, TypeError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise LatentFileError(path, "maquette encode did not write it") from error


def to_text(latent: KnownLatent) -> str:
    """Return a latent as text without line breaks, for a property of an object."""
    values = latent.values
    head = f"{values.shape[0]} {values.shape[1]} "
    return head + base64.b64encode(values.astype("<f2").tobytes()).decode("ascii")


def from_text(text: str, source: str) -> KnownLatent:
    """Return the latent of `to_text`.

    Raises:
        InvalidRequestError: the text is damaged.
    """
    try:
        rows, columns, numbers = text.split(" ")
        data = base64.b64decode(numbers, validate=True)
        values = np.frombuffer(data, dtype="<f2").reshape(int(rows), int(columns))
    except (ValueError, AttributeError, binascii.Error) as error:
        raise InvalidRequestError("the latent that was kept is damaged") from error
    return KnownLatent(values=values.astype(np.float16), source=source)
