"""Compositions, densities, label rules and decomposition against tables and phantoms."""

from __future__ import annotations

import json

import numpy as np
import pytest

from meddl.core import FileError, Image, InputError, write_image
from meddl.core.geometry import compose
from meddl.deepdrr import (
    Labels,
    MaterialParameters,
    decompose,
    density,
    find_material,
    label_materials,
    mass_attenuation,
    material_of,
    read_labels,
)
from meddl.deepdrr.hounsfield import density_curves

from .published import NIST, NIST_ENERGIES


@pytest.mark.parametrize("material", NIST)
def test_mass_attenuation_agrees_with_nist_within_a_thousandth(material):
    np.testing.assert_allclose(mass_attenuation(material, NIST_ENERGIES), NIST[material], rtol=1e-3)


def test_parts_sum_to_the_total():
    parts = [mass_attenuation("bone", NIST_ENERGIES, kind) for kind in ("photo", "coh", "incoh")]
    np.testing.assert_allclose(sum(parts), mass_attenuation("bone", NIST_ENERGIES), rtol=2e-3)


def test_a_material_by_formula():
    water = mass_attenuation("mine=H2O:1.0", NIST_ENERGIES)
    np.testing.assert_allclose(water, mass_attenuation("water", NIST_ENERGIES), rtol=1e-4)
    nitinol = find_material("nitinol=NiTi:6.45")
    assert nitinol.density == 6.45
    assert dict(nitinol.fractions)["Ni"] == pytest.approx(58.693 / (58.693 + 47.867), rel=1e-4)


def test_iodine_displaces_its_volume_of_blood():
    blood, mixed = find_material("blood"), find_material("blood+iodine:20")
    assert mixed.density == pytest.approx(blood.density * (1 - 0.020 / 4.93) + 0.020)
    assert mixed.density * dict(mixed.fractions)["I"] == pytest.approx(0.020)
    assert sum(share for _, share in mixed.fractions) == pytest.approx(1)


@pytest.mark.parametrize(
    "text",
    [
        *("unobtainium", "x=Foo:2", "x=NiTi", "x=NiTi:0", "x=NiTi:nan", "=Ni:3", "x=:3", "x=Ni:99"),
        *("blood+iodine:-1", "blood+iodine:x", "ether+iodine:1", ""),
    ],
)
def test_what_is_no_material_is_refused(text):
    with pytest.raises(InputError, match="material"):
        find_material(text)


@pytest.mark.parametrize("curve", density_curves())
def test_density_curves_pass_through_their_knots_and_weigh_no_air(curve):
    hu, values = density_curves()[curve]
    np.testing.assert_allclose(density(np.array(hu), curve), values, atol=2e-5)
    between = np.linspace(hu[0], hu[-1], 501)
    np.testing.assert_allclose(density(between, curve), np.interp(between, hu, values), atol=2e-5)
    np.testing.assert_array_equal(density(np.array([-1000, -1024, -3024]), curve), 0)
    slope = (values[-1] - values[-2]) / (hu[-1] - hu[-2])
    above = density(np.array(hu[-1] + 500.0), curve)
    assert above == pytest.approx(values[-1] + 500 * slope, rel=1e-4)


def test_water_has_the_density_of_its_hu():
    hu = np.array([-2000, -1000, -500, 0, 60, 1000], np.int16).reshape(1, 1, 6)
    volume = decompose(Image(hu), MaterialParameters(materials="water"))
    assert volume.names == ("water",)
    np.testing.assert_allclose(volume.density[0, 0], [0, 0, 0.5, 1, 1.06, 2], atol=1e-6)
    np.testing.assert_array_equal(volume.stacked()[..., 0], volume.density)


@pytest.mark.parametrize(
    ("name", "material"),
    [
        ("L4 vertebra", "skeleton"),
        ("vertebrae_T12", "skeleton"),
        ("left rib 7", "skeleton"),
        ("hip_left", "skeleton"),
        ("costal_cartilages", "soft tissue"),
        ("spinal_cord", "soft tissue"),
        ("lung_upper_lobe_left", "lung"),
        ("pulmonary_vein", "vessel"),
        ("portal vein and splenic vein", "vessel"),
        ("vertebral artery", "vessel"),
        ("renal pelvis", "soft tissue"),
        ("Liver", "soft tissue"),
        ("gluteus_maximus_left", "muscle"),
        ("heart_myocardium", "muscle"),
        ("hip prosthesis", "titanium"),
        ("gold fiducial", "gold"),
        ("Titanium_plate", "titanium"),
        ("stainless steel nail", "iron"),
        ("bone cement", "PMMA"),
        ("guidewire", "titanium"),
        ("femoral_head", "skeleton"),
        ("femoral_artery_left", "vessel"),
        ("subcutaneous_fat", "fat"),
        ("trachea", "threshold"),
        ("Segment_1", None),
        ("spinet", None),
        ("", None),
    ],
)
def test_material_of_a_name(name, material):
    assert material_of(name) == material


def test_terminology_comes_before_the_name(caplog):
    terminology = (
        "Segmentation category and type - 3D Slicer General Anatomy list"
        "~SCT^123037004^Anatomical Structure~SCT^71341001^Femur~^^~Anatomic codes~^^~^^"
    )
    generic = "list~SCT^85756007^Tissue~SCT^85756007^Tissue~^^~~^^~^^"
    assert material_of("Segment_1", terminology) == "skeleton"
    assert material_of("aorta", generic) == "vessel"
    found = label_materials({3: ("Segment_3", generic), 4: ("x", terminology)})
    assert found == {3: "threshold", 4: "skeleton"}
    assert "Segment_3" in caplog.text


LABELLED_HU = np.array([-1000, 0, 200, 900, 40, 300, -800, 3071, -900, 500], np.int16)
LABEL = np.array([0, 0, 1, 1, 2, 2, 3, 4, 0, 5], np.uint8)
TABLE = {
    "1": "L4",
    "2": {"name": "x", "terminology": "list~SCT^1^Anatomical Structure~SCT^1^Aorta~^^~~^^~^^"},
    "3": "left lung",
    "4": {"name": "wire", "material": "nitinol=NiTi:6.45"},
    "5": "??",
}


def labelled(tmp_path, table=TABLE):
    """A row of labelled voxels as files; returns (CT, path of the label map)."""
    geometry = compose((1, 2, 3), (5, 6, 7))
    shape = (2, 2, 10)
    ct = Image(np.broadcast_to(LABELLED_HU, shape).copy(), geometry)
    path = tmp_path / "labels.nii.gz"
    write_image(path, Image(np.broadcast_to(LABEL, shape).copy(), geometry))
    (tmp_path / "labels.json").write_text(json.dumps(table))
    return ct, path


def test_labels_decide_the_material(tmp_path):
    table = {**TABLE, "1": "L4 vertebra"}
    ct, path = labelled(tmp_path, table)
    volume = decompose(ct, MaterialParameters(materials=str(path)))
    row = [volume.names[index] for index in volume.label[1, 1]]
    contrast = row[5]
    assert row[:5] == ["air", "soft tissue", "trabecular bone", "bone", "blood"]
    assert row[6:] == ["lung", "nitinol=NiTi:6.45", "air", "bone"]
    assert volume.density[0, 0, 7] == pytest.approx(6.45)
    np.testing.assert_allclose(
        volume.density[0, 0, [1, 2, 3, 4, 6]], density(LABELLED_HU[[1, 2, 3, 4, 6]]), rtol=1e-6
    )
    # The contrast-filled voxel attenuates at 70 keV as its 300 HU say, and holds about the iodine
    # that explains them: 26 HU per mg/ml above blood's 56 HU there.
    seventy = np.array([70.0])
    ratio = mass_attenuation(contrast, seventy) / mass_attenuation("water", seventy)
    assert volume.density[0, 0, 5] * ratio[0] == pytest.approx(1.3, rel=1e-5)
    assert contrast == "blood+iodine:9"
    assert volume.density[0, 0, 5] == pytest.approx(find_material(contrast).density, rel=0.02)


def test_components_share_the_volume(tmp_path):
    ct, path = labelled(tmp_path)
    volume = decompose(ct, MaterialParameters(materials=str(path)))
    parts = volume.stacked()
    np.testing.assert_array_equal(parts.sum(axis=-1), volume.density)
    filled = parts > 0
    np.testing.assert_array_equal(
        np.argmax(filled, -1)[filled.any(-1)], volume.label[filled.any(-1)]
    )
    assert (filled.sum(axis=-1) <= 1).all()


def test_labels_of_another_grid_are_looked_up_at_the_voxel_centres():
    fine = np.zeros((8, 8, 8), np.int16)
    fine[4:, :, :] = 7
    coarse = compose((2, 2, 2), (0.5, 0.5, 0.5))  # voxel (k) covers fine slices 2k and 2k + 1
    ct = Image(np.zeros((6, 4, 4), np.int16), coarse @ compose((1, 1, 1), (0, 0, -1)))
    volume = decompose(ct, labels=Labels(Image(fine), {7: "muscle"}))
    inside = volume.label[:, 1, 1] == volume.names.index("muscle")
    np.testing.assert_array_equal(inside, [False, False, False, True, True, False])


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ([], "no label table"),
        ({"one": "liver"}, "'one'"),
        ({"1": 3}, "'1'"),
        ({"1": {"name": 3}}, "'1'"),
        ({"70000": "liver"}, "'70000'"),
        ({"1": {"name": "x", "material": "kryptonite"}}, "kryptonite"),
    ],
)
def test_bad_label_tables_are_refused(tmp_path, table, words):
    _, path = labelled(tmp_path, table)
    with pytest.raises(FileError, match=words):
        read_labels(path)


def test_missing_or_wrong_label_maps_are_refused(tmp_path):
    with pytest.raises(InputError, match="--materials is 'glass'"):
        MaterialParameters(materials="glass")
    with pytest.raises(FileError, match=r"labels\.json"):
        read_labels(tmp_path / "labels.nii.gz")
    with pytest.raises(InputError, match="whole numbers"):
        Labels(Image(np.full((2, 2, 2), 0.5)), {})
    with pytest.raises(InputError, match="whole numbers"):
        Labels(Image(np.full((2, 2, 2), -1)), {})
