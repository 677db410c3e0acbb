"""Surgical smoke removed from laparoscopic video."""

from __future__ import annotations

from meddl._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "classical": ["DarkChannelEstimator"],
        "desmoker": ["VideoDesmoker"],
        "evaluation": ["evaluate"],
        "flicker": ["FlickerMeter"],
        "metrics": ["full_reference", "smoke_density"],
        "scattering": ["Veil", "blend", "mean_opacity", "recover"],
        "smoke": [
            "Smoke",
            "depth_from_brightness",
            "published_smoke",
            "smoke_clip",
            "smoke_source",
        ],
    },
)
