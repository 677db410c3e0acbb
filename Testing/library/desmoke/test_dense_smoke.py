"""Dense smoke that the network has found in part: what the dark channel prior adds."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.desmoke.dense_smoke import DENSE, RISE, DenseSmoke, joined
from meddl.desmoke.scattering import Veil, blend, recover

from .smoky_scenes import AIRLIGHT, smoky, tissue


def found(clear, opacity):
    """A veil of even smoke of the right colour."""
    t = np.full(clear.shape[:2], 1 - opacity, np.float32)
    return Veil(t, np.broadcast_to(AIRLIGHT, clear.shape))


def test_joined_smoke_is_smoke_behind_smoke():
    rng = np.random.default_rng(0)
    clear, airlight, other = rng.random((3, 8, 9, 3), np.float32)
    t1, t2 = 0.3 + 0.6 * rng.random((2, 8, 9), np.float32)
    whole = joined(Veil(t1, airlight), Veil(t2, other))
    seen = blend(blend(clear, t2, other), t1, airlight)
    np.testing.assert_allclose(blend(clear, whole.transmission, whole.airlight), seen, atol=1e-6)
    none = np.ones_like(t1)
    assert np.isfinite(joined(Veil(none, airlight), Veil(none, other)).airlight).all()


@pytest.mark.parametrize("opacity", [0.0, 0.3, DENSE[0]])
def test_thinner_smoke_is_left_to_the_network(opacity):
    clear = tissue()
    veil = found(clear, opacity)
    assert DenseSmoke()(smoky(clear, 0.9), veil) is veil


def test_what_is_left_of_dense_smoke_is_found():
    clear = tissue()
    picture, errors = smoky(clear, 0.75), []
    for level in (DENSE[0] + 0.001, np.mean(DENSE), DENSE[1]):
        veil = DenseSmoke()(picture, found(clear, level))
        errors.append(np.abs(recover(picture, veil) - clear).mean())
    before = np.abs(recover(picture, found(clear, DENSE[1])) - clear).mean()
    assert errors[0] > errors[1] > errors[2] and errors[2] < 0.3 * before
    barely = DenseSmoke()(picture, found(clear, DENSE[0] + 1e-4)).transmission
    np.testing.assert_allclose(barely, 1 - DENSE[0], atol=1e-3)  # it does not set in suddenly


def test_it_sets_in_over_a_second_and_ends_at_once():
    clear = tissue()
    picture, dense = smoky(clear, 0.75), DenseSmoke()
    thin, thick = found(clear, 0.2), found(clear, DENSE[1])
    whole = DenseSmoke()(picture, thick)
    assert dense(picture, thin) is thin
    means = [dense(picture, thick).transmission.mean() for _ in range(26)]
    assert (np.diff(means) <= 0).all() and means[-1] == pytest.approx(
        whole.transmission.mean(), abs=1e-4
    )
    step = RISE * (thick.transmission - whole.transmission).mean()
    np.testing.assert_allclose(-np.diff(means)[:20], step, rtol=1e-2)
    assert dense(picture, thin) is thin
    dense.reset()
    np.testing.assert_allclose(dense(picture, thick).transmission, whole.transmission)


def test_smoke_is_that_of_the_field_of_view():
    clear = tissue()
    mask = np.zeros(clear.shape[:2], bool)
    mask[:48] = True
    veil = found(clear, 0.7)
    half = Veil(np.where(mask, veil.transmission, np.float32(1)), veil.airlight)
    result = DenseSmoke()(smoky(clear, 0.85), half, mask)
    assert (result.transmission[~mask] == 1).all()
    assert result.transmission[mask].mean() < 0.25
