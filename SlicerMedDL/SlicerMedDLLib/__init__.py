"""What the MedDL modules share inside Slicer: conversions, task runner, installer, base widget."""

from __future__ import annotations

from meddl._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "display": ["set_window", "show_picture", "show_volume"],
        "markups": ["curve_from_markups", "markups_from_points", "points_from_markups"],
        "models": ["mesh_from_model", "model_from_mesh"],
        "segmentations": [
            "Segment",
            "labelmap_from_segmentation",
            "masks_from_segmentation",
            "segmentation_from_labels",
            "terminology_entry",
        ],
        "sequences": ["frames_from_sequence", "recording"],
        "tasks": ["SynchronousRunner", "TaskRunner", "run_process"],
        "transforms": ["matrix_from_transform", "transform_from_matrix", "world_from_node"],
        "volumes": ["image_from_volume", "volume_from_image"],
        "widgets": ["MedDLModuleWidget"],
    },
)
