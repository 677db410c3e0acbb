"""DeepDRR's projection kernel (package deepdrr 1.2.2, without its dependencies), run by CuPy.

Its class ``Projector`` opens an OpenGL scene for meshes, which a volume alone does not need; the
kernel, its textures and its constants are used as there. Two things are done for it: rays are given
with the length to the detector, without which it steps through the air from the source on; and the
volume may be moved by a voxel, since it samples one voxel beside the place that its bounds mean.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
SCALE = 1e-4  # keeps the exponent of its Beer-Lambert law, per cm, below 10


class DeepDRRKernel:
    """Line integrals of one material.

    Args:
        values: (k, j, i) float32, densities.
        ijk_from_world: (4, 4), voxel centres at whole numbers.
        step: mm along a ray; the package's default is 0.1.
        shift: voxels that the volume is moved by along each axis.
    """

    def __init__(
        self, values: Array, ijk_from_world: NDArray[np.float64], step: float, shift: float
    ) -> None:
        import cupy
        from cupy.cuda import runtime, texture

        folder = Path(find_spec("deepdrr").origin).parent / "projector"
        options = {"NUM_VOLUMES": 1, "NUM_MATERIALS": 1, "MESH_ADDITIVE_ENABLED": 0}
        options |= {"MAX_MESH_HITS": 32, "MESH_LAYERS": 2}
        options |= {"ATTENUATE_OUTSIDE_VOLUME": 0, "AIR_INDEX": 0}
        module = cupy.RawModule(
            code=(folder / "project_kernel.cu").read_text(),
            options=(
                *(f"-D{name}={value}" for name, value in options.items()),
                f"-I{folder / 'cubic'}",
                f"-I{folder}",
            ),
            backend="nvcc",
        )
        self._kernel = module.get_function("projectKernel")
        self._step = step
        self._textures = []
        for array, kind, how in (
            (values, runtime.cudaChannelFormatKindFloat, runtime.cudaFilterModeLinear),
            (
                np.zeros(values.shape, np.uint8),
                runtime.cudaChannelFormatKindUnsigned,
                runtime.cudaFilterModePoint,
            ),
        ):
            kind = texture.ChannelFormatDescriptor(8 * array.itemsize, 0, 0, 0, kind)
            held = texture.CUDAarray(kind, *array.shape[::-1])
            held.copy_from(np.ascontiguousarray(array))
            source = texture.ResourceDescriptor(runtime.cudaResourceTypeArray, cuArr=held)
            sampling = texture.TextureDescriptor(
                (runtime.cudaAddressModeClamp,) * 3, how, runtime.cudaReadModeElementType
            )
            self._textures.append(texture.TextureObject(source, sampling))
        # Every argument is an array with a value for each volume: one.
        self._handles = [cupy.array([t.ptr], np.uint64) for t in self._textures]
        matrix = np.array(ijk_from_world, np.float64)
        matrix[:3, 3] += shift
        self._matrix = matrix
        low = shift - 0.5
        bounds = [low] * 3 + [low + size for size in values.shape[::-1]]
        self._bounds = [cupy.array([bound], np.float32) for bound in bounds]
        self._ones = [cupy.ones(1, np.float32)] * 3
        self._order = cupy.zeros(1, np.int32), cupy.ones(1, np.int32)
        self._flat = cupy.asarray(matrix[:3].astype(np.float32).ravel())
        self._beam = [cupy.array([v], np.float32) for v in (1.0, 1.0, SCALE)]
        self._none = cupy.zeros(2, np.int8), cupy.zeros(1, np.float32), cupy.zeros(1, np.int32)

    def __call__(
        self,
        source: NDArray[np.float64],
        world_from_pixel: NDArray[np.float64],
        shape: tuple[int, int],
    ) -> Array:
        """(rows, columns) float32, value times mm, in main memory.

        Args:
            source: (3,) mm.
            world_from_pixel: (3, 3), from (u, v, 1), pixel centres at whole numbers, to the vector
                from the source to the pixel on the detector.
            shape: rows, columns.
        """
        import cupy

        height, width = shape
        half = np.eye(3)
        half[:2, 2] = -0.5  # its pixel centres are at halves
        rays = cupy.asarray((world_from_pixel @ half).astype(np.float32).ravel())
        start = self._matrix[:3, :3] @ source + self._matrix[:3, 3]
        start = [cupy.array([c], np.float32) for c in start]
        energy, photons = (cupy.empty((width, height), np.float32) for _ in range(2))
        layers, nothing, no_material = self._none
        arguments = (
            *self._handles, np.int32(width), np.int32(height), np.float32(self._step),
            *self._order, *self._bounds, *self._ones, *start, np.float32(1e6), rays, self._flat,
            np.int32(1), *self._beam, energy, photons, np.uint64(0),
            nothing, layers, layers, nothing, no_material, np.int32(0), np.int32(0), np.int32(0),
        )  # fmt: skip
        self._kernel((-(-width // 8), -(-height // 8)), (8, 8), arguments)
        return (-10 / SCALE * np.log(photons.get())).T
