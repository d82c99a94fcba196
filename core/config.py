# SPDX-License-Identifier: GPL-3.0-or-later
"""What one generation is asked to do: frozen, validated where it is written, no torch."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass, field, fields, replace
from typing import Literal, get_args

from .errors import InvalidRequestError
from .inputs import KnownLatent as KnownLatent
from .inputs import MeshInput as MeshInput
from .inputs import ReferenceImage as ReferenceImage

MAX_PROMPT_CHARACTERS = 1000
"""Longer prompts are refused; CLIP reads about 300 characters of them anyway."""

MIN_RESOLUTION, MAX_RESOLUTION = 16, 512
MAX_STEPS = 1024
MAX_DELTA_REUSE = 4
"""Beyond it the guidance is so old that samples of other modes come out."""
MAX_COUNT = 64
MAX_LIKE_SEEDS = 32
MAX_TEXTURE_SIZE = 8192
MAX_TRIANGLES = 10_000_000
MIN_TRIANGLES = 100
"""Fewer cannot show what the prompt named."""
MAX_LODS = 4
MIN_TARGET_SIZE, MAX_TARGET_SIZE = 1e-4, 1e4
MAX_SEED = 2**31 - 1
"""Blender integer properties are signed 32-bit, so a larger seed could not be stored."""

SamplerName = Literal["heun", "dpmpp_2m", "unipc_2"]
Convention = Literal["openai", "diffusers"]
Precision = Literal["auto", "fp32", "bf16", "fp16", "int8", "prefer_int8"]
Symmetry = Literal["none", "x"]
Collision = Literal["none", "box", "convex"]
Shading = Literal["flat", "smooth", "auto"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerConfig:
    """How the diffusion ODE is integrated; see docs/decisions.md for each default."""

    method: SamplerName = "unipc_2"
    """`heun` is the published sampler (2n - 1 evaluations); the other two cost n evaluations."""
    num_steps: int = 24
    guidance_scale: float = 15.0
    """Classifier-free guidance weight; 1.0 disables guidance and halves the cost."""
    sigma_min: float = 1e-3
    sigma_max: float = 160.0
    rho: float = 12.0
    """How far the noise levels crowd towards sigma_min; published 7, here nearer to log-uniform."""
    delta_reuse: int = 1
    """Every how many evaluations the unconditional side is asked; others reuse the difference.

    1 always asks, 2 costs three quarters. Not for `heun`, whose steps would mix old and new.
    """
    guidance_floor: float = 0.0
    """Noise level below which the conditional side alone is asked (arXiv:2404.07724); 0: never."""
    convention: Convention = "openai"
    """Where OpenAI's code and diffusers differ (clamp, timesteps), which one to follow."""

    def __post_init__(self) -> None:
        if self.method not in ("heun", "dpmpp_2m", "unipc_2"):
            raise InvalidRequestError(
                f"sampler must be heun, dpmpp_2m or unipc_2, got {self.method!r}"
            )
        if self.convention not in ("openai", "diffusers"):
            raise InvalidRequestError(
                f"convention must be openai or diffusers, got {self.convention!r}"
            )
        _require_int("steps", self.num_steps, 1, MAX_STEPS)
        _require_finite("guidance", self.guidance_scale, 0.0, 100.0)
        _require_finite("sigma_min", self.sigma_min, 0.0, math.inf)
        _require_finite("sigma_max", self.sigma_max, 0.0, math.inf)
        _require_finite("rho", self.rho, 1.0, 100.0)
        _require_int("delta reuse", self.delta_reuse, 1, MAX_DELTA_REUSE)
        _require_finite("guidance floor", self.guidance_floor, 0.0, math.inf)
        if self.method == "heun" and self.delta_reuse != 1:
            raise InvalidRequestError(
                f"heun evaluates both sides in every step: delta reuse must be 1,"
                f" got {self.delta_reuse}"
            )
        if not 0.0 < self.sigma_min < self.sigma_max:
            raise InvalidRequestError(
                f"need 0 < sigma_min < sigma_max, got {self.sigma_min} and {self.sigma_max}"
            )

    @property
    def num_evaluations(self) -> int:
        """How often the sampler calls its denoiser on noise levels that end in 0."""
        return 2 * self.num_steps - 1 if self.method == "heun" else self.num_steps

    @classmethod
    def published(cls) -> SamplerConfig:
        """Return the settings of OpenAI's text-to-3D notebook: 127 guided evaluations."""
        return cls(method="heun", num_steps=64, rho=7.0)

    @classmethod
    def fast(cls) -> SamplerConfig:
        """Return 16 evaluations at the price of 12; what it loses is in docs/decisions.md."""
        return SamplerChanges.fast().apply(cls())


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerChanges:
    """What the user set of a sampler whose other settings are the pack's; None keeps those."""

    method: SamplerName | None = None
    num_steps: int | None = None
    guidance_scale: float | None = None
    rho: float | None = None
    delta_reuse: int | None = None

    def __post_init__(self) -> None:
        self.apply(SamplerConfig())

    @classmethod
    def fast(cls) -> SamplerChanges:
        """Return what `SamplerConfig.fast` changes, for a pack with other noise and guidance."""
        return cls(method="unipc_2", num_steps=16, rho=16.0, delta_reuse=2)

    def apply(self, sampler: SamplerConfig) -> SamplerConfig:
        """Return the sampler with the changes.

        Raises:
            InvalidRequestError: a value is out of range.
        """
        changes = {
            each.name: value
            for each in fields(self)
            if (value := getattr(self, each.name)) is not None
        }
        if self.method == "heun":
            changes.setdefault("delta_reuse", 1)
            changes["guidance_floor"] = 0.0  # As published.
        return replace(sampler, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """An earlier result of the same request that new ones should resemble.

    Its latent is made again from its seeds, which give the same one on every device. If it was
    itself like another, there is more than one: each changed the latent of those before it. Of
    what began with a mesh the latent is known, and needs no seeds.
    """

    seeds: tuple[int, ...] = ()
    """The earlier result's own seed last, those of its ancestors before it, oldest first."""
    strengths: tuple[float, ...] = (0.75,)
    """Share of noise mixed into the latent of each: near 0 the same, 1 as if there were none."""
    latent: KnownLatent | None = None

    def __post_init__(self) -> None:
        if self.latent is not None and (self.seeds or len(self.strengths) != 1):
            raise InvalidRequestError("a result like a known latent takes no seeds and 1 strength")
        if self.latent is None:
            self._require_seeds()
        for strength in self.strengths:
            _require_finite("strength", strength, 0.0, 1.0)

    def _require_seeds(self) -> None:
        if not 1 <= len(self.seeds) <= MAX_LIKE_SEEDS:
            raise InvalidRequestError(
                f"a result can be like 1 to {MAX_LIKE_SEEDS} others, got {len(self.seeds)}"
            )
        if len(self.strengths) != len(self.seeds):
            raise InvalidRequestError(
                f"need a strength for each of {len(self.seeds)} seeds, got {len(self.strengths)}"
            )
        for seed in self.seeds:
            _require_int("seed", seed, 0, MAX_SEED)


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceConfig:
    """What becomes of the surface that the field gives; the defaults keep it as it is."""

    triangles: int = 0
    """At most so many triangles; 0, or more than there are, keeps every one."""
    symmetry: Symmetry = "none"
    """`x` mirrors the half with more surface at x = 0, which parts left from right in Blender."""
    shading: Shading = "smooth"
    """`flat` shows the faces, `smooth` rounds them, `auto` rounds all but sharp edges."""
    normal_map: bool = False
    """Whether to bake the detail that the budget took away into a tangent-space normal map."""
    occlusion_map: bool = False
    """Whether to bake how much of the sky each place sees."""
    speck_share: float | None = None
    """Loose parts below this share of the largest one's volume are dropped; None asks the pack."""
    num_lods: int = 0
    """Further meshes, each with half the triangles of the one before, on the same texture."""
    collision: Collision = "none"
    """A simple closed mesh around the result, for physics: a box or a convex hull."""

    def __post_init__(self) -> None:
        if self.triangles != 0:
            _require_int("triangles", self.triangles, MIN_TRIANGLES, MAX_TRIANGLES)
        _require_one_of("symmetry", self.symmetry, get_args(Symmetry))
        _require_one_of("shading", self.shading, get_args(Shading))
        _require_bool("normal map", self.normal_map)
        _require_bool("occlusion map", self.occlusion_map)
        if self.speck_share is not None:
            _require_finite("speck share", self.speck_share, 0.0, 1.0)
        _require_int("levels of detail", self.num_lods, 0, MAX_LODS)
        _require_one_of("collision", self.collision, get_args(Collision))


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One prompt, picture or mesh, and everything that decides what comes out of it."""

    prompt: str = ""
    image: ReferenceImage | None = None
    mesh: MeshInput | None = None
    """To be made again as the model understands it; then nothing is sampled."""
    latent: KnownLatent | None = None
    """To be made a mesh of; then nothing is sampled either."""
    name: str = ""
    """Of the results; empty calls them after the prompt or the picture."""
    pack: str = "starter"
    sampler: SamplerConfig | SamplerChanges | None = None
    """None takes the pack's own defaults (`pipeline.describe_pack`), changes go on top of them."""
    seed: int = 0
    """Of the first variant; variant i uses seed + i. Same on every device, not Shap-E's seeds."""
    count: int = 1
    like: Likeness | None = None
    """None starts from noise alone."""
    resolution: int = 128
    """Samples of the signed distance per axis of the grid."""
    texture_size: int = 1024
    """Pixels per side of the baked base colour; 0 leaves only the colour attribute."""
    target_size: float = 1.0
    """Largest dimension of the result in metres."""
    surface: SurfaceConfig = field(default_factory=SurfaceConfig)
    reserved_cores: int = 0
    """Physical cores left to the rest of the program, such as Blender's window."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps`; `auto` takes the best one present."""
    precision: Precision = "auto"
    """`prefer_int8` is int8 for a published pack on a CPU that can, else `auto`, and says why."""

    def __post_init__(self) -> None:
        self._require_one_source()
        _require_int("seed", self.seed, 0, MAX_SEED)
        _require_int("count", self.count, 1, MAX_COUNT)
        if self.seed + self.count - 1 > MAX_SEED:
            raise InvalidRequestError(f"seed {self.seed} leaves no room for {self.count} variants")
        _require_int("resolution", self.resolution, MIN_RESOLUTION, MAX_RESOLUTION)
        if self.texture_size != 0:
            _require_int("texture size", self.texture_size, 64, MAX_TEXTURE_SIZE)
        _require_finite("target size", self.target_size, MIN_TARGET_SIZE, MAX_TARGET_SIZE)
        _require_int("reserved cores", self.reserved_cores, 0, 1024)
        _require_one_of("precision", self.precision, get_args(Precision))

    @property
    def is_sampled(self) -> bool:
        """Whether the prior makes the latents, and not an encoder or an earlier run."""
        return self.mesh is None and self.latent is None

    @property
    def is_unconditional(self) -> bool:
        """Whether nothing tells the prior what to make, only what to stay near."""
        return self.image is None and not self.prompt.strip()

    @property
    def mesh_source(self) -> str:
        """The mesh that it all began with, if it was one."""
        like = self.like.latent if self.like is not None else None
        found = self.mesh or self.latent or like
        return found.source if found is not None else ""

    def _require_one_source(self) -> None:
        if self.is_sampled:
            if self.image is None and (self.prompt.strip() or not self.mesh_source):
                _require_prompt(self.prompt)
            return
        if self.mesh is not None and self.latent is not None:
            raise InvalidRequestError("a mesh and a latent exclude each other: give one of them")
        if self.image is not None or self.like is not None or self.count != 1:
            raise InvalidRequestError("a mesh is rebuilt once, without a picture or a likeness")

    def settle_sampler(self, own: SamplerConfig) -> SamplerConfig:
        """Return the sampler to use with a pack whose own settings are `own`."""
        if isinstance(self.sampler, SamplerChanges):
            return self.sampler.apply(own)
        return self.sampler or own


def _require_prompt(prompt: str) -> None:
    if not prompt.strip():
        raise InvalidRequestError("the prompt is empty: describe one object, such as 'a red chair'")
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        raise InvalidRequestError(
            f"the prompt has {len(prompt)} characters: shorten it to {MAX_PROMPT_CHARACTERS}"
        )
    for character in prompt:
        if unicodedata.category(character) in ("Cc", "Cs") and character not in "\t\n\r":
            raise InvalidRequestError(
                f"the prompt contains the unprintable character {character!r}: delete it"
            )


def _require_one_of(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        listed = f"{', '.join(choices[:-1])} or {choices[-1]}"
        raise InvalidRequestError(f"{name} must be {listed}, got {value!r}")


def _require_bool(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise InvalidRequestError(f"{name} must be True or False, got {value!r}")


def _require_int(name: str, value: int, low: int, high: int) -> None:
    # bool is an int to Python, and a numpy or float NaN would pass a bare comparison.
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidRequestError(
            f"{name} must be a whole number from {low} to {high}, got {value!r}"
        )


def _require_finite(name: str, value: float, low: float, high: float) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high:
        limit = f" to {high:g}" if math.isfinite(high) else " up"
        raise InvalidRequestError(f"{name} must be a number from {low:g}{limit}, got {value!r}")
