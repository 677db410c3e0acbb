"""Depth of the first hit, label masks, label radiographs, silhouettes and contours."""

from __future__ import annotations

import json

import numpy as np
import pytest
import trimesh
from scipy.ndimage import map_coordinates

from meddl.core import GeometryError, Image, InputError, Mesh, write_image
from meddl.core.geometry import apply, compose
from meddl.deepdrr import (
    CArm,
    ball,
    contour_lines,
    first_hit_depth,
    label_masks,
    label_radiographs,
    render,
    silhouette,
)

from .phantoms import oblique_geometry, random_volume

VIEW = CArm(33, 17, 5, detector_size=(61, 49), pixel_spacing=2.0)


def rays(camera):
    w, h = camera.size
    return camera.source, camera.rays(np.stack(np.meshgrid(range(w), range(h)), -1))


def sphere_entry(camera, center, radius):
    """(H, W) distance to the sphere, NaN beside it."""
    source, directions = rays(camera)
    half = directions @ (source - center)
    under = half**2 - ((source - center) @ (source - center) - radius**2)
    return np.where(under > 0, -half - np.sqrt(np.maximum(under, 0)), np.nan)


@pytest.mark.parametrize("seed", range(3))
def test_first_hit_against_plain_sampling(seed):
    """Random voxels, oblique and anisotropic: the first sample above the level, 5 um steps."""
    ct = random_volume(seed, lps=bool(seed % 2))
    view = CArm(37 * seed, 20, detector_size=(6, 5), pixel_spacing=3)
    camera = view.camera(ct.center)
    found = first_hit_depth(ct, camera, level=0.7).array[0]
    source, directions = rays(camera)
    step = 0.005
    reach = np.linalg.norm(ct.center - source) + np.linalg.norm(ct.spacing * ct.size)
    along = np.arange(0, reach, step)
    hits = 0
    for v, u in np.ndindex(found.shape):
        ijk = apply(ct.ijk_from_ras, source + along[:, None] * directions[v, u])
        inside = ((ijk >= -0.5) & (ijk <= np.array(ct.size) - 0.5)).all(axis=1)
        samples = map_coordinates(ct.array, ijk[inside].T[::-1], order=1, mode="nearest")
        above = along[inside][samples >= 0.7]
        if len(above):
            hits += 1
            assert found[v, u] == pytest.approx(above[0], abs=2 * step)
        else:
            assert np.isnan(found[v, u])
    assert hits >= 8


def test_depth_of_a_bone_ball_is_that_of_the_sphere():
    geometry = compose((1, 1, 1), (-30, -30, -30))
    k, j, i = np.mgrid[-30:31, -30:31, -30:31]
    edge = 20 - np.sqrt(i**2 + j**2 + k**2)
    ct = Image(np.clip(350 + 100 * edge, -1000, 1000).astype(np.float32), geometry)
    camera = VIEW.camera((0, 0, 0))
    found = first_hit_depth(ct, camera)
    expected = sphere_entry(camera, np.zeros(3), 20.0)
    both = np.isfinite(found.array[0]) & np.isfinite(expected)
    assert both.sum() > 0.97 * np.isfinite(expected).sum() > 200
    assert np.abs(found.array[0] - expected)[both].mean() < 0.03
    assert found.metadata["unit"] == "mm"


def test_source_in_bone_is_at_depth_0_and_air_has_none():
    camera = VIEW.camera()
    bone = Image(np.full((3, 3, 3), 900.0), compose((9, 9, 9), camera.source - 9))
    assert not first_hit_depth(bone, camera).array.any()
    assert np.isnan(first_hit_depth(Image(np.full((3, 3, 3), -1000)), camera).array).all()


def test_label_masks_are_the_shadows_of_the_labels():
    """Two overlapping balls of labels: within half a voxel of the spheres' shadows."""
    geometry = oblique_geometry(2, (1.0, 1.2, 1.1))
    ijk = np.stack(np.meshgrid(*map(np.arange, (50, 45, 40)), indexing="ij"), -1)
    points = apply(geometry, ijk).transpose(2, 1, 0, 3)
    centers = apply(geometry, [[20, 20, 20], [33, 24, 20]])
    labels = np.zeros((40, 45, 50), np.int16)
    for value, center in zip((7, 2), centers, strict=True):
        labels[np.linalg.norm(points - center, axis=-1) < 10] = value
    found = label_masks(Image(labels, geometry), VIEW)
    assert found.metadata["labels"] == [2, 7]
    assert found.array.shape == (1, 49, 61, 2)
    camera = VIEW.camera(Image(labels, geometry).center)
    for number, center in enumerate(centers[::-1]):
        inner, outer = (np.isfinite(sphere_entry(camera, center, r)) for r in (9.3, 10.6))
        mask = found.array[0, ..., number].astype(bool)
        if number == 0:  # the other ball is cut by this one, not this one
            assert mask[inner].all()
        assert not mask[~outer].any()
    assert label_masks(Image(labels, geometry), VIEW, [7]).array.shape[-1] == 1


def test_label_radiographs_add_up_to_the_whole():
    ct = random_volume(4, (12, 13, 14))
    ct = ct.with_array((400 * ct.array).astype(np.int16))
    labels = ct.with_array(np.random.default_rng(0).integers(0, 3, ct.array.shape))
    view = CArm(20, detector_size=(20, 15), pixel_spacing=3)
    for quantity in ("path", "integral"):
        parts = dict(label_radiographs(ct, labels, view, [0, 1, 2], quantity=quantity))
        whole = render(ct, view, quantity=quantity).array
        total = sum(part.array.astype(np.float64) for part in parts.values())
        np.testing.assert_allclose(total, whole, rtol=1e-4, atol=1e-4 * np.abs(whole).max())
        assert np.abs(parts[1].array).max() > 0


def test_a_label_alone_keeps_its_materials_of_the_whole(tmp_path):
    """An implant is in the picture of its own label only; a vessel's iodine is that of them all."""
    hu = np.full((12, 13, 14), 40, np.int16)
    labels = np.zeros(hu.shape, np.uint8)
    for value, place, brightness in ((1, 1, 60), (2, 4, 250), (3, 7, 450), (4, 10, 3000)):
        where = (slice(2, 10), slice(2, 11), slice(place, place + 2))
        labels[where], hu[where] = value, brightness
    write_image(tmp_path / "labels.nii.gz", Image(labels))
    table = {"1": "spleen", "2": "aorta", "3": "inferior vena cava", "4": "screw"}
    (tmp_path / "labels.json").write_text(json.dumps(table))
    options = {"quantity": "path", "materials": str(tmp_path / "labels.nii.gz")}
    view = CArm(20, detector_size=(20, 15), pixel_spacing=3)
    steps = []
    ct = Image(hu + np.int16(7))
    parts = dict(
        label_radiographs(
            *(ct, Image(labels), view, [0, 1, 2, 3, 4]),
            **options,
            hu_offset=-7.0,
            progress=lambda share, _: steps.append(share),
        )
    )
    whole = render(Image(hu), view, **options)
    names = whole.metadata["pages"]
    assert all(part.metadata["pages"] == names for part in parts.values())
    total = sum(part.array.astype(np.float64) for part in parts.values())
    np.testing.assert_allclose(total, whole.array, rtol=1e-4, atol=1e-5)
    titanium = {n: part.array[..., names.index("titanium")].max() for n, part in parts.items()}
    assert titanium.pop(4) > 1 and not any(titanium.values())
    assert steps == sorted(steps) and len(set(steps)) > 5 and steps[-1] > 0.99
    assert {int((step - 0.2) / 0.16) for step in steps if step > 0.2} == set(range(5))


def test_silhouette_and_contour_of_a_sphere():
    camera = VIEW.camera()
    sphere = trimesh.creation.icosphere(5, radius=20)
    mesh = Mesh(sphere.vertices + np.array([3, 4, 5]), sphere.faces)
    shadow = silhouette(mesh, camera)
    center = np.array([3.0, 4, 5])
    inner, outer = (np.isfinite(sphere_entry(camera, center, r)) for r in (19.9, 20.0))
    assert shadow[inner].all() and not shadow[~outer].any()
    lines = contour_lines(mesh, camera)
    assert len(lines) > 50
    distance = np.linalg.norm(camera.source - center)
    directions = camera.rays(lines.reshape(-1, 2))
    angles = np.arccos(directions @ (center - camera.source) / distance)
    np.testing.assert_allclose(angles, np.arcsin(20 / distance), rtol=0.01)


def test_contour_of_a_box_is_the_outline_of_its_corners():
    box = trimesh.creation.box((30, 20, 10))
    camera = VIEW.camera()
    lines = contour_lines(Mesh(box.vertices, box.faces), camera)
    assert len(lines) == 6  # a general view of a box has a hexagonal outline
    outline = trimesh.points.PointCloud(np.c_[camera.project(box.vertices)[0], np.zeros(8)])
    from scipy.spatial import ConvexHull

    hull = ConvexHull(outline.vertices[:, :2])
    expected = np.sort(outline.vertices[hull.vertices, :2], axis=0)
    found = np.sort(np.unique(lines.reshape(-1, 2).round(9), axis=0), axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_rim_of_an_open_surface_is_a_contour_and_has_no_silhouette():
    sheet = Mesh(np.array([[0.0, 0, 0], [9, 0, 0], [0, 0, 9]]), np.array([[0, 1, 2]]))
    camera = VIEW.camera()
    assert len(contour_lines(sheet, camera)) == 3
    with pytest.raises(InputError, match="open surface"):
        silhouette(sheet, camera)
    assert silhouette(ball([-9, 0, 0], [9, 0, 0]), camera).any()


def test_bad_labels_are_named():
    ct = random_volume(0)
    ones = ct.with_array(np.ones(ct.array.shape, np.uint8))
    with pytest.raises(InputError, match="no whole numbers"):
        label_masks(ct, VIEW)
    with pytest.raises(InputError, match="label 5 is not"):
        label_masks(ones, VIEW, [5])
    with pytest.raises(InputError, match="has 0 labels"):
        label_masks(ones.with_array(0 * ones.array), VIEW)
    with pytest.raises(GeometryError, match="another grid"):
        label_radiographs(ct, Image(ones.array), VIEW)
