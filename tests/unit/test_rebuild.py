# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh read by a pack, rebuilt and varied; and how much of generated shapes comes back."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from maquette.core import encode, pipeline, resident
from maquette.core.asset import Surface, require_readable
from maquette.core.assets_in.paint import LINEAR, Attribute
from maquette.core.config import GenerationRequest, KnownLatent, Likeness, MeshInput
from maquette.core.decoder.stf import Decoder
from maquette.core.errors import (
    CancelledError,
    CheckpointError,
    GenerationError,
    InvalidRequestError,
    MeshInputError,
    PackError,
)
from maquette.core.fitting import color_rarity, fit_coefficients, surface_loss
from maquette.core.mesh import GenerationResult
from maquette.core.pack import PUBLISHED_ENCODER, read_manifest, reads_meshes
from maquette.core.prior.basis import LatentBasis
from maquette.core.specs import FitSpec
from maquette.tests.unit.surfaces import cube, sphere, surface_of
from maquette.tests.unit.tiny_native_pack import ENCODER, write_tiny_pack
from maquette.training.shapes.builder import Shape
from maquette.training.shapes.field import ShapeBatch
from maquette.training.shapes.generate import generate_shape
from skimage.measure import marching_cubes

CPU = torch.device("cpu")
STARTER = Path(__file__).resolve().parents[2] / "packs" / "starter"


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("packs") / "tiny"
    write_tiny_pack(folder, with_encoder=True)
    yield folder
    pipeline.release()


def mesh_of(surface: Surface) -> MeshInput:
    return MeshInput(surface=surface, source="Thing", notes=("a note",))


def run(request: GenerationRequest, pack: Path, **more: Any) -> list[GenerationResult]:
    hooks = {"on_progress": lambda *_: None, "cancel": threading.Event()} | more
    return list(pipeline.generate(request, pack, **hooks))


SMALL = {"resolution": 24, "texture_size": 0, "device": "cpu"}


def test_a_mesh_is_rebuilt_and_its_latent_makes_the_same_mesh_again(pack: Path) -> None:
    (result,) = run(GenerationRequest(mesh=mesh_of(cube()), **SMALL), pack)
    assert result.latent is not None and result.latent.shape == (32, 4)
    assert result.name == "Thing" and result.warnings[0] == "a note"
    assert result.record.settings["mesh_source"] == "Thing"
    # Nothing was sampled, so no sampler is on the record.
    assert "num_steps" not in result.record.settings
    assert "encode" in result.stage_seconds and "sample" not in result.stage_seconds

    known = KnownLatent(values=result.latent, source="Thing")
    (again,) = run(GenerationRequest(latent=known, **SMALL), pack)

    np.testing.assert_array_equal(again.mesh.vertices, result.mesh.vertices)
    np.testing.assert_array_equal(again.latent, result.latent)


def test_where_and_how_large_a_mesh_is_makes_no_difference(pack: Path) -> None:
    models = resident.open_pack(pack, CPU, torch.float32)
    here = sphere(rings=12)
    there = replace(here, vertices=(here.vertices * 40 + (7, -3, 100)).astype(np.float32))

    latents = [read(models, each) for each in (here, there)]

    torch.testing.assert_close(*latents, rtol=1e-3, atol=1e-3)


def read(models: Any, surface: Surface, seed: int = 0) -> torch.Tensor:
    return models.latent_of(mesh_of(surface), seed=seed, report=lambda *_: None, check=lambda: None)


def test_the_same_seed_reads_the_same_latent_which_lies_in_the_basis(pack: Path) -> None:
    models = resident.open_pack(pack, CPU, torch.float32)

    first, again, other = (read(models, cube(), seed) for seed in (1, 1, 2))

    assert torch.equal(first, again) and not torch.equal(first, other)
    basis = models.prior(GenerationRequest(prompt="red chair")).basis
    # Packs hold the basis in half precision.
    within = basis.reconstruct(basis.project(first[None]))[0]
    torch.testing.assert_close(within, first, rtol=0, atol=0.01)


def test_the_encoder_reads_points_as_in_training() -> None:
    points, colors = encode.read_points(cube(half=3.0), ENCODER, seed=0)

    assert points.shape == colors.shape == (ENCODER.num_points, 3)
    assert np.abs(points).max() == pytest.approx(ENCODER.half_extent)
    np.testing.assert_allclose(colors, np.tile((1.0, 0.0, 0.0), (ENCODER.num_points, 1)))


def test_variations_start_near_the_latent_and_move_with_the_strength(pack: Path) -> None:
    (result,) = run(GenerationRequest(mesh=mesh_of(cube()), **SMALL), pack)
    known = KnownLatent(values=result.latent, source="Thing")

    def distance(strength: float, prompt: str) -> float:
        like = Likeness(latent=known, strengths=(strength,))
        (made,) = run(GenerationRequest(prompt=prompt, like=like, seed=3, **SMALL), pack)
        assert made.record.settings["like_strengths"] == str(strength)
        assert made.record.settings["mesh_source"] == "Thing"
        difference = made.latent.astype(float) - known.values.astype(float)
        return float(np.abs(difference).mean())

    for prompt in ("", "a red chair"):
        assert distance(0.15, prompt) < distance(1.0, prompt)


def test_without_a_prompt_nothing_is_told_to_the_prior(pack: Path) -> None:
    models = resident.open_pack(pack, CPU, torch.float32)
    known = KnownLatent(values=np.zeros((32, 4), np.float16), source="Thing")

    tokens = models.condition(GenerationRequest(like=Likeness(latent=known))).tokens

    asked = models.condition(GenerationRequest(prompt="a red chair")).tokens
    assert tokens.shape == asked.shape and not tokens.any()


def test_a_latent_of_another_model_is_refused(pack: Path) -> None:
    known = KnownLatent(values=np.zeros((32, 5), np.float16), source="Thing")

    for request in (
        GenerationRequest(latent=known, **SMALL),
        GenerationRequest(like=Likeness(latent=known), **SMALL),
    ):
        with pytest.raises(PackError, match="another model"):
            run(request, pack)


def test_encoding_alone_gives_the_latent_of_the_rebuilt_mesh(pack: Path) -> None:
    request = GenerationRequest(mesh=mesh_of(cube()), **SMALL)
    (result,) = run(request, pack)

    known = pipeline.encode_mesh(
        request, pack, on_progress=lambda *_: None, cancel=threading.Event()
    )

    np.testing.assert_array_equal(known.values, result.latent)
    assert known.source == "Thing"


def test_reading_stops_at_every_place_where_it_looks(pack: Path) -> None:
    models = resident.open_pack(pack, CPU, torch.float32)
    read(models, cube())  # From now on the encoder is in memory.
    looks: list[int] = []

    def check(stop_at: int) -> None:
        looks.append(0)
        if len(looks) == stop_at:
            raise CancelledError

    def stopped(stop_at: int) -> None:
        looks.clear()
        models.latent_of(
            mesh_of(cube()), seed=0, report=lambda *_: None, check=lambda: check(stop_at)
        )

    stopped(0)
    whole = len(looks)
    assert whole >= 1 + ENCODER.num_layers + 3  # Points, blocks, steps of the fitting.
    for stop_at in range(1, whole + 1):
        with pytest.raises(CancelledError):
            stopped(stop_at)


def test_a_cancelled_run_makes_nothing(pack: Path) -> None:
    cancel = threading.Event()

    def stop(stage: str, fraction: float) -> None:
        if stage == "Measuring the mesh":
            cancel.set()

    with pytest.raises(CancelledError):
        run(
            GenerationRequest(mesh=mesh_of(cube()), **SMALL),
            pack,
            on_progress=stop,
            cancel=cancel,
        )


def test_a_pack_without_an_encoder_says_so(tmp_path: Path) -> None:
    write_tiny_pack(tmp_path / "plain")
    assert not reads_meshes(tmp_path / "plain")
    assert not pipeline.describe_pack(tmp_path / "plain").reads_meshes

    with pytest.raises(PackError, match="no encoder of meshes"):
        run(GenerationRequest(mesh=mesh_of(cube()), **SMALL), tmp_path / "plain")
    pipeline.release()


def test_published_packs_read_meshes_with_the_transmitter_alone(tmp_path: Path) -> None:
    home = tmp_path / "shap_e_renderer"
    home.mkdir()
    (home / "diffusion_pytorch_model.safetensors").touch()
    assert not reads_meshes(tmp_path)

    (home / PUBLISHED_ENCODER).touch()

    assert reads_meshes(tmp_path)


def flat(turn: float = 0.0) -> Surface:
    sine, cosine = np.sin(turn), np.cos(turn)
    matrix = np.array([[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]])
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]) @ matrix.T
    return surface_of(corners, np.array([[0, 1, 2], [0, 2, 3]]))


@pytest.mark.parametrize(
    ("surface", "reason"),
    [
        (surface_of(np.zeros((3, 3)), np.empty((0, 3))), "no faces"),
        (surface_of(np.zeros((3, 3)), np.array([[0, 1, 2]])), "no area"),
        (flat(), "flat"),
        (flat(0.7), "flat"),
    ],
)
def test_what_has_no_depth_is_refused_by_name(pack: Path, surface: Surface, reason: str) -> None:
    with pytest.raises(MeshInputError, match=f"Thing, it.*{reason}"):
        run(GenerationRequest(mesh=mesh_of(surface), **SMALL), pack)


def test_a_thin_open_thing_may_be_read() -> None:
    card = cube()
    thin = (card.vertices * (1, 1, 0.01)).astype(np.float32)
    require_readable(replace(card, vertices=thin, faces=card.faces), "Card")


@pytest.mark.parametrize(
    "settings",
    [
        {"mesh": mesh_of(cube()), "count": 2},
        {"mesh": mesh_of(cube()), "like": Likeness(seeds=(1,))},
        {"latent": KnownLatent(values=np.zeros((1, 1), np.float16), source="x"), "count": 2},
        {
            "mesh": mesh_of(cube()),
            "latent": KnownLatent(values=np.zeros((1, 1), np.float16), source="x"),
        },
        {},
    ],
)
def test_requests_that_contradict_themselves_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError):
        GenerationRequest(**settings)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((2, 2), np.float32),
        np.zeros(4, np.float16),
        np.full((2, 2), np.nan, np.float16),
        np.full((2, 2), -np.inf, np.float16),
    ],
)
def test_a_latent_that_cannot_be_one_is_refused(values: np.ndarray) -> None:
    with pytest.raises(InvalidRequestError, match="finite numbers of half precision"):
        KnownLatent(values=values, source="x")


@pytest.mark.parametrize("strengths", [(), (0.5, 0.5), (1.5,)])
def test_a_known_latent_takes_one_strength(strengths: tuple[float, ...]) -> None:
    known = KnownLatent(values=np.zeros((1, 1), np.float16), source="x")

    with pytest.raises(InvalidRequestError, match="strength"):
        Likeness(latent=known, strengths=strengths)


def change(folder: Path, **changes: Any) -> Path:
    path = folder / "pack.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


@pytest.mark.parametrize(
    ("section", "changes", "words"),
    [
        ("encoder", {"num_latents": 16}, "decoder does not read"),
        ("encoder", {"num_tokens": 5}, "among 5 tokens"),
        ("encoder", {"color": 1}, "does not know color"),
        ("fit", {"palette": [[1, 2]]}, "not a pack description"),
        ("fit", {"speed": 1}, "does not know speed"),
    ],
)
def test_a_description_that_cannot_be_is_refused(
    pack: Path, tmp_path: Path, section: str, changes: dict[str, Any], words: str
) -> None:
    folder = shutil.copytree(pack, tmp_path / "pack")
    content = json.loads((folder / "pack.json").read_text())
    change(folder, **{section: content[section] | changes})

    with pytest.raises(CheckpointError, match=words):
        read_manifest(folder)


def test_another_file_in_the_encoders_place_is_named(pack: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(pack, tmp_path / "pack")
    shutil.copy(folder / "decoder.safetensors", folder / "encoder.safetensors")
    models = resident.open_pack(folder, CPU, torch.float32)  # Read only when it is needed.

    with pytest.raises(CheckpointError, match="holds a decoder, not an encoder of point clouds"):
        read(models, cube())

    (folder / "encoder.safetensors").unlink()
    with pytest.raises(GenerationError):
        read(models, cube())


def test_rare_colors_weigh_as_much_as_their_share_says() -> None:
    spec = FitSpec(
        num_steps=1,
        num_points=1,
        learning_rate=1.0,
        color_weight=1.0,
        rare_color_power=1.0,
        palette=((1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
    )
    colors = torch.tensor([[0.9, 0.1, 0.0]] * 6 + [[0.1, 0.0, 0.8]] * 2)[None]

    weights = color_rarity(colors, spec)

    # Each color as a whole counts half.
    torch.testing.assert_close(weights[0], torch.tensor([2 / 3] * 6 + [2.0] * 2))


def test_the_fitting_moves_towards_what_was_read(pack: Path) -> None:
    models: Any = resident.open_pack(pack, CPU, torch.float32)
    decoder: Decoder = models.decoder
    basis: LatentBasis = models.prior(GenerationRequest(prompt="red chair")).basis
    spec = FitSpec(num_steps=40, num_points=64, learning_rate=0.3, color_weight=5.0)
    points, colors = (
        torch.from_numpy(each)[None] for each in encode.read_points(cube(), ENCODER, seed=0)
    )
    start = torch.zeros(1, 8)

    fitted = fit_coefficients(
        decoder, basis, start, (points, colors), spec, torch.Generator().manual_seed(0)
    )

    losses = [
        float(surface_loss(decoder, basis.reconstruct(each), points, colors, spec))
        for each in (start, fitted)
    ]
    assert losses[1] < losses[0] - 0.01
    assert not start.any()  # What was given stays as it was.


KINDS = ("mug", "barrel")


def mesh_of_shape(shape: Shape, resolution: int = 40) -> Surface:
    """Return a generated shape as anybody's triangles, with the colors of its corners."""
    axis = torch.linspace(-1, 1, resolution)
    grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(1, -1, 3)
    distance, _ = ShapeBatch([shape]).distance_and_colour(grid)
    vertices, faces, _, _ = marching_cubes(distance.reshape([resolution] * 3).numpy(), 0.0)
    vertices = (vertices / (resolution - 1) * 2 - 1).astype(np.float32)
    faces = faces[:, ::-1].astype(np.int32)
    _, colors = ShapeBatch([shape]).distance_and_colour(torch.from_numpy(vertices)[None])
    linear = LINEAR[np.rint(colors[0].numpy() * 255).astype(np.uint8)]
    return surface_of(vertices, faces, Attribute(""), corner_colors={"": linear[faces]})


@torch.no_grad()
def overlap_of(shape: Shape, decoder: Decoder, latent: torch.Tensor) -> float:
    """Return the intersection over union of the true shape and of a latent's field."""
    points = torch.rand(8_000, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    true = ShapeBatch([shape]).distance_and_colour(points[None])[0][0] > 0
    made = decoder.field(latent).signed_distance(points) > 0
    return float((true & made).sum() / (true | made).sum())


def test_generated_shapes_come_back_as_the_evaluation_says() -> None:
    """Its card says that the bundled pack keeps a mean IoU of 0.9 of shapes like those.

    What is read here are triangles of marching cubes, and not the points of the generator.
    """
    models = resident.open_pack(STARTER, CPU, torch.float32)
    overlaps = {}
    for kind in KINDS:
        shape = generate_shape(np.random.default_rng(5), kind=kind)
        latent = read(models, mesh_of_shape(shape))
        overlaps[kind] = overlap_of(shape, models.decoder, latent)

    assert np.mean(list(overlaps.values())) > 0.8, overlaps
    assert min(overlaps.values()) > 0.65, overlaps
