"""Monte-Carlo examples of scatter on random torsos, for fitting and judging fast models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meddl.core.image import Image
from meddl.core.progress import CancelToken, Progress, no_progress, steps
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.carm import CArm
from meddl.deepdrr.materials import THRESHOLD_MATERIALS, material_densities
from meddl.deepdrr.montecarlo import LONGEST_SIDE, simulate
from meddl.deepdrr.scatter import View, features
from meddl.deepdrr.scatter_phantoms import random_torso
from meddl.deepdrr.spectrum import SPECTRA, load_spectrum

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Example:
    """One view: what a fast model sees and what the Monte Carlo says.

    Attributes:
        inputs: (C, h, w) float32, see :func:`meddl.deepdrr.scatter.features`.
        kernel: (h, w) scatter of the kernel model, keV per emitted photon.
        truth, error: (h, w) scatter by Monte Carlo and its standard error, not smoothed.
    """

    inputs: NDArray[np.float32]
    kernel: Array
    truth: Array
    error: Array


def random_view(ct: Image, generator: np.random.Generator) -> tuple[Camera, float, str]:
    """Camera, source-detector distance (mm) and spectrum of a random C-arm.

    Any primary angle, secondary angles to 30 degrees, 900 to 1300 mm from source to detector,
    280 to 550 mm of it behind the isocentre, square detectors of 150 to 430 mm.
    """
    distance = generator.uniform(900, 1300)
    side = generator.uniform(150, 430)
    carm = CArm(
        primary_angle=generator.uniform(-180, 180),
        secondary_angle=generator.uniform(-30, 30),
        source_detector=distance,
        source_isocenter=distance - generator.uniform(280, 550),
        isocenter=tuple(ct.center + generator.uniform(-50, 50, 3)),
        detector_size=(LONGEST_SIDE, LONGEST_SIDE),
        pixel_spacing=side / LONGEST_SIDE,
    )
    return carm.camera(), distance, str(generator.choice(SPECTRA))


def make_example(
    ct: Image,
    camera: Camera,
    distance: float,
    spectrum_name: str,
    photons: int,
    seed: int = 0,
    device: str = "cpu",
    cancel: CancelToken | None = None,
) -> Example:
    """Simulate one view of a CT; ``device`` as in :func:`meddl.deepdrr.montecarlo.simulate`."""
    spectrum = load_spectrum(spectrum_name)
    densities = material_densities(ct)
    view = View(densities, THRESHOLD_MATERIALS, ct.ijk_from_ras, camera, distance, spectrum)
    inputs, kernel = features(view)
    found = simulate(
        *(densities, THRESHOLD_MATERIALS, ct.ijk_from_ras, camera, distance, spectrum, photons),
        seed=seed,
        device=device,
        cancel=cancel,
    )
    return Example(inputs, kernel, found.scatter, found.standard_error)


@dataclass(frozen=True)
class RandomExamples:
    """One view of one random torso per seed, made when asked for: a data set as torch has them.

    Attributes:
        seeds: the same seed gives the same example.
        photons: of the Monte Carlo.
        device: that follows them.
    """

    seeds: Sequence[int]
    photons: int
    device: str = "cpu"
    cancel: CancelToken | None = None

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, index: int) -> Example:
        seed = self.seeds[index]
        generator = np.random.default_rng(seed)
        torso = random_torso(generator)
        view = random_view(torso, generator)
        return make_example(torso, *view, self.photons, seed, self.device, self.cancel)


def random_examples(
    seeds: Sequence[int],
    photons: int,
    device: str = "cpu",
    workers: int = 0,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Iterator[Example]:
    """The examples of :class:`RandomExamples`, one by one.

    Args:
        device: that follows the photons. The CPU's cores share those of one view.
        workers: processes that make examples; 0: this one alone. A CUDA device waits for torsos and
            kernel models that one core computes.

    Raises:
        Cancelled: by ``cancel``, within a view or, with workers, after one.
    """
    from torch.utils.data import DataLoader

    # A token has a lock, which other processes cannot be given.
    examples = RandomExamples(seeds, photons, device, None if workers else cancel)
    loader: DataLoader[Example] = DataLoader(
        examples,  # type: ignore[arg-type]  # a sequence will do
        batch_size=None,
        num_workers=workers,
        multiprocessing_context="spawn" if workers else None,  # CUDA does not outlive a fork
    )
    yield from steps(loader, len(seeds), "simulating view", progress, cancel)


def relative_error(found: Array, truth: Array) -> float:
    """Root mean square difference over the mean of the truth."""
    return float(np.sqrt(((found - truth) ** 2).mean()) / truth.mean())
