# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette generate`: prompts, or a picture, become files."""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..core.config import (
    GenerationRequest,
    Precision,
    ReferenceImage,
    SamplerChanges,
    SurfaceConfig,
)
from ..core.images import read_reference_image
from ..core.latent_file import LatentFile
from ..core.pack import PACK_FILE
from ..core.reference import prepare_reference_image
from ..engine import memory
from ..weights_fetch import PACKS
from . import blend_export
from .destination import Destination, find_destination, require_writable
from .engine import Engine, open_engine
from .errors import EXPECTED, ExitCode, UsageError
from .interrupt import cancel_on_interrupt, raise_if_interrupted
from .latents import beginning, read_latent_of
from .output import Console
from .save import save_result
from .saved import Saved

MAX_PROMPTS = 1000


def run(arguments: argparse.Namespace, console: Console) -> ExitCode:
    """Make everything that the arguments ask for; what is finished stays if a later one fails."""
    saved: list[Saved] = []
    with cancel_on_interrupt() as cancel:
        try:
            for each in _run(arguments, console, cancel):
                saved.append(each)
                console.say(each.to_text())
        except EXPECTED as error:
            return console.report(error, results=[each.to_json() for each in saved])
    results = [each.to_json() for each in saved]
    console.answer_json({"results": results, "peak_memory_bytes": memory.peak_bytes()})
    return ExitCode.OK


def _run(
    arguments: argparse.Namespace, console: Console, cancel: threading.Event
) -> Iterator[Saved]:
    image, image_warnings = _read_image(arguments)
    latent = read_latent_of(arguments)
    requests = _build_requests(arguments, image, latent)
    destination, engine = _prepare(arguments, len(requests) * arguments.count)
    if latent is not None and latent.pack_hash != engine.pack_hash:
        console.warn(f"the {latent.pack} pack has changed since this latent was made")
    raise_if_interrupted(cancel)
    for warning in image_warnings:
        console.warn(warning)
    is_numbered = arguments.count > 1 or (len(requests) > 1 and destination.stem is not None)
    for result in engine.run(requests, on_progress=console.progress, cancel=cancel):
        raise_if_interrupted(cancel)
        started = time.perf_counter()
        files = save_result(result, destination, is_numbered=is_numbered)
        seconds = {"write": time.perf_counter() - started}
        for warning in result.warnings:
            console.warn(warning)
        yield Saved(
            result=result, files=files, extra_seconds=seconds, image_warnings=image_warnings
        )
        raise_if_interrupted(cancel)


def _read_image(arguments: argparse.Namespace) -> tuple[ReferenceImage | None, tuple[str, ...]]:
    if arguments.image is None:
        if not arguments.prompts and arguments.latent is None:
            raise UsageError("say what to make: maquette generate 'a red chair', or use --image")
        if len(arguments.prompts) > MAX_PROMPTS:
            raise UsageError(f"give at most {MAX_PROMPTS} prompts, got {len(arguments.prompts)}")
        return None, ()
    if len(arguments.prompts) > 1:
        raise UsageError(
            f"--image takes at most one prompt, as its name, got {len(arguments.prompts)}"
        )
    image, warnings = read_reference_image(arguments.image)
    known = PACKS.get(arguments.pack)
    is_own = (Path(arguments.pack) / PACK_FILE).is_file()
    sees_grounds = known.is_native if known else is_own
    prepared, more = prepare_reference_image(image, sees_grounds=sees_grounds)
    return prepared, warnings + more


def _build_requests(
    arguments: argparse.Namespace, image: ReferenceImage | None, latent: LatentFile | None
) -> tuple[GenerationRequest, ...]:
    """Check every setting now, before a pack is looked for or a file is touched."""
    if arguments.texture_size == 0 and (arguments.normal_map or arguments.occlusion_map):
        raise UsageError(
            "--normal-map and --occlusion-map are textures: leave them out, or --texture-size 0"
        )
    return tuple(
        GenerationRequest(
            prompt=prompt,
            image=image,
            **beginning(arguments, latent),
            pack=arguments.pack,
            seed=arguments.seed,
            count=arguments.count,
            resolution=arguments.resolution,
            texture_size=arguments.texture_size,
            target_size=arguments.size,
            surface=_surface(arguments),
            device=arguments.device,
            precision=_precision(arguments),
        )
        for prompt in arguments.prompts or [""]
    )


def _surface(arguments: argparse.Namespace) -> SurfaceConfig:
    return SurfaceConfig(
        triangles=arguments.triangles,
        symmetry=arguments.symmetry,
        shading=arguments.shading,
        normal_map=arguments.normal_map,
        occlusion_map=arguments.occlusion_map,
        speck_share=arguments.speck_share,
        num_lods=arguments.lods,
        collision=arguments.collision,
    )


def _prepare(arguments: argparse.Namespace, num_results: int) -> tuple[Destination, Engine]:
    """Find out what could fail after minutes of work before they are spent."""
    destination = find_destination(arguments.output, arguments.format, num_results)
    if (arguments.lods or arguments.collision != "none") and not destination.holds_levels:
        raise UsageError(
            f"{destination.suffix} holds one mesh: use .blend or .glb for --lods and --collision"
        )
    blend_export.require_bpy()
    require_writable(destination.folder)
    engine = open_engine(
        arguments.pack,
        arguments.packs_dir,
        _changes(arguments),
        with_image=arguments.image is not None,
    )
    return destination, engine


def _changes(arguments: argparse.Namespace) -> SamplerChanges:
    if not arguments.fast:
        return SamplerChanges(
            method=arguments.sampler, num_steps=arguments.steps, guidance_scale=arguments.guidance
        )
    if arguments.sampler is not None or arguments.steps is not None:
        raise UsageError("--fast sets sampler and steps: leave out --sampler and --steps")
    return replace(SamplerChanges.fast(), guidance_scale=arguments.guidance)


def _precision(arguments: argparse.Namespace) -> Precision:
    if arguments.fast and arguments.precision == "auto":
        return "prefer_int8"
    chosen: Precision = arguments.precision
    return chosen
