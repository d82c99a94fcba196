# SPDX-License-Identifier: GPL-3.0-or-later
"""A small CLIP of ours: prompts and pictures to the same few condition tokens.

Weights and description are in open_clip's own format (`CustomTextCLIP`), but run through modules
of our own, because importing open_clip takes seconds. The joint embedding is S tokens of E numbers
one after the other; each token is normalised for the prior, whichever tower made it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import ReferenceImage
from ..specs import SmallClipSpec
from .clip_image import MEAN, SPREAD, preprocess
from .small_clip_image import ImageTower
from .small_clip_text import TextTower
from .word_tokens import WordReading, WordTable


class SmallClip(nn.Module):
    """Both towers."""

    def __init__(self, spec: SmallClipSpec) -> None:
        super().__init__()
        self.spec = spec
        self.visual = ImageTower(spec)
        self.text = TextTower(spec)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def embed_text(self, tokens: Tensor) -> Tensor:
        """Return the joint embedding of prompts [B, T], not normalised, fp32, [B, S * E]."""
        return self.text(tokens).float()  # type: ignore[no-any-return]

    def embed_pictures(self, pixels: Tensor) -> Tensor:
        """Return the joint embedding of normalised pictures [B, 3, P, P], fp32, [B, S * E]."""
        return self.visual(pixels).float()  # type: ignore[no-any-return]

    def condition(self, embedding: Tensor) -> Tensor:
        """Return embeddings [B, S * E] as tokens of zero mean and unit variance, [B, S, E]."""
        tokens = embedding.view(-1, self.spec.num_tokens, self.spec.token_width)
        return F.layer_norm(tokens, (self.spec.token_width,))


class ClipReader:
    """A small CLIP with its words: what turns a request into condition tokens."""

    def __init__(self, clip: SmallClip, table: WordTable) -> None:
        self.clip = clip
        self.table = table

    @property
    def device(self) -> torch.device:
        """Where the towers are."""
        return self.clip.logit_scale.device

    @torch.inference_mode()
    def condition_text(self, prompt: str) -> Tensor:
        """Return the condition tokens of what is known of a prompt, fp32, [1, S, E]."""
        return self.condition_reading(self.table.read(prompt))

    @torch.inference_mode()
    def condition_reading(self, reading: WordReading) -> Tensor:
        """Return the condition tokens of a prompt that was read before, fp32, [1, S, E]."""
        row = self.table.row(reading.tokens, self.clip.spec.context_length)
        tokens = torch.tensor([row], device=self.device)
        return self.clip.condition(self.clip.embed_text(tokens))

    @torch.inference_mode()
    def condition_image(self, image: ReferenceImage) -> Tensor:
        """Return the condition tokens of a picture, put on white and cut square, fp32, [1, S, E].

        Raises:
            ImageInputError: the picture has no pixels or too many.
        """
        pixels = preprocess(image, self.clip.spec.image_size)[None].to(self.device)
        return self.clip.condition(self.clip.embed_pictures(pixels))


def normalize_pictures(pictures: Tensor) -> Tensor:
    """Return pictures in [0, 1], [B, 3, P, P], as the image tower takes them."""
    mean, spread = pictures.new_tensor(MEAN), pictures.new_tensor(SPREAD)
    return (pictures - mean[:, None, None]) / spread[:, None, None]


def open_clip_config(spec: SmallClipSpec) -> dict[str, object]:
    """Return what open_clip's `open_clip_config.json` says of such a model."""
    text = {
        "context_length": spec.context_length,
        "vocab_size": spec.vocabulary_size,
        "hf_tokenizer_name": "words",
        "width": spec.text_width,
        "heads": spec.text_heads,
        "layers": spec.text_layers,
    }
    image = {
        "image_size": spec.image_size,
        "layers": list(spec.image_blocks),
        "width": spec.image_width,
        "head_width": spec.image_head_width,
    }
    return {
        "model_cfg": {
            "embed_dim": spec.embedding_width,
            "custom_text": True,
            "vision_cfg": image,
            "text_cfg": text,
        },
        "preprocess_cfg": {
            "mean": list(MEAN),
            "std": list(SPREAD),
            "interpolation": "bicubic",
            "resize_mode": "shortest",
        },
    }


def tokenizer_config(spec: SmallClipSpec) -> dict[str, object]:
    """Return what transformers' `tokenizer_config.json` says beside the table of words."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "eos_token": "[END]",
        "model_max_length": spec.context_length,
    }
