# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what a weights file holds from the names in it, so that a mix-up is named as such."""

from __future__ import annotations

from collections.abc import Collection

TEXT_PRIOR = "a text prior"
IMAGE_PRIOR = "an image prior"
DECODER = "a decoder"
ENCODER = "an encoder of meshes"
CLOUD_ENCODER = "an encoder of point clouds"
TEXT_ENCODER = "a CLIP text encoder"
IMAGE_ENCODER = "a CLIP image encoder"
WORD_ENCODER = "a word encoder"
SMALL_CLIP = "a small CLIP"

# Names that only one kind of file has; the first kind whose names are all there is meant.
_SIGNATURES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (IMAGE_PRIOR, ("wrapped.clip_embed.0.weight",)),
    (TEXT_PRIOR, ("wrapped.clip_embed.weight",)),
    ("the prior of another model", ("prd_embedding",)),
    (IMAGE_PRIOR, ("embedding_proj_norm.weight", "proj_to_clip_embeddings.weight")),
    (TEXT_PRIOR, ("embedding_proj.weight", "proj_to_clip_embeddings.weight")),
    (IMAGE_PRIOR, ("condition_norm.weight", "latent_in.weight")),
    (TEXT_PRIOR, ("condition_in.weight", "latent_in.weight")),
    (DECODER, ("renderer.nerstf.mlp.0.bias",)),
    (DECODER, ("mlp.mlp.0.bias", "params_proj.projections.nerstf__mlp__0__weight.proj.weight")),
    (DECODER, ("params_proj.matrices.0.weight",)),
    (
        "a whole CLIP model",
        ("text_projection.weight", "visual_projection.weight", "logit_scale"),
    ),
    (IMAGE_ENCODER, ("vision_model.embeddings.class_embedding",)),
    (IMAGE_ENCODER, ("embeddings.class_embedding", "pre_layrnorm.weight")),
    (TEXT_ENCODER, ("text_model.embeddings.token_embedding.weight",)),
    (TEXT_ENCODER, ("embeddings.token_embedding.weight", "final_layer_norm.weight")),
    (SMALL_CLIP, ("text.token_embedding.weight", "visual.attnpool.c_proj.weight")),
    (WORD_ENCODER, ("word_embedding.weight", "slots")),
    (ENCODER, ("output_tokens", "views_in.background")),
    (CLOUD_ENCODER, ("queries", "point_in.weight", "point_mlp.fc.weight")),
)


def recognise(names: Collection[str]) -> str | None:
    """Return what a file with these names holds, with its article, or None."""
    present = set(names)
    for kind, signature in _SIGNATURES:
        if present.issuperset(signature):
            return kind
    return None
