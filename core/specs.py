# SPDX-License-Identifier: GPL-3.0-or-later
"""Architectures as plain data: the published Shap-E sizes and ours, in one dict.

Numbers of the published models: openai/shap-e, `*_config.yaml` (arXiv:2305.02463, section 4).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class PaintSpec:
    """Which colors things may have, and where a condition tells them; see `core/prior/paint.py`."""

    num_parts: int
    """Parts that have a name, P."""
    num_colors: int
    """C."""
    num_values: int
    """Numbers that a color is, to a shape; red, green and blue would be three."""
    main_token: int
    """Condition token that tells the main color."""
    part_tokens: tuple[int, ...]
    """Condition tokens that tell parts and their colors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GaussianSpec:
    """What is known of coefficients by their condition alone; see `core/prior/gaussian.py`."""

    width: int
    """Of the hidden layers of the network that gives the mean."""
    shape_tokens: tuple[int, ...]
    """Condition tokens that tell kinds and how they stand."""
    paint: PaintSpec
    num_groups: int
    """Of shapes that share a covariance."""
    rank: int
    """Directions that a group varies in, besides each coefficient by itself."""
    num_examples: int = 0
    """Shapes of the data set that are kept as they are."""
    example_width: float = 0.3
    """How far draws stray from an example, as a share of the group's spread."""
    doubt: float = 8.0
    """An example counts no more than the group once its caption is sqrt(2 * doubt) reaches off."""
    temperature: float = 1.0
    """Spread of what is drawn, as a share of that of the shapes that it was taken from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorSpec:
    """A diffusion transformer over latents."""

    num_latents: int
    """Latent vectors per shape, L."""
    channels: int
    """Channels per latent vector, C."""
    width: int
    num_layers: int
    num_heads: int
    condition_width: int
    """Channels of one condition token, E."""
    normalizes_condition: bool
    """LayerNorm before the condition's projection (image model)."""
    predicts_variance: bool
    """The output carries C further channels per latent that samplers do not read."""
    basis_size: int = 0
    """K > 0: the transformer works on K coefficients in a fixed orthonormal basis of latents."""
    num_shape: int = 0
    """Coefficients of the distance alone, which come first; the rest are of color alone. 0: each
    may be of both."""
    num_tokens: int = 0
    """Transformer tokens that share the K coefficients; only with a basis."""
    num_pooled: int = 0
    """S > 0: the first S condition tokens are also projected and added to every latent token."""
    gaussian: GaussianSpec | None = None
    """The pooled tokens are also read by a normal distribution; only with a basis."""
    num_timesteps: int = 1024
    schedule_rate: float = 12.0
    """alpha_bar(t) = exp(-schedule_rate * t), the published `exp` schedule."""

    @property
    def num_latent_tokens(self) -> int:
        """Tokens that carry the latent through the transformer."""
        return self.num_tokens if self.basis_size else self.num_latents

    @property
    def token_channels(self) -> int:
        """Channels that one latent token carries in and out."""
        return self.basis_size // self.num_tokens if self.basis_size else self.channels


Head = Literal[
    "signed_distance",
    "density_coarse",
    "density_fine",
    "stf_color",
    "nerf_coarse_color",
    "nerf_fine_color",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderSpec:
    """The projection of latents to MLP weights, and that MLP."""

    num_latents: int
    channels: int
    hidden_width: int
    """H, width of every hidden layer; with `color_width`, of those of the distance."""
    num_generated: int
    """Leading layers whose weight matrices come from the latent."""
    num_hidden: int
    """Hidden layers in all; one linear layer follows."""
    position_frequencies: int
    """Octaves of the positional encoding, E = 3 + 6 * octaves."""
    direction_frequencies: int = 0
    """Octaves of the view direction's encoding; 0 means that the field ignores directions."""
    direction_layer: int = -1
    """Layer whose input the encoded direction is appended to."""
    heads: tuple[tuple[Head, int], ...] = (("signed_distance", 1), ("stf_color", 3))
    """Output channels in order, each with its width."""
    color_width: int = 0
    """Above 0, distance and color are two networks side by side, and this is the width of the
    color's hidden layers; its latent vectors are the last."""

    @property
    def networks(self) -> tuple[DecoderSpec, ...]:
        """What lies side by side in the field, each by itself: one network, or two."""
        if not self.color_width:
            return (self,)
        distance, color = self.heads
        widths = (self.hidden_width, self.color_width)
        return tuple(
            replace(
                self,
                num_latents=self.num_generated * width,
                hidden_width=width,
                heads=(head,),
                color_width=0,
            )
            for width, head in zip(widths, (distance, color), strict=True)
        )

    @property
    def encoded_position_width(self) -> int:
        return 3 + 6 * self.position_frequencies

    @property
    def encoded_direction_width(self) -> int:
        return 3 + 6 * self.direction_frequencies if self.direction_frequencies else 0

    def input_width(self, layer: int) -> int:
        """Return the width of what a layer reads."""
        width = self.encoded_position_width if layer == 0 else self.hidden_width
        return width + (self.encoded_direction_width if layer == self.direction_layer else 0)

    def generated_shapes(self) -> tuple[tuple[int, int], ...]:
        """Return [rows, columns] of each generated matrix; one latent vector makes one row."""
        return tuple(
            (each.hidden_width, each.input_width(i))
            for each in self.networks
            for i in range(each.num_generated)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSpec:
    """One tower of an OpenAI CLIP model (QuickGELU)."""

    kind: Literal["text", "image"]
    width: int
    num_layers: int
    num_heads: int
    embedding_width: int
    """Width of the joint embedding (text tower only)."""
    context_length: int = 77
    vocabulary_size: int = 49408
    image_size: int = 224
    patch_size: int = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class WordEncoderSpec:
    """A small text encoder over a closed vocabulary of words."""

    vocabulary_size: int
    width: int
    num_layers: int
    num_heads: int
    num_slots: int
    """Condition tokens made from one prompt, S."""
    max_words: int = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallClipSpec:
    """A small CLIP over whole words and small pictures; see `core/conditioning/small_clip.py`."""

    vocabulary_size: int
    """Tokens in all: padding, unknown, words, end."""
    text_width: int = 128
    text_layers: int = 3
    text_heads: int = 4
    context_length: int = 32
    image_size: int = 64
    """Pixels per side; a multiple of 32."""
    image_width: int = 16
    """Channels after the stem; the last stage puts out 32 times as many."""
    image_blocks: tuple[int, int, int, int] = (2, 2, 2, 2)
    image_head_width: int = 64
    num_tokens: int = 8
    """Condition tokens of one prompt or picture, S."""
    token_width: int = 128
    """Channels of one condition token, E."""

    @property
    def embedding_width(self) -> int:
        """Channels of the joint embedding: all condition tokens, one after the other."""
        return self.num_tokens * self.token_width

    @property
    def image_heads(self) -> int:
        return 32 * self.image_width // self.image_head_width


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSpec:
    """The way from a coloured point cloud and views of an object to its latent.

    OpenAI's `PointCloudPerceiverChannelsEncoder` (arXiv:2305.02463, section 4.1): tokens made of
    the cloud's first points and learned output tokens read all points, then all views.
    """

    num_latents: int
    """Latent vectors per shape, L, one output token each."""
    channels: int
    """Channels per latent vector, C."""
    width: int
    num_layers: int
    """Two readings of data count as one, the rest are self-attention."""
    num_heads: int
    num_points: int
    """Points of a cloud, N."""
    num_views: int
    image_size: int
    """Pixels per side of a view; a multiple of the patch size."""
    num_centers: int
    """Leading points, farthest first, that become tokens with their neighbourhoods."""
    num_neighbors: int
    """Points that one neighbourhood holds."""
    conv_widths: tuple[int, ...]
    """Channels of the convolutions over a neighbourhood."""
    conv_size: int = 8
    conv_stride: int = 4
    radius: float = 0.5
    """Of a neighbourhood, in a box from -1 to 1."""
    patch_size: int = 8
    max_depth: float = 9.0
    """Depths beyond, the background's above all, are taken for this one."""
    frequencies: int = 15
    """Octaves of the encoding of positions and colours."""
    num_timesteps: int = 1024
    noise_power: float = 5.0
    """Bottleneck in training: alpha_bar(t) = 1 - t**noise_power, the `inv_parabola` schedule."""
    noise_share: float = 0.1
    """Share of training examples whose latent is noised beyond the first timestep."""

    @property
    def encoded_width(self) -> int:
        """Channels of three encoded numbers."""
        return 3 + 6 * self.frequencies


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudEncoderSpec:
    """A small way to a latent, from a coloured point cloud alone; that of native packs."""

    num_latents: int
    """Latent vectors per shape, L."""
    channels: int
    """Channels per latent vector, C."""
    width: int
    num_layers: int
    num_heads: int
    num_tokens: int
    """Tokens that read the points; each gives L * C / num_tokens numbers of the latent."""
    num_points: int = 1024
    """Points of a cloud, N."""
    half_extent: float = 0.85
    """Half of an object's longest side in the box from -1 to 1, as in training."""
    frequencies: int = 6
    """Octaves of the encoding of positions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSpec:
    """How far an encoder's answer is moved towards what the decoder shows best; see `fitting`."""

    num_steps: int
    num_points: int
    """Surface points per step, a random subset of those the encoder read; with queries, of more."""
    learning_rate: float
    color_weight: float
    """What the squared error of colors counts beside the error of the distance."""
    rare_color_power: float = 0.0
    """A color error counts by the share of its color on the object to minus this power."""
    palette: tuple[tuple[float, float, float], ...] = ()
    """sRGB of the colors that shares are counted of; without it all points count alike."""
    num_queries: int = 0
    """Points of known distance per step, around meshes that are closed. With any, the whole latent
    is moved instead of its coefficients in the basis."""


_OFFICIAL_HEADS: tuple[tuple[Head, int], ...] = (
    ("signed_distance", 1),
    ("density_coarse", 1),
    ("density_fine", 1),
    ("stf_color", 3),
    ("nerf_coarse_color", 3),
    ("nerf_fine_color", 3),
)

PRIORS: dict[str, PriorSpec] = {
    "shap-e-text": PriorSpec(
        num_latents=1024,
        channels=1024,
        width=1024,
        num_layers=24,
        num_heads=16,
        condition_width=768,
        normalizes_condition=False,
        predicts_variance=True,
    ),
    "shap-e-image": PriorSpec(
        num_latents=1024,
        channels=1024,
        width=1024,
        num_layers=24,
        num_heads=8,
        condition_width=1024,
        normalizes_condition=True,
        predicts_variance=True,
    ),
    "starter": PriorSpec(
        num_latents=256,
        channels=32,
        width=256,
        num_layers=8,
        num_heads=4,
        condition_width=128,
        normalizes_condition=False,
        predicts_variance=False,
        basis_size=256,
        num_tokens=16,
        num_pooled=4,
    ),
}
# Two objects take more numbers to tell apart than one, and are told by twice as many tokens; what
# examples and captions tell of them is known without the transformer, which has two layers for it.
PRIORS["starter-scenes"] = replace(
    PRIORS["starter"],
    num_latents=384,
    num_layers=2,
    basis_size=512,
    num_shape=288,
    num_pooled=8,
    gaussian=GaussianSpec(
        width=768,
        shape_tokens=(0, 4, 7),
        paint=PaintSpec(
            num_parts=85, num_colors=16, num_values=16, main_token=1, part_tokens=(2, 3)
        ),
        num_groups=128,
        rank=24,
        num_examples=3000,
        example_width=0.8,
        doubt=40.0,
        temperature=0.2,
    ),
)

DECODERS: dict[str, DecoderSpec] = {
    "shap-e": DecoderSpec(
        num_latents=1024,
        channels=1024,
        hidden_width=256,
        num_generated=4,
        num_hidden=6,
        position_frequencies=15,
        direction_frequencies=8,
        direction_layer=4,
        heads=_OFFICIAL_HEADS,
    ),
    "starter": DecoderSpec(
        num_latents=256,
        channels=32,
        hidden_width=128,
        num_generated=2,
        num_hidden=4,
        position_frequencies=6,
    ),
}
# Paint of its own leaves the shape alone when it changes. Either takes 0.58 of the multiplications.
DECODERS["starter-scenes"] = replace(
    DECODERS["starter"], num_latents=384, hidden_width=96, color_width=96
)

ENCODERS: dict[str, EncoderSpec] = {
    "shap-e": EncoderSpec(
        num_latents=1024,
        channels=1024,
        width=1024,
        num_layers=12,
        num_heads=8,
        num_points=16384,
        num_views=20,
        image_size=256,
        num_centers=1024,
        num_neighbors=64,
        conv_widths=(1024, 1024),
    ),
}

CLIPS: dict[str, ClipSpec] = {
    "vit-l-14-text": ClipSpec(
        kind="text", width=768, num_layers=12, num_heads=12, embedding_width=768
    ),
    "vit-l-14-image": ClipSpec(
        kind="image", width=1024, num_layers=24, num_heads=16, embedding_width=768
    ),
}
