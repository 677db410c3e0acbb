"""Chessboards as a known camera with a known lens sees them, from the models' formulas."""

from __future__ import annotations

from functools import cache

import numpy as np

SIZE = (240, 320)
INTRINSICS = np.array([[210.0, 0.0, 163.5], [0.0, 214.0, 117.0], [0.0, 0.0, 1.0]])
DISTORTION = {
    "pinhole": np.array([-0.32, 0.11, 0.002, -0.0015, 0.0]),
    "fisheye": np.array([-0.03, 0.012, -0.004, 0.001]),
}
BOARD = (8, 6)  # inner corners
SQUARE = 3.0


def distort(rays: np.ndarray, model: str) -> np.ndarray:
    """Where rays (..., 2) = (x / z, y / z) land on the plane z = 1 behind the lens.

    Brown and Conrady, and Kannala and Brandt, as OpenCV's documentation states them.
    """
    k = DISTORTION[model]
    x, y = rays[..., 0], rays[..., 1]
    r2 = x**2 + y**2
    if model == "fisheye":
        r = np.sqrt(r2)
        return rays * (bent(np.arctan(r)) / np.maximum(r, 1e-12))[..., None]
    radial = 1 + k[0] * r2 + k[1] * r2**2 + k[4] * r2**3
    return np.stack(
        [
            x * radial + 2 * k[2] * x * y + k[3] * (r2 + 2 * x**2),
            y * radial + k[2] * (r2 + 2 * y**2) + 2 * k[3] * x * y,
        ],
        -1,
    )


def bent(angle: np.ndarray) -> np.ndarray:
    """The distance from the middle at which the fisheye lens shows an angle (radians)."""
    k = DISTORTION["fisheye"]
    return angle * (1 + k[0] * angle**2 + k[1] * angle**4 + k[2] * angle**6 + k[3] * angle**8)


def pixels_of(rays: np.ndarray, model: str) -> np.ndarray:
    """Pixel positions (..., 2), centres at half-integers."""
    return distort(rays, model) * np.diag(INTRINSICS)[:2] + INTRINSICS[:2, 2]


def rays_of(pixels: np.ndarray, model: str) -> np.ndarray:
    """The rays (..., 2) of pixel positions, by fixed-point steps on the formulas."""
    wanted = (pixels - INTRINSICS[:2, 2]) / np.diag(INTRINSICS)[:2]
    if model == "fisheye":
        distance = np.hypot(wanted[..., 0], wanted[..., 1])
        angle = distance.copy()
        for _ in range(30):
            angle += distance - bent(angle)
        return wanted * (np.tan(angle) / np.maximum(distance, 1e-12))[..., None]
    rays = wanted.copy()
    for _ in range(30):
        rays += wanted - distort(rays, model)
    assert np.abs(distort(rays, model) - wanted).max() < 1e-6
    return rays


@cache
def _fine_rays(model: str) -> np.ndarray:
    """The rays of 2 x 2 places in every pixel."""
    fine = np.mgrid[: 2 * SIZE[0], : 2 * SIZE[1]][::-1].transpose(1, 2, 0)
    rays = rays_of((fine + 0.5) / 2, model)
    return np.concatenate([rays, np.ones((*rays.shape[:2], 1))], -1)


def chessboard(model: str, turn: tuple[float, float], centre: tuple[float, float, float]):
    """(H, W, 3) uint8 of a board in mm, turned about x and y, 2 x 2 samples per pixel."""
    a, b = turn
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    camera_from_board = about_x @ about_y
    rays = _fine_rays(model) @ camera_from_board
    origin = -np.asarray(centre) @ camera_from_board
    on_board = origin + rays * (-origin[2] / rays[..., 2])[..., None]
    cell = np.floor(on_board[..., :2] / SQUARE + np.array([BOARD[0] + 1, BOARD[1] + 1]) / 2)
    across, down = cell[..., 0], cell[..., 1]
    dark = (across + down) % 2 == 0
    on = (across >= 0) & (across <= BOARD[0]) & (down >= 0) & (down <= BOARD[1])
    grey = np.where(on & dark, 30.0, 220.0).reshape(SIZE[0], 2, SIZE[1], 2).mean((1, 3))
    return np.repeat(grey.round().astype(np.uint8)[..., None], 3, -1)


def boards(model: str) -> list[np.ndarray]:
    """Eight views, tilted differently, reaching the rim of the picture."""
    near = 27.0 if model == "pinhole" else 24.0
    views = [
        ((0.0, 0.0), (0, 0, near)),
        ((0.5, 0.1), (-4, 2, near)),
        ((-0.5, 0.2), (4, -2, near)),
        ((0.1, 0.5), (-3, -4, near)),
        ((-0.1, -0.5), (3, 4, near)),
        ((0.35, 0.35), (5, 3, near + 4)),
        ((-0.35, 0.4), (-5, 3, near + 4)),
        ((0.4, -0.4), (5, -4, near + 4)),
    ]
    return [chessboard(model, turn, centre) for turn, centre in views]
