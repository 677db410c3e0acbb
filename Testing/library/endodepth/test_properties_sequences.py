"""Sequences, depth, fused and rendered surfaces at any size, scale, pose and field of view."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("cv2")

from library.endodepth import plane_sequence as plane
from library.endodepth.test_properties import motion
from meddl.core.depth_maps import DepthCamera, depth_writer, read_depth_folder
from meddl.core.errors import InputError
from meddl.core.geometry import apply, inverse
from meddl.core.pinhole import project
from meddl.endodepth.fusion import fuse
from meddl.endodepth.fusion_parameters import FusionParameters
from meddl.endodepth.prediction import BLACK, DepthPredictor
from meddl.endodepth.rendered_sequence import RenderParameters, render_sequence
from meddl.endodepth.sequence import read_sequence, visible_inside, write_sequence
from properties import examples

seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A new folder at every call."""
    return lambda: tmp_path_factory.mktemp("drawn")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A sequence before a plane that all points lie on."""
    return plane.plane_sequence(tmp_path_factory.mktemp("plane") / "sequence")


@pytest.fixture(scope="module")
def predictor():
    return DepthPredictor(engine="torch", device="cpu")


def moved(sequence, world_from_old, scale):
    """The same sequence in another world frame, its unit ``scale`` of the old ones."""
    poses = sequence.world_from_camera.copy()
    poses[:, :3, 3] *= scale
    points = apply(world_from_old, scale * sequence.points)
    return replace(sequence, world_from_camera=world_from_old @ poses, points=points)


@examples(8, deadline=None)
@given(seeds, st.floats(1e-2, 1e3))
def test_a_sequence_comes_back_in_any_world_and_unit(written, folders, seed, scale):
    world_from_old = motion(np.random.default_rng(seed))
    world_from_old[:3, 3] *= 100
    sequence = moved(written, world_from_old, scale)
    found = read_sequence(write_sequence(sequence, folders() / "copy").folder)
    np.testing.assert_allclose(found.world_from_camera, sequence.world_from_camera, rtol=1e-9)
    np.testing.assert_allclose(found.points, sequence.points, rtol=1e-9, atol=1e-9 * scale)
    np.testing.assert_array_equal(found.visibility, sequence.visibility)
    np.testing.assert_array_equal(found.mask, sequence.mask)
    np.testing.assert_allclose(found.require_intrinsics(), plane.CAMERA, rtol=1e-9)
    assert visible_inside(found) == pytest.approx(visible_inside(written))
    number = int(found.frame_numbers[seed % len(found.frame_numbers)])
    np.testing.assert_array_equal(found.frame(number), written.frame(number))


@examples(4, deadline=None)
@given(seeds, st.floats(0.05, 50), st.sampled_from([np.float32, np.float64]))
def test_a_plane_is_fused_in_any_world_and_unit(written, folders, seed, scale, dtype):
    world_from_old = motion(np.random.default_rng(seed))
    sequence = moved(written, world_from_old, scale)
    folder = folders() / "depth"
    camera = DepthCamera(plane.CAMERA, *plane.SIZE)
    with depth_writer(folder, unit="mm", camera=camera) as writer:
        for path, pose in zip(sequence.frame_files, plane.poses(), strict=True):
            depth = np.where(sequence.mask, scale * plane.plane_depth(pose), 0)
            writer.write(path.stem, depth.astype(dtype))
    surface = fuse(sequence, read_depth_folder(folder), FusionParameters(size=40, scaling="none"))
    assert surface.unit == "mm" and surface.weight.shape == (len(surface.mesh.vertices),)
    found = apply(inverse(world_from_old), surface.mesh.vertices) / scale
    voxel = surface.record["voxel"] / scale
    assert np.abs(found[:, 2] - plane.PLANE).max() < 0.2 * voxel
    # As wide as the field sees of it.
    assert np.ptp(found[:, 0]) > 2 and voxel == pytest.approx(np.ptp(found[:, 0]) / 39, rel=0.1)


@examples(3, deadline=None)
@given(st.tuples(st.integers(16, 120), st.integers(16, 120)), seeds, st.integers(0, 255))
def test_depth_is_that_of_the_field_of_view_alone(predictor, size, seed, around):
    rng = np.random.default_rng(seed)
    frame = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    y, x = np.indices(size) + 0.5
    mask = np.hypot(y / size[0] - 0.5, x / size[1] - 0.5) < rng.uniform(0.3, 0.7)
    depth = predictor(frame, mask)
    assert depth.shape == size and depth.dtype == np.float32
    assert np.isfinite(depth).all() and (depth[~mask] == 0).all()
    assert (depth >= 0).all() and (depth[depth > 0].size == 0 or mask[depth > 0].all())
    # What lies around the field does not count.
    other = np.where(mask[..., None], frame, np.uint8(around))
    np.testing.assert_array_equal(predictor(other, mask), depth)
    np.testing.assert_array_equal(predictor(np.full_like(frame, min(around, BLACK)), mask), 0)
    with pytest.raises(InputError, match=r"\(H, W, 3\) uint8 was expected"):
        predictor(frame.astype(np.float32), mask)


@examples(2, deadline=None)
@given(
    st.sampled_from(["sinus", "colon"]),
    st.tuples(st.integers(16, 40), st.integers(16, 40)),
    st.floats(40, 110),
    st.integers(0, 99),
)
def test_a_rendered_sequence_agrees_with_itself(folders, scene, size, degrees, seed):
    parameters = RenderParameters(
        scene=scene, frames=2, size=size, fov=degrees, seed=seed, points=40, field="full"
    )
    folder = folders() / "rendered"
    render_sequence(parameters, folder)
    sequence, depths = read_sequence(folder), read_depth_folder(folder / "depth")
    assert sequence.size == size and len(sequence.frame_numbers) == 2
    camera = sequence.require_intrinsics()
    # The field of view spans the width, from edge to edge.
    assert 2 * np.degrees(np.arctan(size[1] / 2 / camera[0, 0])) == pytest.approx(degrees)
    assert visible_inside(sequence) == 1.0
    for view, pose in enumerate(sequence.world_from_camera):
        points = sequence.points[sequence.visibility[view]]
        pixels, depth = project(apply(inverse(pose), points), camera)
        column, row = np.floor(pixels).astype(int).T
        seen = depths.depth(depths.names[view])[row, column]
        # The map holds the pixel's centre, up to half a pixel beside the point.
        assert np.median(np.abs(seen / depth - 1)) < 0.1
