"""Packages that only some tasks need."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from meddl.core.errors import DependencyError

# Import name -> (pip name, the extra of this library that brings it).
EXTRAS = {
    "av": ("av", "video"),
    "cv2": ("opencv-python-headless", "video"),
    "dask": ("dask", "cluster"),
    "lightning": ("lightning-fabric", "train"),
    "lightning_fabric": ("lightning-fabric", "train"),
    "monai": ("monai", "train"),
    "numba": ("numba", "cpu"),
    "onnx": ("onnx", "onnx"),
    "onnxruntime": ("onnxruntime", "onnx"),
    "openvino": ("openvino", "openvino"),
    "pycolmap": ("pycolmap", "sfm"),
    "spekpy": ("spekpy", "spectra"),
    "tensorboard": ("tensorboard", "train"),
    "torch": ("torch", "torch"),
    "torchmetrics": ("torchmetrics", "train"),
    "trimesh": ("trimesh", "mesh"),
}


def is_installed(name: str) -> bool:
    """Whether ``import name`` would find a module, without importing it."""
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def require(name: str, purpose: str) -> ModuleType:
    """Import ``name`` or say which package to install for ``purpose``.

    Raises:
        DependencyError: the package is missing or does not import.
    """
    try:
        return import_module(name)
    except ImportError as error:
        package, extra = EXTRAS.get(name.partition(".")[0], (name, "all"))
        raise DependencyError(
            f"{purpose} needs the package {package}, which does not import here ({error}); "
            f'install it with: pip install "meddl[{extra}]" (in Slicer: MedDL Home, Install)'
        ) from error
