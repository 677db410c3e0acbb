"""Interactive segmentation: scribbles, geodesic distances, P-Net, R-Net, CRF-Net."""

from __future__ import annotations

from meddl._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "interactions": ["random_seeds", "scribbles"],
    },
)
