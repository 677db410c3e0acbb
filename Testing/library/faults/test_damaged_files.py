"""Damaged files of the systems' own kinds; ``core/test_fuzz.py`` has images, meshes and videos."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from library.endodepth.plane_sequence import plane_sequence
from library.faults.commands import write_input
from library.faults.damage import fuzz
from meddl.core import Image, Points, write_image, write_points
from meddl.core.depth_maps import depth_writer, read_depth_folder
from meddl.core.pgm import read_pgm
from meddl.core.vtp import read_vtp
from meddl.core.weights import Card, save_weights, verify_weights
from meddl.deepdrr import CArm, render, write_radiograph
from meddl.deepdrr.camera import Camera, read_camera, write_camera
from meddl.deepdrr.dataset import read_dataset
from meddl.deepdrr.dicom_geometry import read_dicom_geometry
from meddl.deepdrr.labels import read_labels
from meddl.deepdrr.spectrum import load_spectrum, read_spectrum, write_spectrum
from meddl.deepigeos.batch import read_cases
from meddl.deepigeos.evaluation_cases import read_evaluation_cases
from meddl.endodepth import training_config
from meddl.endodepth.colmap import read_model
from meddl.endodepth.lens import read_lens
from meddl.endodepth.registration_files import read_pairs
from meddl.endodepth.sequence import read_sequence
from meddl.endodepth.sequence_files import (
    FRAMES,
    INTRINSICS,
    MASK,
    POINTS,
    POSES,
    VIEWS,
    VISIBILITY,
)
from meddl.monodepth.nyu import read_split

Case = tuple[Path, Callable[[Path], object]]


def volume(path: Path) -> Path:
    write_image(path, Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5)))
    return path


def of_parent(read: Callable[[Path], object]) -> Callable[[Path], object]:
    """A reader of the file's folder."""
    return lambda path: read(path.parent)


def text(path: Path, content: str, read: Callable[[Path], object]) -> Case:
    path.write_text(content)
    return path, read


def depth_folder(folder: Path, name: str) -> Case:
    with depth_writer(folder / "maps", unit="mm", mm_per_unit=1.0) as writer:
        writer.write("00000001", np.ones((6, 8)))
    return folder / "maps" / name, of_parent(lambda maps: read_depth_folder(maps).depth("00000001"))


def sequence(folder: Path, name: str) -> Case:
    plane_sequence(folder / "sequence")
    return folder / "sequence" / name, of_parent(read_sequence)


def dataset(folder: Path) -> Case:
    volume(folder / "a.nii.gz")
    write_points(folder / "p.csv", Points(("center",), np.zeros((1, 3))))
    content = """\
seed: 7
views: 2
cts: [{path: a.nii.gz, landmarks: p.csv}]
carm: {detector_size: [16, 12], pixel_spacing: 1.5}
render: {noise: on, spectrum: {choose: [60kV, 120kV]}}
"""
    return text(folder / "set.yaml", content, read_dataset)


def weights(folder: Path, suffix: str) -> Case:
    import torch

    path = folder / "w.safetensors"
    card = Card(name="", task="none", architecture="tiny", arguments={"a": [1, 2]})
    save_weights({"a": torch.ones(3)}, path, card)
    return path.with_suffix(suffix), lambda _: verify_weights(path)


def labels(folder: Path) -> Case:
    path = folder / "l.nii.gz"
    write_image(path, Image(np.ones((2, 3, 4), np.uint8)))
    table = {"1": {"name": "spleen", "material": "soft tissue"}, "2": "rib"}
    return text(folder / "l.json", json.dumps(table), lambda _: read_labels(path))


def cases(folder: Path, read: Callable[[Path], object]) -> Case:
    volume(folder / "i.nii.gz")
    with (folder / "list.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        if read is read_cases:
            writer.writerows([["image", "name"], ["i.nii.gz", "one"], ["i.nii.gz", "two"]])
        else:
            writer.writerows([["image", "label", "value"], ["i.nii.gz", "i.nii.gz", "7"]])
    return folder / "list.csv", read


def split(folder: Path) -> Case:
    from scipy.io import savemat

    savemat(folder / "splits.mat", {"trainNdxs": [[1], [3]], "testNdxs": [[2]]})
    return folder / "splits.mat", read_split


def nyu(folder: Path) -> Case:
    h5py = pytest.importorskip("h5py")
    from meddl.monodepth.nyu import NyuPairs

    with h5py.File(folder / "nyu.mat", "w") as file:
        file["images"] = np.ones((2, 3, 8, 6), np.uint8)
        file["depths"] = np.ones((2, 8, 6), np.float32)
    return folder / "nyu.mat", lambda path: NyuPairs(path)[1]


def checkpoint(folder: Path, name: str) -> Case:
    import torch

    from meddl.core.checkpoint import load_checkpoint, save_checkpoint

    path = save_checkpoint(folder, 3, {"a": torch.ones(3)}, {"b": [torch.zeros(2), 1, "c"]})
    return path / name, of_parent(load_checkpoint)


def config(folder: Path, name: str, read: Callable[[Path], object]) -> Case:
    return write_input(folder) / name / "config.yaml", read


def desmoke_config(folder: Path) -> Case:
    from meddl.desmoke.training_config import read_plan

    return config(folder, "frames", read_plan)


def monodepth_config(folder: Path) -> Case:
    from meddl.monodepth.training_config import read_plan

    return config(folder, "pairs", read_plan)


def deepigeos_config(folder: Path) -> Case:
    from meddl.deepigeos.training_config import read_plan

    return config(folder, "labelled", read_plan)


LENS = """\
%YAML:1.0
---
image_width: 64
image_height: 48
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 60., 0., 32., 0., 60., 24., 0., 0., 1. ]
distortion_coefficients: !!opencv-matrix
   rows: 1
   cols: 5
   dt: d
   data: [ -0.2, 0.1, 0., 0., 0. ]
"""
PAIRS = "label,x,y,z,r,a,s\na,0,0,0,1,2,3\nb,1,0,0,2,2,3\nc,0,1,0,1,3,3\n"
PGM = "P5\n# a comment\n4 3\n255\n" + "abcdefghijkl"


def spectrum(folder: Path) -> Case:
    write_spectrum(folder / "s.csv", load_spectrum("60kV"))
    return folder / "s.csv", read_spectrum


def camera(folder: Path) -> Case:
    write_camera(folder / "c.json", Camera(np.diag([9.0, 9.0, 1.0]), np.eye(4), (8, 6)))
    return folder / "c.json", read_camera


def colmap(folder: Path, name: str) -> Case:
    """COLMAP's own binary files."""
    pycolmap = pytest.importorskip("pycolmap")
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs, options.num_frames_per_rig, options.num_points3D = 1, 3, 10
    pycolmap.set_random_seed(3)
    pycolmap.synthesize_dataset(options).write_binary(folder)
    return folder / name, of_parent(read_model)


def vtp(folder: Path) -> Case:
    vtk = pytest.importorskip("vtk")
    sphere, writer = vtk.vtkSphereSource(), vtk.vtkXMLPolyDataWriter()
    writer.SetFileName(str(folder / "s.vtp"))
    writer.SetInputConnection(sphere.GetOutputPort())
    writer.Write()
    return folder / "s.vtp", read_vtp


def radiograph(folder: Path) -> Case:
    view = CArm(30, -20, 15, detector_size=(8, 6), pixel_spacing=6)
    ct = Image(np.full((4, 4, 4), -1000.0))
    write_radiograph(folder / "r.dcm", render(ct, view))
    return folder / "r.dcm", read_dicom_geometry


CASES: dict[str, Callable[[Path], Case]] = {
    "deepigeos config": deepigeos_config,
    "desmoke config": desmoke_config,
    "monodepth config": monodepth_config,
    "endodepth config": lambda folder: text(
        folder / "c.yaml",
        "sequence: first\nbatch_size: 2\nadjacent_range: [1, 4]\nmax_lr: 1.0e-3\n",
        training_config.read_config,
    ),
    "data set": dataset,
    "spectrum": spectrum,
    "labels": labels,
    "list of cases": lambda folder: cases(folder, read_cases),
    "evaluation cases": lambda folder: cases(folder, read_evaluation_cases),
    "lens": lambda folder: text(folder / "lens.yaml", LENS, read_lens),
    "landmark pairs": lambda folder: text(folder / "pairs.csv", PAIRS, read_pairs),
    "pgm": lambda folder: text(folder / "x.pgm", PGM, read_pgm),
    "units.json": lambda folder: depth_folder(folder, "units.json"),
    "depth map": lambda folder: depth_folder(folder, "00000001.tiff"),
    "weights": lambda folder: weights(folder, ".safetensors"),
    "card": lambda folder: weights(folder, ".json"),
    "checkpoint weights": lambda folder: checkpoint(folder, "model.safetensors"),
    "checkpoint state": lambda folder: checkpoint(folder, "state.pt"),
    "camera": camera,
    "radiograph": radiograph,
    "vtp": vtp,
    "splits.mat": split,
    "NYU Depth": nyu,
}
CASES |= {
    name: lambda folder, name=name: colmap(folder, name)
    for name in ("cameras.bin", "images.bin", "points3D.bin")
}
CASES |= {
    name: lambda folder, name=name: sequence(folder, name)
    for name in (FRAMES, MASK, INTRINSICS, VIEWS, POSES, POINTS, VISIBILITY)
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES)
def test_a_few_damaged_files(tmp_path, case):
    path, read = CASES[case](tmp_path)
    fuzz(path, read, 8)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES)
def test_hundreds_of_damaged_files(tmp_path, case):
    path, read = CASES[case](tmp_path)
    fuzz(path, read, 400)
