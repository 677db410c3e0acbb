"""Interactive segmentation: scribbles, geodesic distances, P-Net, R-Net, CRF-Net.

Three lines segment::

    from meddl.core import read_image
    from meddl.deepigeos import InteractiveSession
    mask = InteractiveSession(read_image("ct.nii.gz")).add(foreground=[[12.0, -30.0, 55.0]])
"""

from __future__ import annotations

from meddl._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "interactions": ["random_seeds", "scribbles"],
        "methods": ["METHODS", "make_method"],
        "session": ["InteractiveSession"],
    },
)
