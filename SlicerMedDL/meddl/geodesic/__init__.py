"""Geodesic distance on images: short where the image is even, long across its edges.

from meddl.geodesic import geodesic_distance
distance = geodesic_distance(image, seeds, spacing)
"""

from __future__ import annotations

from meddl._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "distance": ["BACKENDS", "exponential_encoding", "geodesic_distance", "nearest_seed"],
        "files": ["distance_image", "read_seeds"],
        "geodistk": [
            "geodesic2d_fast_marching",
            "geodesic2d_raster_scan",
            "geodesic3d_fast_marching",
            "geodesic3d_raster_scan",
        ],
        "incremental": ["IncrementalDistance", "IncrementalNearest"],
        "steps": ["COSTS", "StepCost"],
    },
)
