"""Bodies, masks and labels before the C-arm, at any place, size, pose and grid, by formula."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from library.deepdrr.test_properties import boxes, chords, views
from meddl.core import Image, InputError, Mesh
from meddl.core.geometry import apply
from meddl.deepdrr import (
    Layer,
    MaterialVolume,
    Solid,
    ball,
    contour_lines,
    ct_layer,
    decompose,
    find_material,
    first_hit_depth,
    k_wire,
    label_masks,
    label_radiographs,
    mask_layer,
    render,
    screw,
    silhouette,
    tube,
)
from meddl.deepdrr.instruments import SIDES
from properties import examples

few = examples(10, deadline=None)
seeds = st.integers(0, 2**32 - 1)
POLYGON = np.sin(2 * np.pi / SIDES) / (2 * np.pi / SIDES)  # its area over the circle's
AIR = Image(np.full((4, 4, 4), -1000, np.int16), np.diag([60.0, 60, 60, 1]))


@st.composite
def axes(draw):
    """Tip and end of an instrument anywhere in the body."""
    rng = np.random.default_rng(draw(seeds))
    direction = rng.normal(size=3)
    tip = rng.uniform(-50, 50, 3)
    return tip, tip + draw(st.floats(20, 120)) * direction / np.linalg.norm(direction)


def volume(mesh: Mesh) -> float:
    """By the divergence theorem, mm3; positive if the triangles face outwards."""
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    return float(np.einsum("ij,ij->", a, np.cross(b, c))) / 6


def pixels_of(camera) -> np.ndarray:
    return np.stack(np.meshgrid(*map(np.arange, camera.size)), -1)


def ball_chords(camera, centre, radius) -> np.ndarray:
    """(H, W) length of each ray in a ball, mm, and how far it passes from the centre."""
    rays = camera.rays(pixels_of(camera))
    rays = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    towards = centre - camera.source
    passing = np.linalg.norm(np.cross(rays, towards), axis=-1)
    return 2 * np.sqrt(np.maximum(radius**2 - passing**2, 0)), passing


@few
@given(axes(), st.floats(0.5, 8), st.floats(0.1, 0.95))
def test_instruments_have_the_volume_of_their_shape(axis, diameter, share):
    tip, end = axis
    length, radius = float(np.linalg.norm(end - tip)), diameter / 2
    cone = radius / np.tan(np.deg2rad(15))
    round_ = POLYGON * np.pi * radius**2
    assert volume(k_wire(tip, end, diameter)) == pytest.approx(round_ * (length - 2 * cone / 3))
    sleeve = tube(tip, end, diameter, share * diameter)
    assert volume(sleeve) == pytest.approx(round_ * length * (1 - share**2))
    assert volume(ball(tip, end)) == pytest.approx(np.pi / 6 * length**3, rel=0.01)
    screwed = volume(screw(tip, end, diameter, share * diameter, 1.2, 9, 4))
    head, shaft = POLYGON * np.pi * 4.5**2 * 4, round_ * (length - 4)
    # A symmetric thread lies between core and crest; its first ring is half the core.
    assert 0.97 * shaft * share**2 < screwed - head < shaft
    for made in (k_wire(tip, end, diameter), sleeve, ball(tip, end)):
        along = (made.vertices - tip) @ (end - tip) / length
        assert along.min() == pytest.approx(0, abs=1e-9)
        assert along.max() == pytest.approx(length)


@few
@given(axes(), st.sampled_from(["point", "bore", "core", "short"]))
def test_instruments_that_cannot_be_are_refused(axis, kind):
    tip, end = axis
    with pytest.raises(InputError, match="a positive length was expected"):
        {
            "point": lambda: ball(tip, tip),
            "bore": lambda: tube(tip, end, 3, 3),
            "core": lambda: screw(tip, end, 3, 3.5),
            "short": lambda: k_wire(tip, tip + 1e-3 * (end - tip), 1.6),
        }[kind]()


@few
@given(axes(), st.sampled_from(["iron", "PMMA", "blood+iodine:20"]), st.none() | st.floats(0.1, 25))
def test_a_body_must_be_closed_and_has_a_density(axis, material, density):
    mesh = tube(*axis)
    apart = Mesh(
        mesh.vertices[mesh.faces].reshape(-1, 3), np.arange(3 * len(mesh.faces)).reshape(-1, 3)
    )
    solid = Solid(apart, material, density)
    assert solid.density == (find_material(material).density if density is None else density)
    assert volume(solid.mesh) == pytest.approx(volume(mesh))
    with pytest.raises(InputError, match=r"open surface \(3 edges"):
        Solid(Mesh(mesh.vertices, mesh.faces[:-1]), material)
    turned = np.concatenate([mesh.faces[:-1], mesh.faces[-1:, ::-1]])
    with pytest.raises(InputError, match="face inwards"):
        Solid(Mesh(mesh.vertices, turned), material)
    with pytest.raises(InputError, match="at most 30"):
        Solid(mesh, material, -1.0)


@few
@given(axes(), views, st.floats(0.5, 20))
def test_a_ball_before_the_c_arm_is_a_ball(axis, view, density):
    tip, end = axis
    centre, radius = (tip + end) / 2, float(np.linalg.norm(end - tip)) / 2
    camera = view.camera(centre)
    length, passing = ball_chords(camera, centre, radius)
    picture = render(AIR, camera, solids=[Solid(ball(tip, end), "iron", density)], quantity="path")
    found = picture.array[0, ..., picture.metadata["pages"].index("iron")]
    middle = passing < 0.9 * radius
    # Of 48 sides: the polygon lies within 0.3 % of the radius below the circle.
    expected = 0.1 * density * length
    np.testing.assert_allclose(found[middle], expected[middle], rtol=0.04)
    assert (found[passing > radius] == 0).all()
    inside = silhouette(ball(tip, end), camera)
    assert inside[passing < 0.99 * radius].all() and not inside[passing > radius].any()
    lines = contour_lines(ball(tip, end), camera)
    assert lines.ndim == 3 and lines.shape[1:] == (2, 2)
    if np.linalg.norm(centre - camera.source) > 1.2 * radius:
        rays = camera.rays(lines.reshape(-1, 2))
        rays = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
        distance = np.linalg.norm(np.cross(rays, centre - camera.source), axis=-1)
        # Edges of the triangles along which the surface turns away.
        assert len(lines) and distance.max() <= radius * (1 + 1e-9)
        assert np.median(distance) > 0.95 * radius


@few
@given(boxes(), views, st.sampled_from(["iron", "PMMA", "fat"]))
def test_a_mask_over_the_ct_is_of_its_material(box, view, material):
    camera = view.camera(box.center)
    layer = mask_layer(box, material)
    assert isinstance(layer, Layer) and isinstance(layer.materials, MaterialVolume)
    picture = render(AIR, camera, over=[layer], quantity="path", backend="exact")
    found = picture.array[0, ..., picture.metadata["pages"].index(material)]
    weight = 0.1 * find_material(material).density
    expected = weight * chords(box, camera.source, camera.rays(pixels_of(camera)))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-2)
    with pytest.raises(InputError, match=f"the mask of {material} is empty"):
        mask_layer(box.with_array(np.zeros_like(box.array)), material)


@few
@given(boxes(), views, seeds)
def test_a_ct_over_another_replaces_it_in_its_box(box, view, seed):
    rng = np.random.default_rng(seed)
    upper, lower = (box.with_array(rng.integers(-1000, 1500, box.array.shape)) for _ in range(2))
    camera = view.camera(box.center)
    alone = render(upper, camera, quantity="path", backend="exact")
    over = render(lower, camera, over=[ct_layer(upper)], quantity="path", backend="exact")
    assert alone.metadata["pages"] == over.metadata["pages"]
    np.testing.assert_allclose(over.array, alone.array, rtol=1e-4, atol=1e-4)


@few
@given(boxes(), views, seeds)
def test_the_radiographs_of_all_labels_add_up(box, view, seed):
    rng = np.random.default_rng(seed)
    ct = box.with_array(rng.integers(-1000, 1500, box.array.shape).astype(np.int16))
    labels = box.with_array(rng.integers(0, 4, box.array.shape).astype(np.uint8))
    camera = view.camera(ct.center)
    values = np.unique(labels.array).tolist()
    options = {"quantity": "path", "backend": "exact"}
    parts = dict(label_radiographs(ct, labels, camera, values, **options))
    assert list(parts) == values
    whole = render(ct, camera, **options).array
    np.testing.assert_allclose(sum(p.array for p in parts.values()), whole, rtol=1e-4, atol=1e-4)
    # A label's voxels alone, all else empty.
    value = values[0]
    alone = ct.with_array(np.where(labels.array == value, ct.array, -1000))
    expected = render(alone, camera, **options).array.sum(-1)
    materials = decompose(ct)
    assert materials.names == tuple(parts[value].metadata["pages"])
    np.testing.assert_allclose(parts[value].array.sum(-1), expected, rtol=1e-4, atol=1e-4)


def sampled(
    volume: np.ndarray, ijk_from_ras: np.ndarray, camera, step: float, margin: float = 0
) -> tuple:
    """Distances (N,) along each ray, and the trilinear values there (H, W, N), -inf outside.

    Within ``margin`` mm around the voxels the values are those of the boundary.
    """
    rays = camera.rays(pixels_of(camera))
    rays = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in volume.shape[::-1]])).reshape(3, -1)
    distance = np.linalg.norm(
        apply(np.linalg.inv(ijk_from_ras), corners.T) - camera.source, axis=-1
    )
    along = np.arange(max(distance.min() / 2, step), distance.max() + step, step)
    ijk = apply(ijk_from_ras, camera.source + rays[..., None, :] * along[:, None])
    wide = margin * np.linalg.norm(ijk_from_ras[:3, :3], axis=1)  # voxels
    upper = np.array(volume.shape[::-1]) - 0.5
    inside = ((ijk >= -0.5 - wide) & (ijk <= upper + wide)).all(-1)
    values = map_coordinates(volume, np.moveaxis(ijk[..., ::-1], -1, 0), order=1, mode="nearest")
    return along, np.where(inside, values, -np.inf)


@examples(8, deadline=None)
@given(boxes(), views, seeds, st.floats(20, 80))
def test_masks_and_depths_are_those_of_samples_along_the_rays(box, view, seed, level):
    rng = np.random.default_rng(seed)
    ct = box.with_array(rng.uniform(0, 100, box.array.shape).astype(box.array.dtype))
    camera = view.camera(ct.center)
    step = 0.02 * float(box.spacing.min())
    along, values = sampled(ct.array.astype(float), ct.ijk_from_ras, camera, step)
    # A ray may cut a corner off between two samples.
    _, around = sampled(ct.array.astype(float), ct.ijk_from_ras, camera, step, margin=step)
    found = first_hit_depth(ct, camera, level).array[0]
    surely, never = (values >= level + 3).any(-1), (around < level - 3).all(-1)
    assert np.isfinite(found[surely]).all() and np.isnan(found[never]).all()
    first = np.where((values >= level).any(-1), along[(values >= level).argmax(-1)], np.inf)
    # A ray may touch the level between two samples.
    assert (found[surely] <= first[surely] + 2 * step).all()
    at = np.abs(along - np.where(np.isnan(found), 0, found)[..., None]).argmin(-1)
    window = np.clip(at[..., None] + np.arange(-2, 3), 0, len(along) - 1)
    reached = np.take_along_axis(values, window, -1).max(-1)
    assert (reached[surely] >= level - 8).all()
    labels = box.with_array((ct.array > level).astype(np.uint8) * 5)
    if labels.array.any():
        masks = label_masks(labels, camera)
        assert masks.metadata["labels"] == [5] and masks.array.shape[-1] == 1
        member, near = (
            sampled((labels.array > 0).astype(float), ct.ijk_from_ras, camera, step, margin)[1]
            for margin in (0, step)
        )
        mask = masks.array[0, ..., 0] > 0
        assert mask[(member >= 0.55).any(-1)].all() and not mask[(near < 0.45).all(-1)].any()
    else:
        with pytest.raises(InputError, match="0 labels"):
            label_masks(labels, camera)
