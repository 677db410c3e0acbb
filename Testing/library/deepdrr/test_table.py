"""Table removal on a phantom with a table, a lung and a cable."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.core import Image
from meddl.core.geometry import compose
from meddl.deepdrr import MaterialParameters, remove_table
from meddl.deepdrr.materials import decompose


def phantom(spacing: float) -> tuple[Image, np.ndarray]:
    """A body (ellipse with a lung open at both ends) on a curved 3 mm shell with foam; its mask."""
    n = round(300 / spacing)
    y, x = np.mgrid[:n, :n] * spacing - 150
    hu = np.full((round(60 / spacing), n, n), -1000, np.int16)
    body = (x / 120) ** 2 + ((y + 20) / 80) ** 2 < 1
    hu[:, body] = 30
    hu[:, ((x - 50) / 40) ** 2 + ((y + 20) / 50) ** 2 < 1] = -850
    depth = y - (60.0 - x**2 / 2000)  # the shell touches the back in the middle
    hu[:, (depth > 0) & (depth < 3) & (abs(x) < 140) & ~body] = 200
    hu[:, (depth > 3) & (depth < 40) & (abs(x) < 140)] = -950
    hu[:, (depth > 40) & (depth < 43) & (abs(x) < 140)] = 200
    hu[:, (x + 140) ** 2 + (y + 130) ** 2 < 3**2] = 500  # a cable in the air
    return Image(hu, compose((spacing,) * 3, (0, 0, 0))), np.broadcast_to(body, hu.shape)


@pytest.mark.parametrize("spacing", [3.0, 1.2])
def test_table_and_cable_become_air_and_the_body_stays(spacing):
    ct, body = phantom(spacing)
    cleaned = remove_table(ct).array
    edge = np.abs(cleaned.astype(int) - ct.array) > 0
    kept = cleaned > -990
    assert kept[body].mean() > 0.999
    beyond = kept & ~body
    assert beyond.sum() < 0.01 * body.sum()
    assert not edge[body & (ct.array < -800)].any()  # the lung is untouched
    assert ct.array.max() == 500  # the input is not written to


def test_a_volume_without_a_body_is_left_alone():
    air = Image(np.full((5, 6, 7), -1000, np.int16))
    np.testing.assert_array_equal(remove_table(air).array, air.array)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16])
def test_types_without_negative_hundreds_are_widened(dtype):
    ct, _ = phantom(3.0)
    signed = remove_table(ct.with_array(np.clip(ct.array, 0, 100).astype(np.int16)))
    found = remove_table(ct.with_array(np.clip(ct.array, 0, 100).astype(dtype)))
    np.testing.assert_array_equal(found.array, signed.array)


def test_the_option_of_the_decomposition():
    ct, body = phantom(3.0)
    with_table = decompose(ct).density
    without = decompose(ct, MaterialParameters(remove_table=True)).density
    assert with_table[~body].sum() > 10 * without[~body].sum()
    np.testing.assert_allclose(without[body].sum(), with_table[body].sum(), rtol=0.01)
