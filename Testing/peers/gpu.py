"""The projector's backends side by side: time and accuracy on this machine.

    python Testing/peers/gpu.py            every backend that runs here, two sizes
    python Testing/peers/gpu.py --emulate  what a texture unit's rounding costs on a real CT, on a
                                           CPU: the CUDA sources compiled by the C++ compiler

Times are medians of --repeats pictures, copied to the host; the backends take turns. The error is
relative to the exact integrals, as the norm of the difference over the norm.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np

TESTING = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTING), str(TESTING.parent / "SlicerMedDL")]

from meddl.core import Image, MedDLError, read_image  # noqa: E402
from meddl.deepdrr import CArm, backends, render  # noqa: E402
from meddl.deepdrr.projector import occupied_box  # noqa: E402

POSES = ((0.0, 0.0), (30.0, 15.0), (90.0, 0.0), (135.0, -25.0))  # primary, secondary angle


def relative(found, expected) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def phantom(shape: tuple[int, int, int], materials: int) -> np.ndarray:
    """(K, J, I, M): nested ellipsoids, one per material, with a fine texture of noise."""
    axes = np.meshgrid(*[np.linspace(-1, 1, n, dtype=np.float32) for n in shape], indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in axes))
    noise = np.random.default_rng(0).uniform(0.9, 1.1, shape).astype(np.float32)
    inside = [radius < 0.95 * (m + 1) / materials for m in range(materials)]
    return np.stack([mask * noise for mask in inside], axis=-1).astype(np.float32)


def ready(shape: tuple[int, ...], pixels: int) -> list[backends.Backend]:
    """The backends that run here; the others are named with the reason."""
    found = []
    for name in backends.BACKENDS[1:]:
        try:
            found.append(backends.choose_backend(name, "auto", shape, pixels, 0))
        except MedDLError as error:
            print(f"{name}: not here ({error})")
    return found


def compare(shape: tuple[int, int, int], pixels: int, materials: int, repeats: int) -> None:
    volume = phantom(shape, materials)
    ct = Image(volume[..., 0], np.diag([0.8, 0.8, 0.8, 1.0]))
    box = occupied_box(volume)
    width = 1.6 * 0.8 * max(shape)  # mm; shows the whole volume at the default distances
    cameras = [
        CArm(
            primary_angle=primary,
            secondary_angle=secondary,
            detector_size=(pixels, pixels),
            pixel_spacing=width / pixels,
        ).camera(ct.center)
        for primary, secondary in POSES
    ]
    print(f"\n{shape[2]}x{shape[1]}x{shape[0]} -> {pixels}x{pixels}, {materials} material(s)")
    chosen, uploaded, uploading = ready(volume.shape, pixels**2), {}, {}
    print("\n| backend | device | prepare s | pose | picture ms | relative error |")
    print("|---|---|---|---|---|---|")
    for backend in chosen:
        start = time.perf_counter()
        uploaded[backend.name] = backend.prepare(volume)
        uploading[backend.name] = time.perf_counter() - start
    for (primary, secondary), camera in zip(POSES, cameras, strict=True):
        per_pixel = camera.world_from_camera[:3, :3] @ np.linalg.inv(camera.K)
        view = (ct.ijk_from_ras, camera.source, per_pixel, camera.size, box)
        pictures = {b.name: b.line_integrals(uploaded[b.name], *view) for b in chosen}
        seconds: dict[str, list[float]] = {b.name: [] for b in chosen}
        for _ in range(repeats):
            for backend in chosen:
                start = time.perf_counter()
                backend.line_integrals(uploaded[backend.name], *view)
                seconds[backend.name].append(time.perf_counter() - start)
        for backend in chosen:
            name = backend.name
            print(
                f"| {name} | {backend.device} | {uploading[name]:.2f} "
                f"| {primary:.0f}/{secondary:.0f} | {1000 * statistics.median(seconds[name]):.1f} "
                f"| {relative(pictures[name], pictures['exact']):.1e} |"
            )


def emulate(pixels: int) -> None:
    """Errors of the texture's rounding on the bundled CT, by quantity and pose."""
    import pytest

    from library.deepdrr.cuda_on_cpu import stand_in

    ct = read_image(TESTING / "data" / "abdomen_pelvis_ct.nii.gz")
    print(f"CT {ct.size}, spacing {np.round(ct.spacing, 2)} mm -> {pixels}x{pixels}")
    print("| quantity | pose | places exact | places to 1/256 | largest error, of the maximum |")
    print("|---|---|---|---|---|")
    for quantity in ("path", "neglog", "intensity"):
        for primary, secondary in POSES:
            view = CArm(
                primary_angle=primary,
                secondary_angle=secondary,
                detector_size=(pixels, pixels),
                pixel_spacing=400 / pixels,
            )
            expected = render(ct, view, quantity=quantity, backend="exact").array
            found = {}
            for bits in (0, 8):
                with pytest.MonkeyPatch.context() as patch:
                    stand_in(patch, bits)
                    found[bits] = render(ct, view, quantity=quantity, backend="pycuda").array
            largest = abs(found[8] - expected).max() / expected.max()
            print(
                f"| {quantity} | {primary:.0f}/{secondary:.0f} | {relative(found[0], expected):.1e}"
                f" | {relative(found[8], expected):.1e} | {largest:.1e} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--emulate", action="store_true", help="the rounding's cost, on the CPU")
    parser.add_argument("--pixels", type=int, default=128, help="of the emulated picture's side")
    parser.add_argument("--repeats", type=int, default=5, help="pictures per backend and pose")
    parser.add_argument("--small", action="store_true", help="one small size, to try the script")
    args = parser.parse_args()
    if args.emulate:
        emulate(args.pixels)
    elif args.small:
        compare((64, 64, 64), 128, 3, args.repeats)
    else:
        for shape, pixels in (((256, 256, 256), 512), ((400, 512, 512), 1024)):
            for materials in (1, 3):
                compare(shape, pixels, materials, args.repeats)


if __name__ == "__main__":
    main()
