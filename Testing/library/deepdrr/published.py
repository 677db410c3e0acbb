"""Published figures that tests and ``Testing/peers/drr_physics.py`` compare with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Mass attenuation coefficients with coherent scattering, cm2/g: Hubbell and Seltzer 1995, NISTIR
# 5632 (physics.nist.gov/xaamdi).
NIST_ENERGIES = np.array([20.0, 30, 40, 50, 60, 80, 100])
NIST = {
    "water": [0.8096, 0.3756, 0.2683, 0.2269, 0.2059, 0.1837, 0.1707],
    "bone": [4.001, 1.331, 0.6655, 0.4242, 0.3148, 0.2229, 0.1855],
    "iron": [25.68, 8.176, 3.629, 1.958, 1.205, 0.5952, 0.3717],
    "soft tissue": [0.8230, 0.3790, 0.2688, 0.2264, 0.2048, 0.1823, 0.1693],
    "aluminium": [3.441, 1.128, 0.5685, 0.3681, 0.2778, 0.2018, 0.1704],
}
NIST_WATER = {
    10: 5.329,
    15: 1.673,
    **dict(zip(NIST_ENERGIES, NIST["water"], strict=True)),
    150: 0.1505,
}

# PTB's catalogue of measured spectra (Ankerhold 2000, PTB-Dos-34): tungsten at 20 degrees, 1 mm Be,
# 2.5 mm Al, 1 m of air. kV: first and second half-value layer, mm Al.
PTB_HALF_VALUE_LAYERS = {60: (2.02, 2.84), 90: (2.91, 4.57), 120: (3.88, 6.37)}
PTB_FILTRATION = "Al:2.5,beryllium=Be:1.848:1.0," + ",".join(["air:100"] * 10)
PTB_ANODE_ANGLE = 20.0


def nist_water(energies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mass attenuation of water (cm2/g) at any energy from 10 to 150 keV, of NIST's table alone."""
    from scipy.interpolate import PchipInterpolator

    logs = np.log(list(NIST_WATER)), np.log(list(NIST_WATER.values()))
    return np.exp(PchipInterpolator(*logs)(np.log(energies)))
