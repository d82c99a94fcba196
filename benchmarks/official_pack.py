# SPDX-License-Identifier: GPL-3.0-or-later
"""A pack of the published layout and size, without the published weights.

The prior and the text encoder are random; the decoder makes a fitted field of every latent, so
that what comes out is a mesh and not noise. Files are in half precision, as those that are
fetched; they take 1.3 GB and are kept under build/.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

_FOLDER = Path(__file__).parents[1] / "build" / "bench" / "shap-e"
_WEIGHTS = "diffusion_pytorch_model.safetensors"
_DONE = ".complete-in-half"


def why_missing() -> str:
    """Return why the pack cannot be made here; empty where it can."""
    if (_FOLDER / _DONE).exists():
        return ""
    absent = [name for name in ("diffusers", "transformers") if not importlib.util.find_spec(name)]
    return f"{' and '.join(absent)} write its files and are not installed" if absent else ""


def folder() -> Path:
    """Return the pack, made now if it is not there yet."""
    if not (_FOLDER / _DONE).exists():
        _make()
        (_FOLDER / _DONE).touch()
    return _FOLDER


def _make() -> None:
    from ..core.specs import CLIPS, PRIORS
    from ..tests.parity.reference_models import export, reference_prior, reference_text_encoder
    from .baselines.diffusers_models import renderer_of

    export(
        reference_prior(PRIORS["shap-e-text"], 1), _FOLDER / "text" / "prior", _WEIGHTS, half=True
    )
    encoder = reference_text_encoder(CLIPS["vit-l-14-text"], 2)
    export(encoder, _FOLDER / "text" / "text_encoder", "model.safetensors", half=True)
    export(renderer_of("blob"), _FOLDER / "shap_e_renderer", _WEIGHTS, half=True)
