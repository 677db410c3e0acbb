"""What is measured: times of the projectors in turn, their errors, memory, scaling."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core import Image

from .peers import PEERS, Peer, Worker, started
from .truth import integrate
from .volumes import Volume, camera, rays, resample, resample_deep

POSES = {  # primary, secondary, rotation in degrees
    "AP": (0.0, 0.0, 0.0),
    "lateral": (90.0, 0.0, 0.0),
    "33/22/17": (33.0, 22.0, 17.0),
    "120/-25/-8": (120.0, -25.0, -8.0),
}
ALIGNED = ("AP", "lateral")


@dataclass(frozen=True)
class Setting:
    """What all measurements share.

    Attributes:
        environments: folder of the peers' environments.
        folder: scratch.
        repeats: pictures per projector and pose.
        field: width seen at the isocentre, in longest edges of the volume.
    """

    environments: Path
    folder: Path
    repeats: int
    field: float

    def start(self, peers: dict[str, Peer], threads: int = 1) -> Any:
        """The running workers."""
        return started(peers, self.environments, self.folder, threads)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def relative(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """Norm of the difference over the norm."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def wake(workers: dict[str, Worker], setting: Setting, small: Volume) -> None:
    """A first small picture from each: it compiles kernels and loads libraries."""
    view = rays(camera(small, POSES["33/22/17"], 32, setting.field))
    wide = rays(camera(small, POSES["AP"], 256, setting.field))
    for worker in workers.values():
        worker.prepare(small)
        for one in (view, wide):
            worker.project(one)


def compare(
    setting: Setting,
    peers: dict[str, Peer],
    volume: Volume,
    small: Volume,
    poses: tuple[str, ...],
    pixels: int,
) -> list[dict[str, Any]]:
    """One record per pose and projector: medians of the projectors taking turns, and errors."""
    records = []
    with setting.start(peers) as workers:
        wake(workers, setting, small)
        for worker in workers.values():
            worker.prepare(volume)
        for pose in poses:
            say(f"{volume.name} -> {pixels}, {pose}")
            whole = camera(volume, POSES[pose], pixels, setting.field)
            expected = integrate(volume, rays(whole), "trilinear")
            views = {name: rays(whole, peer.rows) for name, peer in peers.items()}
            for name, worker in workers.items():  # what a pose needs once is not the picture's
                if name == "numba":
                    worker.project(views[name])
            times, pictures = _in_turn(workers, views, setting.repeats)
            for name, peer in peers.items():
                picture = pictures[name]
                own = expected[:: peer.rows]
                if peer.model != "trilinear":
                    own = integrate(volume, views[name], peer.model)
                records.append(
                    {
                        "volume": volume.name,
                        "pixels": pixels,
                        "pose": pose,
                        "projector": name,
                        "title": peer.title,
                        "version": workers[name].version,
                        "rows": peer.rows,
                        "repeats": setting.repeats,
                        "cpu": peer.rows * median(times[name]["cpu"]),
                        "error": relative(picture, expected[:: peer.rows]),
                        "own_error": relative(picture, own),
                        "model": peer.model,
                    }
                )
    with setting.start(peers, threads=2) as workers:
        wake(workers, setting, small)
        for worker in workers.values():
            worker.prepare(volume)
        for pose in poses:
            whole = camera(volume, POSES[pose], pixels, setting.field)
            views = {name: rays(whole, peer.rows) for name, peer in peers.items()}
            times, _ = _in_turn(workers, views, setting.repeats)
            for record in records:
                if record["pose"] == pose:
                    name = record["projector"]
                    record["wall_2"] = record["rows"] * median(times[name]["wall"])
    return records


def _in_turn(workers: dict[str, Worker], views: dict[str, Any], repeats: int) -> Any:
    """CPU and wall seconds of each projector, and its picture."""
    times: dict[str, dict[str, list[float]]] = {n: {"cpu": [], "wall": []} for n in workers}
    pictures = {}
    for _ in range(repeats):
        for name, worker in workers.items():
            pictures[name], seconds = worker.project(views[name])
            for kind in ("cpu", "wall"):
                times[name][kind].append(seconds[kind])
    return times, pictures


def around(setting: Setting, volume: Volume, small: Volume, pixels: int) -> dict[str, float]:
    """CPU seconds of 60 views about the long axis by each projector, one after the other."""
    say(f"{volume.name}, 60 views")
    peers = {name: PEERS[name] for name in ("numba", "rtk")}
    total = dict.fromkeys(peers, 0.0)
    with setting.start(peers) as workers:
        wake(workers, setting, small)
        for worker in workers.values():
            worker.prepare(volume)
            worker.project(rays(camera(volume, (0.0, 0.0, 0.0), 64, setting.field)))
        for angle in np.arange(60) * 6.0:
            view = rays(camera(volume, (float(angle), 0.0, 0.0), pixels, setting.field))
            for name, worker in workers.items():
                total[name] += worker.project(view)[1]["cpu"]
    return total


def first_picture(
    setting: Setting, volume: Volume, small: Volume, pixels: int
) -> dict[str, dict[str, float]]:
    """CPU seconds of taking a new volume over and of its first picture, medians."""
    peers = {name: PEERS[name] for name in ("numba", "rtk")}
    records = {}
    with setting.start(peers) as workers:
        wake(workers, setting, small)
        for pose in ("AP", "33/22/17"):
            say(f"{volume.name}, first picture, {pose}")
            view = rays(camera(volume, POSES[pose], pixels, setting.field))
            seconds: dict[str, list[float]] = {name: [] for name in peers}
            for _ in range(setting.repeats):
                for name, worker in workers.items():
                    prepared = worker.prepare(volume)
                    seconds[name].append(prepared["cpu"] + worker.project(view)[1]["cpu"])
            records[pose] = {name: median(times) for name, times in seconds.items()}
    return records


def materials(
    setting: Setting, volume: Volume, small: Volume, pixels: int
) -> dict[str, dict[str, float]]:
    """CPU seconds of a projection of three materials and of one, medians by pose."""
    peers = {"both": Peer("both", "", ("meddl_worker.py", "numba", "threshold", "water"))}
    records = {}
    with setting.start(peers) as workers:
        wake(workers, setting, small)
        both = workers["both"]
        both.prepare(volume)
        for pose, angles in POSES.items():
            say(f"{volume.name}, three materials, {pose}")
            view = rays(camera(volume, angles, pixels, setting.field))
            views = {"three": view | {"of": 0}, "one": view | {"of": 1}}
            for each in views.values():
                both.project(each)
            times, _ = _in_turn(dict.fromkeys(views, both), views, setting.repeats)
            records[pose] = {name: median(found["cpu"]) for name, found in times.items()}
    return records


def memory(setting: Setting, volume: Volume, pixels: int) -> dict[str, float]:
    """Peak memory of preparing and rendering, the volume included, over the volume's bytes."""
    say(f"{volume.name}, memory")
    path = setting.folder / "hu.npy"
    np.save(path, (volume.values - 1000).astype(np.int16))  # the volumes hold HU + 1000
    found = {}
    for pose in ("AP", "33/22/17"):
        view = rays(camera(volume, POSES[pose], pixels, setting.field))["camera"]
        request = {"ct": str(path), "spacing": volume.spacing, "camera": view}
        script = Path(__file__).with_name("peak_memory.py")
        done = subprocess.run(
            [sys.executable, str(script), json.dumps(request)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        found[pose] = float(done.stdout) / volume.values.nbytes
    return found


def scaling(setting: Setting, ct: Image, quick: bool) -> dict[str, list[tuple[int, float]]]:
    """CPU seconds of a general pose against pixels, voxels along the rays, and both."""
    sides = (64, 128) if quick else (128, 256, 512, 1024)
    depths = (64, 96) if quick else (128, 192, 256, 384, 512)
    middle = 96 if quick else 256
    small = resample(ct, (64, 64, 64), setting.folder, "small")
    found: dict[str, list[tuple[int, float]]] = {"pixels": [], "depth": [], "cube": []}
    with setting.start({"numba": PEERS["numba"]}) as workers:
        wake(workers, setting, small)
        worker = workers["numba"]

        def seconds(volume: Volume, pixels: int) -> float:
            say(f"scaling: {volume.name} -> {pixels}")
            view = rays(camera(volume, POSES["33/22/17"], pixels, setting.field))
            worker.prepare(volume)
            worker.project(view)
            return median(worker.project(view)[1]["cpu"] for _ in range(setting.repeats))

        volume = resample(ct, (middle,) * 3, setting.folder, "scaling")
        found["pixels"] = [(side**2, seconds(volume, side)) for side in sides]
        for depth in depths:
            volume = resample_deep(ct, middle, depth, setting.folder)
            found["depth"].append((depth, seconds(volume, 2 * middle)))
            volume = resample(ct, (depth,) * 3, setting.folder, "scaling")
            found["cube"].append((depth, seconds(volume, 2 * depth)))
    return found
