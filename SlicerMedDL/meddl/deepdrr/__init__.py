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
        "compositions": ["Material", "find_material", "mass_attenuation"],
        "detector": ["DetectorParameters"],
        "dicom_geometry": ["DicomGeometry", "read_dicom_geometry"],
        "dicom_output": ["write_dicom_radiograph"],
        "display": ["DisplayParameters", "display_picture"],
        "exposure": ["half_value_layer"],
        "hounsfield": ["correct_values", "density", "inspect_values"],
        "instruments": ["ball", "k_wire", "screw", "tube"],
        "labels": ["Labels", "label_materials", "material_of", "read_labels"],
        "layers": ["Layer", "ct_layer", "mask_layer"],
        "materials": ["MaterialParameters", "MaterialVolume", "decompose", "material_densities"],
        "output": ["write_radiograph"],
        "presets": ["Preset", "load_preset", "preset_names"],
        "radiograph": ["RenderParameters", "render", "render_views"],
        "radiograph_input": ["read_radiograph"],
        "registration": ["Registration", "register"],
        "registration_parameters": ["RegistrationParameters"],
        "scatter": ["ScatterParameters"],
        "shadows": [
            "contour_lines",
            "first_hit_depth",
            "label_masks",
            "label_radiographs",
            "silhouette",
        ],
        "solids": ["Solid"],
        "spectrum": ["Spectrum", "SpectrumParameters", "load_spectrum", "tube_spectrum"],
        "table": ["remove_table"],
        "views": ["ViewRanges", "sample_views", "view_grid"],
    },
)
