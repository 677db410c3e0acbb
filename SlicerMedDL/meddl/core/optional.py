"""The packages that the library builds on, and how one that is missing is asked for."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from meddl.core.errors import DependencyError

# Import name -> (pip name, the extra of pyproject.toml that brings it; BASE: every installation).
BASE = "base"
EXTRAS = {
    "numba": ("numba", BASE),
    "numpy": ("numpy", BASE),
    "PIL": ("pillow", BASE),
    "platformdirs": ("platformdirs", BASE),
    "psutil": ("psutil", BASE),
    "pydicom": ("pydicom", BASE),
    "rich": ("rich", BASE),
    "safetensors": ("safetensors", BASE),
    "scipy": ("scipy", BASE),
    "SimpleITK": ("SimpleITK", BASE),
    "tifffile": ("tifffile", BASE),
    "trimesh": ("trimesh", BASE),
    "xraydb": ("xraydb", BASE),
    "yaml": ("PyYAML", BASE),
    "torch": ("torch", "torch"),
    "lightning_fabric": ("lightning-fabric", "train"),
    "monai": ("monai", "train"),
    "tensorboard": ("tensorboard", "train"),
    "torchmetrics": ("torchmetrics", "train"),
    "matplotlib": ("matplotlib", "evaluate"),
    "skimage": ("scikit-image", "evaluate"),
    "kornia": ("kornia", "augment"),
    "torchio": ("torchio", "augment"),
    "h5py": ("h5py", "nyu"),
    "av": ("av", "video"),
    "cv2": ("opencv-python-headless", "video"),
    "openvino": ("openvino", "openvino"),
    "onnx": ("onnx", "onnx"),
    "onnxruntime": ("onnxruntime", "onnx"),
    "pycolmap": ("pycolmap", "sfm"),
    "spekpy": ("spekpy", "spectra"),
    "pycuda": ("pycuda", "cuda"),
    "dask": ("dask", "cluster"),
    "distributed": ("distributed", "cluster"),
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
        package, _ = EXTRAS.get(name.partition(".")[0], (name, BASE))
        raise DependencyError(
            f"{purpose} needs the package {package}, which does not import here ({error}); "
            f"install it with: pip install {package} (in Slicer: MedDL Home, Install)"
        ) from error
