# SPDX-License-Identifier: GPL-3.0-or-later
"""A pack of the published layout and size, without the published weights.

The prior and the text encoder are random; the decoder makes a fitted field of every latent, so
that what comes out is a mesh and not noise. Files are in half precision, as those that are
fetched, or in full, as OpenAI's own; they take 1.3 and 2.6 GB and are kept under build/.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

_FOLDER = Path(__file__).parents[1] / "build" / "bench"
_WEIGHTS = "diffusion_pytorch_model.safetensors"
_DONE = ".complete-in-half", ".complete-in-full"


def why_missing(*, half: bool = True) -> str:
    """Return why the pack cannot be made here; empty where it can."""
    if _is_made(half):
        return ""
    absent = [name for name in ("diffusers", "transformers") if not importlib.util.find_spec(name)]
    return f"{' and '.join(absent)} write its files and are not installed" if absent else ""


def folder(*, half: bool = True) -> Path:
    """Return the pack, made now if it is not there yet."""
    if not _is_made(half):
        _make(_path(half), half)
        (_path(half) / _DONE[not half]).touch()
    return _path(half)


def _path(half: bool) -> Path:
    return _FOLDER / ("shap-e" if half else "shap-e-full")


def _is_made(half: bool) -> bool:
    return (_path(half) / _DONE[not half]).exists()


def _make(folder: Path, half: bool) -> None:
    from ..core.specs import CLIPS, PRIORS
    from ..tests.parity.reference_models import export, reference_prior, reference_text_encoder
    from .baselines.diffusers_models import renderer_of

    prior = reference_prior(PRIORS["shap-e-text"], 1)
    export(prior, folder / "text" / "prior", _WEIGHTS, half=half)
    encoder = reference_text_encoder(CLIPS["vit-l-14-text"], 2)
    export(encoder, folder / "text" / "text_encoder", "model.safetensors", half=half)
    export(renderer_of("blob"), folder / "shap_e_renderer", _WEIGHTS, half=half)
