# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages of a training run, one command each; see training/README.md.

python -m maquette.training STAGE --config FILE --run DIR

Each stage resumes where it was stopped. `stage1` may be started by torchrun on several processes.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

# Idle OpenMP threads that spin would steal the cores from the other stage.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
import torch.distributed as dist

from ..core.config import SamplerConfig
from ..core.decoder.stf import Decoder
from ..core.pack import PackManifest
from ..core.prior.basis import LatentBasis
from ..core.prior.transformer import LatentPrior
from ..core.specs import DECODERS, PRIORS
from .config import TrainingConfig, load_config
from .dataset import ShapeDataset
from .export import export_encoder, export_pack
from .loop import Run, rank
from .shapes.shards import write_shard
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
from .warm_start import WarmStart

_CAPTIONS_PER_SHAPE = 6
_MAX_WORDS = 24
STARTER_SAMPLER = SamplerConfig(
    method="unipc_2", num_steps=20, guidance_scale=2.0, sigma_min=0.1, sigma_max=160.0
)
"""As measured by `maquette evaluate`; see the model card."""


def main() -> None:
    """Run one stage."""
    parser = argparse.ArgumentParser(prog="python -m maquette.training", description=__doc__)
    parser.add_argument("stage", choices=list(_STAGES))
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="folder of this run")
    parser.add_argument("--pack", type=Path, default=Path("packs/starter"), help="export target")
    parser.add_argument("--warm-start", type=Path, help="folder of a run to go on from")
    parser.add_argument("--other", type=Path, help="folder of the run to `blend` with it")
    parser.add_argument("--share", type=float, default=0.5, help="of the other run in the blend")
    parser.add_argument("--processes", type=int, default=2, help="of `generate`")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    torch.set_num_threads(arguments.threads)
    if "RANK" in os.environ:
        dist.init_process_group("gloo")
    arguments.run.mkdir(parents=True, exist_ok=True)
    _STAGES[arguments.stage](load_config(arguments.config), arguments)


def _generate(config: TrainingConfig, arguments: argparse.Namespace) -> None:
    data = config.data
    jobs = [
        (_shards(arguments) / f"{start:07d}.npz", config.seed, start, data.shard_size)
        for start in range(0, data.num_shapes, data.shard_size)
    ]
    missing = [job for job in jobs if not job[0].exists()]
    with get_context("spawn").Pool(arguments.processes) as pool:
        pool.starmap(_write_shard, missing, chunksize=1)


def _write_shard(path: Path, seed: int, start: int, count: int) -> None:
    torch.set_num_threads(1)
    write_shard(path, seed, start, count)


def _text(config: TrainingConfig, arguments: argparse.Namespace) -> None:
    data = ShapeDataset(_shards(arguments))
    captions = draw_captions(
        data.attributes, known_words(), _CAPTIONS_PER_SHAPE, _MAX_WORDS, config.seed
    )
    encoder = train_word_encoder(config, data, captions, arguments.run)
    conditions = encode_captions(encoder, captions)
    torch.save(
        {"conditions": conditions, "spec": asdict(encoder.spec), "state": encoder.state_dict()},
        arguments.run / "conditions.pt",
    )


def _stage1(config: TrainingConfig, arguments: argparse.Namespace) -> None:
    data = ShapeDataset(_shards(arguments))
    train_autoencoder(config, data, arguments.run)


def _latents(config: TrainingConfig, arguments: argparse.Namespace) -> None:
    data = ShapeDataset(_shards(arguments))
    model = _load_autoencoder(config, arguments)
    latents = encode_all(config, data, model)
    basis = fit_basis(config, latents, data.num_training)
    coefficients = torch.cat([basis.project(part) for part in latents.split(1024)])
    torch.save(
        {"basis": basis.state_dict(), "coefficients": coefficients},
        arguments.run / "latents.pt",
    )


def _fit(config: TrainingConfig, arguments: argparse.Namespace) -> None:
    start = _warm_start(arguments)
    if start is None:
        raise SystemExit("fit needs --warm-start: a run whose decoder is trained")
    data = ShapeDataset(_shards(arguments))
    basis, coefficients = start.latents(PRIORS[config.architecture])
    decoder = _start_decoder(config, arguments)
    fitted = fit_all(config, data, coefficients, basis, decoder, arguments.run / "fit")
    basis, fitted = centre_basis(basis, fitted, data.num_training)
    if rank() == 0:
        saved = {"basis": basis.state_dict(), "coefficients": fitted}
        torch.save(saved, arguments.run / "latents.pt")


def _decoder(config: TrainingConfig, arguments: argparse.Namespace) -> None:
    basis, coefficients = _load_latents(config, arguments)
    decoder = _start_decoder(config, arguments)
    data = ShapeDataset(_shards(arguments))
    train_decoder(config, data, coefficients, basis, decoder, arguments.run)


def _stage2(config: TrainingConfig, arguments: argparse.Namespace) -> None:
    basis, coefficients = _load_latents(config, arguments)
    conditions = torch.load(arguments.run / "conditions.pt", weights_only=True)["conditions"]
    seen = None
    if config.prior_loss.decoded_weight:
        decoder = _start_decoder(config, arguments)
        seen = DecodedTruth(ShapeDataset(_shards(arguments)), decoder)
    data = PriorData(coefficients, basis, conditions, seen)
    train_prior(config, data, arguments.run, _warm_start(arguments))


def _blend(config: TrainingConfig, arguments: argparse.Namespace) -> None:
    start = _warm_start(arguments)
    if start is None or arguments.other is None:
        raise SystemExit("blend needs --warm-start and --other: two runs with a prior")
    start.blend_prior(WarmStart(arguments.other), arguments.share, arguments.run)


def _export(config: TrainingConfig, arguments: argparse.Namespace) -> None:
    from ..core.conditioning.word_encoder import WordEncoder
    from ..core.specs import WordEncoderSpec

    text = torch.load(arguments.run / "conditions.pt", weights_only=True)
    words = WordEncoder(WordEncoderSpec(**text["spec"]))
    words.load_state_dict(text["state"])
    decoder = Decoder(DECODERS[config.architecture])
    Run("decoder", decoder, config.decoder, arguments.run)
    prior = LatentPrior(PRIORS[config.architecture])
    Run("stage2", prior, config.stage2, arguments.run).use_average()
    manifest = PackManifest(
        id="starter",
        version="0.2.0",
        prior=prior.spec,
        decoder=decoder.spec,
        word_encoder=words.spec,
        sampler=STARTER_SAMPLER,
        words=word_roles(),
    )
    export_pack(arguments.pack, manifest, prior, decoder, words)
    encoder = _load_autoencoder(config, arguments).encoder
    fit = config.fit if arguments.warm_start else None
    export_encoder(Path("evaluation/models"), config.encoder, encoder, fit, arguments.pack)


def _shards(arguments: argparse.Namespace) -> Path:
    folder: Path = arguments.run / "shards"
    return folder


def _warm_start(arguments: argparse.Namespace) -> WarmStart | None:
    return WarmStart(arguments.warm_start) if arguments.warm_start else None


def _load_autoencoder(config: TrainingConfig, arguments: argparse.Namespace) -> AutoEncoder:
    """Load what stage 1 of this run, or of the run it goes on from, made."""
    model = AutoEncoder(config)
    folder = arguments.warm_start or arguments.run
    state = torch.load(folder / "stage1.pt", weights_only=True)
    model.load_state_dict(state["module"])
    return model


def _start_decoder(config: TrainingConfig, arguments: argparse.Namespace) -> Decoder:
    """Return the best decoder that is ready before the decoder's own stage has run."""
    decoder = _load_autoencoder(config, arguments).decoder
    if start := _warm_start(arguments):
        start.load_decoder(decoder)
    return decoder


def _load_latents(
    config: TrainingConfig, arguments: argparse.Namespace
) -> tuple[LatentBasis, torch.Tensor]:
    saved = torch.load(arguments.run / "latents.pt", weights_only=True)
    spec = PRIORS[config.architecture]
    basis = LatentBasis(spec.num_latents, spec.channels, spec.basis_size)
    basis.load_state_dict(saved["basis"])
    return basis, saved["coefficients"]


_STAGES: dict[str, Callable[[TrainingConfig, argparse.Namespace], None]] = {
    "generate": _generate,
    "text": _text,
    "stage1": _stage1,
    "latents": _latents,
    "fit": _fit,
    "decoder": _decoder,
    "stage2": _stage2,
    "blend": _blend,
    "export": _export,
}

if __name__ == "__main__":
    main()
