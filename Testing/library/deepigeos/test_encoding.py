"""The channels that the generalist networks see."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from meddl.core.errors import InputError
from meddl.deepigeos.encoding import REACH, encode


def two_halves(noise: float = 0.05) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A bright half beside a dark one, seeds in both, and the bright half."""
    rng = np.random.default_rng(0)
    target = np.zeros((16, 16, 16), bool)
    target[..., 8:] = True
    image = (target + noise * rng.standard_normal(target.shape)).astype(np.float32)
    seeds = np.zeros(target.shape, np.uint8)
    seeds[8, 8, 2], seeds[8, 8, 13] = 1, 2
    return image, seeds, target


def test_the_channels_tell_the_halves_apart() -> None:
    image, seeds, target = two_halves()
    channels = encode(image, seeds, (1, 1, 1))
    assert channels.shape == (8, 16, 16, 16) and np.isfinite(channels).all()
    for number in (2, 5):  # likelihood ratio, geodesic contrast
        assert ((channels[number] > 0) == target).mean() > 0.97
    assert channels[1][target].mean() > channels[1][~target].mean() + 0.5


def test_distances_are_euclidean_in_units_of_the_finest_voxel() -> None:
    image, seeds, _ = two_halves()
    distance = -REACH * np.log(encode(image, seeds, (3.0, 1.5, 1.5))[6])
    expected = ndimage.distance_transform_edt(seeds != 2, sampling=(2, 1, 1))
    np.testing.assert_allclose(distance, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("factor", "offset"), [(1000.0, -500.0), (1e-3, 7.0)])
def test_values_may_have_any_unit(factor: float, offset: float) -> None:
    image, seeds, _ = two_halves()
    expected = encode(image, seeds, (1, 1, 1))
    found = encode((image * factor + offset).astype(np.float32), seeds, (1, 1, 1))
    assert np.abs(found - expected).mean() < 0.01


def test_missing_seeds_leave_their_channels_empty() -> None:
    image, seeds, _ = two_halves()
    channels = encode(image, np.where(seeds == 1, 0, seeds).astype(np.uint8), (1, 1, 1))
    assert not channels[[4, 5, 7]].any() and channels[[3, 6]].any()
    channels = encode(image, np.zeros_like(seeds), (1, 1, 1))
    assert not channels[2:].any()


def test_other_shapes_are_refused() -> None:
    with pytest.raises(InputError, match=r"\(2, 2, 2\)"):
        encode(np.zeros((2, 2, 2), np.float32), np.zeros((2, 2, 3), np.uint8), (1, 1, 1))
