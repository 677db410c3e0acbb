"""Radiographs from CT: C-arm geometry, materials, spectra, projection, attenuation, noise.

Three lines make one::

    from meddl.core import read_image
    from meddl.deepdrr import CArm, render
    radiograph = render(read_image("ct.nii.gz"), CArm(primary_angle=30))
"""

from __future__ import annotations

from meddl._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "camera": ["Camera", "read_camera", "write_camera"],
        "carm": ["CArm"],
        "dicom_geometry": ["DicomGeometry", "read_dicom_geometry"],
        "dicom_output": ["write_dicom_radiograph"],
        "display": ["display_picture"],
        "hounsfield": ["correct_values", "density", "inspect_values"],
        "instruments": ["ball", "k_wire", "screw", "tube"],
        "materials": ["mass_attenuation", "material_densities"],
        "output": ["write_radiograph"],
        "presets": ["Preset", "load_preset", "preset_names"],
        "radiograph": ["RenderParameters", "render", "render_views"],
        "shadows": [
            "contour_lines",
            "first_hit_depth",
            "label_masks",
            "label_radiographs",
            "silhouette",
        ],
        "solids": ["Solid"],
        "spectrum": ["Spectrum", "load_spectrum"],
        "views": ["ViewRanges", "sample_views", "view_grid"],
    },
)
