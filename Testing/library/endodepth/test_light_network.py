"""The light network, its losses, and the pictures that it is trained on."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.core.inference import installed_engines, load_engine
from meddl.endodepth.networks import make_network, network_input

torch = pytest.importorskip("torch")
pytest.importorskip("cv2")

from meddl.endodepth.picture_variation import (  # noqa: E402
    random_field,
    random_hollows,
    random_look,
    random_view,
)
from meddl.endodepth.rendered_training import (  # noqa: E402
    gradient_loss,
    log_difference,
    scale_invariant_loss,
)


def network():
    torch.manual_seed(0)
    return make_network("light").eval()


def test_the_light_network_has_about_a_million_parameters_and_gives_positive_depth():
    light = network()
    assert sum(parameter.numel() for parameter in light.parameters()) == 1_154_481
    with torch.no_grad():
        depth = light(torch.rand(2, 3, 64, 96) * 2 - 1)
    assert depth.shape == (2, 1, 64, 96) and (depth > 0).all() and depth.std() > 0


def test_a_picture_decides_its_depth_whatever_is_beside_it_in_the_batch():
    light, pictures = network(), torch.rand(3, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        assert torch.allclose(light(pictures)[1:2], light(pictures[1:2]), rtol=1e-5)


@pytest.mark.parametrize("engine", [name for name in installed_engines() if name != "torch"])
def test_engines_agree_with_torch_at_a_size_that_they_were_not_converted_for(engine):
    light = network()
    runner = load_engine(light, np.zeros((1, 3, 64, 96), np.float32), engine=engine)
    picture = np.random.default_rng(0).uniform(-1, 1, (1, 3, 96, 128)).astype(np.float32)
    with torch.no_grad():
        expected = light(torch.from_numpy(picture)).numpy()
    assert np.allclose(runner(picture), expected, rtol=1e-4)


def test_network_input_maps_bytes_to_minus_one_to_one_and_the_outside_to_zero():
    picture = np.zeros((2, 3, 3), np.uint8)
    picture[0] = 255
    mask = np.ones((2, 3), bool)
    mask[:, 0] = False
    found = network_input(picture, mask)
    assert found.shape == (3, 2, 3) and found.dtype == np.float32
    assert (found[:, 0, 1:] == 1).all() and (found[:, 1, 1:] == -1).all()
    assert not found[:, :, 0].any()


def depths(seed: int) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(np.exp(rng.normal(0, 0.5, (2, 1, 32, 40))))


def test_the_loss_of_the_truth_times_any_factor_is_that_of_its_scale_alone():
    truth = depths(0)
    truth[:, :, :5] = 0
    normal = truth / torch.exp(torch.log(truth[:, :, 5:]).mean((1, 2, 3), keepdim=True))
    predicted = torch.where(truth > 0, normal, 7.0)  # where the truth is unknown anything will do
    difference, known = log_difference(predicted, 30 * truth)
    assert difference.abs().max() < 1e-9
    assert gradient_loss(difference, known) < 1e-9
    difference, known = log_difference(2 * predicted, truth)
    # Everywhere log 2 too far: square less 0.9 of the square.
    expected = np.log(2) * np.sqrt(0.1)
    assert float(scale_invariant_loss(difference, known)) == pytest.approx(expected, rel=1e-3)
    assert gradient_loss(difference, known) < 1e-9


def test_the_losses_equal_sums_over_pixels():
    predicted, truth = depths(1), depths(2)
    truth[:, :, :, 10:14] = 0
    difference, known = log_difference(predicted, truth)
    expected = []
    for p, t in zip(predicted.numpy()[:, 0], truth.numpy()[:, 0], strict=True):
        d = np.log(p[t > 0]) - np.log(t[t > 0]) + np.log(t[t > 0]).mean()
        expected.append(np.sqrt((d**2).mean() - 0.9 * d.mean() ** 2 + 1e-6))
    assert float(scale_invariant_loss(difference, known)) == pytest.approx(np.mean(expected))
    changes = []
    for d, k in zip(difference.numpy()[:, 0], known.numpy()[:, 0], strict=True):
        for j in range(32):
            changes += [abs(d[j, i + 1] - d[j, i]) for i in range(39) if k[j, i] and k[j, i + 1]]
    down = []
    for d, k in zip(difference.numpy()[:, 0], known.numpy()[:, 0], strict=True):
        for i in range(40):
            down += [abs(d[j + 1, i] - d[j, i]) for j in range(31) if k[j, i] and k[j + 1, i]]
    found = float(gradient_loss(difference, known, scales=1))
    assert found == pytest.approx(np.mean(changes) + np.mean(down))


def test_a_batch_without_any_depth_has_finite_losses_and_gradients():
    predicted = depths(3).requires_grad_()
    difference, known = log_difference(predicted, torch.zeros(2, 1, 32, 40, dtype=torch.float64))
    loss = scale_invariant_loss(difference, known) + gradient_loss(difference, known)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(predicted.grad).all()


def ramp() -> np.ndarray:
    """(64, 80, 3) uint8, brighter to the right and downwards."""
    y, x = np.mgrid[:64, :80]
    return np.stack([40 + x + y, 30 + x, 20 + y], -1).astype(np.uint8)


def test_random_views_keep_colour_and_depth_together():
    # Depth is the red channel, so that it still must be so after cutting and mirroring.
    colour = ramp()
    for seed in range(8):
        view, depth = random_view(
            colour, colour[..., 0].astype(np.float32), np.random.default_rng(seed)
        )
        assert view.shape == colour.shape
        # Nearest and linear interpolation differ by under a pixel, which is 2 grey levels here.
        assert np.abs(view[..., 0] - depth).max() <= 3


def test_looks_are_seeded_and_keep_the_order_of_brightness_on_the_whole():
    colour = ramp()
    order = []
    for seed in range(12):
        first, again = (random_look(colour, np.random.default_rng(seed)) for _ in range(2))
        assert first.dtype == np.uint8 and np.array_equal(first, again)
        bright, before = first.max(-1).ravel(), colour.max(-1).ravel()
        order.append(np.corrcoef(bright, before)[0, 1])
    assert min(order) > 0.2 and np.median(order) > 0.7


def test_hollows_get_darker_and_the_rest_stays():
    depth = np.full((64, 80), 10.0, np.float32)
    depth[24:40, 30:50] = 30
    colour = np.full((64, 80, 3), 200, np.uint8)
    changed = [random_hollows(colour, depth, np.random.default_rng(seed)) for seed in range(8)]
    darker = [found for found in changed if not np.array_equal(found, colour)]
    assert 0 < len(darker) < 8  # at times
    for found in darker:
        assert found[32, 40, 0] < 200 and (found[:10] >= 199).all()


def test_fields_of_view_cover_a_good_part_of_the_picture():
    shares = [random_field((64, 80), np.random.default_rng(seed)).mean() for seed in range(40)]
    assert min(shares) > 0.3 and max(shares) == 1
