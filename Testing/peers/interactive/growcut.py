"""3D Slicer's "Grow from seeds" (vtkImageGrowCutSegment of slicer-core) as a method."""

from __future__ import annotations

import numpy as np


class GrowCut:
    """Labels of the nearest seed by summed intensity differences (fast GrowCut, Zhu et al. 2014).

    The settings of Slicer's effect: seed locality 0. Without a background seed the image's faces
    serve as background, since Slicer asks for two segments. Update is incremental, as in Slicer.
    """

    needs_seeds = True
    uses_previous = False

    def __init__(self, image, spacing, device="auto"):
        import slicer

        self._shape = image.shape[:3]
        self._spacing = spacing
        grey = image[..., 0].astype(np.float64)
        span = np.ptp(grey) or 1.0  # Slicer's images are short integers: keep 15 bits
        self._grey = np.round((grey - grey.min()) / span * 32767).astype(np.int16)
        self._filter = slicer.vtkImageGrowCutSegment()
        self._filter.SetIntensityVolume(_vtk_image(self._grey, spacing))

    def __call__(self, seeds, previous=None, progress=None, cancel=None):
        from vtkmodules.util.numpy_support import vtk_to_numpy

        from meddl.deepigeos.geodesic_method import background_of

        labels = np.where(background_of(seeds), 1, seeds).astype(np.int16)
        # The filter keeps earlier distances and would keep seeds that were removed.
        self._filter.Reset()
        self._filter.SetSeedLabelVolume(_vtk_image(labels, self._spacing))
        self._filter.Update()
        output = vtk_to_numpy(self._filter.GetOutput().GetPointData().GetScalars())
        return (output.reshape(self._shape) == 2).astype(np.float32)


def _vtk_image(array, spacing):
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData

    image = vtkImageData()
    image.SetDimensions(*array.shape[::-1])
    image.SetSpacing(*spacing[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(array.ravel(), deep=True))
    return image
