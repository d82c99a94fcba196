# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model pack says about itself: `pack.json` of native packs, facts of the published one.

Reading a description costs milliseconds and loads no weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from .config import SamplerConfig
from .errors import CheckpointError, GenerationError
from .specs import DecoderSpec, PriorSpec, WordEncoderSpec

PACK_FILE = "pack.json"
FORMAT = 1

_Spec = TypeVar("_Spec", PriorSpec, DecoderSpec, WordEncoderSpec, SamplerConfig)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackManifest:
    """The content of a native pack's `pack.json`."""

    id: str
    version: str
    prior: PriorSpec
    decoder: DecoderSpec
    word_encoder: WordEncoderSpec
    sampler: SamplerConfig
    words: dict[str, str]
    """Each known word with what it means: `kind`, `colour`, `part`, `style` or `filler`."""
    min_component_share: float = 0.02
    """Loose pieces below this share of the largest one's volume are dropped."""

    def to_json(self, files: Mapping[str, Mapping[str, str | int]]) -> str:
        """Return the text of `pack.json`, with sizes and hashes of the pack's files."""
        content = {"format": FORMAT} | asdict(self) | {"files": files}
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def read_manifest(folder: Path) -> PackManifest:
    """Read a native pack's description.

    Raises:
        CheckpointError: `pack.json` is missing, not JSON, or lacks something.
    """
    path = folder / PACK_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise CheckpointError(
                path, f"has format {content['format']!r}, this version reads {FORMAT}"
            )
        return PackManifest(
            id=str(content["id"]),
            version=str(content["version"]),
            prior=_spec(PriorSpec, content["prior"]),
            decoder=_spec(DecoderSpec, _with_heads(content["decoder"])),
            word_encoder=_spec(WordEncoderSpec, content["word_encoder"]),
            sampler=_spec(SamplerConfig, content["sampler"]),
            words={str(word): str(role) for word, role in content["words"].items()},
            min_component_share=float(content["min_component_share"]),
        )
    except OSError as error:
        raise CheckpointError(path, f"cannot be read ({error.strerror})") from error
    except GenerationError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(path, f"is not a pack description ({error})") from error


def _spec(kind: type[_Spec], values: dict[str, Any]) -> _Spec:
    known = {field.name for field in fields(kind)}
    if unknown := sorted(set(values) - known):
        raise KeyError(f"{kind.__name__} does not know {unknown[0]}")
    return kind(**values)


def _with_heads(values: dict[str, Any]) -> dict[str, Any]:
    return values | {"heads": tuple((name, int(width)) for name, width in values["heads"])}
