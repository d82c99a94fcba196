# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies in a pack folder: which models, in which files, of which architecture.

Three layouts are known, and a folder may mix the last two:

native    pack.json, prior.safetensors, decoder.safetensors, words.safetensors or a folder clip in
          open_clip's format, and in packs that read meshes encoder.safetensors
hub       the published repositories: text/prior, text/text_encoder, image/prior,
          image/image_encoder, shap_e_renderer; or a plain snapshot of one of them, without
          text/ and image/ in front
openai    text_cond.pt, image_cond.pt, transmitter.pt, at the top or in the folder of the
          component they stand for; CLIP comes from the hub's folders

A folder whose pack.json names a base is read as that base's folder, see `derived_pack`.

A hub folder may hold the same weights several times; the order is that of `_hub_names`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, Literal, TypeVar

from ..derived_pack import Part, PriorChange, read_derived
from ..errors import PackError
from ..pack import PACK_FILE, read_manifest
from ..specs import (
    CLIPS,
    DECODERS,
    ENCODERS,
    PRIORS,
    ClipSpec,
    CloudEncoderSpec,
    DecoderSpec,
    EncoderSpec,
    PriorSpec,
    SmallClipSpec,
    WordEncoderSpec,
)
from .hub_config import check_hub_config, says_image_prior

S = TypeVar(
    "S",
    PriorSpec,
    DecoderSpec,
    ClipSpec,
    WordEncoderSpec,
    SmallClipSpec,
    EncoderSpec,
    CloudEncoderSpec,
)
P = TypeVar("P", PriorSpec, DecoderSpec, ClipSpec)


@dataclass(frozen=True, slots=True)
class Component(Generic[S]):
    """One weights file and the architecture that it belongs to."""

    path: Path
    spec: S


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedSpecs:
    """Architectures that hub and OpenAI files are held to; tests use smaller ones."""

    text_prior: PriorSpec = PRIORS["shap-e-text"]
    image_prior: PriorSpec = PRIORS["shap-e-image"]
    decoder: DecoderSpec = DECODERS["shap-e"]
    encoder: EncoderSpec = ENCODERS["shap-e"]
    text_encoder: ClipSpec = CLIPS["vit-l-14-text"]
    image_encoder: ClipSpec = CLIPS["vit-l-14-image"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackLayout:
    """Where the models of a pack are; None where the pack has none."""

    kind: Literal["native", "hub", "openai"]
    text_prior: Component[PriorSpec] | None = None
    image_prior: Component[PriorSpec] | None = None
    decoder: Component[DecoderSpec] | None = None
    text_encoder: Component[ClipSpec] | None = None
    image_encoder: Component[ClipSpec] | None = None
    word_encoder: Component[WordEncoderSpec] | None = None
    clip: Component[SmallClipSpec] | None = None
    """For prompts and pictures, in place of the word encoder."""
    encoder: Component[EncoderSpec] | None = None
    """From meshes to latents; OpenAI's transmitter holds it beside the decoder."""
    changes: Mapping[Part, PriorChange] = field(default_factory=dict)
    """What becomes of the priors, where the pack stands on another one."""
    cloud_encoder: Component[CloudEncoderSpec] | None = None
    """The same in a native pack."""

    @property
    def reads_meshes(self) -> bool:
        """Whether the pack has an encoder of one kind or the other."""
        return self.encoder is not None or self.cloud_encoder is not None


PUBLISHED = PublishedSpecs()


def read_layout(folder: Path, published: PublishedSpecs = PUBLISHED) -> PackLayout:
    """Look at a pack folder; no weights are read.

    Raises:
        CheckpointError: a config.json or pack.json does not describe what is expected.
        PackError: the folder holds no model that is known here.
    """
    if derived := read_derived(folder):
        return replace(read_layout(derived.base, published), changes=derived.changes)
    if (folder / PACK_FILE).is_file():
        return _native_layout(folder)
    layout = _published_layout(folder, published)
    if not (layout.text_prior or layout.image_prior or layout.decoder):
        raise PackError(folder.name, f"there is no model in {folder}: fetch or import the pack")
    return layout


def _native_layout(folder: Path) -> PackLayout:
    manifest = read_manifest(folder)
    return PackLayout(
        kind="native",
        text_prior=Component(folder / "prior.safetensors", manifest.prior),
        decoder=Component(folder / "decoder.safetensors", manifest.decoder),
        word_encoder=(
            Component(folder / "words.safetensors", manifest.word_encoder)
            if manifest.word_encoder is not None
            else None
        ),
        clip=(
            Component(folder / "clip" / "open_clip_model.safetensors", manifest.clip)
            if manifest.clip is not None
            else None
        ),
        cloud_encoder=(
            Component(folder / "encoder.safetensors", manifest.encoder)
            if manifest.encoder is not None
            else None
        ),
    )


def _published_layout(folder: Path, published: PublishedSpecs) -> PackLayout:
    plain_prior = folder / "prior"
    plain_is_image = says_image_prior(plain_prior / "config.json", folder / "image_encoder")
    text_priors = [folder / "text" / "prior", *([] if plain_is_image else [plain_prior])]
    image_priors = [folder / "image" / "prior", *([plain_prior] if plain_is_image else [])]
    renderers = [folder, folder / "text", folder / "image"]
    decoders = [parent / "shap_e_renderer" for parent in renderers]
    text_encoders = [folder / "text" / "text_encoder", folder / "text_encoder"]
    image_encoders = [folder / "image" / "image_encoder", folder / "image_encoder"]
    model = _hub_names("diffusion_pytorch_model", "diffusion_pytorch_model")
    encoder = _hub_names("model", "pytorch_model")
    files = {
        "text_prior": _find(text_priors, model, "text_cond.pt", folder),
        "image_prior": _find(image_priors, model, "image_cond.pt", folder),
        "decoder": _find(decoders, model, "transmitter.pt", folder),
        "text_encoder": _find(text_encoders, encoder),
        "image_encoder": _find(image_encoders, encoder),
    }
    transmitter = _find(decoders, (), "transmitter.pt", folder)
    is_openai = any(path is not None and path.suffix == ".pt" for path in files.values())
    return PackLayout(
        kind="openai" if is_openai else "hub",
        text_prior=_component(files["text_prior"], published.text_prior),
        image_prior=_component(files["image_prior"], published.image_prior),
        decoder=_component(files["decoder"], published.decoder),
        text_encoder=_component(files["text_encoder"], published.text_encoder),
        image_encoder=_component(files["image_encoder"], published.image_encoder),
        encoder=Component(transmitter, published.encoder) if transmitter else None,
    )


def _hub_names(safetensors: str, pickled: str) -> tuple[str, ...]:
    """Return the names of the same weights, the best first.

    safetensors before pickles, because no unpickler has to be trusted; then full precision
    before half, which only rounds what the priors and the decoder were published with.
    """
    return (
        f"{safetensors}.safetensors",
        f"{safetensors}.fp16.safetensors",
        f"{pickled}.bin",
        f"{pickled}.fp16.bin",
    )


def _find(
    folders: Sequence[Path], names: Sequence[str], original: str = "", top: Path | None = None
) -> Path | None:
    """Return the first file there is: the hub's names, then OpenAI's, folder by folder."""
    candidates = [folder / name for folder in folders for name in (*names, original) if name]
    if top is not None:
        candidates.append(top / original)
    return next((path for path in candidates if path.is_file()), None)


def _component(path: Path | None, spec: P) -> Component[P] | None:
    if path is None:
        return None
    # OpenAI's files stand alone: a config.json beside one describes a hub file.
    if path.suffix != ".pt":
        check_hub_config(path.parent / "config.json", spec)
    return Component(path, spec)
