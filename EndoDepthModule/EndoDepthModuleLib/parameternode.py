"""The module's state in the scene. What belongs to a video is kept with its browser."""

from __future__ import annotations

import slicer
from slicer.parameterNodeWrapper import parameterNodeWrapper


@parameterNodeWrapper
class EndoDepthParameterNode:
    """What the panel shows."""

    video: slicer.vtkMRMLSequenceBrowserNode
    surface: slicer.vtkMRMLModelNode
    surfacePoints: slicer.vtkMRMLMarkupsFiducialNode
    meshPoints: slicer.vtkMRMLMarkupsFiducialNode
