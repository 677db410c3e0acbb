"""DesmokeModule's logic in a scene: inside Slicer (ctest) and in the headless host."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

import numpy as np
import slicer

from DesmokeModule import DesmokeModuleLogic
from DesmokeModuleLib import clips, smokecurve
from DesmokeModuleLib.filtering import Settings
from meddl.core.errors import FileError, InputError
from meddl.desmoke.desmoker import VideoDesmoker
from SlicerMedDLLib.nodes import part
from SlicerMedDLLib.sequences import recording
from SlicerMedDLLib.testing import skip_without

CLASSICAL = Settings("classical", transmission=True)


def smoky_frames():
    """Four frames (48, 64, 3) uint8 of a textured scene under a veil that thickens."""
    scene = np.random.default_rng(0).integers(20, 120, (48, 64, 3))
    return [((1 - t) * scene + t * 220).astype(np.uint8) for t in (0.1, 0.25, 0.4, 0.55)]


def setUpModule():
    skip_without("cv2")


class DesmokeModuleSceneTest(unittest.TestCase):
    """A short clip, cleared, scrubbed, mixed and saved."""

    def setUp(self):
        slicer.mrmlScene.Clear()
        self.folder = tempfile.TemporaryDirectory()
        self.logic = DesmokeModuleLogic()
        with recording("Clip", 25) as append:
            for frame in smoky_frames():
                self.sequence = append(frame)

    def tearDown(self):
        slicer.mrmlScene.Clear()
        self.folder.cleanup()

    def shown(self, browser, role=clips.OUTPUT):
        """The picture that a volume shows."""
        return np.array(slicer.util.arrayFromVolume(clips.shown(browser, role))[0])

    def test_the_output_plays_with_the_input(self):
        output = self.logic.desmoke(self.sequence, CLASSICAL)
        browser, desmoker = clips.browser_of(self.sequence), VideoDesmoker("classical")
        assert output.GetNumberOfDataNodes() == 4
        for item, frame in enumerate(smoky_frames()):
            browser.SetSelectedItemNumber(item)
            slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
            np.testing.assert_array_equal(self.shown(browser), desmoker(frame))
            found = self.shown(browser, clips.TRANSMISSION)
            np.testing.assert_allclose(found, desmoker.transmission, atol=1e-6)
            level = smokecurve.levels_of(browser)[item]
            assert abs(level - desmoker.smoke_level) < 1e-12

    def test_strength_and_divider_change_what_is_shown(self):
        self.logic.desmoke(self.sequence, CLASSICAL)
        browser, smoky = clips.browser_of(self.sequence), smoky_frames()[0]
        full = self.shown(browser)
        self.logic.setStrength(self.sequence, 0)
        np.testing.assert_array_equal(self.shown(browser), smoky)
        self.logic.setStrength(self.sequence, 1)
        np.testing.assert_array_equal(self.shown(browser), full)
        self.logic.showViews(self.sequence, "divider")
        self.logic.setDivider(self.sequence, 0.5)
        both = slicer.util.arrayFromVolume(part(browser, clips.DIVIDED))[0]
        np.testing.assert_array_equal(both[:, :31], smoky[:, :31])
        np.testing.assert_array_equal(both[:, 33:], full[:, 33:])
        self.logic.showViews(self.sequence, "unchanged")

    def test_a_scene_is_saved_and_loaded(self):
        self.logic.desmoke(self.sequence, CLASSICAL)
        self.logic.setStrength(self.sequence, 0)
        path = str(Path(self.folder.name) / "scene.mrb")
        assert slicer.util.saveScene(path)
        slicer.mrmlScene.Clear()
        slicer.util.loadScene(path)
        [browser] = clips.clips()
        browser.SetSelectedItemNumber(2)
        slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
        np.testing.assert_array_equal(self.shown(browser), smoky_frames()[2])
        np.testing.assert_array_equal(self.shown(browser, clips.INPUT), smoky_frames()[2])

    def test_bad_input_is_named(self):
        with self.assertRaises(FileError):
            self.logic.loadVideo(self.folder.name)
        with self.assertRaises(InputError):
            self.logic.desmoke(None)
        empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "Empty")
        with self.assertRaises(InputError) as caught:
            self.logic.desmoke(empty)
        assert "'Empty' has no frames" in str(caught.exception)
        scalar = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
        with self.assertRaises(InputError):
            self.logic.liveDesmoke(scalar)


if __name__ == "__main__":
    unittest.main()
