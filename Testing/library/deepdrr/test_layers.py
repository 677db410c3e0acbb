"""Several volumes as one radiograph, against the same scene in one volume and chord lengths."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.core import Image, InputError, write_image
from meddl.core.geometry import compose, rotation
from meddl.deepdrr import CArm, Layer, Solid, ct_layer, find_material, k_wire, mask_layer, render
from meddl.deepdrr.density_grid import volume_of
from meddl.deepdrr.layers import density_grids, parse_mask, stack_layers

VIEW = CArm(detector_size=(21, 21), pixel_spacing=4.0, source_detector=1000, source_isocenter=600)


def block(hu: float, size: tuple[int, int, int], spacing: float, center=(0.0, 0.0, 0.0)) -> Image:
    """A uniform cuboid of ``size`` voxels (k, j, i) about ``center`` (RAS mm)."""
    start = np.array(center) - spacing * (np.array(size[::-1]) - 1) / 2
    return Image(np.full(size, hu, np.float32), compose((spacing,) * 3, start))


def center_path(*arguments, **options) -> dict[str, float]:
    """Mass per area of each material along the central ray."""
    view = CArm(
        detector_size=(1, 1), source_detector=1000, source_isocenter=600, isocenter=(0, 0, 0)
    )
    radiograph = render(*arguments[:1], view, quantity="path", **options)
    names = radiograph.metadata["pages"]
    return dict(zip(names, radiograph.array[0, 0, 0].tolist(), strict=True))


def test_a_mask_replaces_the_ct_where_it_is():
    water = block(0, (50, 50, 50), 4)  # 200 mm
    steel = mask_layer(block(1, (10, 10, 10), 2), "iron")  # 20 mm, aligned with the water's faces
    path = center_path(water, over=[steel])
    assert path["iron"] == pytest.approx(2.0 * 7.874, rel=1e-5)
    assert path["soft tissue"] == pytest.approx(18.0, rel=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_an_oblique_mask_between_the_voxels_displaces_its_volume(seed):
    generator = np.random.default_rng(seed)
    water = block(0, (60, 60, 60), 2)
    turn = rotation(generator.normal(size=3), generator.uniform(-90, 90))
    cube = block(1, (20, 20, 20), 1.3)
    shifted = Image(
        cube.array, compose((1, 1, 1), generator.uniform(-3, 3, 3)) @ turn @ cube.ras_from_ijk
    )
    upper, lower = stack_layers([mask_layer(shifted, "gold"), ct_layer(water)])
    volume = 20**3 * 1.3**3
    displaced = (ct_layer(water).materials.density - lower.materials.density).sum() * 2**3
    assert displaced == pytest.approx(volume, rel=0.005)
    assert lower.materials.density.min() >= 0
    assert upper.materials.density.max() == np.float32(find_material("gold").density)


def test_a_volume_of_priority_wins_with_its_air():
    water = block(0, (40, 40, 40), 5)  # 200 mm
    cavity = ct_layer(block(-1000, (20, 20, 20), 2))  # 40 mm of air
    path = center_path(water, over=[cavity])
    assert path["soft tissue"] == pytest.approx(16.0, rel=1e-4)
    assert path["air"] == pytest.approx(0.0, abs=1e-6)


def test_the_first_of_two_wins():
    water = block(0, (50, 50, 50), 4)
    thin = mask_layer(block(1, (10, 10, 10), 2), "titanium")  # 20 mm
    thick = mask_layer(block(1, (30, 30, 30), 2), "aluminium")  # 60 mm around it
    path = center_path(water, over=[thin, thick])
    assert path["titanium"] == pytest.approx(2 * 4.506, rel=1e-4)
    assert path["aluminium"] == pytest.approx(4 * 2.699, rel=1e-4)
    assert path["soft tissue"] == pytest.approx(14.0, rel=1e-3)


def test_a_copy_of_the_ct_over_itself_changes_nothing():
    generator = np.random.default_rng(0)
    whole = Image(
        generator.integers(-100, 300, (12, 12, 12)).astype(np.float32),
        compose((9,) * 3, (-50,) * 3),
    )
    path = render(whole, VIEW, quantity="path").array
    again = render(whole, VIEW, quantity="path", over=[ct_layer(whole)]).array
    np.testing.assert_allclose(again, path, rtol=1e-5, atol=1e-5)


def test_layers_apart_do_not_touch_each_other():
    near, far = ct_layer(block(0, (5, 5, 5), 2)), ct_layer(block(0, (5, 5, 5), 2, (100, 0, 0)))
    first, second = stack_layers([near, far])
    assert first is not None and isinstance(second, Layer)
    assert second.materials.density is far.materials.density


def test_bad_masks_are_refused():
    with pytest.raises(InputError, match="empty"):
        mask_layer(block(0, (3, 3, 3), 1), "gold")
    with pytest.raises(InputError, match="unknown"):
        mask_layer(block(1, (3, 3, 3), 1), "adamantium")
    with pytest.raises(InputError, match="integral"):
        render(
            block(0, (4, 4, 4), 1),
            VIEW,
            quantity="integral",
            over=[ct_layer(block(0, (3, 3, 3), 1))],
        )


@pytest.mark.parametrize("spacing", [4.0, 2.0])
def test_scatter_sees_all_volumes_as_one(spacing):
    """A plate over the CT, on its voxels or finer ones, as if it were the CT's own."""
    water = block(0, (30, 20, 30), 4)
    count = round(40 / spacing)
    steel = mask_layer(block(1, (count, 2 * count // 10, count), spacing), "iron")
    names, grids = density_grids(stack_layers([steel, ct_layer(water)]))
    components, densities, _ = volume_of(grids)
    assert [names[n] for n in components] == ["air", "soft tissue", "bone", "iron"]
    expected = np.zeros((30, 20, 30, 4), np.float32)
    expected[..., 1] = 1
    expected[10:20, 9:11, 10:20] = 0, 0, 0, find_material("iron").density
    np.testing.assert_allclose(densities, expected, atol=1e-5)


def test_scatter_of_a_mask_on_the_voxels_of_the_ct():
    water = block(0, (30, 20, 30), 8)
    plate = np.zeros((30, 20, 30), np.uint8)
    plate[:, 18:] = 1  # 16 mm of iron before the detector: next to nothing is left
    options = {"quantity": "energy", "scatter": "kernel"}
    free = render(water, VIEW, **options).array
    behind = render(water, VIEW, **options, over=[mask_layer(water.with_array(plate), "iron")])
    assert behind.array.max() < 0.05 * free.min()


@pytest.mark.parametrize("backend", ["exact", "numba", "torch"])
def test_nothing_is_brighter_than_the_open_beam_beside_metal(backend):
    water = block(0, (20, 20, 20), 8)
    gold = np.zeros((20, 20, 20), np.uint8)
    gold[8:12, 8:12, 8:12] = 1
    view = CArm(100, 25, detector_size=(32, 32), pixel_spacing=10)
    options = {"backend": backend, "over": [mask_layer(water.with_array(gold), "gold")]}
    assert render(water, view, **options, quantity="path").array.min() == 0
    brightest = render(water, view, **options).array.max()
    assert brightest == pytest.approx(1, rel=1e-6)
    plain = render(water, view, backend="exact", over=options["over"], quantity="path").array
    found = render(water, view, **options, quantity="path").array
    assert np.linalg.norm(found - plain) < 0.1 * np.linalg.norm(plain)


def test_the_record_says_what_lies_over_the_ct(tmp_path):
    write_image(tmp_path / "plate.nrrd", block(1, (3, 3, 3), 4))
    over = [parse_mask(f"{tmp_path}/plate.nrrd:titanium"), ct_layer(block(0, (3, 3, 3), 1))]
    water = block(0, (8, 8, 8), 4)
    record = render(water, VIEW, over=over).metadata["over"]
    assert record[0] == {"name": "plate.nrrd", "materials": ["titanium"]}
    assert record[1] == {"name": "CT", "materials": ["air", "soft tissue", "bone"]}
    assert "over" not in render(water, VIEW).metadata


def test_a_mesh_displaces_every_volume():
    water = block(0, (50, 50, 50), 4)
    mask = mask_layer(block(1, (30, 30, 30), 2), "aluminium")  # 60 mm
    wire = Solid(k_wire((0, -15, 0), (0, 15, 0), 4), "gold")  # 30 mm along the central ray
    path = center_path(water, over=[mask], solids=[wire])
    assert path["gold"] == pytest.approx(3 * 19.3, rel=0.1)  # its ends are pointed
    rest = path["soft tissue"] + path["aluminium"] / 2.699 + path["gold"] / 19.3
    assert rest == pytest.approx(20.0, rel=1e-4)
