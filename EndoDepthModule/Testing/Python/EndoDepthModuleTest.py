"""EndoDepthModule's logic in a scene: inside Slicer (ctest) and in the headless host."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

import numpy as np
import slicer

from EndoDepthModule import EndoDepthModuleLogic
from EndoDepthModuleLib import phantom, placing, video
from meddl.core.errors import FileError, InputError
from SlicerMedDLLib.testing import skip_without
from SlicerMedDLLib.volumes import image_from_volume


def setUpModule():
    skip_without()


class EndoDepthModuleSceneTest(unittest.TestCase):
    """An exact small sequence, loaded, scrubbed, measured and saved."""

    def setUp(self):
        slicer.mrmlScene.Clear()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "phantom"
        self.sequence = phantom.write_phantom(self.path)
        self.logic = EndoDepthModuleLogic()

    def tearDown(self):
        slicer.mrmlScene.Clear()
        self.folder.cleanup()

    def test_frames_and_depths_follow_the_browser(self):
        browser = self.logic.loadSequence(self.path)
        volume = self.logic.loadDepths(browser)
        self.logic.setScale(browser, 1.0)
        for item in (0, 5):
            browser.SetSelectedItemNumber(item)
            slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
            pose = phantom.poses()[item]
            frame = image_from_volume(video.frame_volume(browser)).array[0]
            mask = self.sequence.mask
            np.testing.assert_array_equal(frame[mask], phantom.picture_of(pose)[mask])
            depth = slicer.util.arrayFromVolume(volume)[0]
            np.testing.assert_allclose(depth[mask], phantom.depth_of(pose)[mask], rtol=1e-6)
        assert placing.unit(browser) == "mm"

    def test_a_scene_is_saved_and_loaded(self):
        browser = self.logic.loadSequence(self.path)
        self.logic.showCamera(browser)
        browser.SetSelectedItemNumber(3)
        path = str(Path(self.folder.name) / "scene.mrb")
        assert slicer.util.saveScene(path)
        slicer.mrmlScene.Clear()
        slicer.util.loadScene(path)
        [again] = video.videos()
        again.SetSelectedItemNumber(6)
        frame = image_from_volume(video.frame_volume(again)).array[0]
        expected = phantom.picture_of(phantom.poses()[6])
        np.testing.assert_array_equal(frame[self.sequence.mask], expected[self.sequence.mask])

    def test_bad_input_is_named(self):
        with self.assertRaises(FileError):
            self.logic.loadSequence(self.folder.name)
        for call in (self.logic.showCamera, self.logic.showCloud, self.logic.showMask):
            with self.assertRaises(InputError):
                call(None)
        browser = self.logic.loadSequence(self.path)
        with self.assertRaises(InputError) as caught:
            self.logic.showCloud(browser)
        assert "no depth of frame 10" in str(caught.exception)


if __name__ == "__main__":
    unittest.main()
