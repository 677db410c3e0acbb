"""RTK's Joseph projector and ITK's ray casting (packages itk-rtk, itk)."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any

import itk
import numpy as np
from itk import RTK as rtk
from worker import serve

Volume = itk.Image[itk.F, 3]


def _image(values: np.ndarray, spacing: Any, origin: Any) -> Any:
    image = itk.image_from_array(values)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    return image


class Joseph:
    """rtk::JosephForwardProjectionImageFilter."""

    version = f"itk-rtk {version('itk-rtk')}"

    def prepare(self, values: np.ndarray, spacing: list[float]) -> None:
        self.volume = _image(values, spacing, [0.0] * 3)

    def project(self, view: dict[str, Any]) -> np.ndarray:
        column, row = np.array(view["per_column"]), np.array(view["per_row"])
        pixel = [float(np.linalg.norm(column)), float(np.linalg.norm(row)), 1.0]
        geometry = rtk.ThreeDCircularProjectionGeometry.New()
        accepted = geometry.AddProjection(
            itk.Point[itk.D, 3](view["source"]),
            itk.Point[itk.D, 3](view["first"]),
            itk.Vector[itk.D, 3]((column / pixel[0]).tolist()),
            itk.Vector[itk.D, 3]((row / pixel[1]).tolist()),
        )
        if not accepted:
            raise ValueError("RTK refused the geometry")
        w, h = view["size"]
        joseph = rtk.JosephForwardProjectionImageFilter[Volume, Volume].New()
        joseph.SetInput(0, _image(np.zeros((1, h, w), np.float32), pixel, [0.0] * 3))
        joseph.SetInput(1, self.volume)
        joseph.SetGeometry(geometry)
        joseph.Update()
        return itk.array_from_image(joseph.GetOutput())[0]


class RayCast:
    """itk::RayCastInterpolateImageFunction behind a ResampleImageFilter, as in ITK's example."""

    version = f"itk {version('itk')}"

    def prepare(self, values: np.ndarray, spacing: list[float]) -> None:
        # The function takes the middle of the volume for the origin, whatever the image says.
        self.middle = 0.5 * np.array(spacing) * (np.array(values.shape[::-1]) - 1)
        self.volume = _image(values, spacing, (-self.middle).tolist())

    def project(self, view: dict[str, Any]) -> np.ndarray:
        column, row = np.array(view["per_column"]), np.array(view["per_row"])
        pixel = [float(np.linalg.norm(column)), float(np.linalg.norm(row)), 1.0]
        x, y = column / pixel[0], row / pixel[1]
        w, h = view["size"]
        cast = itk.RayCastInterpolateImageFunction[Volume, itk.D].New()
        cast.SetTransform(itk.IdentityTransform[itk.D, 3].New())
        cast.SetFocalPoint((np.array(view["source"]) - self.middle).tolist())
        cast.SetThreshold(0.0)
        resample = itk.ResampleImageFilter[Volume, Volume].New()
        resample.SetInput(self.volume)
        resample.SetInterpolator(cast)
        resample.SetSize([w, h, 1])
        resample.SetOutputSpacing(pixel)
        resample.SetOutputOrigin((np.array(view["first"]) - self.middle).tolist())
        resample.SetOutputDirection(itk.matrix_from_array(np.stack([x, y, np.cross(x, y)], 1)))
        resample.Update()
        return itk.array_from_image(resample.GetOutput())[0]


if __name__ == "__main__":
    serve({"joseph": Joseph, "raycast": RayCast}[sys.argv[1]]())
