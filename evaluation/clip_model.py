# SPDX-License-Identifier: GPL-3.0-or-later
"""A CLIP model that the user has, through open_clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ..core.conditioning.clip import open_clip_module
from ..core.errors import InvalidRequestError

CONFIG_FILE = "open_clip_config.json"

_CAPTIONS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class ClipModel:
    """Embeds pictures and captions in one space, unit vectors both."""

    name: str
    embed_captions: Callable[[Sequence[str]], Tensor]
    """[N] to [N, E]."""
    embed_picture: Callable[[NDArray[np.uint8]], Tensor]
    """RGB, first row at the top, [H, W, 3] to [E]."""


def load_clip(name: str) -> ClipModel:
    """Load a model by what open_clip calls it, or from a folder in open_clip's format.

    Args:
        name: a folder with `open_clip_config.json`; else `MODEL,WEIGHTS`, where the weights are a
            file or a name of open_clip's, such as `ViT-B-32,laion2b_s34b_b79k`; else
            `hf-hub:OWNER/MODEL`. Named weights are fetched by open_clip if they are not here.

    Raises:
        InvalidRequestError: there is no such model.
        PackError: open_clip is not installed.
    """
    open_clip: Any = open_clip_module()
    model_name, _, weights = name.partition(",")
    if (Path(name) / CONFIG_FILE).is_file():
        model_name, weights = f"local-dir:{Path(name).resolve()}", ""
    elif not weights and not name.startswith("hf-hub:"):
        raise InvalidRequestError(
            f"{name!r} is no CLIP model: give a folder with {CONFIG_FILE}, or MODEL,WEIGHTS"
        )
    try:
        model, preprocess = open_clip.create_model_from_pretrained(model_name, weights or None)
        tokenize = open_clip.get_tokenizer(model_name)
    except (RuntimeError, ValueError, OSError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidRequestError(f"cannot load the CLIP model {name!r}: {reason}") from error
    return ClipModel(Path(name).name, *_embedders(model.eval(), preprocess, tokenize))


def _embedders(
    model: Any, preprocess: Any, tokenize: Any
) -> tuple[Callable[[Sequence[str]], Tensor], Callable[[NDArray[np.uint8]], Tensor]]:
    @torch.inference_mode()
    def embed_captions(captions: Sequence[str]) -> Tensor:
        parts = [
            model.encode_text(tokenize(list(captions[start : start + _CAPTIONS_AT_ONCE])))
            for start in range(0, len(captions), _CAPTIONS_AT_ONCE)
        ]
        return F.normalize(torch.cat(parts).float(), dim=-1)

    @torch.inference_mode()
    def embed_picture(pixels: NDArray[np.uint8]) -> Tensor:
        embedding = model.encode_image(preprocess(Image.fromarray(pixels))[None])
        return F.normalize(embedding.float(), dim=-1)[0]

    return embed_captions, embed_picture
