"""Figures of merit against other programs, brute force and closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.core.errors import InputError
from meddl.desmoke import metrics
from meddl.desmoke.fsim import fsim, fsimc, phase_congruency
from meddl.desmoke.scattering import blend

# FSIM of the green values and FSIMc by piq 0.8.0 (checked by its authors against the MATLAB program
# of FSIM's): printed by Testing/peers/desmoke_metrics.py.
PIQ = {
    ("astronaut", "haze"): (0.89335, 0.89146),
    ("astronaut", "noise"): (0.72578, 0.82689),
    ("astronaut", "pale"): (0.99761, 0.99603),
    ("chelsea", "haze"): (0.85529, 0.84915),
    ("chelsea", "coarse"): (0.63387, 0.77856),
    ("coffee", "dark"): (0.89541, 0.89194),
    ("coffee", "noise"): (0.90589, 0.95765),
}


def noisy(shape, seed=0, low=0, high=256):
    return np.random.default_rng(seed).integers(low, high, shape).astype(np.uint8)


def tissue(shape=(96, 128)):
    """Red, with dark gaps."""
    rows, columns = np.indices(shape)
    red = 170 + 40 * np.sin(rows / 9) * np.cos(columns / 7)
    dark = np.clip(np.abs(np.sin(columns / 11)) * 3, 0.05, 1)
    return (np.stack([red, red * 0.35, red * 0.3], axis=-1) * dark[..., None]).astype(np.uint8)


def test_fsim_equals_that_of_piq():
    pytest.importorskip("skimage")
    from library.desmoke.distorted_pictures import distortions, photographs

    clear = photographs()
    distorted = {name: distortions(picture) for name, picture in clear.items()}
    for (name, kind), expected in PIQ.items():
        picture, truth = distorted[name][kind], clear[name]
        found = fsim(picture[..., 1], truth[..., 1]), fsimc(picture, truth)
        assert found == pytest.approx(expected, abs=2e-4), (name, kind)


def test_phase_congruency_is_high_on_a_step_whatever_its_height():
    step = np.zeros((48, 256), np.float32)
    step[:, 60:190] = 200
    congruency = phase_congruency(step)
    assert congruency[:, 59:61].min() > 0.8 > 0.4 > congruency[:, 66:76].max()
    np.testing.assert_allclose(congruency, phase_congruency(step / 10), atol=1e-3)


def test_fsim_of_equal_and_of_flat_pictures():
    picture = noisy((40, 31, 3))
    assert fsimc(picture, picture) == pytest.approx(1)
    flat = np.full((24, 24, 3), 90, np.uint8)
    assert fsimc(flat, flat) == pytest.approx(1)


def uqi_by_definition(x, y):
    """Equation (2) of Wang and Bovik in every window, one after the other."""
    values = []
    for row in range(x.shape[0] - 7):
        for column in range(x.shape[1] - 7):
            a = x[row : row + 8, column : column + 8].astype(float).ravel()
            b = y[row : row + 8, column : column + 8].astype(float).ravel()
            covariance = np.cov(a, b)[0, 1]
            loss = covariance / (a.std(ddof=1) * b.std(ddof=1))
            means = 2 * a.mean() * b.mean() / (a.mean() ** 2 + b.mean() ** 2)
            spread = 2 * a.std(ddof=1) * b.std(ddof=1) / (a.var(ddof=1) + b.var(ddof=1))
            values.append(loss * means * spread)
    return np.mean(values)


def test_uqi_by_definition():
    reference = noisy((15, 12, 3), 1)
    image = np.clip(reference * 0.6 + noisy(reference.shape, 2, 0, 60), 0, 255).astype(np.uint8)
    expected = np.mean([uqi_by_definition(image[..., c], reference[..., c]) for c in range(3)])
    assert metrics.uqi(image, reference) == pytest.approx(expected, abs=1e-12)


def test_uqi_of_half_the_contrast_is_the_product_of_its_terms():
    reference = noisy((20, 20, 3), 3, 0, 128) * 2
    # Means and deviations are halved: 2 * 0.5 / 1.25 twice.
    assert metrics.uqi(reference // 2, reference) == pytest.approx(0.8**2, abs=1e-12)


def test_uqi_of_flat_windows_compares_means():
    black, grey = (np.full((9, 9, 3), v, np.uint8) for v in (0, 100))
    assert metrics.uqi(black, black) == 1
    assert metrics.uqi(grey, grey) == 1
    assert metrics.uqi(grey * 2, grey) == pytest.approx(2 * 2 / 5)
    assert metrics.uqi(black, grey) == 0


def test_equal_pictures_have_the_best_figures():
    picture = tissue()
    best = {"psnr": metrics.EQUAL_PSNR, "ssim": 1, "uqi": 1, "fsimc": 1}
    assert metrics.full_reference(picture, picture) == pytest.approx(best)
    found = metrics.full_reference(picture // 2, picture)
    assert all(found[name] < best[name] for name in metrics.FULL_REFERENCE)


def test_contrast_of_half_black_half_white():
    picture = np.zeros((10, 10, 3), np.uint8)
    picture[:, 5:] = 255
    assert metrics.contrast(picture) == pytest.approx(0.5, abs=1e-6)
    left = np.zeros((10, 10), bool)
    left[:, :5] = True
    assert metrics.contrast(picture, left) == 0
    assert metrics.contrast(picture, np.zeros((10, 10), bool)) == 0


def test_clipped_counts_both_ends():
    picture = np.full((4, 5, 3), 9, np.uint8)
    picture[0, :, 0], picture[1, :2] = 255, 0
    assert metrics.clipped(picture) == pytest.approx((5 + 6) / 60)
    assert metrics.clipped(picture, np.indices((4, 5))[0] == 0) == pytest.approx(1 / 3)
    assert metrics.clipped(picture, np.zeros((4, 5), bool)) == 0


def test_change_counts_grey_levels_inside_the_mask():
    before = noisy((6, 7, 3), 4, 20, 200)
    after = before.copy()
    after[0] += 51
    assert metrics.change(after, before) == pytest.approx(0.2 / 6)
    rest = np.ones((6, 7), bool)
    rest[0] = False
    assert metrics.change(after, before, rest) == 0
    assert metrics.change(before, after) == metrics.change(after, before)


def test_gradient_correlation_ignores_strength_and_sees_displacement():
    picture = tissue()
    paler = (picture * 0.4 + 120).astype(np.uint8)
    assert metrics.gradient_correlation(picture, picture) == pytest.approx(1)
    assert metrics.gradient_correlation(paler, picture) > 0.99
    assert metrics.gradient_correlation(255 - picture, picture) == pytest.approx(-1)
    assert metrics.gradient_correlation(np.roll(picture, 9, 1), picture) < 0.5
    assert metrics.gradient_correlation(np.zeros_like(picture), picture) == 0


def test_structure_ignores_light_and_sees_what_is_invented():
    picture = np.repeat(np.repeat(noisy((20, 25, 3), 5, 20, 200), 4, 0), 4, 1)
    paler = (picture * 0.4 + 120).astype(np.uint8)
    assert metrics.structure(picture, picture) == pytest.approx(1)
    assert metrics.structure(paler, picture) > 0.98
    invented = paler.copy()
    invented[20:60, 20:60] = paler[40:80, 60:100]
    there = np.zeros((80, 100), bool)
    there[25:55, 25:55] = True
    assert metrics.structure(invented, picture, there) < 0.3
    assert metrics.structure(invented, picture, ~there) > 0.85
    assert metrics.structure(picture, picture, np.zeros_like(there)) == 1


def test_structure_by_scikit_image():
    """Of pictures with equal means and variances SSIM is structure, but for its constants."""
    skimage = pytest.importorskip("skimage.metrics")
    rows, columns = np.indices((64, 64))
    wave = np.stack([127 + 60 * np.sin((rows + s * columns) * 0.9) for s in (1, 1.05)])
    one, other = (np.repeat(np.rint(w).astype(np.uint8)[..., None], 3, -1) for w in wave)
    expected = skimage.structural_similarity(
        one[..., 0], other[..., 0], data_range=255, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False,
    )  # fmt: skip
    assert metrics.structure(one, other) == pytest.approx(expected, abs=0.02)
    assert expected < 0.9


def density_of(colour):
    """The documented rule for a picture of one colour."""
    return np.clip((min(colour) / np.mean(colour) - 0.290) / (0.948 - 0.290), 0, 1)


@pytest.mark.parametrize("shape", [(96, 128), (300, 400)])
def test_smoke_density_follows_the_opacity(shape):
    found, expected = [], []
    for opacity in (0.0, 0.3, 0.6, 0.9):
        colour = np.rint(np.array([200, 60, 50]) * (1 - opacity) + 190 * opacity).astype(np.uint8)
        found.append(metrics.smoke_density(np.tile(colour, (*shape, 1))))
        expected.append(density_of(colour.astype(float)))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found == sorted(found) and found[0] < 0.35 and found[-1] > 0.95


def test_smoke_density_rises_when_smoke_covers_tissue():
    clear = tissue() / np.float32(255)
    airlight = np.array([0.7, 0.6, 0.58], np.float32)
    found = []
    for opacity in (0.0, 0.2, 0.4, 0.6, 0.8):
        smoky = blend(clear, np.full(clear.shape[:2], 1 - opacity, np.float32), airlight)
        found.append(metrics.smoke_density((smoky * 255).astype(np.uint8)))
    assert found[0] < 0.1 and found[-1] > 0.6 and (np.diff(found) > 0.05).all()


def test_smoke_density_looks_inside_the_mask_only():
    picture = np.zeros((300, 300, 3), np.uint8)
    field = np.hypot(*(np.indices((300, 300)) - 149.5)) < 120
    colour = np.array([150, 120, 100])
    picture[field] = colour
    assert metrics.smoke_density(picture, field) == pytest.approx(density_of(colour), abs=1e-6)
    assert metrics.smoke_density(picture) < density_of(colour) - 0.1
    assert metrics.smoke_density(picture, np.zeros((300, 300), bool)) == 0


@pytest.mark.parametrize(("value", "density"), [(0, 0), (90, 1), (255, 1)])
def test_smoke_density_of_one_colour(value, density):
    assert metrics.smoke_density(np.full((7, 5, 3), value, np.uint8)) == density
    assert metrics.smoke_density(np.full((1, 1, 3), value, np.uint8)) == density


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: metrics.psnr(p, p[:-1]), "bring them to one size"),
        (lambda p: metrics.ssim(p.astype(float), p), "float64, .* uint8 was expected"),
        (lambda p: metrics.uqi(p[:7], p[:7]), "8 x 8 pixels"),
        (lambda p: metrics.uqi(p[..., 0], p[..., 0]), r"\(H, W, 3\)"),
        (lambda p: metrics.full_reference(p[:20], p[:20]), "at least 24x24"),
        (lambda p: fsimc(p[..., :1], p[..., :1]), r"\(H, W, 3\) RGB"),
        (lambda p: fsimc(p, p[:, :-1]), "equal ones of at least 24 x 24"),
        (lambda p: fsim(p[:5, :, 0], p[:5, :, 0]), "at least 24 x 24"),
        (lambda p: metrics.structure(p[:10], p[:10]), "11 x 11"),
        (lambda p: metrics.contrast(p[:0]), r"\(0, 30, 3\) uint8"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call(noisy((30, 30, 3)))
