"""A CUDA device by PyCUDA within PyTorch's context: kernels, textures, launches.

PyTorch owns the device's primary context and all memory but the textures; kernels get its tensors
by address. PyCUDA knows neither foreign streams nor texture objects (and texture references left
with CUDA 12): it launches on the null stream, in order with PyTorch's current stream, and the
driver makes the texture objects through its C interface.
"""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import logging
import os
import shutil
import subprocess
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from meddl.core.errors import DependencyError, DeviceError, one_line
from meddl.core.files import atomic_path
from meddl.core.optional import require

logger = logging.getLogger(__name__)

SOURCES = Path(__file__).resolve().parent
PURPOSE = "the pycuda backend"
NVCC_LIMIT = 300  # seconds; it takes three
# Options of each source. The transport's operations are the CPU's, one by one.
OPTIONS: dict[str, tuple[str, ...]] = {"projector": (), "transport": ("-fmad=false",)}


class ResourceDescription(ctypes.Structure):
    """CUDA_RESOURCE_DESC of cuda.h, for a CUDA array; its kind is 0."""

    _fields_ = (
        ("kind", ctypes.c_int),
        ("array", ctypes.c_void_p),
        ("rest_of_union", ctypes.c_byte * 120),
        ("flags", ctypes.c_uint),
    )


class TextureDescription(ctypes.Structure):
    """CUDA_TEXTURE_DESC of cuda.h; modes 1 and filter 1 are clamping and linear."""

    _fields_ = (
        ("address_modes", ctypes.c_int * 3),
        ("filter", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("max_anisotropy", ctypes.c_uint),
        ("mipmap_filter", ctypes.c_int),
        ("mipmap_levels", ctypes.c_float * 3),
        ("border", ctypes.c_float * 4),
        ("reserved", ctypes.c_int * 12),
    )


def cache_folder() -> Path:
    """Where compiled kernels are kept; it need not exist yet.

    ``$MEDDL_CACHE`` if set; in a checkout its ``.cache``; else the platform's cache folder.
    """
    if os.environ.get("MEDDL_CACHE"):
        return Path(os.environ["MEDDL_CACHE"]).expanduser().absolute() / "cuda"
    repository = SOURCES.parents[3]
    if (repository / "pyproject.toml").is_file():
        return repository / ".cache" / "cuda"
    platformdirs = require("platformdirs", "finding the folder of compiled kernels")
    return platformdirs.user_cache_path("meddl", appauthor=False) / "cuda"


def find_nvcc() -> str | None:
    """CUDA's compiler on the PATH, or in ``$CUDA_HOME`` or ``$CUDA_PATH``."""
    homes = (os.environ.get(name) for name in ("CUDA_HOME", "CUDA_PATH"))
    paths = [str(Path(home, "bin")) for home in homes if home]
    return shutil.which("nvcc") or shutil.which("nvcc", path=os.pathsep.join(paths))


def compiled(architecture: str, source: str = "projector") -> bytes:
    """The kernels as a cubin, compiled by nvcc the first time and kept in :func:`cache_folder`.

    Args:
        architecture: as nvcc names it, ``"sm_75"``.
        source: a name of :data:`OPTIONS`.

    Raises:
        DependencyError: there is no nvcc, or it does not compile for the architecture.
    """
    command = ["-cubin", f"-arch={architecture}", "-std=c++17", *OPTIONS[source]]
    digest = hashlib.sha256(" ".join(command).encode())
    for path in sorted([*SOURCES.glob("*.cu"), *SOURCES.glob("*.h")]):
        digest.update(path.read_bytes())
    cubin = cache_folder() / f"{source}-{architecture}-{digest.hexdigest()[:16]}.cubin"
    if cubin.is_file():
        return cubin.read_bytes()
    nvcc = find_nvcc()
    if nvcc is None:
        raise DependencyError(
            f"{PURPOSE} compiles its kernels with nvcc, which is neither on the PATH nor in "
            "$CUDA_HOME; install NVIDIA's CUDA toolkit or choose another backend"
        )
    logger.info("compiling the %s for %s", source, architecture)
    cubin.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(cubin) as path:
        done = subprocess.run(
            [nvcc, *command, "-o", str(path), str(SOURCES / f"{source}.cu")],
            capture_output=True,
            text=True,
            timeout=NVCC_LIMIT,
        )
        if done.returncode != 0:
            said = next(iter((done.stderr or done.stdout).strip().splitlines()), "no message")
            raise DependencyError(
                f"{nvcc} does not compile the kernels for {architecture} ({said}); "
                "install a CUDA toolkit and host compiler that fit the device"
            )
    return cubin.read_bytes()


class Texture:
    """A linear, clamped 3-D texture; its memory goes back when nothing refers to it any more.

    Attributes:
        handle: for the kernels.
    """

    def __init__(self, device: CudaDevice, array: Any) -> None:
        resource = ResourceDescription(kind=0, array=array.handle)
        look = TextureDescription(address_modes=(1, 1, 1), filter=1)
        handle = ctypes.c_uint64()
        device.check(
            device.library.cuTexObjectCreate(
                ctypes.byref(handle), ctypes.byref(resource), ctypes.byref(look), None
            )
        )
        self.handle = handle.value
        weakref.finalize(self, device.destroy, self.handle, array).atexit = False


class CudaDevice:
    """One CUDA device, its compiled kernels and PyTorch's context on it; see :func:`open_device`.

    Attributes:
        name: as PyTorch writes it, ``"cuda:0"``.

    Raises:
        DependencyError: PyTorch, PyCUDA or nvcc is missing.
        DeviceError: the device does not run the kernels.
    """

    def __init__(self, name: str) -> None:
        self._torch = require("torch", PURPOSE)
        self._driver = require("pycuda.driver", PURPOSE)
        if not self._torch.cuda.is_available():
            raise DeviceError(f"{PURPOSE} needs a CUDA device, PyTorch sees none; use numba")
        self.name = name
        self._torch.zeros(1, device=name)  # PyTorch makes the primary context
        self._driver.init()
        device = self._driver.Device(self._torch.device(name).index or 0)
        major, minor = device.compute_capability()
        self._architecture = f"sm_{major}{minor}"
        compiled(self._architecture)  # what is missing is said now
        self.library = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
        self.library.cuTexObjectDestroy.argtypes = [ctypes.c_uint64]
        self._context = device.retain_primary_context()
        self._modules: dict[str, Any] = {}

    @contextmanager
    def active(self) -> Iterator[None]:
        """The context is PyCUDA's in this thread; its null stream runs between PyTorch's work.

        Raises:
            DeviceError: whatever the driver refuses in the meantime.
        """
        cuda = self._torch.cuda
        stream, null = cuda.current_stream(self.name), cuda.default_stream(self.name)
        null.wait_stream(stream)
        self._context.push()
        try:
            yield
        except self._driver.Error as error:
            raise DeviceError(f"{self.name}: {one_line(error)}") from error
        finally:
            self._context.pop()
        stream.wait_stream(null)

    def check(self, result: int) -> None:
        """Raise a :class:`DeviceError` unless the driver's ``result`` is 0."""
        if result != 0:
            raise DeviceError(f"{self.name}: the driver refused a texture (CUDA error {result})")

    def texture(self, shape: tuple[int, int, int], channels: int, chunks: Iterable[Any]) -> Texture:
        """Fill a texture with the voxels of ``chunks``.

        Args:
            shape: (K, J, I).
            channels: 1, 2 or 4.
            chunks: tensors (k, J, I, channels) float32, contiguous, on this device, K slices in
                all.
        """
        depth, height, width = shape
        descriptor = self._driver.ArrayDescriptor3D()
        descriptor.width, descriptor.height, descriptor.depth = width, height, depth
        descriptor.format = self._driver.array_format.FLOAT
        descriptor.num_channels = channels
        descriptor.flags = 0
        with self.active():
            array = self._driver.Array(descriptor)
        done = 0
        for chunk in chunks:
            copy = self._driver.Memcpy3D()
            copy.set_src_device(chunk.data_ptr())
            copy.src_pitch = copy.width_in_bytes = 4 * width * channels
            copy.src_height = copy.height = height
            copy.depth = chunk.shape[0]
            copy.set_dst_array(array)
            copy.dst_z = done
            with self.active():
                copy()
            done += chunk.shape[0]
        with self.active():
            return Texture(self, array)

    def destroy(self, handle: int, array: Any) -> None:
        """Give a texture's memory back; what runs on it is waited for by the driver."""
        with self.active():
            self.check(self.library.cuTexObjectDestroy(handle))
            array.free()

    def launch(
        self,
        kernel: str,
        blocks: tuple[int, int],
        threads: tuple[int, int],
        *arguments: Any,
        source: str = "projector",
    ) -> None:
        """Start a kernel.

        Args:
            kernel: its name in the source.
            blocks, threads: (x, y), of the grid and of each block.
            arguments: tensors and textures by address, bytes (a structure) by value, int as int32,
                numpy's numbers as they are.
            source: a name of :data:`OPTIONS`.
        """
        cubin = None if source in self._modules else compiled(self._architecture, source)
        with self.active():
            if cubin is not None:
                self._modules[source] = self._driver.module_from_buffer(cubin)
            function = self._modules[source].get_function(kernel)
            function(*map(_argument, arguments), grid=(*blocks, 1), block=(*threads, 1))

    def synchronize(self) -> None:
        """Wait until all that was started has ended."""
        with self.active():
            self._context.synchronize()

    def close(self) -> None:
        """Let go of the context: it is PyTorch's alone again."""
        self._modules.clear()
        self._context.detach()


def _argument(value: Any) -> np.generic:
    if isinstance(value, np.generic):
        return value
    if isinstance(value, bytes):
        return np.void(value)
    if isinstance(value, int):
        return np.int32(value)
    return np.uint64(value.handle if isinstance(value, Texture) else value.data_ptr())


@cache
def open_device(name: str) -> CudaDevice:
    """The device ``"cuda:0"``, opened once; see :class:`CudaDevice` for what may be missing."""
    device = CudaDevice(name)
    atexit.register(device.close)  # PyCUDA complains of a primary context that is not detached
    return device
