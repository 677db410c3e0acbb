"""The hub and the glue: the same file runs in Slicer (ctest) and in the headless host."""

from __future__ import annotations

import unittest

import numpy as np
import slicer

from meddl.core.errors import InputError
from meddl.core.image import Image
from SlicerMedDL import SlicerMedDLLogic
from SlicerMedDLLib.segmentations import labelmap_from_segmentation
from SlicerMedDLLib.tasks import SynchronousRunner
from SlicerMedDLLib.testing import skip_without
from SlicerMedDLLib.volumes import image_from_volume, volume_from_image


def setUpModule():
    skip_without()


class SlicerMedDLTest(unittest.TestCase):
    """What must hold inside any Slicer."""

    def setUp(self):
        slicer.mrmlScene.Clear()
        self.logic = SlicerMedDLLogic()

    def tearDown(self):
        slicer.mrmlScene.Clear()

    def test_sample_labels_round_trip(self):
        volume, segmentation = self.logic.loadSample("AbdomenPelvisCT")
        ct = image_from_volume(volume)
        labels, segments = labelmap_from_segmentation(segmentation, ct)
        assert len(segments) == 61
        assert set(np.unique(labels.array)) == {0, *(segment.label for segment in segments)}
        bone = [s.label for s in segments if s.name.startswith("vertebra")]
        soft = [s.label for s in segments if s.name == "liver"]
        inside = [np.median(ct.array[np.isin(labels.array, kind)]) for kind in (bone, soft)]
        assert inside[0] > inside[1]  # HU of spine above those of liver

    def test_volume_round_trip(self):
        array = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
        image = Image(array, np.diag([-1.5, -1.5, 3.0, 1.0]))
        back = image_from_volume(volume_from_image(image, "random"))
        np.testing.assert_array_equal(back.array, array)
        np.testing.assert_allclose(back.ras_from_ijk, image.ras_from_ijk)

    def test_no_volume_is_refused(self):
        with self.assertRaises(InputError):
            image_from_volume(None)

    def test_diagnostics_name_the_library(self):
        assert "MedDL" in self.logic.diagnostics()

    def test_tasks_run_without_a_window(self):
        results = []
        SynchronousRunner().run(lambda progress, cancel: 42, on_done=results.append)
        assert results == [42]

    def test_panel_opens(self):
        widget = slicer.modules.slicermeddl.widgetRepresentation()
        assert widget is not None
