"""The published network and its adversary: sizes, guides, and which way each is pushed."""

from __future__ import annotations

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("cv2")

from meddl.core.errors import InputError  # noqa: E402
from meddl.core.weights import Card, save_weights  # noqa: E402
from meddl.desmoke import scattering  # noqa: E402
from meddl.desmoke.dark_channel import guide_of  # noqa: E402
from meddl.desmoke.desmoker import VideoDesmoker  # noqa: E402
from meddl.desmoke.patch_gan import PatchGAN, adversarial_loss, discriminator_loss  # noqa: E402
from meddl.desmoke.pix2pix import Generator, minimum_guide, refined_guide  # noqa: E402
from meddl.desmoke.pix2pix_estimator import (  # noqa: E402
    ARCHITECTURE,
    Pix2PixEstimator,
    veil_between,
)
from meddl.desmoke.pix2pix_training import Adversaries, total_loss  # noqa: E402


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def adversaries() -> Adversaries:
    torch.manual_seed(0)
    return Adversaries(Generator("minimum", 4, 4), PatchGAN(4, 4))


def pictures(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    clear = torch.rand(2, 3, 32, 32, generator=generator)
    return 0.5 * clear + 0.4, clear


def test_the_published_sizes():
    assert round(count(Generator()) / 1e6, 1) == 54.4
    assert round(count(PatchGAN()) / 1e6, 2) == 2.77
    # A channel less: so many filters of 4 x 4 pixels.
    assert count(Generator("refined", 3, 5)) - count(Generator("none", 3, 5)) == 5 * 16


@pytest.mark.parametrize("guide", ["refined", "minimum", "none"])
@pytest.mark.parametrize(("layers", "shape"), [(2, (4, 12)), (4, (32, 16)), (6, (64, 128))])
def test_pictures_keep_size_and_range(guide, layers, shape):
    network = Generator(guide, layers, 4).eval()
    smoky = torch.rand(2, 3, *shape)
    with torch.no_grad():
        clear = network(smoky)
    assert clear.shape == smoky.shape
    assert clear.min() >= 0 and clear.max() <= 1
    assert network.condition(smoky).shape[1] == (3 if guide == "none" else 4)


def test_every_skip_reaches_the_picture():
    network = Generator("none", 3, 4).eval()
    smoky = torch.rand(1, 3, 16, 16)
    for layer in network.down:
        before = layer[-1].bias if hasattr(layer[-1], "bias") else layer[0].bias
        with torch.no_grad():
            whole = network(smoky)
            before += 1
            assert not torch.equal(network(smoky), whole)


def test_a_logit_sees_70_pixels():
    network = PatchGAN(3, 4).eval()  # batch statistics would see everything
    picture = torch.rand(1, 3, 256, 256, requires_grad=True)
    logits = network(torch.zeros(1, 3, 256, 256), picture)
    assert logits.shape == (1, 1, 30, 30)
    logits[0, 0, 15, 15].backward()
    seen = picture.grad[0].abs().sum(0) > 0
    rows, columns = torch.nonzero(seen.any(1)), torch.nonzero(seen.any(0))
    assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == (70, 70)


def test_the_minimum_guide_is_the_least_colour():
    smoky = torch.rand(2, 3, 5, 7)
    expected = smoky.numpy().min(1, keepdims=True)
    np.testing.assert_array_equal(minimum_guide(smoky).numpy(), expected)


def test_the_refined_guide_is_a_line_of_the_grey_picture_in_every_window():
    rgb = torch.rand(1, 3, 9, 12, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    radius, eps = 2, 1e-2
    found = refined_guide(rgb, patch=3, radius=radius, eps=eps)[0, 0].numpy()
    height, width = found.shape
    grey = np.tensordot([0.299, 0.587, 0.114], rgb[0].numpy(), 1)
    least = rgb[0].numpy().min(0)

    def window(y: int, x: int, r: int) -> tuple[slice, slice]:
        return slice(max(y - r, 0), y + r + 1), slice(max(x - r, 0), x + r + 1)

    lines = np.empty((height, width, 2))
    dark = [[least[window(y, x, 1)].min() for x in range(width)] for y in range(height)]
    for y, x in np.ndindex(height, width):
        g, d = grey[window(y, x, radius)].ravel(), np.array(dark)[window(y, x, radius)].ravel()
        # Least squares of slope g + offset with the ridge eps, as an ordinary system.
        rows = np.vstack([np.column_stack([g, np.ones_like(g)]), [np.sqrt(eps * g.size), 0]])
        lines[y, x] = np.linalg.lstsq(rows, np.append(d, 0), rcond=None)[0]
    for y, x in np.ndindex(height, width):
        slope, offset = lines[window(y, x, radius)].reshape(-1, 2).mean(0)
        assert found[y, x] == pytest.approx(np.clip(slope * grey[y, x] + offset, 0, 1), abs=1e-9)


def test_the_generators_loss_falls_as_the_score_of_its_pictures_rises():
    scores = torch.linspace(-4, 4, 9)
    losses = [adversarial_loss(score.expand(1, 1, 3, 3)).item() for score in scores]
    assert losses == pytest.approx([np.log1p(np.exp(-s)) for s in scores.tolist()], rel=1e-5)
    assert np.all(np.diff(losses) < 0)
    real, fake = torch.full((1, 1, 2, 2), 3.0), torch.full((1, 1, 2, 2), -3.0)
    assert discriminator_loss(real, fake) < discriminator_loss(fake, real)


def test_each_side_is_moved_by_its_own_term_alone():
    model = adversaries()
    for term, moved, still in (
        ("adversarial", model.generator, model.discriminator),
        ("discriminator", model.discriminator, model.generator),
    ):
        model.zero_grad()
        model(*pictures())[term].backward()
        assert any(p.grad is not None and p.grad.any() for p in moved.parameters())
        assert all(p.grad is None or not p.grad.any() for p in still.parameters())


def test_a_few_steps_make_the_adversary_believe_the_generator():
    model, (smoky, clear) = adversaries(), pictures()
    optimizer = torch.optim.Adam(model.generator.parameters(), 2e-3, (0.5, 0.999))
    scores = []
    for _ in range(8):
        terms = model(smoky, clear)
        scores.append(terms["score_fake"].item())
        optimizer.zero_grad()
        terms["adversarial"].backward()
        optimizer.step()
    assert scores[-1] > scores[0] + 0.02
    assert np.mean(np.diff(scores) > 0) > 0.8


def test_one_optimiser_steps_both_sides_as_two_would():
    """Against the usual two optimisers and two backward passes, over several steps."""
    ours = adversaries()
    theirs = copy.deepcopy(ours)
    settings = {"lr": 2e-4, "betas": (0.5, 0.999)}
    both = torch.optim.Adam(ours.parameters(), **settings)
    of_generator = torch.optim.Adam(theirs.generator.parameters(), **settings)
    of_discriminator = torch.optim.Adam(theirs.discriminator.parameters(), **settings)
    for step in range(3):
        smoky, clear = pictures(step)
        both.zero_grad()
        total_loss(ours(smoky, clear), "adversarial", 100, step + 1).backward()
        both.step()

        condition, real = theirs.generator.condition(smoky), 2 * clear - 1
        fake = theirs.generator.paint(condition)
        theirs.discriminator.requires_grad_(False)
        judged = theirs.discriminator(condition, fake)
        loss = torch.nn.functional.softplus(-judged).mean() + 100 * (fake - real).abs().mean()
        of_generator.zero_grad()
        loss.backward()
        theirs.discriminator.requires_grad_(True)
        logits = [theirs.discriminator(condition, p) for p in (fake.detach(), real)]
        softplus = torch.nn.functional.softplus
        of_discriminator.zero_grad()
        (softplus(logits[0]).mean() / 2 + softplus(-logits[1]).mean() / 2).backward()
        of_generator.step()
        of_discriminator.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=2e-6)


def test_the_losses_of_the_ablations():
    terms = {"l1": torch.tensor(0.5), "adversarial": torch.tensor(2.0)}
    terms["discriminator"] = torch.tensor(0.25)
    assert total_loss(terms, "adversarial", 100, 1) == 52.25
    assert total_loss(terms, "l1", 100, 1) == 50
    assert [float(total_loss(terms, "alternating", 100, n)) for n in (1, 2, 3)] == [
        50.25, 2.25, 50.25,
    ]  # fmt: skip
    alone = Adversaries(Generator("none", 2, 4), None)
    assert set(alone(*pictures())) == {"l1"}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("pix2pix") / "small.safetensors"
    arguments = {"guide": "refined", "layers": 4, "filters": 4}
    torch.manual_seed(1)
    use = {"size": [64, 64]}
    card = Card("small", "desmoking", ARCHITECTURE, {"network": arguments, "use": use})
    save_weights(Generator(**arguments), path, card)
    return path


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (64, 64), (33, 47)])
def test_any_size_is_painted(weights, shape):
    estimator = Pix2PixEstimator(weights, "cpu")
    rng = np.random.default_rng(2)
    picture = rng.random((*shape, 3), np.float32)
    veil = estimator(picture)
    assert veil.transmission.shape == shape
    clear = scattering.recover(picture, veil)
    np.testing.assert_allclose(clear, estimator.paint(picture), atol=1e-5)
    if shape == (64, 64):  # nothing is filled up: the bare network
        with torch.no_grad():
            bare = estimator.network(torch.from_numpy(picture.transpose(2, 0, 1))[None])
        np.testing.assert_allclose(clear, bare[0].numpy().transpose(1, 2, 0), atol=1e-5)


def test_the_grid_has_the_size_of_training(weights):
    estimator = Pix2PixEstimator(weights, "cpu")
    assert [estimator.grid(*s) for s in ((480, 640), (1080, 1920), (1, 1), (2000, 3))] == [
        (48, 64), (36, 64), (64, 64), (64, 1),
    ]  # fmt: skip


def test_the_smoke_between_two_pictures_is_found():
    rng = np.random.default_rng(5)
    clear = 0.6 * rng.random((40, 60, 3), np.float32)
    for t in (0.3, 0.6, 0.9, 1.0):
        smoky = scattering.blend(clear, np.full((40, 60), t), np.full(3, 0.8))
        veil = veil_between(smoky, clear)
        np.testing.assert_allclose(veil.transmission, t, atol=1e-3)
        np.testing.assert_allclose(veil.residual, 0, atol=2e-3)
        np.testing.assert_allclose(scattering.recover(smoky, veil), clear, atol=1e-5)
    mask = np.zeros((40, 60), bool)
    mask[:, 20:] = True
    masked = veil_between(
        scattering.blend(clear, np.full((40, 60), 0.5), np.full(3, 0.8)), clear, mask
    )
    assert (masked.transmission[:, :20] == 1).all() and not masked.residual[:, :20].any()
    np.testing.assert_allclose(masked.transmission[:, 20:], 0.5, atol=1e-3)


def test_the_video_filter_paints_with_it(weights):
    desmoker = VideoDesmoker("network", weights=weights, device="cpu")
    rng = np.random.default_rng(2)
    small = rng.integers(60, 200, (8, 8, 3), np.uint8)
    frame = np.kron(small, np.ones((8, 8, 1), np.uint8))
    painted = Pix2PixEstimator(weights, "cpu").paint(frame.astype(np.float32) / 255)
    # The filter enlarges the transmission along edges; what it makes is the network's picture.
    assert np.abs(desmoker(frame) / 255 - painted).mean() < 0.01
    assert desmoker(np.repeat(frame, 3, axis=1)).shape == (64, 192, 3)
    desmoker.strength = 0
    np.testing.assert_array_equal(desmoker(frame), frame)


def test_the_guides_are_those_of_the_classical_method():
    rgb = np.random.default_rng(9).random((50, 70, 3), np.float32)
    tensor = torch.from_numpy(rgb.transpose(2, 0, 1))[None]
    for guide, found in (("refined", refined_guide(tensor)), ("minimum", minimum_guide(tensor))):
        np.testing.assert_allclose(found[0, 0].numpy(), guide_of(rgb, guide), atol=2e-5)


def test_other_weights_are_refused(tmp_path):
    card = Card("other", "depth", "monodepth")
    save_weights(Generator("none", 2, 2), tmp_path / "other.safetensors", card)
    with pytest.raises(InputError, match="architecture monodepth, desmoke-pix2pix was expected"):
        Pix2PixEstimator(tmp_path / "other.safetensors", "cpu")
