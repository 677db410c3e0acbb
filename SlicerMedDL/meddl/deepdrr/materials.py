"""Which material each voxel is of, and how dense it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.image import Image
from meddl.core.optional import require
from meddl.core.parameters import parameter, validate
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.deepdrr.columns import empty_columns, slabs
from meddl.deepdrr.compositions import find_material, mass_attenuation
from meddl.deepdrr.density_grid import stack
from meddl.deepdrr.hounsfield import density, density_curves
from meddl.deepdrr.labels import Labels, read_labels
from meddl.deepdrr.table import remove_table

THRESHOLD_MATERIALS = ("air", "soft tissue", "bone")
AIR_UP_TO, SOFT_TISSUE_UP_TO = -800.0, 350.0  # HU; the thresholds of Unberath et al. 2018
TRABECULAR_UP_TO = 600.0  # HU, within a bone's label; halfway between spongiosa and a thin cortex
BLOOD_UP_TO = 150.0  # HU, within a vessel's label; without contrast agent blood has 30 to 70
CT_ENERGY = 70.0  # keV; about the effective energy of a CT at 120 kV
METHODS = ("threshold", "network", "water")
LABEL_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")


@dataclass(frozen=True)
class MaterialParameters:
    """How voxels become materials.

    Raises:
        InputError: a value outside its choices.
    """

    materials: str = parameter(
        "threshold",
        "how voxels become materials: by HU, by a network that tells contrast agent from bone, all "
        "water (density max(0, 1 + HU/1000)), or by a label map with its table LABELS.json beside "
        "it",
        metavar="threshold|network|water|LABELS.nii.gz",
    )
    density_curve: str = parameter("water-bone", "density of HU", choices=tuple(density_curves()))
    remove_table: bool = parameter(False, "make everything but the patient air")

    def __post_init__(self) -> None:
        validate(self)
        if self.materials not in METHODS and not self.materials.lower().endswith(LABEL_SUFFIXES):
            raise InputError(
                f"--materials is {self.materials!r}, expected one of: {', '.join(METHODS)}, or a "
                f"label map ({', '.join(LABEL_SUFFIXES)})"
            )


@dataclass(frozen=True, eq=False)
class MaterialVolume:
    """One material per voxel, 5 bytes each.

    Attributes:
        names: M materials, each as :func:`meddl.deepdrr.compositions.find_material` takes it.
        density: (K, J, I) float32 g/cm3, best with contiguous columns
            (:mod:`meddl.deepdrr.columns`), which the projector takes without a copy.
        label: (K, J, I) uint8, index into ``names``.
    """

    names: tuple[str, ...]
    density: NDArray[np.float32]
    label: NDArray[np.uint8]

    def stacked(self) -> NDArray[np.float32]:
        """(K, J, I, M) float32 densities of all materials."""
        return stack(self.density, self.label, len(self.names))


def labels_of(parameters: MaterialParameters) -> Labels | None:
    """The label map that the parameters name, if they name one.

    Raises:
        FileError: no such file, no label map, or no table beside it.
    """
    if parameters.materials in METHODS:
        return None
    return read_labels(parameters.materials)


def decompose(
    ct: Image,
    parameters: MaterialParameters | None = None,
    labels: Labels | None = None,
    *,
    device: str = "auto",
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> MaterialVolume:
    """Decompose a CT into materials.

    ``threshold``: air up to -800 HU, soft tissue up to 350 HU, bone above. ``water``: all water.
    A label map: each structure by :func:`meddl.deepdrr.labels.material_of`; bones are trabecular up
    to 600 HU and cortical above; vessels are blood up to 150 HU and blood with iodine above, of one
    concentration for the volume (that of their median HU) and of the density that gives each voxel
    its HU at 70 keV; solids (implants) have their nominal density; the thresholds decide the rest.
    ``network``: the same for the bones and the contrast agent that
    :mod:`meddl.deepdrr.materials_network` finds; the rest is soft tissue above -800 HU.

    Args:
        ct: scalar volume in HU.
        parameters: by default :class:`MaterialParameters`.
        labels: in place of the file that ``parameters.materials`` names.
        device: of the network.

    Raises:
        InputError: no label map, or an unknown material.
        DependencyError: a network without PyTorch.
        Cancelled: while the network works.
    """
    parameters = parameters or MaterialParameters()
    if parameters.remove_table:
        ct = remove_table(ct)
    labels = labels or labels_of(parameters)
    if labels is None and parameters.materials == "network":
        labels = _found_labels(ct, device, progress, cancel)
    if labels is not None:
        return _by_labels(ct, labels, parameters.density_curve)
    values = empty_columns(ct.array.shape, np.float32)
    label = empty_columns(ct.array.shape, np.uint8)
    water = parameters.materials == "water"
    for part in slabs(len(values)):  # no full-size temporaries
        hu = ct.array[part]
        values[part] = density(hu, "water" if water else parameters.density_curve)
        label[part] = 0
        if not water:
            label[part] = np.add(hu > AIR_UP_TO, hu > SOFT_TISSUE_UP_TO, dtype=np.uint8)
    return MaterialVolume(("water",) if water else THRESHOLD_MATERIALS, values, label)


def material_densities(ct: Image) -> NDArray[np.float32]:
    """(K, J, I, 3) float32 g/cm3, density of each of :data:`THRESHOLD_MATERIALS` in each voxel."""
    return decompose(ct).stacked()


def _found_labels(ct: Image, device: str, progress: Progress, cancel: CancelToken | None) -> Labels:
    require("torch", "--materials network")
    from meddl.deepdrr.materials_network import classify

    found = classify(ct, device=device, progress=progress, cancel=cancel)
    found[(found == 0) & (ct.array > AIR_UP_TO)] = 3
    return Labels(ct.with_array(found), {1: "skeleton", 2: "vessel", 3: "soft tissue"})


def _by_labels(ct: Image, labels: Labels, curve: str) -> MaterialVolume:
    classes = ["threshold", *dict.fromkeys(labels.materials.values())]
    class_of = np.zeros(65536, np.uint8)  # label 0 and labels without an entry: thresholds
    for value, material in labels.materials.items():
        class_of[value] = classes.index(material)
    structure = class_of[_on_grid_of(ct, labels.image)]
    splits = {
        "threshold": (THRESHOLD_MATERIALS, (AIR_UP_TO, SOFT_TISSUE_UP_TO)),
        "skeleton": (("trabecular bone", "bone"), (TRABECULAR_UP_TO,)),
    }
    if "vessel" in classes:
        contrast = _contrast_blood(ct.array, structure == classes.index("vessel"))
        splits["vessel"] = (("blood", contrast), (BLOOD_UP_TO,))
    parts = [splits.get(name, ((name,), ())) for name in classes]
    names = tuple(dict.fromkeys(name for members, _ in parts for name in members))
    bounds = np.full((2, len(classes)), np.inf, np.float32)
    index = np.zeros((3, len(classes)), np.uint8)  # material of each class, by bounds exceeded
    for number, (members, limits) in enumerate(parts):
        bounds[: len(limits), number] = limits
        index[: len(members), number] = [names.index(name) for name in members]
    values = empty_columns(ct.array.shape, np.float32)
    label = empty_columns(ct.array.shape, np.uint8)
    for part in slabs(len(values)):
        hu, which = ct.array[part], structure[part]
        exceeded = (hu > bounds[0][which]).astype(np.uint8) + (hu > bounds[1][which])
        out, dense = index[exceeded, which], density(hu, curve)
        for number, name in enumerate(names):
            if find_material(name).kind == "solid":
                dense[out == number] = find_material(name).density
            elif "+iodine:" in name:
                inside = out == number
                dense[inside] = density(hu[inside], "water") * np.float32(_per_water(name))
        values[part], label[part] = dense, out
    return MaterialVolume(names, values, label)


def _on_grid_of(ct: Image, image: Image) -> NDArray[np.uint16]:
    """A label map on the voxels of ``ct``, nearest neighbour; 0 beside it."""
    array: NDArray[np.uint16] = image.array
    if image.size == ct.size and np.allclose(image.ras_from_ijk, ct.ras_from_ijk, atol=1e-3):
        return array
    from scipy.ndimage import affine_transform

    label_from_ct = (image.ijk_from_ras @ ct.ras_from_ijk)[::-1, ::-1]  # in (1, k, j, i)
    resampled: NDArray[np.uint16] = affine_transform(
        array,
        label_from_ct[1:, 1:],
        label_from_ct[1:, 0],
        output_shape=ct.array.shape,
        order=0,
        mode="grid-constant",
    )
    return resampled


def _contrast_blood(hu: NDArray[Any], vessel: NDArray[np.bool_]) -> str:
    """``blood+iodine:C`` with C (mg/ml, whole) from the median HU of the bright vessel voxels."""
    bright = hu[vessel & (hu > BLOOD_UP_TO)]
    relative = 1 + (float(np.median(bright)) if bright.size else BLOOD_UP_TO) / 1000
    energy = np.array([CT_ENERGY])
    water, blood, iodine = (
        float(mass_attenuation(name, energy)[0]) for name in ("water", "blood", "iodine")
    )
    blood *= find_material("blood").density
    # Volumes add: mu = (1 - c / rho_I) mu_blood + c (mu/rho)_I, linear in the concentration c.
    amount = (relative * water - blood) / (iodine - blood / find_material("iodine").density)
    return f"blood+iodine:{max(1, round(1000 * amount))}"


def _per_water(name: str) -> float:
    """Density (g/cm3) at which a material attenuates as water does, at the CT's energy."""
    energy = np.array([CT_ENERGY])
    ratio = mass_attenuation("water", energy) / mass_attenuation(name, energy)
    return float(ratio[0])
