"""The packages that the library builds on, and how one that is missing is asked for."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from meddl.core.errors import DependencyError, DeviceError, out_of_memory

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
    "pyamg": ("pyamg", "evaluate"),
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
        DeviceError: there is too little memory to load it.
    """
    try:
        return import_module(name)
    except (ImportError, OSError) as error:
        if out_of_memory(error):
            raise DeviceError(
                f"{purpose} needs the package {name}, and there is not enough memory to load it; "
                "close other programs or raise the limit (ulimit -v)"
            ) from error
        if not isinstance(error, ImportError):
            raise
        raise _missing(name, purpose, f"does not import here ({error})") from error


def require_installed(name: str, purpose: str) -> None:
    """As :func:`require` without importing, which takes seconds; for the thread of a window.

    Raises:
        DependencyError: the package is missing.
    """
    if not is_installed(name):
        raise _missing(name, purpose, "is not installed here")


def _missing(name: str, purpose: str, problem: str) -> DependencyError:
    package, _ = EXTRAS.get(name.partition(".")[0], (name, BASE))
    return DependencyError(
        f"{purpose} needs the package {package}, which {problem}; "
        f"install it with: pip install {package} (in Slicer: MedDL Home, Install)"
    )
