# SPDX-License-Identifier: GPL-3.0-or-later
"""A pack of a few hundred kilobytes with the shape of the published one."""

from __future__ import annotations

import hashlib
import random

from maquette.weights_fetch import HubSource, PackComponent, PackFile, PackInfo

_random = random.Random(7)
PRIOR = _random.randbytes(200_000)
ENCODER = _random.randbytes(60_000)
IMAGE_PRIOR = _random.randbytes(210_000)
RENDERER = _random.randbytes(90_000)
ORIGINAL = _random.randbytes(150_000)
CONFIG = b'{"kind": "text"}'
IMAGE_CONFIG = b'{"kind": "image"}'

TEXT_REPO, IMAGE_REPO = "maker/tiny", "maker/tiny-image"
WEIGHTS = "model.fp16.safetensors"
TEXT_FILES = ("text/prior/config.json", f"text/prior/{WEIGHTS}", f"text/encoder/{WEIGHTS}")
RENDERER_FILE = f"renderer/{WEIGHTS}"
IMAGE_FILES = ("image/prior/config.json", f"image/prior/{WEIGHTS}")
TEXT_BYTES = len(CONFIG) + len(PRIOR) + len(ENCODER) + len(RENDERER)

ON_HUB = {
    f"{TEXT_REPO}@main/prior/config.json": CONFIG,
    f"{TEXT_REPO}@main/prior/{WEIGHTS}": PRIOR,
    f"{TEXT_REPO}@main/encoder/{WEIGHTS}": ENCODER,
    f"{IMAGE_REPO}@main/prior/config.json": IMAGE_CONFIG,
    f"{IMAGE_REPO}@main/prior/{WEIGHTS}": IMAGE_PRIOR,
    f"{IMAGE_REPO}@refs/pr/8/renderer/{WEIGHTS}": RENDERER,
}
"""The first source of the renderer, a pull request of the text repository, is gone."""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def tiny_pack() -> PackInfo:
    """Text part: full hash, partial hash, none. Image part: partial hash. Renderer: shared."""
    text, image = HubSource(repo=TEXT_REPO), HubSource(repo=IMAGE_REPO)
    hint = (sha256(PRIOR)[:16], sha256(PRIOR)[-6:])
    renderer_sources = (
        HubSource(repo=TEXT_REPO, revision="refs/pr/11"),
        HubSource(repo=IMAGE_REPO, revision="refs/pr/8"),
    )
    return PackInfo(
        id="tiny",
        title="Tiny",
        licence="none",
        source="a test",
        summary="for tests",
        parts=("text", "image"),
        components=(
            PackComponent(
                folder="text/prior",
                parts=("text",),
                files=(
                    _file("text/prior", "prior/config.json", len(CONFIG), text),
                    _file("text/prior", f"prior/{WEIGHTS}", len(PRIOR), text, hint=hint),
                ),
                alternatives=((_original(),),),
            ),
            PackComponent(
                folder="text/encoder",
                parts=("text",),
                files=(
                    _file(
                        "text/encoder",
                        f"encoder/{WEIGHTS}",
                        len(ENCODER),
                        text,
                        full=sha256(ENCODER),
                    ),
                ),
            ),
            PackComponent(
                folder="image/prior",
                parts=("image",),
                files=(
                    _file("image/prior", "prior/config.json", len(IMAGE_CONFIG), image),
                    _file(
                        "image/prior",
                        f"prior/{WEIGHTS}",
                        len(IMAGE_PRIOR),
                        image,
                        hint=(sha256(IMAGE_PRIOR)[:8], ""),
                    ),
                ),
            ),
            PackComponent(
                folder="renderer",
                parts=("text", "image"),
                files=(
                    _file(
                        "renderer",
                        RENDERER_FILE,
                        len(RENDERER),
                        *renderer_sources,
                        full=sha256(RENDERER),
                    ),
                ),
            ),
        ),
    )


def _file(
    folder: str,
    repo_path: str,
    size: int,
    *sources: HubSource,
    full: str | None = None,
    hint: tuple[str, str] = ("", ""),
) -> PackFile:
    return PackFile(
        path=f"{folder}/{repo_path.rpartition('/')[2]}",
        repo_path=repo_path,
        size=size,
        sha256=full,
        sha256_hint=hint,
        sources=sources,
    )


def _original() -> PackFile:
    return PackFile(
        path="text/prior/text_cond.pt",
        repo_path="text_cond.pt",
        size=len(ORIGINAL),
        sha256=sha256(ORIGINAL),
    )
