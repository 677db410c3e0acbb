"""Depth from one picture by a small network that colour and depth pairs teach.

Three lines predict::

    from meddl.monodepth import load_predictor
    predictor = load_predictor("run/best/monodepth.safetensors")
    depth = predictor(frame)  # (H, W, 3) uint8 RGB -> (H, W) float32, mm
"""

from __future__ import annotations

from meddl._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "evaluation": ["evaluate_pairs"],
        "prediction": ["PredictionParameters", "load_predictor", "predict"],
        "rendered_pairs": ["RoomPairs", "render_pairs"],
        "training": ["train_monodepth"],
        "training_config": ["read_plan"],
    },
)
