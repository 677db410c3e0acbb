"""MedDL: five research systems of medical image computing as one plain-Python library.

The library takes and returns numpy arrays (wrapped in :class:`meddl.core.Image`, which adds where
the voxels lie in the patient) and never imports 3D Slicer, Qt or VTK. Rooms:

- :mod:`meddl.core`: images, files, geometry, devices, progress, weights, training loop.
- :mod:`meddl.deepdrr`: radiographs from CT.
- :mod:`meddl.cli`: the command line, ``python -m meddl --help``.

Research software: not for clinical use.
"""

from __future__ import annotations

__version__ = "0.1.0"
