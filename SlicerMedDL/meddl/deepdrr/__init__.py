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
        "detector": ["DetectorParameters"],
        "display": ["DisplayParameters", "display_picture"],
        "exposure": ["half_value_layer"],
        "hounsfield": ["correct_values", "density", "inspect_values"],
        "compositions": ["Material", "find_material", "mass_attenuation"],
        "labels": ["Labels", "label_materials", "material_of", "read_labels"],
        "layers": ["Layer", "ct_layer", "mask_layer"],
        "materials": ["MaterialParameters", "MaterialVolume", "decompose", "material_densities"],
        "table": ["remove_table"],
        "output": ["write_radiograph"],
        "radiograph": ["RenderParameters", "render", "render_views"],
        "spectrum": ["Spectrum", "SpectrumParameters", "load_spectrum", "tube_spectrum"],
    },
)
