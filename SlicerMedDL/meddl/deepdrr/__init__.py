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
        "display": ["display_picture"],
        "hounsfield": ["correct_values", "density", "inspect_values"],
        "materials": ["mass_attenuation", "material_densities"],
        "output": ["write_radiograph"],
        "radiograph": ["RenderParameters", "render", "render_views"],
        "registration": ["Registration", "register"],
        "registration_parameters": ["RegistrationParameters"],
        "spectrum": ["Spectrum", "load_spectrum"],
    },
)
