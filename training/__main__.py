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
from .loop import Run
from .shapes.shards import write_shard
from .stage1 import AutoEncoder, encode_all, fit_basis, train_autoencoder, train_decoder
from .stage2 import train_prior
from .text import draw_captions, encode_captions, known_words, train_word_encoder, word_roles

_CAPTIONS_PER_SHAPE = 6
_MAX_WORDS = 24
STARTER_SAMPLER = SamplerConfig(
    method="unipc_2", num_steps=20, guidance_scale=3.0, sigma_min=0.1, sigma_max=160.0
)
"""As measured by `maquette evaluate`; see the model card."""


def main() -> None:
    """Run one stage."""
    parser = argparse.ArgumentParser(prog="python -m maquette.training", description=__doc__)
    parser.add_argument("stage", choices=list(_STAGES))
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="folder of this run")
    parser.add_argument("--pack", type=Path, default=Path("packs/starter"), help="export target")
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
    train_autoencoder(config, ShapeDataset(_shards(arguments)), arguments.run)


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


def _decoder(config: TrainingConfig, arguments: argparse.Namespace) -> None:
    basis, coefficients = _load_latents(config, arguments)
    decoder = _load_autoencoder(config, arguments).decoder
    data = ShapeDataset(_shards(arguments))
    train_decoder(config, data, coefficients, basis, decoder, arguments.run)


def _stage2(config: TrainingConfig, arguments: argparse.Namespace) -> None:
    basis, coefficients = _load_latents(config, arguments)
    conditions = torch.load(arguments.run / "conditions.pt", weights_only=True)["conditions"]
    train_prior(config, coefficients, basis, conditions, arguments.run)


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
        version="0.1.0",
        prior=prior.spec,
        decoder=decoder.spec,
        word_encoder=words.spec,
        sampler=STARTER_SAMPLER,
        words=word_roles(),
    )
    export_pack(arguments.pack, manifest, prior, decoder, words)
    encoder = _load_autoencoder(config, arguments).encoder
    export_encoder(Path("evaluation/models"), config.encoder, encoder, arguments.pack)


def _shards(arguments: argparse.Namespace) -> Path:
    folder: Path = arguments.run / "shards"
    return folder


def _load_autoencoder(config: TrainingConfig, arguments: argparse.Namespace) -> AutoEncoder:
    model = AutoEncoder(config)
    state = torch.load(arguments.run / "stage1.pt", weights_only=True)
    model.load_state_dict(state["module"])
    return model


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
    "decoder": _decoder,
    "stage2": _stage2,
    "export": _export,
}

if __name__ == "__main__":
    main()
