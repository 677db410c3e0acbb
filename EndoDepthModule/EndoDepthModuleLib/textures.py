"""The texture of a fused surface in the scene: a colour volume that the model node refers to.

A scene keeps the texture coordinates of a model and the volume, but not that the one lies on the
other: that is wired again when the scene is loaded (:func:`connect_all`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

from meddl.core.image import Image
from meddl.core.textured_mesh import Texture
from SlicerMedDLLib.nodes import part, set_part
from SlicerMedDLLib.volumes import volume_from_image

TEXTURE = "MedDL.EndoDepth.texture"  # role of the volume
MODEL = "vtkMRMLModelNode"


def put_on(node: Any, texture: Texture | None) -> None:
    """Show a model in a texture of its points, or in none.

    Args:
        node: its points are those of :func:`meddl.core.textured_mesh.split_vertices`.
        texture: None takes away what an earlier surface had.
    """
    volume = part(node, TEXTURE)
    if texture is None:
        node.GetDisplayNode().SetTextureImageDataConnection(None)
        if volume is not None:
            slicer.mrmlScene.RemoveNode(volume)
        return
    array = numpy_to_vtk(np.ascontiguousarray(texture.coordinates, dtype=np.float32), deep=True)
    array.SetName("Texture coordinates")
    node.GetPolyData().GetPointData().SetTCoords(array)
    # VTK counts the rows of a texture from below.
    picture = Image(np.ascontiguousarray(texture.picture[::-1])[None])
    set_part(
        node,
        TEXTURE,
        volume_from_image(picture, _("{name} texture").format(name=node.GetName()), volume),
    )
    node.GetDisplayNode().SetScalarVisibility(False)
    connect(node)


def connect(node: Any) -> None:
    """Let a model show its texture, unless numbers or colours of its points are shown."""
    volume, display = part(node, TEXTURE), node.GetDisplayNode()
    if volume is None or display is None or display.GetScalarVisibility():
        return
    display.SetInterpolateTexture(True)
    display.SetTextureImageDataConnection(volume.GetImageDataConnection())


def connect_all() -> None:
    """Let all models of a loaded scene show their textures."""
    for node in slicer.util.getNodesByClass(MODEL):
        connect(node)
