# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stage needs of memory, told before it starts.

One share of a step is run on tensors without values: shapes, precisions and what autograd keeps
are the real ones, nothing is computed and nothing allocated. Weights, gradients and moments are
counted from the module. What libraries take for themselves is not in it, about 1 GB on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..core.decoder.stf import Decoder
from ..core.prior.basis import LatentBasis
from ..core.prior.paint import NUM_OTHERS
from ..core.prior.transformer import LatentPrior
from ..core.specs import DECODERS, PRIORS, SmallClipSpec
from .clip import ClipReading, contrast
from .clip_stage import required_section
from .config import PriorLossConfig, StageConfig, TrainingConfig
from .dataset import Queries
from .field_loss import field_loss
from .gaussian import untrained
from .prior_loss import Decoding, prior_loss
from .shapes.phrases import caption_vocabulary
from .stage1 import AutoEncoder
from .stage2 import recompute_blocks
from .text import CaptionReader, word_encoder_spec

_MIB = 2**20
_MAX_WORDS = 24
_IMAGE_TOKENS = 256
"""Of the published image prior's condition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryNeed:
    """Bytes that one process of a stage needs on its device."""

    weights: int
    gradients: int
    moments: int
    """Two numbers for each that is trained."""
    average: int
    activations: int
    """What one share of a step keeps for its gradients."""

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.moments + self.average + self.activations


@dataclass(frozen=True, slots=True)
class Probe:
    """One share of a stage's step, to be run on tensors without values."""

    module: nn.Module
    loss: Callable[[], Tensor]
    stage: StageConfig


MakeProbe = Callable[[TrainingConfig], Probe]
"""Called where tensors have no values."""


def estimate(
    stage: str, config: TrainingConfig, *, is_gpu: bool | None = None
) -> MemoryNeed | None:
    """Return what a stage needs, or None for one that trains nothing.

    Args:
        stage: its name.
        config: the run.
        is_gpu: whether attention runs fused; None asks whether this machine has a GPU.
    """
    if stage not in PROBES:
        return None
    return measure(lambda: PROBES[stage](config), is_gpu=is_gpu)


def measure(make: Callable[[], Probe], *, is_gpu: bool | None = None) -> MemoryNeed:
    """Return what a probe's stage needs; see `estimate`."""
    fused = torch.cuda.is_available() if is_gpu is None else is_gpu
    with (
        FakeTensorMode(allow_non_fake_inputs=True),
        nullcontext() if fused else sdpa_kernel(SDPBackend.MATH),
    ):
        probe = make()
        kept = _kept_bytes(probe)
        if probe.stage.recompute:
            kept = _with_recompute(probe, kept)
    trained = sum(p.numel() for p in probe.module.parameters() if p.requires_grad)
    tensors = [*probe.module.parameters(), *probe.module.buffers()]
    return MemoryNeed(
        weights=sum(each.nbytes for each in tensors),
        gradients=4 * trained,
        moments=8 * trained,
        average=4 * trained if probe.stage.ema_decay else 0,
        activations=kept,
    )


def _kept_bytes(probe: Probe) -> int:
    """Run the loss and count what autograd keeps, each storage once, weights not at all."""
    own = {each.untyped_storage()._cdata for each in probe.module.state_dict().values()}
    storages: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        # Kept alive, so that no later storage has its address.
        storages[storage._cdata] = storage
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        with torch.autocast("cpu", torch.bfloat16, enabled=probe.stage.precision != "fp32"):
            probe.loss()
    return sum(each.nbytes() for address, each in storages.items() if address not in own)


def _with_recompute(probe: Probe, without: int) -> int:
    """Return what is kept when blocks are computed again: their inputs, and one block's inside."""
    blocks = [each for each in probe.module.modules() if isinstance(each, LatentPrior)]
    for prior in blocks:
        recompute_blocks(prior)
    kept = _kept_bytes(probe)
    return kept + (without - kept) // sum(len(prior.blocks) for prior in blocks)


def describe(need: MemoryNeed | None, stage: str) -> str:
    """Return the estimate as lines, one for each kind."""
    if need is None:
        return f"{stage} trains nothing: what it reads is all that it needs\n"
    parts = ("weights", "gradients", "moments", "average", "activations")
    rows = [(name, getattr(need, name)) for name in parts] + [("together", need.total)]
    lines = [f"{stage} needs about, on each device:"]
    lines += [f"  {name:<12}{num_bytes / _MIB:10,.0f} MiB" for name, num_bytes in rows]
    return "\n".join([*lines, _advice(need)]).rstrip() + "\n"


def _advice(need: MemoryNeed) -> str:
    """Return what to do where this machine's GPU is too small for it."""
    if not torch.cuda.is_available():
        return ""
    free, _ = torch.cuda.mem_get_info()
    if need.total <= free:
        return ""
    return (
        f"This GPU has {free / _MIB:,.0f} MiB free: lower batch_size and raise shares by as much,"
        " or set recompute"
    )


def prior_probe(config: TrainingConfig) -> Probe:
    """Return a step of stage 2."""
    prior = LatentPrior(PRIORS[config.architecture])
    decoding = None
    if config.prior_loss.decoded_weight and config.architecture in DECODERS:
        points = config.prior_loss.decoded_points
        queries = _queries(config.stage2.batch_size, points + points // 2)
        decoder = Decoder(DECODERS[config.architecture]).requires_grad_(False)
        decoding = Decoding(decoder, queries, config.field_loss)
    return probe_of(prior, config.stage2, config.prior_loss, decoding)


def probe_of(
    prior: LatentPrior,
    stage: StageConfig,
    config: PriorLossConfig,
    decoding: Decoding | None = None,
) -> Probe:
    """Return a step of a prior's training, from scratch or fine-tuned."""
    spec = prior.spec
    shape = (spec.basis_size,) if spec.basis_size else (spec.num_latents, spec.channels)
    num_tokens = _IMAGE_TOKENS if spec.normalizes_condition else max(1, spec.num_pooled)
    latents = torch.zeros(stage.batch_size, *shape)
    condition = torch.zeros(stage.batch_size, num_tokens, spec.condition_width)

    def loss() -> Tensor:
        generator = torch.Generator()
        return prior_loss(prior, latents, condition, config, generator, decoding)["loss"]

    return Probe(prior, loss, stage)


def decoder_probe(config: TrainingConfig) -> Probe:
    """Return a step of the decoder's own training."""
    decoder = Decoder(DECODERS[config.architecture])
    batch, spec = config.decoder.batch_size, decoder.spec
    latent = torch.zeros(batch, spec.num_latents, spec.channels)
    queries = _queries(batch, config.field_loss.queries_per_shape)
    return Probe(
        decoder,
        lambda: field_loss(decoder, latent, queries, config.field_loss)["loss"],
        config.decoder,
    )


def clip_probe(config: TrainingConfig) -> Probe:
    """Return a step of the small CLIP's training, on captions as long as can be."""
    stage = required_section(config)
    spec = SmallClipSpec(vocabulary_size=len(caption_vocabulary()) + 3)
    reading = ClipReading(spec)
    tokens = torch.zeros(stage.batch_size, spec.context_length, dtype=torch.long)
    pixels = torch.zeros(stage.batch_size, 3, spec.image_size, spec.image_size)

    def loss() -> Tensor:
        clip = reading.clip
        read, seen = clip.embed_text(tokens), clip.embed_pictures(pixels)
        answers = [reading.answers(clip.condition(each)) for each in (read, seen)]
        logits = [given for each in answers for pair in each.values() for given in pair]
        asked = torch.stack([each.sum() for each in logits]).sum()
        return contrast(read, seen, clip.logit_scale) + asked

    return Probe(reading, loss, stage)


def stage1_probe(config: TrainingConfig) -> Probe:
    """Return a step of encoder and decoder together, on known distances."""
    model = AutoEncoder(config)
    batch = config.stage1.batch_size
    cloud = torch.zeros(batch, config.encoder.num_points, 3)
    queries = _queries(batch, config.field_loss.queries_per_shape)

    def loss() -> Tensor:
        latent = model.encoder(cloud, cloud)
        return field_loss(model.decoder, latent, queries, config.field_loss)["loss"]

    return Probe(model, loss, config.stage1)


def text_probe(config: TrainingConfig) -> Probe:
    """Return a step of the word encoder's training, which knows no lower precision."""
    reader = CaptionReader(word_encoder_spec(_MAX_WORDS))
    words = torch.zeros(config.text.batch_size, _MAX_WORDS, dtype=torch.long)
    stage = replace(config.text, precision="fp32")
    return Probe(reader, lambda: torch.cat(list(reader(words).values()), dim=1).sum(), stage)


def _queries(batch: int, count: int) -> Queries:
    points = torch.zeros(batch, count, 3)
    return Queries(points, points[..., 0], points)


def gaussian_probe(config: TrainingConfig) -> Probe:
    """Return a step of the mean's training."""
    module, stage = untrained(config)
    module.requires_grad_(True)
    spec = PRIORS[config.architecture]
    basis = LatentBasis(spec.num_latents, spec.channels, spec.basis_size)
    condition = torch.zeros(stage.batch_size, spec.num_pooled, spec.condition_width)

    paint = module.spec.paint
    shape = torch.zeros(stage.batch_size, module.num_shape)
    tables = torch.zeros(stage.batch_size, 1, NUM_OTHERS + paint.num_parts, paint.num_colors)

    def loss() -> Tensor:
        drawn = (
            module.shape_mean(condition, basis).sum() + module.painted(shape, tables, basis).sum()
        )
        return drawn + module.reader(condition).sum()

    return Probe(module, loss, stage)


PROBES: dict[str, MakeProbe] = {
    "clip": clip_probe,
    "decoder": decoder_probe,
    "gaussian": gaussian_probe,
    "stage1": stage1_probe,
    "stage2": prior_probe,
    "text": text_probe,
}
"""By stage; one that is missing here trains nothing, or has not been told."""
