"""2-D/3-D registration: the pose of a radiograph with respect to a CT.

The CT becomes a map of linear attenuation, whose projection, hardened as in water
(:mod:`meddl.deepdrr.beam_hardening`), is compared with the radiograph's negative logarithm by
gradient correlation (:mod:`meddl.deepdrr.similarity`). From coarse to fine:
random poses around the start are ranked at the coarsest level, the best ones are improved there by
L-BFGS, again with new ones until the score can be trusted, and fewer at each finer level. The
intrinsics stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, avg_pool3d

from meddl.core.devices import choose_device, require_memory
from meddl.core.errors import GeometryError, InputError
from meddl.core.geometry import Matrix, apply, inverse
from meddl.core.image import Image
from meddl.core.parameters import to_dict
from meddl.core.progress import CancelToken, Progress, no_progress, steps, subprogress
from meddl.deepdrr.beam_hardening import HardeningBeam, hardening_beam
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.hounsfield import correct_values, parse_hu_below
from meddl.deepdrr.materials import THRESHOLD_MATERIALS, mass_attenuation, material_densities
from meddl.deepdrr.pose_gradient import project_pose
from meddl.deepdrr.projector import occupied_box
from meddl.deepdrr.projector_torch import camera_rays, needed_bytes, project
from meddl.deepdrr.registration_parameters import RegistrationParameters
from meddl.deepdrr.rigid_motion import motion_between, moved_pose
from meddl.deepdrr.similarity import gradient_correlation
from meddl.deepdrr.spectrum import tube_spectrum

# Pixels along the shorter side. Of 12 starts 27 to 93 mm off on the bundled CT, the search found 6
# with 32 and 11 with 16, both with 300 random poses of which 24 were improved.
COARSEST = 16
STEP = 2.0  # voxels along the box's diagonal: about one along a usual chord; and at least
SAMPLES = 16  # steps along it. A body of one voxel in 3 x 3 x 3 scores 0.95 by STEP, 0.999 by these
EVALUATIONS = 60  # at most, per level and start
# Coarsest score of a pose that is trusted. Noise averages out there: on the bundled CT with 1e6 to
# 1e3 photons per pixel poses that were found score 0.99 to 0.82, missed ones 0.51 to 0.84.
ACCEPTED = 0.93
# Parameters per optimiser's unit. A change of depth moves the picture about a fifth as far as a
# shift does (objects of 100 mm at 500 mm); with this, L-BFGS needs a third fewer evaluations.
PACE = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 5.0])
RANKED = 50  # random starts at once on an accelerator, which takes as long for one
SAME = 0.5  # degrees and mm (depth: five times) within which two poses count as one
DARKEST = 1e-5  # of the brightest reading: darker pixels carry no information


class _Found(NamedTuple):
    """A motion (6,) with its score, and whether its optimiser stopped by itself."""

    score: float
    motion: NDArray[np.float64]
    stopped: bool = False


@dataclass(frozen=True)
class Registration:
    """Found pose.

    Attributes:
        camera: the start's intrinsics and size with the found pose.
        score: gradient correlation at the finest level, -1..1; noise lowers it.
        coarse_score: the same at the coarsest level, where noise averages out.
        converged: see :func:`register`.
        motion: (6,) from the start: rotation vector in degrees, translation in mm, camera axes.
        device: where it was computed.
        parameters: how it was searched.
    """

    camera: Camera
    score: float
    coarse_score: float
    converged: bool
    motion: NDArray[np.float64]
    device: str
    parameters: RegistrationParameters

    def to_dict(self) -> dict[str, Any]:
        """A camera file with score and converged, and the record of the run, in JSON types."""
        return {
            **self.camera.to_dict(),
            "score": self.score,
            "coarse_score": self.coarse_score,
            "converged": self.converged,
            "motion": self.motion.tolist(),
            "device": self.device,
            "parameters": to_dict(self.parameters),
        }


def register(
    ct: Image,
    radiograph: Image,
    start: Camera,
    parameters: RegistrationParameters | None = None,
    *,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    **options: Any,
) -> Registration:
    """Estimate the pose of a radiograph against a CT.

    The result has converged if L-BFGS stopped by itself at the finest level (the score's change
    fell below 1e-6, within 60 evaluations) and its score at the coarsest level is at least 0.93.

    Args:
        ct: scalar volume in HU.
        radiograph: (1, H, W), at least 16 pixels a side; gain and offset (neglog), or gain
            (intensity), are free.
        start: intrinsics, size and a first guess of the pose.
        parameters: the record; ``options`` replace single fields.

    Raises:
        InputError: no scalar volume or picture, NaN, a constant picture, another size than the
            camera's, negative intensities, or parameters out of bounds.
        FileError: no spectrum in the file.
        DependencyError: ``kvp`` is given and SpekPy is not installed.
        GeometryError: the isocentre lies behind the source.
        DeviceError: too little memory, or no such device.
        Cancelled: no result.
    """
    parameters = replace(parameters or RegistrationParameters(), **options)
    ct = ct.require_volume("CT").require_finite("CT")
    center = ct.center if parameters.isocenter is None else np.array(parameters.isocenter)
    depth = float(apply(start.camera_from_world, center)[2])
    if depth <= 0:
        raise GeometryError(
            f"the isocentre lies {-depth:.0f} mm behind the source of the start camera; "
            "give a pose that sees the CT, or --isocenter"
        )
    target = attenuation_picture(radiograph, start.size, parameters.quantity)
    # float32: the CT, its three materials, their sum, and the pyramid.
    require_memory(4 * 6 * ct.array.size, "preparing the CT")
    # Pictures follow one another and are too small for an accelerator: a search takes an H200 7 s,
    # 16 cores 4 s.
    device = "cpu" if parameters.device == "auto" else parameters.device
    needed = needed_bytes((*ct.array.shape, 1), target.numel(), device)
    device = choose_device(device, needed).name
    progress(0.0, "preparing the CT")
    ct = correct_values(ct, parameters.hu_offset, parse_hu_below(parameters.hu_below))
    beam = hardening_beam(tube_spectrum(parameters))
    levels = _levels(ct, beam, target, start, depth / start.K[0, 0], device)
    search = _Search(start.camera_from_world, center, cancel)
    with _one_torch_thread():
        best = search.coarse_to_fine(levels, parameters, progress)
        pose = search.pose(torch.from_numpy(best.motion))
        coarse_score = float(levels[0].score(pose[None]))
    return Registration(
        replace(start, camera_from_world=pose.numpy()),
        best.score,
        coarse_score,
        best.stopped and coarse_score >= ACCEPTED,
        motion_between(start.camera_from_world, pose.numpy(), center),
        device,
        parameters,
    )


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """These pictures are too small to share: on two busy cores 9 s instead of 47 s.

    The projector has threads of its own.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def attenuation_picture(radiograph: Image, size: tuple[int, int], quantity: str) -> Tensor:
    """The radiograph's negative logarithm as (H, W) float64 of mean 0 and deviation 1.

    Raises:
        InputError: see :func:`register`.
    """
    values = radiograph.require_finite("radiograph").array
    if values.shape[0] != 1 or radiograph.components != 1:
        raise InputError(
            f"the radiograph has shape {values.shape}, one grey picture (1, H, W) was expected"
        )
    height, width = values.shape[1:3]
    if (width, height) != size:
        raise InputError(
            f"the radiograph has {width}x{height} pixels, the camera {size[0]}x{size[1]}; "
            "give the camera of this picture"
        )
    if min(size) < COARSEST:
        raise InputError(
            f"the radiograph has {width}x{height} pixels, at least {COARSEST} a side were expected"
        )
    picture = values.reshape(height, width).astype(np.float64)
    if np.ptp(picture) == 0:
        raise InputError(f"every pixel of the radiograph is {picture[0, 0]:g}: nothing to register")
    if quantity == "intensity":
        if picture.min() < 0:
            raise InputError(
                f"the radiograph has intensities down to {picture.min():g}, expected none below 0; "
                "a negative logarithm is --quantity neglog"
            )
        picture = -np.log(np.maximum(picture / picture.max(), DARKEST))
    return torch.from_numpy((picture - picture.mean()) / picture.std())


def attenuation_map(ct: Image, energy: float) -> Image:
    """Linear attenuation coefficient in 1/mm at ``energy`` in keV, float32."""
    coefficients = [mass_attenuation(m, np.array([energy]))[0] for m in THRESHOLD_MATERIALS]
    return ct.with_array(material_densities(ct) @ np.float32(0.1 * np.array(coefficients)))


@dataclass(frozen=True)
class _Level:
    """One resolution: the radiograph, the intrinsics, a renderer of the CT, and the beam."""

    target: Tensor
    K: Tensor
    render: Callable[[Tensor, Tensor], Tensor]  # sources, world_per_pixel of V views -> (V, H, W)
    beam: HardeningBeam

    def score(self, camera_from_world: Tensor) -> Tensor:
        """(V,) of poses (V, 4, 4)."""
        integral = self.render(*camera_rays(self.K, camera_from_world))
        picture = self.beam.negative_log(integral)
        return gradient_correlation(picture, self.target).cpu().double()


def _levels(
    ct: Image, beam: HardeningBeam, target: Tensor, start: Camera, millimetres: float, device: str
) -> list[_Level]:
    """Coarse to fine, in halves; ``millimetres``: of a pixel, at the isocentre.

    The finest pixel is the largest one of at most half a voxel: finer ones cost time and add noise
    (bundled CT, 256x256: mean error over bone 0.12 mm at half, 0.16 mm at a quarter of a voxel).
    """
    factors = [1]
    while min(target.shape) / (2 * factors[0]) >= COARSEST:
        factors.insert(0, 2 * factors[0])
    spacing = float(ct.spacing.min())
    while len(factors) > 1 and factors[-2] * millimetres <= 0.5 * spacing:
        factors.pop()
    attenuation = attenuation_map(ct, beam.energy)
    return [_level(attenuation, beam, target, start, f, f * millimetres, device) for f in factors]


def _level(
    attenuation: Image,
    beam: HardeningBeam,
    target: Tensor,
    start: Camera,
    factor: int,
    pixel: float,
    device: str,
) -> _Level:
    """The radiograph averaged over factor^2 pixels, the CT over about as many millimetres."""
    picture = avg_pool2d(target[None], factor)[0]
    shrink = np.array([[1, 0, (1 - factor) / 2], [0, 1, (1 - factor) / 2], [0, 0, factor]]) / factor
    # Two voxels stay along each axis, which the renderer needs as the CT does.
    pools = [
        min(max(1, int(pixel / spacing)), (side + 1) // 2)
        for spacing, side in zip(attenuation.spacing, attenuation.size, strict=True)
    ]
    values = torch.from_numpy(attenuation.array)[None]
    volume = avg_pool3d(values, pools[::-1], ceil_mode=True, count_include_pad=False)[0].numpy()
    fine_from_coarse = np.diag([*pools, 1.0])
    fine_from_coarse[:3, 3] = (np.array(pools) - 1) / 2
    ijk_from_world = inverse(attenuation.ras_from_ijk @ fine_from_coarse)
    box = occupied_box(volume)
    step = min(STEP, max(float(np.linalg.norm(box[1] - box[0])), 1.0) / SAMPLES)
    size = picture.shape[1], picture.shape[0]
    render: Callable[[Tensor, Tensor], Tensor]
    if device == "cpu":  # measured: 9 to 21 times as fast as torch's own gradient

        def render(source: Tensor, rays: Tensor) -> Tensor:
            views = zip(source, rays, strict=True)
            return torch.stack(
                [project_pose(volume, ijk_from_world, *view, size, box, step) for view in views]
            )
    else:
        picture = picture.to(device, torch.float32)
        tensor, matrix = torch.from_numpy(volume)[None].to(device), torch.from_numpy(ijk_from_world)

        def render(source: Tensor, rays: Tensor) -> Tensor:
            return project(tensor, matrix, source, rays, size, box=box, step=step)[..., 0]

    return _Level(picture, torch.from_numpy(shrink @ start.K), render, beam)


@dataclass(frozen=True)
class _Search:
    """Motions (6,) about ``center`` from one start, scored and improved."""

    camera_from_world: Matrix
    center: NDArray[np.float64]
    cancel: CancelToken | None

    def pose(self, found: Tensor) -> Tensor:
        return moved_pose(self.camera_from_world, found, self.center)

    def coarse_to_fine(
        self, levels: list[_Level], parameters: RegistrationParameters, progress: Progress
    ) -> _Found:
        """Best motion at the finest level.

        Rounds of random starts at the coarsest level until one can be trusted; the start itself is
        among the first. At each finer level a quarter as many are improved, at least two.
        """
        generator = np.random.default_rng(parameters.seed)
        spread = np.repeat([parameters.search_angle, parameters.search_shift], 3)
        followed: list[_Found] = []
        for number in range(parameters.rounds):
            guesses = generator.normal(size=(parameters.candidates, 6)) * spread
            if number == 0:
                guesses[0] = 0.0
            done, share = 0.5 * number / parameters.rounds, 0.25 / parameters.rounds
            ranked = self.ranked(levels[0], guesses, subprogress(progress, done, done + share))
            part = subprogress(progress, done + share, done + 2 * share)
            followed += self.improved(levels[0], ranked[: parameters.starts], part)
            followed.sort(key=_worst_last)
            if followed[0].score >= ACCEPTED:
                break
        for number, level in enumerate(levels[1:], start=1):
            followed = _distinct(followed)[: max(2, parameters.starts // 4**number)]
            done, share = 0.5 + 0.5 * (number - 1) / len(levels), 0.5 / len(levels)
            part = subprogress(progress, done, done + share)
            followed = self.improved(level, followed, part)
        return followed[0]

    def ranked(
        self, level: _Level, guesses: NDArray[np.float64], progress: Progress
    ) -> list[_Found]:
        """Guesses and their scores, best first."""
        scored: list[_Found] = []
        parts = torch.from_numpy(guesses).split(1 if level.target.device.type == "cpu" else RANKED)
        for part in steps(parts, len(parts), "ranking random starts", progress, self.cancel):
            with torch.no_grad():
                scores = level.score(self.pose(part)).tolist()
            scored += map(_Found, scores, part.numpy())
        return sorted(scored, key=_worst_last)

    def improved(self, level: _Level, guesses: list[_Found], progress: Progress) -> list[_Found]:
        """Guesses after L-BFGS, best first."""
        results = []
        message = f"improving at {level.target.shape[1]}x{level.target.shape[0]} pixels, start"
        for guess in steps(guesses, len(guesses), message, progress, self.cancel):
            scaled = torch.from_numpy(guess.motion / PACE).requires_grad_()
            optimiser = torch.optim.LBFGS(
                [scaled],
                max_iter=EVALUATIONS,
                max_eval=EVALUATIONS,
                history_size=10,
                tolerance_change=1e-6,
                line_search_fn="strong_wolfe",
            )

            def loss(x: Tensor = scaled, optimiser: Any = optimiser) -> Tensor:
                if self.cancel is not None:
                    self.cancel.check()
                optimiser.zero_grad()
                value = 1 - level.score(self.pose(x * torch.from_numpy(PACE))[None])[0]
                value.backward()
                return value

            optimiser.step(loss)
            found = scaled.detach().numpy() * PACE
            with torch.no_grad():
                score = float(level.score(self.pose(torch.from_numpy(found))[None]))
            stopped = optimiser.state[scaled]["func_evals"] < EVALUATIONS
            results.append(_Found(score, found, stopped))
        return sorted(results, key=_worst_last)


def _worst_last(found: _Found) -> float:
    return -found.score


def _distinct(results: list[_Found]) -> list[_Found]:
    """Without those that ended where a better one did."""
    kept: list[_Found] = []
    for one in results:
        if all(np.abs((one.motion - other.motion) / PACE).max() > SAME for other in kept):
            kept.append(one)
    return kept
