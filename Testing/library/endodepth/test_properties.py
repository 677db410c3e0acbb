"""Layers, alignment and depth maps at any size, scale and pose, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from meddl.core.depth_maps import depth_writer, read_depth_folder
from meddl.core.geometry import apply
from meddl.core.pinhole import backproject, project
from meddl.endodepth.alignment import rotations, scale_of, umeyama

torch = pytest.importorskip("torch")

from meddl.endodepth.layers import flow, positions_in_second, scale_to_sparse  # noqa: E402
from properties import examples  # noqa: E402

few = examples(15, deadline=None)
sizes = st.tuples(st.integers(2, 33), st.integers(2, 33))
seeds = st.integers(0, 2**32 - 1)


def intrinsics(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    height, width = size
    focal = rng.uniform(0.5, 2, 2) * max(size)
    return np.array([[focal[0], 0, width / 2], [0, focal[1], height / 2], [0, 0, 1.0]])


def motion(rng: np.random.Generator) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(rng.uniform(-0.3, 0.3, 3)).as_matrix()
    matrix[:3, 3] = rng.uniform(-0.5, 0.5, 3)
    return matrix


@few
@given(sizes, seeds)
def test_positions_are_those_of_projected_points(size, seed):
    rng = np.random.default_rng(seed)
    depth, camera, second_from_first = rng.uniform(2, 5, size), intrinsics(rng, size), motion(rng)
    found = positions_in_second(
        *(torch.tensor(value)[None] for value in (depth[None], camera, second_from_first))
    )
    pixels, z = project(apply(second_from_first, backproject(depth, camera)), camera)
    np.testing.assert_allclose(found[0, :2].permute(1, 2, 0), pixels, atol=1e-9)
    np.testing.assert_allclose(found[0, 2], z, atol=1e-12)


@few
@given(sizes, seeds)
def test_without_motion_nothing_flows(size, seed):
    rng = np.random.default_rng(seed)
    depth = torch.tensor(rng.uniform(2, 5, (1, 1, *size)))
    camera, still = torch.tensor(intrinsics(rng, size))[None], torch.eye(4, dtype=depth.dtype)[None]
    np.testing.assert_allclose(flow(positions_in_second(depth, camera, still)), 0, atol=1e-12)


@few
@given(sizes, seeds, st.floats(1e-3, 1e3), st.floats(0.05, 1))
def test_the_scale_of_true_depth_is_found_whatever_it_is(size, seed, scale, share):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(2, 5, (1, 1, *size))
    known = rng.random(truth.shape) < share
    known.flat[0] = True
    scaled, deviation, has_points = scale_to_sparse(
        torch.tensor(truth / scale), torch.tensor(np.where(known, truth, 0))
    )
    np.testing.assert_allclose(scaled, truth, rtol=1e-9)
    assert has_points.all() and deviation.abs().max() < 1e-6


@few
@given(st.integers(4, 40), seeds, st.floats(1e-3, 1e3))
def test_a_similarity_is_found_from_its_pairs(count, seed, scale):
    rng = np.random.default_rng(seed)
    source = rng.normal(0, 10, (count, 3))
    expected = motion(rng)
    expected[:3, :3] *= scale
    found = umeyama(source, apply(expected, source))
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8 * max(scale, 1))
    assert scale_of(found) == pytest.approx(scale)


@few
@given(seeds)
def test_rotations_are_scipys(seed):
    vectors = np.random.default_rng(seed).normal(0, 2, (5, 3))
    vectors[0] = 0
    np.testing.assert_allclose(
        rotations(vectors), Rotation.from_rotvec(vectors).as_matrix(), atol=1e-12
    )


@few
@given(sizes, seeds, st.floats(1e-3, 1e3), st.sampled_from([np.float32, np.float64, np.float16]))
def test_depth_maps_come_back(tmp_path_factory, size, seed, scale, dtype):
    depth = (np.random.default_rng(seed).uniform(0.1, 1, size) * scale).astype(dtype)
    depth[0, 0] = 0  # unknown
    folder = tmp_path_factory.mktemp("maps") / "depth"
    with depth_writer(folder, unit="mm") as writer:
        writer.write("one", depth)
    found = read_depth_folder(folder).depth("one")
    assert found.shape == size
    np.testing.assert_allclose(found, depth.astype(np.float32), rtol=1e-6)
