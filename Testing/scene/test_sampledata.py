"""The bundled data: table and files agree, they load with names, places and checksums."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import SampleData
import slicer

from meddl.core import FileError, sha256
from SlicerMedDLLib import sampledata
from SlicerMedDLLib.segmentations import read_segments
from SlicerMedDLLib.sequences import frames_from_sequence
from SlicerMedDLLib.volumes import image_from_volume


def test_the_table_names_the_bundled_files():
    for sample in sampledata.samples():
        for name, digest in sample.files.items():
            assert sha256(sampledata.FOLDER / name) == digest, name


def test_ct_and_structures_load_in_the_same_place(scene):
    volume, segmentation = sampledata.load_sample("AbdomenPelvisCT")
    image = image_from_volume(volume)
    assert image.size == (122, 101, 112)
    np.testing.assert_allclose(image.spacing, 3)
    structures = segmentation.GetSegmentation()
    assert structures.GetNumberOfSegments() == 61
    names = {structures.GetNthSegment(n).GetName() for n in range(61)}
    assert {"spleen", "right kidney"} <= names
    liver = structures.GetSegment(structures.GetSegmentIdBySegmentName("liver"))
    assert "^Liver~" in liver.GetTerminology()
    bounds = np.zeros((2, 6))
    volume.GetRASBounds(bounds[0])
    segmentation.GetRASBounds(bounds[1])
    assert (bounds[1, ::2] >= bounds[0, ::2] - 1e-3).all()
    assert (bounds[1, 1::2] <= bounds[0, 1::2] + 1e-3).all()


def test_video_loads_as_a_sequence(scene):
    (sequence,) = sampledata.load_sample("LaparoscopyVideo")
    frames = list(frames_from_sequence(sequence))
    assert len(frames) == 50
    assert frames[0].shape == (256, 256, 3)
    assert frames[0].std() > 10


def test_all_are_registered_with_checksums_and_offline_here(scene):
    sampledata.register()
    registered = SampleData.SampleDataLogic.sampleDataSourcesByCategory("MedDL")
    assert {s.sampleName for s in registered} == {s.name for s in sampledata.samples()}
    for source in registered:
        assert all(uri.startswith("file:///") for uri in source.uris)
        assert all(checksum.startswith("SHA256:") for checksum in source.checksums)
    nodes = next(s for s in registered if s.sampleName == "StrokeFLAIR").customDownloader(
        next(s for s in registered if s.sampleName == "StrokeFLAIR")
    )
    assert nodes[0].GetName() == "StrokeFLAIR"


def test_without_the_files_they_are_fetched_from_the_repository(scene, monkeypatch, tmp_path):
    bundled = sampledata.FOLDER
    fetched = []

    def download(self, uri, name, checksum=None, forceDownload=False):
        fetched.append((uri, checksum))
        return str(shutil.copy(bundled / name, tmp_path / name))

    monkeypatch.setattr(sampledata, "FOLDER", tmp_path / "absent")
    monkeypatch.setattr(SampleData.SampleDataLogic, "downloadFileIntoCache", download)
    sampledata.load_sample("StrokeFLAIR")
    ((uri, checksum),) = fetched
    assert uri == sampledata.URL + "FLAIR.nii.gz"
    assert checksum.startswith("SHA256:a50cf2bb")


def test_no_connection_and_damage_are_one_line_and_load_nothing(scene, monkeypatch, tmp_path):
    count = scene.GetNumberOfNodes()
    monkeypatch.setattr(sampledata, "FOLDER", tmp_path)

    def offline(self, uri, name, checksum=None, forceDownload=False):
        raise OSError("no route to host")

    monkeypatch.setattr(SampleData.SampleDataLogic, "downloadFileIntoCache", offline)
    with pytest.raises(FileError, match=r"no route to host.*check the connection"):
        sampledata.load_sample("StrokeFLAIR")
    (tmp_path / "FLAIR.nii.gz").write_bytes(b"something else")
    with pytest.raises(FileError, match="damaged"):
        sampledata.load_sample("StrokeFLAIR")
    with pytest.raises(FileError, match="no sample 'x'; there is: AbdomenPelvisCT"):
        sampledata.load_sample("x")
    assert scene.GetNumberOfNodes() == count
    assert slicer.mrmlScene is scene


@pytest.mark.parametrize(
    "table",
    [
        [1, 2],
        {"one": {"name": "a", "color": [0, 0, 0]}},
        {"1": {"color": [0, 0, 0]}},
        {"1": {"name": "a", "color": [0, 0, 7]}},
        {"1": {"name": "a", "color": [0, 0]}},
        {"0": {"name": "a", "color": [0, 0, 0]}},
    ],
)
def test_a_bad_label_table_is_refused(tmp_path, table):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(table), encoding="utf-8")
    with pytest.raises(FileError, match="no label table"):
        read_segments(path)
