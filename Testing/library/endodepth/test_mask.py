"""The field of view and highlights on pictures whose truth is drawn, and on a real clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from meddl.core.errors import InputError
from meddl.core.video import read_frames
from meddl.endodepth.highlights import specular_highlights
from meddl.endodepth.mask import find_field, read_mask

SIZE = (180, 240)
CLIP = Path(__file__).parents[2] / "data" / "input_12.avi"
Y, X = np.mgrid[: SIZE[0], : SIZE[1]]


def tissue(number: int) -> np.ndarray:
    """(H, W, 3) reddish texture that moves by 5 pixels per frame."""
    x = X + 5 * number
    wave = np.sin(x / 9.0) * np.cos(Y / 7.0 + x / 31.0) + 0.5 * np.sin((x + 2 * Y) / 4.0)
    return np.stack([165 + 45 * wave, 90 + 35 * wave, 80 + 30 * wave], -1).clip(0, 255)


def video(mask: np.ndarray, border: float = 0.0, count: int = 9) -> list[np.ndarray]:
    """Tissue within a mask on a noisy border."""
    rng = np.random.default_rng(0)
    frames = []
    for number in range(count):
        frame = np.where(mask[..., None], tissue(number), border)
        frames.append((frame + rng.normal(0, 2, frame.shape)).clip(0, 255).astype(np.uint8))
    return frames


def written(frames: list[np.ndarray], text: str, place: tuple[int, int]) -> list[np.ndarray]:
    result = []
    for frame in frames:
        picture = Image.fromarray(frame)
        ImageDraw.Draw(picture).text(place, text, fill=(255, 255, 255))
        result.append(np.asarray(picture))
    return result


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


CIRCLE = np.hypot(X - 125, Y - 88) < 80
FIELDS = {
    "round": CIRCLE,
    "round cut at top and bottom": (np.hypot(X - 120, Y - 90) < 100) & (abs(Y - 90) < 80),
    "round beyond the picture": np.hypot(X - 120, Y - 90) < 110,
    "rectangular": (abs(X - 130) < 85) & (abs(Y - 95) < 70),
    "whole picture": np.ones(SIZE, bool),
}


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("border", [0.0, 14.0])
def test_the_field_is_found(name, border):
    field = find_field(video(FIELDS[name], border))
    assert overlap(field.mask, FIELDS[name]) > 0.97
    assert name.startswith(field.shape)
    assert not field.overlays.any()


def test_one_frame_suffices_for_the_border():
    assert overlap(find_field(video(CIRCLE, count=1)).mask, CIRCLE) > 0.97


def test_text_in_the_border_is_no_part_of_the_field():
    frames = written(written(video(CIRCLE), "PATIENT 1", (2, 2)), "12:00", (205, 165))
    assert overlap(find_field(frames).mask, CIRCLE) > 0.97


def test_text_over_the_tissue_is_left_out():
    frames = written(video(FIELDS["whole picture"]), "RECORDING", (10, 8))
    field = find_field(frames)
    ink = np.asarray(written([np.zeros((*SIZE, 3), np.uint8)], "RECORDING", (10, 8))[0])[..., 0]
    assert not field.mask[ink > 128].any()
    assert (~field.mask).mean() < 0.06 and field.overlays[14, 30]


def test_tissue_that_is_too_bright_at_the_rim_is_no_overlay():
    """It stands still at 255, and the rim is a sharp edge."""
    frames = video(CIRCLE)
    for frame in frames:
        frame[CIRCLE & (Y - X > 20)] = 255
    field = find_field(frames)
    assert not field.overlays.any() and overlap(field.mask, CIRCLE) > 0.97


def test_a_dark_place_at_the_rim_stays_in_the_field():
    """A cavity that no light reaches, in a round field and at the edge of a full picture."""
    for name, place in (("round", (50, 120)), ("whole picture", (3, 60))):
        frames = video(FIELDS[name])
        for frame in frames:
            frame[np.hypot(X - place[0], Y - place[1]) < 14] = 3
        assert overlap(find_field(frames).mask, FIELDS[name]) > 0.96


def test_a_real_clip_without_border_is_all_field():
    field = find_field(list(read_frames(CLIP, 0, None, 4)))
    assert field.shape == "whole picture" and field.mask.all()


def test_pictures_without_a_field_are_refused():
    black = np.full((*SIZE, 3), 4, np.uint8)
    with pytest.raises(InputError, match="all black"):
        find_field([black] * 3)
    dot = black.copy()
    dot[80:90, 100:112] = 200
    with pytest.raises(InputError, match=r"no field of view was found.*--mask"):
        find_field([dot] * 3)
    with pytest.raises(InputError, match="0 frames"):
        find_field([])
    with pytest.raises(InputError, match="2 frames of sizes"):
        find_field([black, black[:-1]])


def test_a_drawn_mask_is_read(tmp_path):
    Image.fromarray(np.where(CIRCLE, 255, 0).astype(np.uint8)).save(tmp_path / "grey.png")
    colour = np.zeros((*SIZE, 3), np.uint8)
    colour[CIRCLE] = (0, 255, 0)
    Image.fromarray(colour).save(tmp_path / "green.png")
    for name in ("grey.png", "green.png"):
        np.testing.assert_array_equal(read_mask(tmp_path / name, SIZE), CIRCLE)
    with pytest.raises(InputError, match="is 240x180, the frames are 240x100"):
        read_mask(tmp_path / "grey.png", (100, 240))
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(tmp_path / "black.png")
    with pytest.raises(InputError, match="black everywhere"):
        read_mask(tmp_path / "black.png", SIZE)


def test_highlights_are_found_and_bright_tissue_is_not():
    frame = tissue(0).astype(np.uint8)
    spots = np.zeros(SIZE, bool)
    for x, y, radius in ((40, 40, 4), (120, 90, 6), (200, 130, 3), (90, 150, 5)):
        spots |= np.hypot(X - x, Y - y) < radius
    frame[spots] = (252, 250, 248)
    glow = 240 * np.exp(-((X - 190) ** 2 + (Y - 40) ** 2) / 1800)  # near tissue, no sharp rim
    frame = np.maximum(frame, np.stack([glow, glow * 0.93, glow * 0.9], -1).astype(np.uint8))
    found = specular_highlights(frame)
    assert found[spots].all()
    assert (found & ~spots).sum() < 0.15 * spots.sum()
    grown = specular_highlights(frame, margin=2)
    assert grown[found].all() and grown.sum() > 1.3 * found.sum()
    mask = X < 100
    assert not specular_highlights(frame, mask)[~mask].any()
    assert specular_highlights(frame, mask)[spots & mask].all()


def test_what_is_no_frame_has_no_highlights():
    frame = tissue(0).astype(np.uint8)
    assert not specular_highlights(frame, np.zeros(SIZE, bool)).any()
    with pytest.raises(InputError, match="uint8 was expected"):
        specular_highlights(frame / 255)
    with pytest.raises(InputError, match="the mask is"):
        specular_highlights(frame, np.ones((3, 3), bool))
