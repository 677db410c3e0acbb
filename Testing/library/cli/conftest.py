"""What the tests of the command line share."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.core import Image, write_image
from meddl.core.geometry import compose, rotation


@pytest.fixture
def ct(tmp_path):
    """A body in air in an oblique anisotropic NIfTI; returns its path."""
    _, j, i = np.mgrid[-10:10, -16:16, -20:20]
    hu = np.where((i / 16) ** 2 + (j / 12) ** 2 < 1, 40, -1000)
    hu = np.where((i - 4) ** 2 + j**2 < 16, 900, hu).astype(np.int16)
    geometry = rotation((1, 2, 3), 25) @ compose((4, 5, 8), (-60, -70, -80))
    write_image(tmp_path / "ct.nii.gz", Image(hu, geometry))
    return str(tmp_path / "ct.nii.gz")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A new folder at every call, with a space in its name."""
    return lambda: tmp_path_factory.mktemp("drawn files")
