"""The smoke of one clip as a function of time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meddl.core.errors import InputError
from meddl.desmoke import smoke_kernels as kernels
from meddl.desmoke.fractal_smoke import (
    offset_of,
    published_fade,
    published_noise,
    published_opacity,
)
from meddl.desmoke.noise import fractal_noise
from meddl.desmoke.smoke_draw import PUFFS, DrawnSmoke, Plume

Array = NDArray[np.float32]
Nodes = tuple[NDArray[np.intp], NDArray[np.intp]]

# Nodes of the coarse grid: one per this many pixels, and so many on a side. Two rows over a strip
# of 8 x 52 pixels missed what lies between: an opacity of 0.2 where 0.33 was asked for.
_SPACING, _FEWEST, _MOST = 5, 16, 128
_LAYERS = np.array([(0.0, 0.45), (0.35, 0.8), (0.7, 1.2)], np.float32)  # in median depths
DEPTHS = (0.3, 3.0)  # the same; nearer or farther counts as this
_OCTAVES = (2, 3, 4)  # near smoke is out of focus
_LIFE, _SLOWING = 4.0, 1.2  # s, of a puff


@dataclass(frozen=True, eq=False)
class SmokeSource:
    """The smoke of one clip; :func:`meddl.desmoke.smoke.smoke_source` draws it.

    Attributes:
        shape: (H, W) of the pictures.
        kind: one of :data:`meddl.desmoke.smoke_draw.KINDS`.
        density: one of :data:`meddl.desmoke.smoke_draw.DENSITIES`.
        drawn: its numbers.
    """

    shape: tuple[int, int]
    kind: str
    density: str
    drawn: DrawnSmoke
    _depth: Array
    _field: NDArray[np.bool_] | None = None

    def opacity(self, time: float) -> float:
        """The mean opacity at ``time`` s: it swells and falls inside the class."""
        p = self.drawn
        swell = float(fractal_noise(time * p.swell_rate, 0.5, 0.5, p.seed, octaves=2))
        return p.opacity + p.swell * swell

    def __call__(self, time: float) -> tuple[Array, Array]:
        """Transmission (H, W) and airlight (H, W, 3) at ``time`` s."""
        p = self.drawn
        extinction = self._published(time) if self.kind == "published" else self._layers(time)
        transmission = np.empty(self.shape, np.float32)
        airlight = np.empty((*self.shape, 3), np.float32)
        height, width = self.shape
        x, y, radius = p.beam
        beam = np.array([x * width, y * height, radius * max(self.shape)], np.float32)
        strength, light = np.array(p.strength, np.float32), np.array([p.lamp, p.tissue], np.float32)
        kernels.render(
            transmission, airlight, extinction, self._depth, _LAYERS, strength, light, beam
        )
        if self._field is not None:
            transmission[~self._field] = 1
        return transmission, airlight

    def with_depth(self, depth: ArrayLike) -> SmokeSource:
        """The same smoke before tissue at other depths, (H, W)."""
        if self.kind == "published":  # it lies over the picture, not in the scene
            return self
        return replace(self, _depth=relative_depth(depth, self.shape))

    def rising_from(self, tip: tuple[float, float] | None) -> SmokeSource:
        """The same smoke, whose puffs leave from x, y in pixels; None, or smoke without puffs: as
        it is. See :func:`meddl.desmoke.instruments.instrument_tip`."""
        if tip is None or self.drawn.plume is None:
            return self
        place = [(n + 0.5) / max(self.shape) for n in tip]
        return replace(self, drawn=replace(self.drawn, plume=replace(self.drawn.plume, tip=place)))

    def within(self, field: NDArray[np.bool_] | None) -> SmokeSource:
        """The same smoke, seen only in a field of view (H, W), True inside; None: everywhere.

        The mean opacity is that of the field.

        Raises:
            InputError: a field of another shape, or without a pixel.
        """
        if field is not None and (field.shape != self.shape or not field.any()):
            raise InputError(
                f"the field of view is {field.shape} with {int(field.sum())} pixels, the pictures "
                f"are {self.shape}"
            )
        return replace(self, _field=field)

    def _weights(self, weights: Array, nodes: Nodes) -> Array:
        """The share of the field that each node stands for."""
        if self._field is None:
            return weights
        inside = weights * self._field[np.ix_(*nodes)]
        total = inside.sum()
        return inside / total if total > 0 else weights

    def _layers(self, time: float) -> Array:
        """(3, h, w) extinction over the thickness of each layer, for the opacity of the moment."""
        p = self.drawn
        seed, phase = p.seed, time * p.change
        place, weights, nodes = _grid(self.shape)
        kernels.add_swirls(place, phase, seed + 100, p.swirl)
        density = np.empty((len(_LAYERS), *place.shape[:2]), np.float32)
        for k, layer in enumerate(density):
            kernels.cloud_density(
                layer, place, np.array(p.drift[k]) * time, phase, seed + k,
                p.scale[k], p.contrast[k], _OCTAVES[k],
            )  # fmt: skip
            layer *= p.amount[k]
        if p.plume is not None:
            plume = np.empty_like(density[0])
            kernels.cloud_density(
                plume, place, np.array(p.plume.velocity) * time, 2 * phase, seed + 7,
                p.plume.scale, p.plume.contrast, _OCTAVES[-1],
            )  # fmt: skip
            kernels.add_puffs(plume, place, _puffs(p.plume, time, seed))
            density[p.plume.layer] += plume
        depth = np.ascontiguousarray(self._depth[np.ix_(*nodes)])
        tau = kernels.optical_depth(density, depth, _LAYERS)
        weights = self._weights(weights, nodes)
        density *= np.float32(kernels.extinction(tau, weights, self.opacity(time)))
        return density

    def _published(self, time: float) -> Array:
        """The published opacity as extinction of the first layer: 1 - exp(-tau)."""
        p = self.drawn
        place, weights, nodes = _grid(self.shape)
        height, width = (n / max(self.shape) for n in self.shape)
        y, x = place[:, 0, 1] / height, place[0, :, 0] / width
        noise = published_noise(y, x, time * p.change, p.seed)
        fade = published_fade(y)
        weights = self._weights(weights, nodes)
        offset = offset_of(noise, fade, self.opacity(time), weights)
        density = np.zeros((len(_LAYERS), *noise.shape), np.float32)
        density[0] = -np.log1p(-np.minimum(published_opacity(noise, fade, offset), 0.9999))
        return density


def _puffs(plume: Plume, time: float, seed: int) -> Array:
    """(N, 4) place (x, y), radius and mass of the puffs that are in the air at ``time`` s."""
    newest = int(np.floor(time * PUFFS / _LIFE))
    born = np.arange(newest - PUFFS, newest + 1) * (_LIFE / PUFFS)
    age = np.clip(time - born, 0, _LIFE)
    # Air slows a puff down: it goes v s (1 - exp(-age / s)) far.
    way = _SLOWING * (1 - np.exp(-age / _SLOWING))[:, None] * np.array(plume.velocity)
    wander = np.stack(
        [fractal_noise(born * 0.9, axis, 0.3, seed + 11, 2) for axis in (0.0, 9.0)], axis=1
    )
    place = np.array(plume.tip) + way + 0.12 * wander * (age / _LIFE)[:, None]
    radius = np.sqrt(plume.nozzle**2 + 2 * plume.diffusion * age)
    pulse = np.exp(1.5 * fractal_noise(born * 0.7, 3.0, 0.7, seed + 13, 2))
    grown = np.minimum(age / 0.3, 1) * np.minimum((_LIFE - age) / 1.5, 1)
    return np.column_stack([place, radius, plume.mass * pulse * grown]).astype(np.float32)


def _grid(
    shape: tuple[int, int],
) -> tuple[NDArray[np.float64], Array, Nodes]:
    """The coarse grid, whose corners are the corner pixels.

    Returns:
        (h, w, 2) x and y of the nodes in picture lengths; (h, w) the share of the picture that each
        stands for; their rows and columns.
    """
    longest = max(shape)
    nodes = min(max(longest // _SPACING, _FEWEST), _MOST)
    ticks, shares = [], []
    for n in shape:
        few = min(max(round(nodes * n / longest), _FEWEST), n)
        ticks.append(np.linspace(0, n - 1, few))
        share = np.full(few, (n - 1) / max(few - 1, 1))
        share[[0, -1]] = (share[[0, -1]] + 1) / 2 if few > 1 else 1
        shares.append(share / n)
    y, x = ((tick + 0.5) / longest for tick in ticks)
    place = np.stack(np.broadcast_arrays(x, y[:, None]), axis=-1)
    rows, columns = (np.round(tick).astype(int) for tick in ticks)
    weights = (shares[0][:, None] * shares[1]).astype(np.float32)
    return np.ascontiguousarray(place), weights, (rows, columns)


def relative_depth(depth: ArrayLike, shape: tuple[int, int]) -> Array:
    """The depth over its median, within bounds."""
    array = np.asarray(depth, np.float32)
    if array.shape != shape:
        raise InputError(f"the depth is {array.shape}, the pictures are {shape}")
    if not (np.isfinite(array).all() and (array > 0).all()):
        raise InputError("the depth has values that are not above 0 and finite")
    return np.ascontiguousarray(np.clip(array / np.median(array), *DEPTHS))
