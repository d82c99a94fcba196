# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model pack says about itself: `pack.json` of native packs, facts of the published one.

Reading a description costs milliseconds and loads no weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from .config import SamplerConfig
from .derived_pack import PACK_FILE as PACK_FILE
from .derived_pack import read_derived
from .errors import CheckpointError, GenerationError
from .specs import (
    CloudEncoderSpec,
    DecoderSpec,
    FitSpec,
    GaussianSpec,
    PaintSpec,
    PriorSpec,
    SmallClipSpec,
    WordEncoderSpec,
)

FORMAT = 1
PUBLISHED_ENCODER = "transmitter.pt"
"""The only file of OpenAI's that holds the encoder; the hub's repositories have none."""

_Spec = TypeVar(
    "_Spec",
    PriorSpec,
    GaussianSpec,
    PaintSpec,
    DecoderSpec,
    WordEncoderSpec,
    SamplerConfig,
    CloudEncoderSpec,
    FitSpec,
    SmallClipSpec,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackManifest:
    """The content of a native pack's `pack.json`."""

    id: str
    version: str
    prior: PriorSpec
    decoder: DecoderSpec
    sampler: SamplerConfig
    words: dict[str, str]
    """Each word of the training captions with what it means: `kind`, `colour`, `part`, `style` or
    `filler`. With a CLIP, their order is that of its tokens."""
    word_encoder: WordEncoderSpec | None = None
    """Prompts to conditions, in `words.safetensors`; only in a pack without a CLIP."""
    clip: SmallClipSpec | None = None
    """Prompts and pictures to conditions, in the folder `clip`."""
    min_component_share: float = 0.02
    """Loose pieces below this share of the largest one's volume are dropped."""
    encoder: CloudEncoderSpec | None = None
    """From meshes to latents, in `encoder.safetensors`; None in a pack that reads no meshes."""
    fit: FitSpec | None = None
    """How far the encoder's latents are fitted to what it read, as in training; None: not."""

    def to_json(self, files: Mapping[str, Mapping[str, str | int]]) -> str:
        """Return the text of `pack.json`, with sizes and hashes of the pack's files."""
        facts = {name: value for name, value in asdict(self).items() if value is not None}
        content = {"format": FORMAT} | facts | {"files": files}
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def read_manifest(folder: Path) -> PackManifest:
    """Read a native pack's description, which one that stands on another has from there.

    Raises:
        CheckpointError: `pack.json` is missing, not JSON, or lacks something.
    """
    if derived := read_derived(folder):
        return replace(read_manifest(derived.base), id=derived.id, version=derived.version)
    path = folder / PACK_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise CheckpointError(
                path, f"has format {content['format']!r}, this version reads {FORMAT}"
            )
        manifest = PackManifest(
            id=str(content["id"]),
            version=str(content["version"]),
            prior=_spec(PriorSpec, _with_gaussian(content["prior"])),
            decoder=_spec(DecoderSpec, _with_heads(content["decoder"])),
            sampler=_spec(SamplerConfig, content["sampler"]),
            words={str(word): str(role) for word, role in content["words"].items()},
            word_encoder=_optional(WordEncoderSpec, content.get("word_encoder")),
            clip=_optional(SmallClipSpec, _with_blocks(content.get("clip"))),
            min_component_share=float(content["min_component_share"]),
            encoder=_optional(CloudEncoderSpec, content.get("encoder")),
            fit=_optional(FitSpec, _with_palette(content.get("fit"))),
        )
        _check_encoder(path, manifest)
        _check_condition(path, manifest)
        return manifest
    except OSError as error:
        raise CheckpointError(path, f"cannot be read ({error.strerror})") from error
    except GenerationError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(path, f"is not a pack description ({error})") from error


def reads_meshes(folder: Path) -> bool:
    """Tell whether the pack in a folder has an encoder; no weights are read.

    Raises:
        CheckpointError: its description is damaged.
    """
    if derived := read_derived(folder):
        return reads_meshes(derived.base)
    if (folder / PACK_FILE).is_file():
        return read_manifest(folder).encoder is not None
    parents = (folder, folder / "text", folder / "image")
    homes = (folder, *(parent / "shap_e_renderer" for parent in parents))
    return any((home / PUBLISHED_ENCODER).is_file() for home in homes)


def _spec(kind: type[_Spec], values: dict[str, Any]) -> _Spec:
    known = {field.name for field in fields(kind)}
    if unknown := sorted(set(values) - known):
        raise KeyError(f"{kind.__name__} does not know {unknown[0]}")
    return kind(**values)


def _optional(kind: type[_Spec], values: dict[str, Any] | None) -> _Spec | None:
    return None if values is None else _spec(kind, values)


def _check_encoder(path: Path, manifest: PackManifest) -> None:
    encoder, decoder = manifest.encoder, manifest.decoder
    if encoder is None:
        return
    if (encoder.num_latents, encoder.channels) != (decoder.num_latents, decoder.channels):
        raise CheckpointError(path, "has an encoder whose latents its decoder does not read")
    made = encoder.num_latents * encoder.channels
    if made % encoder.num_tokens:
        raise CheckpointError(path, f"shares {made} numbers among {encoder.num_tokens} tokens")


def _check_condition(path: Path, manifest: PackManifest) -> None:
    clip = manifest.clip
    if (clip is None) == (manifest.word_encoder is None):
        raise CheckpointError(path, "must have either a word encoder or a CLIP")
    if clip is None:
        return
    if clip.vocabulary_size != len(manifest.words) + 3:
        raise CheckpointError(path, "has a CLIP of another number of words")
    if clip.token_width != manifest.prior.condition_width:
        raise CheckpointError(path, "has a CLIP whose tokens its prior does not read")
    if gaussian := manifest.prior.gaussian:
        pooled = set(range(manifest.prior.num_pooled))
        read = {gaussian.paint.main_token, *gaussian.paint.part_tokens, *gaussian.shape_tokens}
        if not gaussian.shape_tokens or not read <= pooled:
            raise CheckpointError(
                path, "looks for shapes or paint in tokens that its prior does not pool"
            )
        if not 0 < manifest.prior.num_shape < manifest.prior.basis_size:
            raise CheckpointError(path, "has a prior that does not tell shape and paint apart")
    if clip.num_tokens < manifest.prior.num_pooled:
        raise CheckpointError(path, "has a CLIP with fewer tokens than its prior pools")


def _with_gaussian(values: dict[str, Any]) -> dict[str, Any]:
    sizes = values.get("gaussian")
    if sizes is not None:
        paint = sizes["paint"]
        paint = paint | {"part_tokens": tuple(map(int, paint["part_tokens"]))}
        shape_tokens = tuple(map(int, sizes["shape_tokens"]))
        sizes = sizes | {"shape_tokens": shape_tokens, "paint": _spec(PaintSpec, paint)}
    return values | {"gaussian": _optional(GaussianSpec, sizes)}


def _with_blocks(values: dict[str, Any] | None) -> dict[str, Any] | None:
    if values is None:
        return None
    one, two, three, four = values["image_blocks"]
    return values | {"image_blocks": (one, two, three, four)}


def _with_palette(values: dict[str, Any] | None) -> dict[str, Any] | None:
    if values is None:
        return None
    return values | {"palette": tuple((r, g, b) for r, g, b in values.get("palette", ()))}


def _with_heads(values: dict[str, Any]) -> dict[str, Any]:
    return values | {"heads": tuple((name, int(width)) for name, width in values["heads"])}
