"""Rendered scenes with exact depth and pose: a camera that carries its light before surfaces.

from meddl.rendering import camera_path, fov_intrinsics, render, sinus
scene = sinus(seed=1)
poses = camera_path(scene, frames=50, seed=1)
colour, depth = render(scene, fov_intrinsics(70, (256, 320)), (256, 320), poses[0])
"""

from __future__ import annotations

from meddl._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "abdomen_cavity": ["abdomen"],
        "appearance": ["Appearance", "random_appearance"],
        "bowel": ["colon"],
        "distance_field": ["DistanceField", "surface"],
        "label_lumen": ["lumen_from_labels"],
        "nasal": ["sinus"],
        "path": ["camera_path"],
        "renderer": [
            "Light",
            "Rendered",
            "Scene",
            "fov_intrinsics",
            "random_light",
            "render",
            "render_radiance",
        ],
        "sensor": ["IDEAL", "Sensor", "expose", "random_sensor"],
    },
)
