"""Makes Testing/library/geodesic/geodistk_0_1_7.npz: maps of the real GeodisTK, for the tests.

    .cache/peers/geodistk/bin/python Testing/peers/geodistk_maps.py

The environment is that of Testing/peers/geodesics/environments/README.md. Raster scans have 40
iterations, so that they are converged.
"""

from __future__ import annotations

from pathlib import Path

import GeodisTK
import numpy as np

OUTPUT = Path(__file__).resolve().parents[1] / "library" / "geodesic" / "geodistk_0_1_7.npz"
SPACING = [2.0, 1.0, 0.7]


def main() -> None:
    rng = np.random.default_rng(0)
    maps = {
        "picture": rng.uniform(0, 100, (20, 24)),
        "volume": rng.uniform(0, 100, (10, 12, 14)),
        "picture_channels": rng.uniform(0, 100, (20, 24, 3)),
        "volume_channels": rng.uniform(0, 100, (10, 12, 14, 2)),
    }
    maps = {name: values.astype(np.float32) for name, values in maps.items()}
    maps["picture_seeds"] = np.zeros((20, 24), np.uint8)
    maps["picture_seeds"][[3, 15], [5, 20]] = 1
    maps["volume_seeds"] = np.zeros((10, 12, 14), np.uint8)
    maps["volume_seeds"][3, 5, 7] = 1
    for short, name in (("2", "picture"), ("3", "volume")):
        for channels in ("", "c"):
            image = maps[name + ("_channels" if channels else "")]
            seeds = maps[f"{name}_seeds"]
            spacing = [SPACING] if name == "volume" else []
            marching = getattr(GeodisTK, f"geodesic{short}d_fast_marching")
            scan = getattr(GeodisTK, f"geodesic{short}d_raster_scan")
            maps[f"fm{short}{channels}"] = marching(image, seeds, *spacing)
            for lamb in (0.5, 1.0):
                maps[f"rs{short}{channels}_{lamb}"] = scan(image, seeds, *spacing, lamb, 40)
    np.savez_compressed(OUTPUT, **maps)


if __name__ == "__main__":
    main()
