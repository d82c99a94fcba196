# SPDX-License-Identifier: GPL-3.0-or-later
"""Which model packs exist, and the files of each: where from, how large, with which hash.

A pack is a folder `<packs folder>/<pack id>`. Inside, a component is a folder of files that are
only useful together, and a part (text, image) is what the user chooses. Shap-E on disk:

    shap-e/
      text/prior/                 config.json, diffusion_pytorch_model.fp16.safetensors
      text/text_encoder/          config.json, model.fp16.safetensors
      image/prior/                config.json, diffusion_pytorch_model.fp16.safetensors
      image/image_encoder/        config.json, model.fp16.safetensors
      shap_e_renderer/            config.json, diffusion_pytorch_model.fp16.safetensors
      .maquette.json              receipt: size, sha256 and origin of each file

The renderer is the same file for both parts, so it stands once, beside them. A component may
instead hold files that are recognised on import but never fetched: OpenAI's `text_cond.pt` in
`text/prior`, `image_cond.pt` in `image/prior`, `transmitter.pt` in `shap_e_renderer`, and the
float32 `diffusion_pytorch_model.bin` of the renderer. OpenAI's files bring no CLIP in a form
that is read here, so the encoders always come from the hub's repositories.

Sizes and hashes were taken from listings of the hub and from OpenAI's own hash table, not from
a download made for this project. Where a listing showed a hash only in part, that part is what
is compared; the rest is taken from the hub's answer when fetching and kept in the receipt.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSource:
    """One place on the hub that offers a file."""

    repo: str
    revision: str = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackFile:
    """One file of a pack."""

    path: str
    """Where it stands under the pack's folder, with forward slashes."""
    repo_path: str
    """Where it stands in its repository, or its name among OpenAI's files."""
    size: int | None
    """Bytes, where known. Binding for a pinned file; what a listing showed for any other."""
    sha256: str | None = None
    sha256_hint: tuple[str, str] = ("", "")
    """The beginning and the end of the hash, where no more is known."""
    sources: tuple[HubSource, ...] = ()
    """Tried in this order; none: the file is imported, never fetched."""

    def __post_init__(self) -> None:
        for path in (self.path, self.repo_path):
            if not is_safe_path(path):
                raise ValueError(f"a pack file must be a relative path inside its pack: {path!r}")

    @property
    def is_pinned(self) -> bool:
        """Whether anything is known about the content, so that any other size is damage."""
        return self.sha256 is not None or any(self.sha256_hint)

    def accepts(self, sha256: str) -> bool:
        """Whether a file with this hash can be the published one."""
        if self.sha256 is not None:
            return sha256 == self.sha256
        start, end = self.sha256_hint
        return sha256.startswith(start) and sha256.endswith(end)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackComponent:
    """A folder of files that are only useful together."""

    folder: str
    """Under the pack's folder; empty for the pack's folder itself."""
    parts: tuple[str, ...]
    """The parts that need it."""
    files: tuple[PackFile, ...]
    """What is fetched."""
    alternatives: tuple[tuple[PackFile, ...], ...] = ()
    """Sets of files that serve as well; recognised on import, never fetched."""

    @property
    def variants(self) -> tuple[tuple[PackFile, ...], ...]:
        """Every set of files that makes the component complete, the fetched one first."""
        return (self.files, *self.alternatives)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackInfo:
    """A pack as it is shown to the user, and the components it is made of."""

    id: str
    title: str
    licence: str
    source: str
    """Where its makers describe it."""
    summary: str
    parts: tuple[str, ...]
    components: tuple[PackComponent, ...] = ()
    """Empty for a pack whose own `pack.json` lists its files."""
    bundled: bool = False
    """Part of the extension: nothing to fetch, and never in the user's packs folder."""
    own: bool = False
    """Made by the user: nothing to fetch, and its own `pack.json` lists its files; see `own`."""
    base: str = ""
    """Id of the pack that an own one stands on, if it does."""

    @property
    def lists_itself(self) -> bool:
        """Whether the pack's own `pack.json` says which files it has."""
        return self.bundled or self.own

    @property
    def is_native(self) -> bool:
        """Whether it is small and of our own layout, which asks nothing of OpenAI's CLIP."""
        return PACKS[self.base].is_native if self.base else self.lists_itself

    def components_of(self, parts: tuple[str, ...]) -> tuple[PackComponent, ...]:
        """The components that any of these parts needs, in the table's order."""
        return tuple(c for c in self.components if not set(parts).isdisjoint(c.parts))

    def fetch_size(self, parts: tuple[str, ...]) -> int:
        """Bytes that a fetch of these parts transfers on a machine that has nothing."""
        return sum(f.size or 0 for c in self.components_of(parts) for f in c.files)


def is_safe_path(path: str) -> bool:
    """Whether a name from a table or a `pack.json` stays inside the pack's folder everywhere.

    Backslashes and colons are refused on every system, because they would lead elsewhere on
    Windows.
    """
    pieces = path.split("/")
    return not (
        PurePosixPath(path).is_absolute()
        or any(piece in ("", ".", "..") for piece in pieces)
        or any(character in "\\:" or ord(character) < 32 for character in path)
    )


_TEXT = HubSource(repo="openai/shap-e")
_IMAGE = HubSource(repo="openai/shap-e-img2img")

# The current renderer exists as safetensors only in these two pull requests; should one of them
# be merged, the same file stands on main. Its hash is known in full, so the place is no matter.
_RENDERER_SOURCES = (
    HubSource(repo="openai/shap-e", revision="refs/pr/11"),
    HubSource(repo="openai/shap-e-img2img", revision="refs/pr/8"),
    _TEXT,
)


def _component(
    folder: str,
    repo_folder: str,
    source: HubSource,
    config_size: int,
    weights: tuple[str, int, tuple[str, str]],
    *alternatives: tuple[PackFile, ...],
) -> PackComponent:
    """A configuration and half-precision weights: (name, bytes, what is known of the sha256)."""
    name, size, hint = weights
    return PackComponent(
        folder=folder,
        parts=(folder.partition("/")[0],),
        files=(
            PackFile(
                path=f"{folder}/config.json",
                repo_path=f"{repo_folder}/config.json",
                size=config_size,
                sources=(source,),
            ),
            PackFile(
                path=f"{folder}/{name}",
                repo_path=f"{repo_folder}/{name}",
                size=size,
                sha256_hint=hint,
                sources=(source,),
            ),
        ),
        alternatives=alternatives,
    )


def _original(folder: str, name: str, size: int | None, sha256: str) -> tuple[PackFile, ...]:
    """One of OpenAI's own files, recognised on import."""
    return (PackFile(path=f"{folder}/{name}", repo_path=name, size=size, sha256=sha256),)


_PRIOR, _ENCODER = "diffusion_pytorch_model.fp16.safetensors", "model.fp16.safetensors"
_RENDERER_CONFIG = PackFile(
    path="shap_e_renderer/config.json",
    repo_path="shap_e_renderer/config.json",
    size=551,
    sources=(_TEXT, _IMAGE),
)

_RENDERER = PackComponent(
    folder="shap_e_renderer",
    parts=("text", "image"),
    files=(
        _RENDERER_CONFIG,
        PackFile(
            path=f"shap_e_renderer/{_PRIOR}",
            repo_path=f"shap_e_renderer/{_PRIOR}",
            size=452_630_034,
            sha256="1022b03cfa4feae38abf3c8d424386301cc33ae8b7b5545a5add9a2504527828",
            sources=_RENDERER_SOURCES,
        ),
    ),
    alternatives=(
        (
            _RENDERER_CONFIG,
            PackFile(
                path="shap_e_renderer/diffusion_pytorch_model.bin",
                repo_path="shap_e_renderer/diffusion_pytorch_model.bin",
                size=905_233_202,
                sha256_hint=("2b63c2b5", "7241a05"),
            ),
        ),
        # Only "about 1.776 GB" is known of its size, so the hash alone decides.
        _original(
            "shap_e_renderer",
            "transmitter.pt",
            None,
            "af02a0b85a8abdfb3919584b63c540ba175f6ad4790f574a7fef4617e5acdc3b",
        ),
    ),
)

_SHAP_E = (
    _component(
        "text/prior",
        "prior",
        _TEXT,
        489,
        (_PRIOR, 631_435_880, ("04ad95e7374796a8", "417aac")),
        _original(
            "text/prior",
            "text_cond.pt",
            1_262_868_003,
            "e6b4fa599a7b3c3b16c222d5f5fe56f9db9289ff0b6575fbe5c11bc97106aad4",
        ),
    ),
    _component(
        "text/text_encoder", "text_encoder", _TEXT, 626, (_ENCODER, 247_324_608, ("fc42badf", ""))
    ),
    _component(
        "image/prior",
        "prior",
        _IMAGE,
        493,
        (_PRIOR, 631_964_448, ("a6d92d12", "")),
        _original(
            "image/prior",
            "image_cond.pt",
            1_263_925_407,
            "cb8072c64bbbcf6910488814d212227de5db291780d4ea99c6152f9346cf12aa",
        ),
    ),
    _component(
        "image/image_encoder",
        "image_encoder",
        _IMAGE,
        560,
        (_ENCODER, 606_409_288, ("45231758", "")),
    ),
    _RENDERER,
)

PACKS: dict[str, PackInfo] = {
    "starter": PackInfo(
        id="starter",
        title="Maquette Starter",
        licence="GPL-3.0-or-later",
        source="the model card in packs/starter",
        summary="Small model for text and images, trained for this project: 85 kinds of object",
        parts=("text", "image"),
        bundled=True,
    ),
    "shap-e": PackInfo(
        id="shap-e",
        title="OpenAI Shap-E",
        licence="MIT (the code's; the weights state none of their own)",
        source="https://huggingface.co/openai/shap-e",
        summary="Published models for free text and for images, half precision",
        parts=("text", "image"),
        components=_SHAP_E,
    ),
}
"""Every pack by its id."""
