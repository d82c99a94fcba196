# SPDX-License-Identifier: GPL-3.0-or-later
"""Occlusion in USD files, which Blender's exporter leaves out and USD's preview surface knows.

It needs USD's own Python package, `pxr`. Where a Blender has none, a file has color and normals.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path, PurePosixPath


def is_possible() -> bool:
    """Return whether USD's own package is there."""
    return importlib.util.find_spec("pxr") is not None


def add(path: Path, pictures: dict[str, str]) -> None:
    """Let the materials of a file use pictures of occlusion that lie beside it.

    Args:
        path: a file that Blender's exporter has written.
        pictures: names of files, those of occlusion by the base color of the same material.
    """
    from pxr import Usd, UsdShade

    stage = Usd.Stage.Open(str(path))
    for prim in list(stage.Traverse()):
        if prim.IsA(UsdShade.Material):
            _add_to(UsdShade.Material(prim), pictures)
    stage.GetRootLayer().Save()


def _add_to(material, pictures: dict[str, str]) -> None:
    from pxr import Sdf, UsdShade

    surface = material.ComputeSurfaceSource()[0]
    color = _shader_behind(surface, "diffuseColor") if surface else None
    asset = color.GetInput("file").Get() if color and color.GetInput("file") else None
    name = pictures.get(PurePosixPath(asset.path).name) if asset else None
    if name is None:
        return
    place = material.GetPath().AppendChild("Occlusion_Texture")
    texture = UsdShade.Shader.Define(material.GetPrim().GetStage(), place)
    texture.CreateIdAttr("UsdUVTexture")
    texture.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(Sdf.AssetPath(f"./{name}"))
    texture.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set("raw")
    if uvs := color.GetInput("st").GetConnectedSources()[0]:
        source = uvs[0].source.GetOutput(uvs[0].sourceName)
        texture.CreateInput("st", Sdf.ValueTypeNames.Float2).ConnectToSource(source)
    red = texture.CreateOutput("r", Sdf.ValueTypeNames.Float)
    surface.CreateInput("occlusion", Sdf.ValueTypeNames.Float).ConnectToSource(red)


def _shader_behind(shader, name: str):
    """Return the shader that an input is connected to, or None."""
    from pxr import UsdShade

    taken = shader.GetInput(name)
    sources = taken.GetConnectedSources()[0] if taken else []
    return UsdShade.Shader(sources[0].source.GetPrim()) if sources else None
