"""The projectors of radiographs on a device, beside those of the CPU."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import numpy as np
import torch

from meddl.core import Image
from meddl.deepdrr import CArm
from meddl.deepdrr.backends import Backend, choose_backend
from meddl.deepdrr.benchmark import phantom
from meddl.deepdrr.prepared import prepare
from meddl.deepdrr.radiograph import RenderParameters, render_prepared

from .deepdrr_kernel import DeepDRRKernel
from .measuring import Row, Setting, differences, failure, memory, milliseconds

GENERAL, ALIGNED = (33.0, 22.0, 17.0), (0.0, 0.0, 0.0)  # degrees
RAW = RenderParameters(quantity="integral", hu_offset=1000.0, hu_below="0:0")


def backends(setting: Setting, ct: Image, pixels: int) -> Iterator[tuple[str, Backend | Row]]:
    """The exact one first; a row in the place of one that cannot be had."""
    shape = (*ct.array.shape, 1)
    for name in ("exact", "numba", "torch", "pycuda"):
        device = setting.device if name in ("torch", "pycuda") else "cpu"
        try:
            yield name, choose_backend(name, device, shape, pixels, 0)
        except Exception as error:
            yield name, failure(error)


def view(ct: Image, pixels: int, angles: tuple[float, float, float]) -> CArm:
    """A pose that shows the whole volume."""
    arm = CArm(*angles)
    extent = 1.1 * float(np.max(ct.spacing * ct.size))
    spacing = arm.source_detector / arm.source_isocenter * extent / pixels
    return CArm(*angles, detector_size=(pixels, pixels), pixel_spacing=spacing)


def volumes(setting: Setting) -> Iterator[tuple[str, Image, int]]:
    """Name, CT in HU, pixels along a side of its picture: the sizes of the speed table."""
    side = setting.size(256, 48)
    yield "256^3 -> 512^2", phantom(side), setting.size(512, 64)
    if setting.small:
        return
    cube = phantom(512)
    yield (
        "512x512x400 -> 1024^2",
        Image(np.ascontiguousarray(cube.array[:400]), cube.ras_from_ijk),
        1024,
    )


def projectors(setting: Setting) -> Iterator[Row]:
    """Line integrals in one component: error against the exact projector, time, 60 views."""
    for name, ct, pixels in volumes(setting):
        truth: dict[str, np.ndarray] = {}
        for backend_name, backend in backends(setting, ct, pixels * pixels):
            for pose, angles in (("general", GENERAL), ("aligned", ALIGNED)):
                row: Row = {"work": name, "pose": pose, "backend": backend_name}
                if not isinstance(backend, Backend):
                    yield {**row, **backend}
                    break
                try:
                    yield _projector(row, backend, ct, view(ct, pixels, angles), truth)
                except Exception as error:
                    yield {**row, **failure(error)}


def _projector(
    row: Row, backend: Backend, ct: Image, arm: CArm, truth: dict[str, np.ndarray]
) -> Row:
    row["device"] = backend.device
    with memory(row, backend.device):
        start = time.perf_counter()
        prepared = prepare(ct, RAW, backend=backend)
        row["prepare ms"] = round(1000 * (time.perf_counter() - start), 1)
        start = time.perf_counter()
        picture = render_prepared(prepared, arm, RAW).array[0]
        row["first ms"] = round(1000 * (time.perf_counter() - start), 1)
    expected = truth.setdefault(row["pose"], picture)
    row |= differences(picture, expected)
    if backend.name == "exact":
        return row
    row["ms"] = milliseconds(lambda: render_prepared(prepared, arm, RAW), backend.device)
    if backend.name != "numba" and row["pose"] == "general":
        poses = [CArm(6.0 * n, 5.0, 0.0, detector_size=arm.detector_size,
                      pixel_spacing=arm.pixel_spacing) for n in range(60)]  # fmt: skip
        start = time.perf_counter()
        for pose in poses:
            render_prepared(prepared, pose, RAW)
        row["60 views s"] = round(time.perf_counter() - start, 3)
    return row


def pictures(setting: Setting) -> Iterator[Row]:
    """Radiographs of three materials under a spectrum: all backends within 0.5 %; with noise, as a
    data set draws them, views per second."""
    ct = phantom(setting.size(256, 48))
    pixels = setting.size(512, 64)
    arm = view(ct, pixels, GENERAL)
    for quantity in ("intensity", "neglog"):
        parameters = RenderParameters(quantity=quantity)
        expected = None
        for name, backend in backends(setting, ct, pixels * pixels):
            row: Row = {"quantity": quantity, "backend": name}
            if not isinstance(backend, Backend):
                yield {**row, **backend}
                continue
            try:
                row["device"] = backend.device
                with memory(row, backend.device):
                    prepared = prepare(ct, parameters, backend=backend)
                    picture = render_prepared(prepared, arm, parameters).array[0]
                expected = picture if expected is None else expected
                row |= differences(picture, expected)
                away = np.abs(picture - expected) / expected.max()
                row["99.9 %"] = f"{np.percentile(away, 99.9):.2e}"
                if name != "exact":
                    row["ms"] = milliseconds(
                        lambda p=prepared, q=parameters: render_prepared(p, arm, q), backend.device
                    )
                    noisy = RenderParameters(quantity=quantity, noise=True)
                    count = setting.size(20, 2)
                    start = time.perf_counter()
                    for number in range(count):
                        turned = view(ct, pixels, (18.0 * number, 5.0, 0.0))
                        render_prepared(prepared, turned, noisy, number)
                    rate = count / (time.perf_counter() - start)
                    row["noisy views/min"] = round(60 * rate)
                yield row
            except Exception as error:
                yield {**row, **failure(error)}


def batches(setting: Setting) -> Iterator[Row]:
    """Several views in one call, and a pose gradient, on the device without copies."""
    from meddl.deepdrr import projector_torch

    ct = phantom(setting.size(256, 32))
    pixels, device = setting.size(256, 32), setting.device
    volume = projector_torch.upload(
        np.ascontiguousarray(ct.array[..., None], np.float32) + 1000, device
    )
    matrix = torch.from_numpy(ct.ijk_from_ras)
    cameras = [view(ct, pixels, (9.0 * n, 5.0, 0.0)).camera(ct.center) for n in range(8)]
    K = torch.from_numpy(np.stack([c.K for c in cameras]))
    poses = torch.from_numpy(np.stack([c.camera_from_world for c in cameras]))
    for count in (1, 8):
        row: Row = {"work": f"{count} views {pixels}^2 of {ct.size[0]}^3, torch"}
        try:
            sources, rays = projector_torch.camera_rays(K[:count], poses[:count])

            def forward(sources=sources, rays=rays) -> torch.Tensor:
                with torch.no_grad():
                    return projector_torch.project(volume, matrix, sources, rays, (pixels, pixels))

            with memory(row, device):
                row["ms"] = milliseconds(forward, device)
            yield row
        except Exception as error:
            yield {**row, **failure(error)}
    row = {"work": f"picture {pixels}^2 and gradient to pose and volume, torch"}
    try:
        pose = poses[:1].clone().requires_grad_()
        learnt = volume.clone().requires_grad_()
        # A sum that a shift of the camera changes: columns count by their number.
        weights = torch.linspace(0, 1, pixels, device=device)[:, None]

        def weighted(volume: torch.Tensor, pose: torch.Tensor) -> torch.Tensor:
            rays = projector_torch.camera_rays(K[:1], pose)
            picture = projector_torch.project(volume, matrix, *rays, (pixels, pixels))
            return (picture * weights.to(picture.dtype)).mean()

        def backward() -> None:
            pose.grad = learnt.grad = None
            weighted(learnt, pose).backward()

        with memory(row, device):
            row["ms"] = milliseconds(backward, device)
        moved = []
        for millimetres in (0.1, -0.1):
            shifted = poses[:1].clone()
            shifted[0, 0, 3] += millimetres
            with torch.no_grad():
                moved.append(float(weighted(volume.double(), shifted)))
        slope = (moved[0] - moved[1]) / 0.2
        row["gradient"] = f"{float(pose.grad[0, 0, 3]):.5g}, by differences {slope:.5g}"
        yield row
    except Exception as error:
        yield {**row, **failure(error)}


def peers(setting: Setting) -> Iterator[Row]:
    """On the same rays DeepDRR's kernel (packages deepdrr and CuPy) and DiffDRR's two renderers
    (package diffdrr; its file ``renderers`` is enough), as many rays at a time as 10 GB of
    intermediate results allow."""
    from diffdrr import renderers

    device = setting.device
    for name, ct, pixels in volumes(setting):
        arm = view(ct, pixels, GENERAL)
        exact = choose_backend("exact", "cpu", (*ct.array.shape, 1), pixels * pixels, 0)
        expected = render_prepared(prepare(ct, RAW, backend=exact), arm, RAW).array[0]
        values = np.clip(ct.array + 1000, 0, None).astype(np.float32)
        density = torch.from_numpy(np.ascontiguousarray(values.transpose(2, 1, 0))).to(device)
        camera = arm.camera(ct.center)
        u, v = np.meshgrid(np.arange(pixels), np.arange(pixels))
        rays = camera.world_from_camera[:3, :3] @ np.linalg.inv(camera.K)
        half = float(ct.spacing.min()) / 2
        for step, shift in ((half, 0.0), (half, 1.0), (0.1, 1.0)):  # mm, voxels
            row: Row = {"work": name, "renderer": "DeepDRR", "step mm": step, "moved": shift}
            try:
                with memory(row, device):
                    kernel = DeepDRRKernel(values, ct.ijk_from_ras, step, shift)
                    picture = partial(
                        kernel, camera.source, arm.source_detector * rays, (pixels, pixels)
                    )
                    found = picture()
                row |= differences(found, expected)
                row["ms"] = milliseconds(picture, device)
                yield row
            except Exception as error:
                yield {**row, **failure(error)}
        beyond = camera.source + 2000 * np.stack([u, v, np.ones_like(u)], -1) @ rays.T  # mm
        linear, shift = ct.ijk_from_ras[:3, :3], ct.ijk_from_ras[:3, 3]
        lengths, source, targets = (
            torch.from_numpy(array.astype(np.float32)).to(device)
            for array in (
                np.linalg.norm(beyond - camera.source, axis=-1).reshape(1, 1, -1),
                (linear @ camera.source + shift).reshape(1, 1, 3),
                (beyond @ linear.T + shift).reshape(1, -1, 3),
            )
        )
        chunk = max(1, 2**28 // (3 * sum(ct.size)) // 2)
        for kind, options in (("Siddon", {}), ("Trilinear", {"n_points": 2 * max(ct.size)})):
            row = {"work": name, "renderer": f"DiffDRR {kind}"}
            try:
                render = getattr(renderers, kind)(0.5)
                picture = partial(_parts, render, density, source, targets, lengths, chunk, options)
                with memory(row, device):
                    found = picture().reshape(pixels, pixels)
                row |= differences(found, expected)
                row["ms"] = milliseconds(picture, device)
                yield row
            except Exception as error:
                yield {**row, **failure(error)}


def _parts(
    render: torch.nn.Module,
    density: torch.Tensor,
    source: torch.Tensor,
    targets: torch.Tensor,
    lengths: torch.Tensor,
    chunk: int,
    options: dict[str, int],
) -> torch.Tensor:
    """(rays,) on the CPU: the integrals, so many rays at a time."""
    with torch.no_grad():
        parts = [
            render(density, source, part, length, **options).reshape(-1)
            for part, length in zip(targets.split(chunk, 1), lengths.split(chunk, 2), strict=True)
        ]
    return torch.cat(parts).cpu()
