from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from meddl.core import Cancelled, CancelToken, Image, read_image
from meddl.core.geometry import compose
from meddl.deepdrr import Camera, CArm, render
from meddl.deepdrr.density_grid import DensityGrid
from meddl.deepdrr.layers import Layer, density_grids
from meddl.deepdrr.materials import decompose
from meddl.deepdrr.shear_warp import (
    DENSE,
    MIDDLE,
    PLAIN,
    PreparedVolume,
    choose_axes,
    choose_sampling,
    project,
)

from .phantoms import oblique_geometry

DATA = Path(__file__).resolve().parents[2] / "data"


def picture(ct: Image, camera: Camera, **options) -> np.ndarray:
    volume = PreparedVolume(DensityGrid(ct.array, None, (0,), ct.ijk_from_ras))
    world_per_pixel = camera.world_from_camera[:3, :3] @ np.linalg.inv(camera.K)
    return project(volume, camera.source, world_per_pixel, camera.size, **options)[..., 0]


def ball(n: int, radius: float, ras_from_ijk: np.ndarray) -> Image:
    """Uniform ball of ``radius`` mm about the middle, edges smoothed over one voxel by sampling."""
    fine = 4
    axis = (np.arange(n * fine) + 0.5) / fine - 0.5 - (n - 1) / 2
    k, j, i = np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)
    spacing = np.linalg.norm(ras_from_ijk[:3, :3], axis=0)
    inside = (i * spacing[0]) ** 2 + (j * spacing[1]) ** 2 + (k * spacing[2]) ** 2 < radius**2
    values = inside.reshape(n, fine, n, fine, n, fine).mean(axis=(1, 3, 5))
    return Image(values.astype(np.float32), ras_from_ijk)


POSES = [(0, 0, 0), (33, 22, 17), (90, 3, 0), (20, 70, 0), (45, 35, 80), (0, 90, 0), (-135, -40, 5)]


@pytest.mark.parametrize("pose", POSES)
def test_ball_has_its_chords_from_every_side(pose):
    """Analytic chords of a ball in an oblique, anisotropic grid. What error there is comes from the
    voxels of its edge: the exact integrals of the same voxels have it too."""
    ct = ball(96, 45.0, oblique_geometry(3, (1.0, 1.2, 1.4)))
    view = CArm(*map(float, pose), detector_size=(96, 80), pixel_spacing=2.4)
    camera = view.camera(ct.center)
    directions = camera.rays(np.stack(np.meshgrid(range(96), range(80)), -1))
    towards = ct.center - camera.source
    square = 45.0**2 - (towards @ towards - (directions @ towards) ** 2)
    chords = 2 * np.sqrt(np.maximum(square, 0))
    found, exact = (
        np.linalg.norm(values - chords) / np.linalg.norm(chords)
        for values in (
            picture(ct, camera),
            render(ct, camera, quantity="integral", backend="exact").array[0],
        )
    )
    assert found < 1.1 * exact < 0.015


@pytest.mark.parametrize("sampling", [PLAIN, DENSE])
@pytest.mark.parametrize("pose", POSES)
def test_agrees_with_the_exact_integrals_out_to_the_faces(pose, sampling):
    """A smooth volume that fills its grid, so that its outer faces are seen from every side."""
    g = np.random.default_rng(1)
    waves = g.uniform(0.05, 0.15, (3, 3))
    k, j, i = np.mgrid[:48, :56, :64]
    values = 2 + sum(np.sin(w[0] * i + w[1] * j + w[2] * k) for w in waves)
    ct = Image(values.astype(np.float32), oblique_geometry(5, (1.0, 1.2, 1.4)))
    view = CArm(*map(float, pose), detector_size=(120, 100), pixel_spacing=1.9)
    camera = view.camera(ct.center)
    exact = render(ct, camera, quantity="integral", backend="exact").array[0]
    found = picture(ct, camera, sampling=sampling)
    # A face seen along itself is a step, which a resampling blurs: 3 pixels at the outline.
    inner = binary_erosion(exact > 0, iterations=3)
    near = 0.02 if sampling is PLAIN else 0.008
    assert np.linalg.norm(found - exact) < near * np.linalg.norm(exact)
    assert np.linalg.norm((found - exact)[inner]) < near / 4 * np.linalg.norm(exact[inner])


def off(found: np.ndarray, exact: np.ndarray) -> float:
    """Relative L2 error."""
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


@pytest.mark.parametrize("pose", [(29.1, -18.2, 62.4), (45, 20, 0), (0, 45, 0)])
def test_radiographs_of_coarse_voxels_are_exact_within_half_a_percent(pose):
    """3 mm. The first pose is the worst of 29: it looks along a face that cuts the body off."""
    ct = read_image(DATA / "abdomen_pelvis_ct.nii.gz")
    view = CArm(*map(float, pose), detector_size=(160, 160), pixel_spacing=5.0)
    for quantity in ("neglog", "path"):
        found, exact = (
            render(ct, view, quantity=quantity, backend=backend).array[0]
            for backend in ("numba", "exact")
        )
        if quantity == "path":
            assert off(found[..., 2], exact[..., 2]) < 0.03  # bone: shells of one voxel
            found, exact = found.sum(-1), exact.sum(-1)
        assert off(found, exact) < 0.005


def test_a_face_seen_along_itself_is_not_blurred():
    """A block whose face lies in one plane with the source: a step in the picture. Of its own grid,
    and with so many voxels around that the virtual detector is a coarse one."""
    for size in (60, 200):
        ct = Image(np.ones((size, 40, size), np.float32), compose((180 / size,) * 3))
        aside = np.array([float(ct.spacing[0] * size / 2), 0, 0])  # from the middle to the face
        view = CArm(0, 7, isocenter=tuple(ct.center + aside), detector_size=(150, 150))
        camera = replace(view, pixel_spacing=3.0).camera()
        exact = render(ct, camera, quantity="integral", backend="exact").array[0]
        assert off(picture(ct, camera), exact) < 0.005
        assert off(picture(ct, camera, sampling=PLAIN), exact) > 0.005


def test_sampling_follows_from_the_voxels_that_a_view_meets():
    """Few voxels, a small field in a large volume and little in much air are sampled densely."""

    def chosen(size: int, field: float, filled: int | None = None) -> tuple[float, int]:
        spacing = 300 / size
        ct = Image(np.zeros((size,) * 3, np.float32), compose((spacing,) * 3))
        ct.array[:, :filled] = 1
        volume = PreparedVolume(DensityGrid(ct.array, None, (0,), ct.ijk_from_ras))
        view = CArm(detector_size=(100, 100), pixel_spacing=field / 100 * 1020 / 530)
        camera = view.camera(ct.center)
        origin = (ct.ijk_from_ras @ [*camera.source, 1])[:3]
        linear = ct.ijk_from_ras[:3, :3] @ camera.world_from_camera[:3, :3]
        corners = np.array([(u, v, 1.0) for u in (0, 99) for v in (0, 99)])
        rays = corners @ (linear @ np.linalg.inv(camera.K)).T
        axes = choose_axes(rays)
        assert axes is not None
        columns = volume.columns(axes[2])
        finer, per_layer = choose_sampling(columns, rays, origin, axes, *volume.box)
        assert finer[0] == finer[1]
        return float(finer[0]), per_layer

    assert chosen(256, 400) == PLAIN
    assert chosen(150, 400) == chosen(256, 100) == chosen(256, 400, filled=40) == MIDDLE
    assert chosen(100, 400) == chosen(256, 60) == chosen(256, 400, filled=20) == DENSE


def test_empty_space_and_an_empty_volume_are_zero():
    values = np.zeros((40, 40, 40), np.float32)
    ct = Image(values)
    camera = CArm(detector_size=(30, 30), pixel_spacing=5).camera(ct.center)
    assert not picture(ct, camera).any()
    values[20, 20, 20] = 1
    found = picture(ct, camera)
    assert found.sum() == pytest.approx(found[14:16, 14:16].sum())


def test_source_within_the_volume_is_left_to_the_exact_projector():
    ct = Image(np.ones((11, 11, 11), np.float32))
    pose = np.eye(4)
    pose[:3, 3] = -5
    camera = Camera(np.diag([100.0, 100.0, 1.0]), pose, (1, 1))
    assert picture(ct, camera).item() == pytest.approx(5.5)


@pytest.mark.parametrize("pose", POSES)
def test_materials_in_one_pass_are_those_one_by_one(pose):
    """Random materials in runs of random lengths, 40 of them: more than the occupancy has bits."""
    g = np.random.default_rng(2)
    shape = (50, 44, 37)
    label = np.repeat(g.integers(0, 40, (10, 44, 37)), 5, axis=0).astype(np.uint8)
    density = g.uniform(0, 1, shape).astype(np.float32) * (label % 3 > 0)
    geometry = oblique_geometry(1, (1.0, 1.3, 0.8))
    camera = CArm(*map(float, pose), detector_size=(70, 60), pixel_spacing=2).camera(
        Image(density, geometry).center
    )
    world_per_pixel = camera.world_from_camera[:3, :3] @ np.linalg.inv(camera.K)
    grid = DensityGrid(density, label, tuple(range(40)), np.linalg.inv(geometry))
    together = project(PreparedVolume(grid), camera.source, world_per_pixel, camera.size)
    for number in (0, 1, 2, 34, 35, 39):
        alone = picture(Image(grid.component(number), geometry), camera)
        np.testing.assert_allclose(together[..., number], alone, atol=1e-5 * together.max())
    assert not together[..., 0].any() and together[..., 1].any()


@pytest.mark.parametrize("pose", POSES)
def test_skipped_gaps_change_nothing(pose):
    """Projection is linear: sparse voxels are the same with 1 added everywhere, less that 1."""
    g = np.random.default_rng(4)
    blocks = g.uniform(0.5, 1, (6, 8, 7)) * (g.uniform(size=(6, 8, 7)) < 0.3)
    sparse = np.kron(blocks, np.ones((7, 5, 6))).astype(np.float32)
    geometry = oblique_geometry(2, (1.1, 0.9, 1.3))
    camera = CArm(*map(float, pose), detector_size=(70, 60), pixel_spacing=2).camera(
        Image(sparse, geometry).center
    )
    more, one = (picture(Image(v, geometry), camera) for v in (sparse + 1, np.ones_like(sparse)))
    found = picture(Image(sparse, geometry), camera)
    np.testing.assert_allclose(found, more - one, atol=2e-5 * more.max())
    assert found.max() > 0.1 * more.max()


@pytest.mark.parametrize("pose", POSES)
def test_a_small_body_within_a_large_one_is_seen_whole_and_nowhere_else(pose):
    """A material reaches over a few pixels only; the same with 1 added everywhere, less that 1,
    is sampled in all."""
    g = np.random.default_rng(6)
    large = g.uniform(1, 2, (48, 44, 40)).astype(np.float32)
    small = np.zeros(large.shape, bool)
    small[9:14, 8:15, 25:29] = True
    geometry = oblique_geometry(4, (1.0, 1.3, 0.9))
    camera = CArm(*map(float, pose), detector_size=(71, 60), pixel_spacing=2).camera(
        Image(large, geometry).center
    )
    world_per_pixel = camera.world_from_camera[:3, :3] @ np.linalg.inv(camera.K)
    grid = DensityGrid(large, small.astype(np.uint8), (0, 1), np.linalg.inv(geometry))
    found = project(PreparedVolume(grid), camera.source, world_per_pixel, camera.size)
    body = np.where(small, large, np.float32(0))
    for number, values in enumerate((large - body, body)):
        more, one = (picture(Image(v, geometry), camera) for v in (values + 1, np.ones_like(body)))
        np.testing.assert_allclose(found[..., number], more - one, atol=2e-5 * more.max())
    assert 0 < np.count_nonzero(found[..., 1]) < 0.1 * found[..., 1].size


def test_columns_of_the_materials_are_taken_without_a_copy():
    ct = Image(np.random.default_rng(0).uniform(-1000, 900, (20, 24, 28)).astype(np.float32))
    _, (grid,) = density_grids([Layer(decompose(ct), ct.ras_from_ijk)])
    columns = PreparedVolume(grid).columns(2)
    assert np.shares_memory(columns.density, grid.density)
    assert np.shares_memory(columns.label, grid.label)


@pytest.mark.parametrize(
    ("shape", "spacing", "source"),
    [((5, 40, 40), (1, 1, 8), 800.0), ((40, 40, 40), (2, 2, 2), 60.0)],
)
def test_few_voxels_and_sparse_rays_need_no_lanes(shape, spacing, source):
    """Columns shorter than a register; rays that diverge until a register no longer spans eight."""
    k, j, i = (np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 for n in shape)  # fades at the faces
    ct = Image((k[:, None, None] * j[:, None] * i).astype(np.float32), compose(spacing))
    view = CArm(10, 20, source_isocenter=source, detector_size=(60, 60), pixel_spacing=2.0)
    camera = view.camera(ct.center)
    exact = render(ct, camera, quantity="integral", backend="exact").array[0]
    found = picture(ct, camera)
    assert np.linalg.norm(found - exact) < 0.01 * np.linalg.norm(exact)


def test_a_turn_about_the_long_axis_stays_with_its_columns():
    for angle in range(-180, 180, 15):
        rays = CArm(float(angle)).camera().rays([[0, 0], [511, 0], [0, 511], [511, 511]])
        axes = choose_axes(rays)
        assert axes is not None
        assert axes[2] == 2


def test_thick_slices_in_a_wide_beam_are_not_left_to_the_exact_projector(monkeypatch):
    """Seen at an angle, in voxels, rays lean steeply against every axis: up to 3.5."""
    k, j, i = (np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 for n in (64, 32, 64))
    ct = Image((k[:, None, None] * j[:, None] * i).astype(np.float32), compose((5.7, 11.4, 5.7)))
    camera = CArm(33, 22, 17, detector_size=(64, 64), pixel_spacing=12.65).camera(ct.center)
    exact = render(ct, camera, quantity="integral", backend="exact").array[0]
    monkeypatch.delattr("meddl.deepdrr.projector.line_integrals")
    assert np.linalg.norm(picture(ct, camera) - exact) < 0.003 * np.linalg.norm(exact)


def test_cancel_stops_between_blocks():
    ct = Image(np.ones((64, 64, 64), np.float32), compose((3, 3, 3)))
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        picture(ct, CArm().camera(ct.center), cancel=cancel)
