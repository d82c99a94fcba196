# SPDX-License-Identifier: GPL-3.0-or-later
"""open_clip's towers: built without weights, imported behind an unfit torchvision, tokens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from maquette.core.conditioning.clip import open_clip_module, tokenize
from maquette.core.conditioning.clip_image import ClipImageEncoder
from maquette.core.conditioning.clip_text import ClipTextEncoder, scale_embedding
from maquette.core.specs import CLIPS, ClipSpec

pytestmark = pytest.mark.needs_torch

TEXT = ClipSpec(kind="text", width=16, num_layers=1, num_heads=2, embedding_width=12)
IMAGE = ClipSpec(
    kind="image", width=16, num_layers=1, num_heads=2, embedding_width=12, image_size=28
)
START, END = 49406, 49407


def test_towers_of_official_size_have_the_published_parameters() -> None:
    with torch.device("meta"):
        text = ClipTextEncoder(CLIPS["vit-l-14-text"])
        image = ClipImageEncoder(CLIPS["vit-l-14-image"])

    # transformers' CLIPTextModelWithProjection; CLIPVisionModel less its final norm.
    assert sum(p.numel() for p in text.parameters()) == 123_650_304
    assert sum(p.numel() for p in image.parameters()) == 303_179_776 - 2 * 1024
    assert all(p.is_meta for p in (*text.parameters(), *image.parameters()))
    assert not text.tower.attn_mask.is_meta


def test_the_text_tower_reads_nothing_behind_the_end() -> None:
    encoder = ClipTextEncoder(TEXT).eval()
    tokens = tokenize(["a red mug"], 77)
    changed = tokens.clone()
    changed[:, 10:] = 17

    with torch.inference_mode():
        assert torch.allclose(encoder(tokens), encoder(changed), atol=1e-6)


def test_the_image_tower_returns_one_vector_per_patch() -> None:
    encoder = ClipImageEncoder(IMAGE).eval()

    with torch.inference_mode():
        assert encoder(torch.randn(2, 3, 28, 28)).shape == (2, 4, 16)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_conditions_come_out_in_full_precision(dtype: torch.dtype) -> None:
    encoder = ClipTextEncoder(TEXT).to(dtype).eval()

    condition = encoder.condition(["a mug", "a chair"])

    assert condition.dtype == torch.float32
    assert condition.shape == (2, 1, 12)
    torch.testing.assert_close(condition.norm(dim=2), torch.full((2, 1), 12**0.5))


def test_the_scaled_embedding_has_unit_variance() -> None:
    embedding = torch.tensor([[3.0, 4.0, 0.0, 0.0]])

    torch.testing.assert_close(scale_embedding(embedding), torch.tensor([[1.2, 1.6, 0.0, 0.0]]))


def test_tokens_are_start_text_end_and_zeros() -> None:
    tokens = tokenize(["a red mushroom", ""], 77)

    assert tokens.shape == (2, 77)
    assert tokens[0, :6].tolist() == [START, 320, 736, 13011, END, 0]
    assert tokens[1, :3].tolist() == [START, END, 0]
    assert tokens[0, 5:].count_nonzero() == 0


@pytest.mark.parametrize("prompt", ["chair " * 500, "椅子" * 400, "🍄" * 300])
def test_long_prompts_keep_their_end(prompt: str) -> None:
    tokens = tokenize([prompt], 77)

    assert tokens[0, 0] == START
    assert tokens[0, -1] == END
    assert (tokens[0, 1:-1] < START).all()


def run(program: str, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(path)!r})\n{program}"],
        capture_output=True,
        text=True,
        check=False,
    )


def fake_open_clip(folder: Path, torchvision: str) -> Path:
    """Write an open_clip that needs a torchvision of which the source is given."""
    (folder / "open_clip.py").write_text("import torchvision\nready = True\n")
    (folder / "torchvision.py").write_text(torchvision)
    return folder


def test_a_torchvision_of_another_build_does_not_hinder(tmp_path: Path) -> None:
    # What torchvision does at import when its compiled part could not be loaded.
    folder = fake_open_clip(
        tmp_path,
        "import torch\n"
        "@torch.library.register_fake('torchvision::nms')\n"
        "def nms(dets, scores, iou_threshold): ...\n",
    )
    program = (
        "from maquette.core.conditioning.clip import open_clip_module\n"
        "assert open_clip_module().ready\n"
        "assert open_clip_module() is open_clip_module()\n"
    )

    direct = run("import open_clip", folder)
    ours = run(program, folder)

    assert "operator torchvision::nms does not exist" in direct.stderr
    assert ours.returncode == 0, ours.stderr


def test_a_torchvision_that_fits_is_left_alone(tmp_path: Path) -> None:
    folder = fake_open_clip(tmp_path, "")
    program = (
        "import torch\n"
        "from maquette.core.conditioning.clip import open_clip_module\n"
        "assert open_clip_module().ready\n"
        "assert not hasattr(torch.ops.torchvision, 'nms')\n"
    )

    result = run(program, folder)

    assert result.returncode == 0, result.stderr


def test_any_other_failure_of_the_import_is_not_hidden(tmp_path: Path) -> None:
    folder = fake_open_clip(tmp_path, "raise RuntimeError('driver missing')")

    result = run("from maquette.core.conditioning.clip import open_clip_module as f; f()", folder)

    assert "RuntimeError: driver missing" in result.stderr


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['open_clip'] = None\n"
        "from maquette.core.conditioning.clip import open_clip_module\n"
        "open_clip_module()\n"
    )

    result = run(program, tmp_path)

    assert "needs the Python package open_clip: install open_clip_torch" in result.stderr


def test_the_real_package_is_used_here() -> None:
    assert hasattr(open_clip_module(), "CustomTextCLIP")
