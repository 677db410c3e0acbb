"""Small methods whose results are known, for tests of the session."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt

from meddl.core.progress import no_progress


class Nearest:
    """Foreground where a foreground seed is nearer (mm) than every background seed."""

    needs_seeds, uses_previous = True, False

    def __init__(self, image, spacing, device="auto"):
        self.spacing, self.shape = spacing, image.shape[:3]
        self.calls = []

    def __call__(self, seeds, previous=None, progress=no_progress, cancel=None):
        self.calls.append((seeds.copy(), previous))
        if cancel is not None:
            cancel.check()
        far = np.full(self.shape, 10.0)  # mm: what is farther from everything is background
        distances = [
            distance_transform_edt(seeds != value, sampling=self.spacing)
            if (seeds == value).any()
            else far
            for value in (1, 2)
        ]
        outside, inside = np.minimum(distances[0], far), distances[1]
        return (outside / (outside + inside + 1e-6)).astype(np.float32)


class Stubborn:
    """The same answer everywhere, against any seed."""

    needs_seeds, uses_previous = True, True

    def __init__(self, value):
        self.value = value

    def __call__(self, seeds, previous=None, progress=no_progress, cancel=None):
        return np.full(seeds.shape, self.value, np.float32)


def stubborn(value):
    return lambda image, spacing, device="auto": Stubborn(value)


class Trained(Nearest):
    """Starts without seeds, as trained weights can: the bright voxels."""

    needs_seeds, uses_previous = False, True

    def __init__(self, image, spacing, device="auto"):
        super().__init__(image, spacing)
        self.image = image

    def __call__(self, seeds, previous=None, progress=no_progress, cancel=None):
        self.calls.append((seeds.copy(), previous))
        return (self.image[..., 0] > 0.5).astype(np.float32)
