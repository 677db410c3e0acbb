"""What every system stands on: images, files, geometry, devices, progress, weights, training."""

from __future__ import annotations

from meddl._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "devices": ["Device", "choose_device", "list_devices"],
        "dicom": ["list_series", "read_dicom"],
        "errors": [
            "Cancelled",
            "DependencyError",
            "DeviceError",
            "FileError",
            "GeometryError",
            "InputError",
            "MedDLError",
        ],
        "files": ["atomic_folder", "atomic_path", "read_json", "sha256", "write_json"],
        "image": ["Image"],
        "image_io": ["read_image", "write_image"],
        "inference": ["Engine", "load_engine"],
        "markups": ["Points", "read_points", "write_points"],
        "mesh": ["Mesh", "read_mesh", "write_mesh"],
        "parameters": ["parameter", "read_parameters", "write_parameters"],
        "progress": ["CancelToken", "Progress", "no_progress", "steps", "subprogress"],
        "training": ["Trainer", "TrainingParameters"],
        "video": ["VideoInfo", "explain_writer", "probe_video", "read_frames", "write_frames"],
        "weights": ["find_weights", "load_weights", "save_weights"],
    },
)
