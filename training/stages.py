# SPDX-License-Identifier: GPL-3.0-or-later
"""What each stage reads from the run's folder, what it trains, and what it leaves there.

A stage is a function of the config and of the command's arguments, whose docstring is its line in
the command's help; `STAGES` is the list of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor

from ..core.conditioning.small_clip import ClipReader
from ..core.conditioning.word_encoder import WordEncoder
from ..core.config import SamplerConfig
from ..core.decoder.stf import Decoder
from ..core.pack import PackManifest
from ..core.prior.basis import LatentBasis
from ..core.prior.transformer import LatentPrior
from ..core.specs import DECODERS, PRIORS, WordEncoderSpec
from .clip_stage import load_clip_of, load_paints, run_clip, words
from .conditions import CachedConditions, load_conditions
from .config import DataConfig, PackConfig, TrainingConfig
from .dataset import NUM_VALIDATION, ShapeDataset
from .encoder import cloud_encoder_spec
from .examples import Known
from .export import NUM_READ_POINTS, export_encoder, export_pack
from .export_published import save_diffusers, save_openai
from .fitting import fit_spec
from .gaussian import STATE_FILE, run_gaussian
from .loop import Run, rank
from .pictures import SampleGrid
from .saving import save_whole
from .shapes.shards import write_scenes, write_shard
from .stage1 import (
    AutoEncoder,
    centre_basis,
    encode_all,
    fit_all,
    fit_basis,
    train_autoencoder,
    train_decoder,
)
from .stage2 import DecodedTruth, PriorData, train_prior
from .text import draw_captions, encode_captions, known_words, train_word_encoder, word_roles
from .values import ConfigError
from .views_latents import load_views_latents
from .warm_start import WarmStart

Stage = Callable[[TrainingConfig, argparse.Namespace], None]

_CAPTIONS_PER_SHAPE = 6
_MAX_WORDS = 24
_NUM_PICTURES = 9
STARTER_SAMPLER = SamplerConfig(
    method="unipc_2", num_steps=20, guidance_scale=2.0, sigma_min=0.1, sigma_max=160.0
)
"""As measured by `maquette evaluate`; see the model card."""
_FIRST_PACK = PackConfig(version="0.2.0", num_steps=20, guidance_scale=2.0)


def generate(config: TrainingConfig, arguments: argparse.Namespace) -> None:
    """write shapes of the generator"""
    data = config.data
    jobs = [
        (_shards(arguments) / f"{start:07d}.npz", config.seed, start, data)
        for start in range(0, data.num_shapes, data.shard_size)
    ]
    missing = [job for job in jobs if not job[0].exists()]
    with get_context("spawn").Pool(arguments.processes) as pool:
        pool.starmap(_write_shard, missing, chunksize=1)


def _write_shard(path: Path, seed: int, start: int, data: DataConfig) -> None:
    torch.set_num_threads(1)
    sizes = {"num_surface": data.num_surface, "num_query": data.num_queries}
    if not data.is_scenes:
        write_shard(path, seed, start, data.shard_size, **sizes)
        return
    shown = {"num_pictures": data.num_pictures, "picture_size": data.picture_size}
    drawn = {"num_paints": data.num_paints, "is_single": data.is_single}
    write_scenes(path, seed, start, data.shard_size, **drawn, **sizes, **shown)


def text(config: TrainingConfig, arguments: argparse.Namespace) -> None:
    """train the word encoder, and encode captions with it"""
    data = ShapeDataset(_shards(arguments))
    captions = draw_captions(
        data.attributes, known_words(), _CAPTIONS_PER_SHAPE, _MAX_WORDS, config.seed
    )
    encoder = train_word_encoder(config, data, captions, arguments.run)
    if rank() != 0:
        return
    conditions = encode_captions(encoder, captions)
    save_whole(
        {"conditions": conditions, "spec": asdict(encoder.spec), "state": encoder.state_dict()},
        arguments.run / "conditions.pt",
    )


def clip(config: TrainingConfig, arguments: argparse.Namespace) -> None:
    """train the small CLIP, after --warm-start only to see, and encode with it"""
    data = ShapeDataset(_shards(arguments))
    start: Path | None = arguments.warm_start
    run_clip(config, data.labels, data.pictures, arguments.run, arguments.device, start)


def stage1(config: TrainingConfig, arguments: argparse.Namespace) -> None:
    """train encoder and decoder on known distances"""
    data = ShapeDataset(_shards(arguments))
    train_autoencoder(config, data, arguments.run, arguments.device)


def latents(config: TrainingConfig, arguments: argparse.Namespace) -> None:
    """encode every shape, and fit the basis of latents"""
    data = ShapeDataset(_shards(arguments))
    known = load_views_latents(arguments.run)
    if known is None:
        model = load_autoencoder(config, arguments)
        encoded = encode_all(config, data, model.to(arguments.device))
    else:
        encoded = known["latents"].flatten(1)
        _require_as_many(data, encoded)
    found = _in_basis(config, encoded, data.num_training)
    save_whole(found | dict(known or {}), arguments.run / "latents.pt")


def _in_basis(config: TrainingConfig, latents: Tensor, num_training: int) -> dict[str, object]:
    """Return a new basis of latents [N, L * C] as a state, and their coefficients in it."""
    basis = fit_basis(config, latents, num_training)
    coefficients = torch.cat([basis.project(part.float()) for part in torch.split(latents, 1024)])
    return {"basis": basis.state_dict(), "coefficients": coefficients}


def _require_as_many(data: ShapeDataset, latents: Tensor) -> None:
    if len(data) != len(latents):
        raise ConfigError(
            f"the shards hold {len(data)} shapes, and `stage1-views` has encoded {len(latents)}:"
            " train it on as many, by num_shapes in its [source] and the same seed"
        )


def fit(config: TrainingConfig, arguments: argparse.Namespace) -> None:
    """move latents towards what a trained decoder shows best"""
    start = _warm_start(arguments)
    if start is None:
        raise ConfigError("fit needs --warm-start: a run whose decoder is trained")
    data = ShapeDataset(_shards(arguments))
    basis, coefficients = start.latents(PRIORS[config.architecture])
    decoder = start_decoder(config, arguments).to(arguments.device)
    fitted = fit_all(config, data, coefficients, basis, decoder, arguments.run / "fit")
    if rank() == 0:
        if config.fit is not None and config.fit.num_queries:
            saved = _in_basis(config, fitted, data.num_training)
        else:
            basis, fitted = centre_basis(basis.cpu(), fitted, data.num_training)
            saved = {"basis": basis.state_dict(), "coefficients": fitted}
        save_whole(saved, arguments.run / "latents.pt")


def decoder(config: TrainingConfig, arguments: argparse.Namespace) -> None:
    """train the decoder alone, on latents that the basis can express"""
    basis, coefficients = _load_latents(config, arguments)
    assert basis is not None
    module = start_decoder(config, arguments)
    data = ShapeDataset(_shards(arguments))
    train_decoder(config, data, coefficients, basis, module, arguments.run, arguments.device)


def gaussian(config: TrainingConfig, arguments: argparse.Namespace) -> None:
    """find the mean and the spread of what each condition calls for"""
    basis, coefficients, conditions = _load_pairs(config, arguments)
    assert basis is not None
    num_training = len(coefficients) - _num_validation(coefficients)
    paints, alike = load_paints(arguments.run), config.data.num_paints
    known = Known(coefficients, conditions, basis, num_training, paints, alike)
    run_gaussian(config, known, arguments)


def stage2(config: TrainingConfig, arguments: argparse.Namespace) -> None:
    """train the prior on latents and conditions"""
    basis, coefficients, conditions = _load_pairs(config, arguments)
    truth = None
    if config.prior_loss.decoded_weight:
        seen = start_decoder(config, arguments)
        truth = DecodedTruth(ShapeDataset(_shards(arguments)), seen)
    known = _load_gaussian(config, arguments)
    kept_out = _num_validation(coefficients)
    data = PriorData(coefficients, basis, conditions, truth, known, kept_out)
    samples = _samples(config, arguments, conditions, data)
    train_prior(config, data, arguments.run, _warm_start(arguments), arguments.device, samples)


def _samples(
    config: TrainingConfig,
    arguments: argparse.Namespace,
    conditions: CachedConditions,
    data: PriorData,
) -> SampleGrid | None:
    """Return what TensorBoard shows: shapes that are not trained on, by caption and by picture."""
    if not config.stage2.pictures_every or rank() != 0:
        return None
    chosen = torch.arange(data.num_training, len(data.latents))[:_NUM_PICTURES]
    tokens = conditions.first(chosen)
    if config.prior_loss.picture_share:
        tokens = torch.cat([tokens, conditions.first(chosen, "pictures")])
    seen = start_decoder(config, arguments).to(arguments.device).requires_grad_(False)
    return SampleGrid(tokens, seen, STARTER_SAMPLER)


def blend(config: TrainingConfig, arguments: argparse.Namespace) -> None:
    """mean the weights of two priors of which one began as the other"""
    start = _warm_start(arguments)
    if start is None or arguments.other is None:
        raise ConfigError("blend needs --warm-start and --other: two runs with a prior")
    start.blend_prior(WarmStart(arguments.other), arguments.share, arguments.run)


def export(config: TrainingConfig, arguments: argparse.Namespace) -> None:
    """write the pack in half precision, with hashes; a published prior in its two layouts"""
    is_native = bool(PRIORS[config.architecture].basis_size)
    _require_trained(arguments.run, ("stage2", "decoder") if is_native else ("stage2",))
    if not is_native:
        _export_published(config, arguments)
        return
    reads, said = reads_of(arguments.run)
    module = Decoder(DECODERS[config.architecture])
    Run("decoder", module, config.decoder, arguments.run)
    prior = LatentPrior(PRIORS[config.architecture])
    Run("stage2", prior, config.stage2, arguments.run).use_average()
    about = config.pack or _FIRST_PACK
    manifest = PackManifest(
        id="starter",
        version=about.version,
        prior=prior.spec,
        decoder=module.spec,
        word_encoder=reads.spec if isinstance(reads, WordEncoder) else None,
        clip=reads.clip.spec if isinstance(reads, ClipReader) else None,
        sampler=sampler_of(about),
        words=said,
    )
    encoder = load_autoencoder(config, arguments).encoder
    settings = (about.fit or config.fit) if arguments.warm_start else None
    if arguments.with_encoder:
        spec = cloud_encoder_spec(config.encoder, module.spec, num_points=NUM_READ_POINTS)
        fit = fit_spec(settings) if settings else None
        manifest = replace(manifest, encoder=spec, fit=fit)
        export_pack(arguments.pack, manifest, prior, module, reads, encoder)
        return
    export_pack(arguments.pack, manifest, prior, module, reads, None)
    # A pack without an encoder is judged with the one that it was trained with.
    export_encoder(Path("evaluation/models"), config.encoder, encoder, settings, arguments.pack)


def sampler_of(about: PackConfig | None) -> SamplerConfig:
    """Return what a pack samples with unless the user asks for something else."""
    about = about or _FIRST_PACK
    return replace(STARTER_SAMPLER, num_steps=about.num_steps, guidance_scale=about.guidance_scale)


def _require_trained(folder: Path, stages: tuple[str, ...]) -> None:
    for stage in stages:
        if not (folder / f"{stage}.pt").exists():
            raise ConfigError(f"{folder / stage}.pt is missing: run `{stage}` first")


def reads_of(folder: Path) -> tuple[WordEncoder | ClipReader, dict[str, str]]:
    """Return what makes the conditions of a run, and its words with their roles."""
    if (found := load_clip_of(folder)) is not None:
        return found
    saved = torch.load(folder / "conditions.pt", weights_only=True)
    encoder = WordEncoder(WordEncoderSpec(**saved["spec"]))
    encoder.load_state_dict(saved["state"])
    return encoder, word_roles()


def _export_published(config: TrainingConfig, arguments: argparse.Namespace) -> None:
    prior = LatentPrior(PRIORS[config.architecture])
    Run("stage2", prior, config.stage2, arguments.run).use_average()
    part = "image" if prior.spec.normalizes_condition else "text"
    save_openai(prior, arguments.pack)
    save_diffusers(prior, arguments.pack / part / "prior")


def _shards(arguments: argparse.Namespace) -> Path:
    folder: Path = arguments.run / "shards"
    return folder


def _warm_start(arguments: argparse.Namespace) -> WarmStart | None:
    return WarmStart(arguments.warm_start) if arguments.warm_start else None


def load_autoencoder(config: TrainingConfig, arguments: argparse.Namespace) -> AutoEncoder:
    """Load what stage 1 of this run, or of the run it goes on from, made."""
    model = AutoEncoder(config)
    folder = arguments.warm_start or arguments.run
    state = torch.load(folder / "stage1.pt", map_location="cpu", weights_only=True)
    model.load_state_dict(state["module"])
    return model


def start_decoder(config: TrainingConfig, arguments: argparse.Namespace) -> Decoder:
    """Return the best decoder that is ready before the decoder's own stage has run."""
    module = load_autoencoder(config, arguments).decoder
    if start := _warm_start(arguments):
        start.load_decoder(module)
    return module


def _load_latents(
    config: TrainingConfig, arguments: argparse.Namespace
) -> tuple[LatentBasis | None, Tensor]:
    """Return the basis and the coefficients in it; without a basis the latents themselves."""
    path = arguments.run / "latents.pt"
    if not path.exists():
        raise ConfigError(f"{path} is missing: run `latents` first")
    saved = torch.load(path, weights_only=True, mmap=True)
    spec = PRIORS[config.architecture]
    if not spec.basis_size:
        return None, saved["latents"]
    basis = LatentBasis(spec.num_latents, spec.channels, spec.basis_size)
    basis.load_state_dict(saved["basis"])
    return basis, saved["coefficients"]


def _num_validation(coefficients: Tensor) -> int:
    return min(NUM_VALIDATION, len(coefficients) // 10)


def _load_pairs(
    config: TrainingConfig, arguments: argparse.Namespace
) -> tuple[LatentBasis | None, Tensor, CachedConditions]:
    """Return what `_load_latents` does, and the conditions of the same shapes."""
    basis, coefficients = _load_latents(config, arguments)
    share = config.prior_loss.picture_share
    conditions = load_conditions(arguments.run / "conditions.pt", share)
    if len(conditions) != len(coefficients):
        raise ConfigError(
            f"{arguments.run}: conditions.pt is of {len(conditions)} shapes, latents.pt of"
            f" {len(coefficients)}: make both from the same shards"
        )
    return basis, coefficients, conditions


def _load_gaussian(
    config: TrainingConfig, arguments: argparse.Namespace
) -> dict[str, Tensor] | None:
    if PRIORS[config.architecture].gaussian is None:
        return None
    path = arguments.run / STATE_FILE
    if not path.exists():
        raise ConfigError(f"{path} is missing: run `gaussian` first")
    state: dict[str, Tensor] = torch.load(path, weights_only=True)
    return state


STAGES: dict[str, Stage] = {
    "generate": generate,
    "text": text,
    "words": words,
    "clip": clip,
    "stage1": stage1,
    "latents": latents,
    "fit": fit,
    "decoder": decoder,
    "gaussian": gaussian,
    "stage2": stage2,
    "blend": blend,
    "export": export,
}
