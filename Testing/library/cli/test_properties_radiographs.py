"""``drr render`` of meshes, by camera files and with scatter; as in ``test_properties.py``."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from library.deepdrr.test_properties import chords
from library.deepdrr.test_properties_bodies import pixels_of
from meddl.core import Image, Mesh, read_image, write_mesh
from meddl.core.geometry import apply, compose
from meddl.deepdrr import Camera, CArm, find_material, write_camera
from properties import affines, examples

from .drawn_files import boxes, command, few, seeds, stored

# Two triangles a side, counter-clockwise from outside; corners in the order of np.ndindex(2, 2, 2).
SIDES = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
TRIANGLES = np.array([t for a, b, c, d in SIDES for t in ((a, b, c), (a, c, d))])


@st.composite
def cameras(draw: st.DrawFn) -> Camera:
    """Skewed, non-square pixels; 300 to 900 mm from what it looks at, the origin."""
    rng = np.random.default_rng(draw(seeds))
    width, height = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    focal = rng.uniform(8, 14, 2) * max(width, height)
    K = [
        [focal[0], rng.normal(0, 0.1), (width - 1) / 2],
        [0, focal[1], (height - 1) / 2],
        [0, 0, 1],
    ]
    pose = np.eye(4)
    pose[:3, :3] = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
    pose[:3, 3] = rng.uniform(-3, 3), rng.uniform(-3, 3), rng.uniform(300, 900)
    return Camera(np.array(K), pose, (width, height))


@few
@given(
    st.tuples(*[st.floats(1, 60)] * 3),
    affines(),
    st.tuples(st.floats(-90, 90), st.floats(-40, 40)),
    st.sampled_from([".stl", ".obj", ".ply"]),
    st.sampled_from([("iron", None), ("titanium", 2.5), ("PMMA", None)]),
    st.sampled_from([12, 11]),
)
def test_drr_render_of_a_mesh(folders, edges, affine, angles, suffix, body, triangles):
    """A box of any size and pose before a C-arm, in air: its chords; open, it is refused."""
    folder, (material, density) = folders(), body
    pose = compose(
        np.ones(3), affine[:3, 3], affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    )
    if np.linalg.det(pose[:3, :3]) < 0:  # triangles would face inwards
        pose[:3, 0] *= -1
    corners = (np.array(list(np.ndindex(2, 2, 2))) - 0.5) * edges
    write_mesh(folder / f"a box{suffix}", Mesh(apply(pose, corners), TRIANGLES[:triangles]))
    middle = pose[:3, 3]
    air = Image(np.full((3, 3, 3), -1000, np.int16), compose((90, 90, 90), middle - 90))
    place = ",".join(repr(float(n)) for n in middle)
    view = CArm(*angles, detector_size=(7, 5), pixel_spacing=9, isocenter=tuple(middle))
    words = "drr", "render", stored(folder, air), "--detector-size", "7,5", "--pixel-spacing", 9
    words = *words, f"--primary-angle={angles[0]}", f"--secondary-angle={angles[1]}"
    words = *words, f"--isocenter={place}", "--quantity", "path"
    mesh = f"{folder / 'a box'}{suffix}:{material}" + (f":{density}" if density else "")
    done = command(*words, "--mesh", mesh, output=folder / "with.nrrd")
    assert done == (triangles == 12)
    if done:
        found = read_image(folder / "with.nrrd").array.reshape(5, 7, -1)
        camera = view.camera()
        # Chords know boxes by the outer faces of their voxels: one voxel is the whole box.
        block = Image(np.zeros((1, 1, 1)), pose @ np.diag([*edges, 1.0]))
        length = chords(block, camera.source, camera.rays(pixels_of(camera)))
        expected = 0.1 * (density or find_material(material).density) * length
        there = found[..., np.argmax(found.reshape(-1, found.shape[-1]).sum(0))]
        # Files of meshes have seven digits.
        size = np.abs(apply(pose, corners)).max()
        np.testing.assert_allclose(there, expected, atol=1e-4 * expected.max() + 1e-5 * size)


@few
@given(boxes(8, least=2), cameras(), st.sampled_from([".tiff", ".nii.gz", ".nrrd"]))
def test_drr_render_of_a_camera_file(folders, box, camera, suffix):
    """Of a CT of one value about the origin: the chords."""
    folder, (image, _) = folders(), box
    affine = image.ras_from_ijk.copy()
    affine[:3, 3] -= image.center
    ct = Image(np.full(image.array.shape, 3, image.array.dtype), affine)
    write_camera(folder / "the camera.json", camera)
    words = "drr", "render", stored(folder, ct), "--camera", folder / "the camera.json"
    words = *words, "--quantity", "integral", "--backend", "exact"
    assert not command(*words, "--scatter", "kernel", output=folder / f"drr{suffix}")  # how far?
    assert not command(*words, "--primary-angle", 3, output=folder / f"drr{suffix}")
    assert command(*words, output=folder / f"drr{suffix}")
    found = read_image(folder / f"drr{suffix}").array.reshape(camera.size[::-1])
    expected = 3 * chords(ct, camera.source, camera.rays(pixels_of(camera)))
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4 * max(expected.max(), 1))


@examples(4, deadline=None)
@given(
    st.tuples(*[st.integers(3, 9)] * 3),
    st.sampled_from(["kernel", "network", "montecarlo"]),
    st.integers(0, 2**31),
    st.tuples(st.integers(2, 12), st.integers(2, 12)),
    st.floats(-30, 30),
)
def test_drr_render_with_scatter(folders, shape, method, seed, size, angle):
    """Scatter of water adds light to every pixel, the same at each run of a seed."""
    if method == "network":
        pytest.importorskip("torch")
    folder = folders()
    water = Image(np.zeros(shape, np.int16), compose(150 / np.array(shape[::-1]), (0, 0, 0)))
    words = (
        "drr",
        "render",
        stored(folder, water),
        "--quantity",
        "intensity",
        "--materials",
        "water",
    )
    words = *words, "--detector-size", f"{size[0]},{size[1]}", "--pixel-spacing", 300 / max(size)
    words = *words, f"--primary-angle={angle}", "--scatter-photons", 20000, "--seed", seed
    pictures = {}
    for name, kind in (("none", "none"), ("one", method), ("again", method)):
        assert command(*words, "--scatter", kind, output=folder / f"{name}.nrrd")
        pictures[name] = read_image(folder / f"{name}.nrrd").array
    added = pictures["one"] - pictures["none"]
    assert np.isfinite(added).all() and added.min() >= 0 and added.max() > 0
    assert added.max() < 1  # of what falls on the water: less than arrives without it
    np.testing.assert_array_equal(pictures["one"], pictures["again"])
