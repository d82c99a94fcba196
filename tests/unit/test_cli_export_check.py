# SPDX-License-Identifier: GPL-3.0-or-later
"""Files built by hand after their formats; Blender's own are tried in tests/blender."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest
from maquette.cli.export_check import is_complete

FRAMES = [b"\x28\xb5\x2f\xfd" + bytes(40), b"\x28\xb5\x2f\xfd" + bytes(17)]


def blend() -> bytes:
    """Two frames, and a seek table as the Zstandard seekable format describes it."""
    entries = b"".join(struct.pack("<II", len(frame), 1000) for frame in FRAMES)
    table = entries + struct.pack("<IBI", len(FRAMES), 0, 0x8F92EAB1)
    return b"".join(FRAMES) + struct.pack("<II", 0x184D2A5E, len(table)) + table


def glb() -> bytes:
    body = struct.pack("<I4s", 8, b"JSON") + b"{}      "
    return b"glTF" + struct.pack("<II", 2, 12 + len(body)) + body


def obj() -> bytes:
    return b"# x\nmtllib x.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\nf 1 3 2\n"


def ply() -> bytes:
    header = (
        b"ply\nformat binary_little_endian 1.0\nelement vertex 3\n"
        b"property float x\nproperty float y\nproperty float z\nproperty uchar red\n"
        b"element face 2\nproperty list uchar uint vertex_indices\nend_header\n"
    )
    return header + bytes(3 * 13) + bytes(2 * 13)


def usd() -> bytes:
    body = bytes(50)
    contents = struct.pack("<Q", 1) + struct.pack("<16sqq", b"TOKENS", 24, 50)
    return b"PXR-USDC" + bytes(8) + struct.pack("<q", 24 + len(body)) + body + contents


def mtl() -> bytes:
    return b"newmtl Red\nKd 1 1 1\nillum 2\nmap_Kd x-base-color.png\nmap_Bump x-normal.png\n"


def png() -> bytes:
    return b"\x89PNG\r\n\x1a\n" + bytes(30) + b"\0\0\0\0IEND\xaeB`\x82"


def stl() -> bytes:
    return bytes(80) + struct.pack("<I", 2) + bytes(2 * 50)


def three_mf() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("3D/3dmodel.model", "<model>" + 2 * '<triangle v1="0"/>' + "</model>")
    return target.getvalue()


SAMPLES = {
    ".blend": blend(),
    ".glb": glb(),
    ".obj": obj(),
    ".ply": ply(),
    ".usd": usd(),
    ".usdc": usd(),
    ".png": png(),
    ".stl": stl(),
    ".3mf": three_mf(),
}


@pytest.mark.parametrize("suffix", [*SAMPLES, ".mtl"])
def test_a_whole_file_passes(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_bytes((SAMPLES | {".mtl": mtl()})[suffix])

    assert is_complete(path, 2)


@pytest.mark.parametrize("suffix", SAMPLES)
def test_every_shorter_file_is_found_out(tmp_path, suffix):
    content = SAMPLES[suffix]
    path = tmp_path / f"x{suffix}"

    for length in range(len(content)):
        path.write_bytes(content[:length])
        assert not is_complete(path, 2), length


@pytest.mark.parametrize("length", [0, 5, 11, 20, 30, len(mtl()) - 1])
def test_a_list_of_materials_ends_with_a_full_line_of_the_last_kind(tmp_path, length):
    path = tmp_path / "x.mtl"
    path.write_bytes(mtl()[:length])

    assert not is_complete(path, 2)


@pytest.mark.parametrize("suffix", [".blend", ".glb", ".ply", ".usd", ".stl", ".3mf"])
def test_a_gap_in_the_middle_is_found_out(tmp_path, suffix):
    """As when the disk refused one block and took the next."""
    content = SAMPLES[suffix]
    path = tmp_path / f"x{suffix}"

    gap = len(content) * 3 // 4
    path.write_bytes(content[:gap] + content[gap + 4 :])

    assert not is_complete(path, 2)


def test_a_missing_face_is_found_out(tmp_path):
    path = tmp_path / "x.obj"
    path.write_bytes(obj())

    assert not is_complete(path, 3)


def test_a_file_that_is_not_there(tmp_path: Path):
    assert not is_complete(tmp_path / "x.glb", 2)
