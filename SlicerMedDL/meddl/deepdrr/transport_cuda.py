"""The Monte-Carlo transport on a CUDA device, by PyCUDA beside PyTorch.

``cuda/transport.cu`` has the arithmetic and the random numbers of :mod:`meddl.deepdrr.transport`:
the same histories give the same result but for the order of sums.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.devices import choose_device
from meddl.core.errors import InputError
from meddl.core.optional import require
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.deepdrr.cuda.driver import PURPOSE, open_device

MOST_MATERIALS = 16  # MATERIALS of transport.cu
THREADS, MOST_BLOCKS = 128, 1024  # of one part; a thread follows one history after the other
# Histories of one launch, or one part's if that has more: enough to fill a large device, and a
# second's work of one that is slow in double precision (Windows ends a launch after two).
LAUNCHED = 500_000

# Arrays of the structure, in its order, and their places among the arguments of run_histories.
ARRAYS = {
    **{"densities": 0, "bounds": 16, "ijk_from_mm": 1, "mm_from_ijk": 2, "source": 3},
    **{"detector": 4, "field": 5, "spectrum": 8, "grid": 9, "total": 10, "photoelectric": 11},
    **{"coherent": 12, "form_integral": 13, "scattering": 14, "norm": 15},
}
WIDTH, HEIGHT, SEED = 6, 7, 17  # places of the others


class Scene(ctypes.Structure):
    """The structure of ``transport.cu``; arrays by address."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ARRAYS),
        ("width", ctypes.c_double),
        ("height", ctypes.c_double),
        ("size", ctypes.c_int64 * 3),
        *((n, ctypes.c_int64) for n in ("materials", "lines", "energies", "transfers")),
        ("rows", ctypes.c_int64),
        ("columns", ctypes.c_int64),
        ("groups", ctypes.c_int64),
        ("seed", ctypes.c_uint64),
    )


def scene_of(
    arguments: tuple[Any, ...],
    addresses: dict[str, int],
    grid: tuple[int, int],
    groups: int = 0,
) -> Scene:
    """The structure for the first 18 arguments of :func:`meddl.deepdrr.transport.run_histories`.

    Args:
        addresses: of each of :data:`ARRAYS`, C-contiguous.
        grid: (h, w) cells of the pictures.
        groups: bins of 1 keV in which photons are counted, as pictures behind the first four.
    """
    shapes = {name: arguments[place].shape for name, place in ARRAYS.items()}
    return Scene(
        *(addresses[name] for name in ARRAYS),
        float(arguments[WIDTH]),
        float(arguments[HEIGHT]),
        (ctypes.c_int64 * 3)(*shapes["densities"][2::-1]),
        shapes["densities"][3],
        shapes["spectrum"][1],
        shapes["total"][1],
        shapes["form_integral"][1],
        *grid,
        groups,
        int(arguments[SEED]),
    )


def run_blocks(
    device: str,
    arguments: tuple[Any, ...],
    per_block: int,
    pictures: NDArray[np.float64],
    tallies: NDArray[np.float64],
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> None:
    """Follow ``per_block`` histories for each block and add to its picture and tally.

    Args:
        device: ``"cuda:N"``.
        arguments: the first 18 of :func:`meddl.deepdrr.transport.run_histories`.
        pictures: (B, 4 + G, h, w) of B blocks.
        tallies: (B, 4).

    Raises:
        InputError: more materials than the kernel takes.
        DependencyError: PyTorch, PyCUDA or nvcc is missing.
        DeviceError: no such device, or too little memory.
        Cancelled: between launches.
    """
    densities = arguments[ARRAYS["densities"]]
    if densities.shape[3] > MOST_MATERIALS:
        raise InputError(
            f"the volume has {densities.shape[3]} materials, scatter on a CUDA device takes at "
            f"most {MOST_MATERIALS}; use --backend numba"
        )
    remedy = "use --coarsen 2 (an eighth) or --backend numba"
    choose_device(device, densities.nbytes + pictures.nbytes, remedy)
    torch = require("torch", PURPOSE)
    opened = open_device(device)
    held = {
        name: torch.from_numpy(np.ascontiguousarray(arguments[place])).to(opened.name)
        for name, place in ARRAYS.items()
    }
    addresses = {name: tensor.data_ptr() for name, tensor in held.items()}
    _, pages, *cells = pictures.shape
    scene = bytes(scene_of(arguments, addresses, (cells[0], cells[1]), pages - 4))
    found = torch.zeros(pictures.shape, dtype=torch.float64, device=opened.name)
    sums = torch.zeros(tallies.shape, dtype=torch.float64, device=opened.name)
    blocks = min(MOST_BLOCKS, -(-per_block // THREADS))
    at_once = max(1, LAUNCHED // per_block)
    for start in range(0, len(pictures), at_once):
        if cancel is not None:
            cancel.check()
        stop = min(start + at_once, len(pictures))
        first, count = np.uint64(start * per_block), np.uint64(per_block)
        given = scene, first, count, found[start], sums[start]
        grid = (blocks, stop - start)
        opened.launch("run_histories", grid, (THREADS, 1), *given, source="transport")
        opened.synchronize()
        progress(stop / len(pictures), "following photons")
    pictures += found.cpu().numpy()
    tallies += sums.cpu().numpy()
