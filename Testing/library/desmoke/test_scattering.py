"""The scattering model against its equation worked by hand."""

import numpy as np
import pytest

from meddl.desmoke.scattering import Veil, blend, mean_opacity, recover


def test_blend_by_hand():
    clear = np.array([[[0.2, 0.4, 0.6]]], np.float32)
    t = np.array([[0.25]], np.float32)
    smoky = blend(clear, t, np.array([1.0, 0.8, 0.6], np.float32))
    # 0.25 * clear + 0.75 * airlight
    np.testing.assert_allclose(smoky, [[[0.8, 0.7, 0.6]]], atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (7, 5)])
def test_recover_inverts_blend(shape):
    rng = np.random.default_rng(1)
    clear = rng.random((*shape, 3), np.float32)
    veil = Veil(rng.uniform(0.2, 1, shape).astype(np.float32), rng.random((*shape, 3), np.float32))
    smoky = blend(clear, veil.transmission, veil.airlight)
    np.testing.assert_allclose(recover(smoky, veil), clear, atol=1e-5)


def test_gain_is_bounded_and_residual_added():
    smoky = np.full((1, 1, 3), 0.5, np.float32)
    airlight = np.full((1, 1, 3), 0.49, np.float32)
    opaque = Veil(np.zeros((1, 1), np.float32), airlight)
    np.testing.assert_allclose(recover(smoky, opaque), 0.1, atol=1e-6)  # 0.01 / 0.1
    raised = Veil(opaque.transmission, airlight, np.full((1, 1, 3), 0.05, np.float32))
    np.testing.assert_allclose(recover(smoky, raised), 0.15, atol=1e-6)


def test_mean_opacity_inside_the_mask():
    t = np.array([[1.0, 0.5], [0.0, 1.0]], np.float32)
    assert mean_opacity(t) == pytest.approx(0.375)
    assert mean_opacity(t, np.array([[True, True], [False, False]])) == pytest.approx(0.25)
    assert mean_opacity(t, np.zeros((2, 2), bool)) == 0
