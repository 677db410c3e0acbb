"""COLMAP's part of structure from motion, run by :mod:`meddl.endodepth.sfm` in its own process.

``python -m meddl.endodepth.sfm_process JOB.json`` reads a job, works in the job's folder and writes
one line of JSON per report to standard output: ``{"fraction", "message"}`` on the way and
``{"result"}`` at the end. It ends when its standard input closes. What COLMAP logs goes to standard
error. The chosen model is left in ``best/``.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from meddl.core.progress import Progress, subprogress

Item = TypeVar("Item")

# Of the whole time on 35 frames of 960x540: features, nearest ones, geometries, mapping.
_SHARES = (0.0, 0.4, 0.51, 0.7, 1.0)


@dataclass(frozen=True)
class Attempt:
    """One set of bounds; COLMAP's own are 1, 0.8, 100 inliers, 16 degrees, 30 inliers."""

    name: str
    peak: float  # of the parameter peak_threshold
    ratio: float  # nearest to second nearest descriptor
    first_pair_inliers: int
    first_pair_angle: float  # degrees
    pose_inliers: int


# Endoscopes move a few millimetres in front of smooth walls: angles are small and features are few.
ATTEMPTS = (
    Attempt("normal", 1.0, 0.8, 60, 6.0, 25),
    Attempt("small angles, few matches", 1.0, 0.8, 25, 2.0, 12),
    Attempt("more and weaker features", 0.4, 0.9, 20, 1.5, 10),
)


def sequential_pairs(count: int, overlap: int, loop_period: int) -> Iterator[tuple[int, int]]:
    """Pairs (i, j), i < j, of ``count`` frames: all within ``overlap``, and every two of each
    ``loop_period``-th frame (0: none), which close loops without a vocabulary of features.
    """
    for i in range(count):
        for j in range(i + 1, count):
            loop = loop_period and i % loop_period == 0 and j % loop_period == 0
            if j - i <= overlap or loop:
                yield i, j


def _batches(
    items: Sequence[Item], size: int, message: str, progress: Progress
) -> Iterator[list[Item]]:
    """Parts of at most ``size`` items, reported as they are done: COLMAP calls nobody back, and
    whoever looks into its database meanwhile locks it out, which aborts it.
    """
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
        done = min(start + size, len(items))
        progress(done / len(items), f"{message} {done}/{len(items)}")


class Reconstructor:
    """The three stages of COLMAP on one folder of pictures."""

    def __init__(self, job: dict[str, Any], progress: Progress) -> None:
        import pycolmap

        self.colmap = pycolmap
        self.job, self.progress = job, progress
        self.folder = Path(job["folder"])
        self.names: list[str] = job["names"]
        self.database = self.folder / "database.db"

    def _part(self, number: int) -> Progress:
        return subprogress(self.progress, _SHARES[number], _SHARES[number + 1])

    def features(self, attempt: Attempt) -> None:
        """Find SIFT features in all pictures, one camera for all."""
        self.database.unlink(missing_ok=True)
        reader = self.colmap.ImageReaderOptions()
        reader.camera_model = "PINHOLE" if self.job["known"] else "SIMPLE_PINHOLE"
        reader.camera_params = ",".join(map(repr, self.job["camera"]))
        reader.mask_path = str(self.folder / "masks")
        options = self.colmap.FeatureExtractionOptions()
        options.num_threads = self.job["threads"]
        options.use_gpu = False
        options.sift.max_num_features = self.job["features"]
        options.sift.peak_threshold = self.job["peak_threshold"] * attempt.peak
        # All at first, which numbers them in order: extraction adds them as its threads end.
        self.colmap.Database.open(self.database).close()
        self.colmap.import_images(
            self.database,
            self.folder / "images",
            camera_mode=self.colmap.CameraMode.SINGLE,
            image_names=self.names,
            options=reader,
        )
        for names in _batches(self.names, 4, "features of frame", self._part(0)):
            self.colmap.extract_features(
                self.database,
                self.folder / "images",
                image_names=names,
                camera_mode=self.colmap.CameraMode.SINGLE,
                reader_options=reader,
                extraction_options=options,
            )

    def match(self, attempt: Attempt) -> None:
        """Compare the features of pairs of pictures and keep what one geometry explains.

        The nearest descriptors are one thread's work: two that train COLMAP's indices of them
        (pycolmap 4.2.1, faiss) at once can spoil each other's. 30 pairs of frames, matched again
        and again by two threads, differed in 11 of 1,050 runs, always two of them. Geometries and
        guided matching, three quarters of the work, need no index.
        """
        count = len(self.names)
        pairs = list(sequential_pairs(count, self.job["overlap"], self.job["loop_period"]))
        nearest, guided = self.colmap.FeatureMatchingOptions(), self.colmap.FeatureMatchingOptions()
        for matching in (nearest, guided):
            matching.use_gpu = False
            matching.sift.max_ratio = attempt.ratio
        nearest.num_threads = 1
        nearest.skip_geometric_verification = True
        guided.num_threads = self.job["threads"]
        guided.guided_matching = True
        guided.sift.cpu_brute_force_matcher = True  # no index; the matches are there
        self._match(nearest, pairs, "comparing pair", self._part(1))
        with self.colmap.Database.open(self.database) as database:
            database.clear_two_view_geometries()  # empty ones; a pair that has one is passed over
        self._match(guided, pairs, "matching pair", self._part(2))

    def _match(
        self, matching: Any, pairs: list[tuple[int, int]], message: str, progress: Progress
    ) -> None:
        pairing = self.colmap.ImportedPairingOptions()
        pairing.match_list_path = self.folder / "pairs.txt"
        verification = self.colmap.TwoViewGeometryOptions()
        verification.ransac.max_error = 2 * self.job["max_error"]
        verification.ransac.random_seed = self.job["seed"]
        size = max(32, len(pairs) // 20)
        for batch in _batches(pairs, size, message, progress):
            lines = [f"{self.names[i]} {self.names[j]}\n" for i, j in batch]
            pairing.match_list_path.write_text("".join(lines), encoding="utf-8")
            self.colmap.match_image_pairs(
                self.database,
                matching_options=matching,
                pairing_options=pairing,
                verification_options=verification,
            )

    def map(self, attempt: Attempt) -> Any:
        """The largest reconstruction, or None."""
        options = self.colmap.IncrementalPipelineOptions()
        # Sums of several threads differ in their last digits, and so do then the points. Side by
        # side are features and matches, which take longer: 60 frames in 63 s, with two here 61 s.
        options.num_threads = 1
        options.random_seed = self.job["seed"]
        options.extract_colors = False
        options.min_model_size = 3
        options.ba_refine_focal_length = options.ba_refine_extra_params = self.job["refine"]
        options.ba_refine_principal_point = False
        # COLMAP's 1.1 adjusts all frames after each of the first ten; the last time is the same.
        options.ba_global_frames_ratio = options.ba_global_points_ratio = 1.3
        mapper = options.mapper
        mapper.init_min_num_inliers = attempt.first_pair_inliers
        mapper.init_min_tri_angle = attempt.first_pair_angle
        mapper.abs_pose_min_num_inliers = attempt.pose_inliers
        mapper.abs_pose_max_error = 4 * self.job["max_error"]
        mapper.filter_max_reproj_error = 2 * self.job["max_error"]
        part, registered = self._part(3), 0

        def report() -> None:
            nonlocal registered
            registered += 1
            total = len(self.names)
            part(min(registered / total, 1.0), f"registered frame {min(registered, total)}/{total}")

        def restart() -> None:
            nonlocal registered
            registered = 2

        target = self.folder / "models"
        target.mkdir(exist_ok=True)
        found = self.colmap.incremental_mapping(
            self.database,
            self.folder / "images",
            target,
            options,
            initial_image_pair_callback=restart,
            next_image_callback=report,
        )
        return max(
            found.values(), key=lambda m: (m.num_reg_images(), m.num_points3D()), default=None
        )

    def statistics(self) -> dict[str, float]:
        """Medians that tell why a reconstruction failed.

        Features per frame, matches between neighbouring frames that one geometry explains, and how
        far those moved in the picture, pixels.
        """
        with self.colmap.Database.open(self.database) as database:
            keys = {image.name: image.image_id for image in database.read_all_images()}
            points = {
                name: np.asarray(database.read_keypoints(keys[name]))[:, :2]
                for name in self.names
                if name in keys
            }
            matches, motion = [], []
            for one, two in zip(self.names, self.names[1:], strict=False):
                pairs = np.empty((0, 2), np.int64)
                known = one in keys and two in keys
                if known and database.exists_two_view_geometry(keys[one], keys[two]):
                    found = database.read_two_view_geometry(keys[one], keys[two])
                    pairs = np.asarray(found.inlier_matches).reshape(-1, 2).astype(np.int64)
                matches.append(len(pairs))
                if len(pairs):
                    step = points[two][pairs[:, 1]] - points[one][pairs[:, 0]]
                    motion.append(float(np.median(np.linalg.norm(step, axis=1))))
        counts = [len(points.get(name, ())) for name in self.names]
        return {
            "features_per_frame": float(np.median(counts)),
            "matches_of_neighbours": float(np.median(matches)),
            "motion_of_neighbours": float(np.median(motion)) if motion else 0.0,
        }


def reconstruct(job: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Attempt after attempt until enough frames are registered; the best model goes to ``best/``.

    Args:
        job: ``folder`` (with ``images/`` and ``masks/``), ``names``, ``known``, ``camera`` (fx, fy,
            cx, cy or f, cx, cy), ``refine``, and fields of SfmParameters with their defaults filled
            in (``overlap`` covers all frames where matching is exhaustive).

    Returns:
        ``attempts``: of each the name, registered frames and points; ``statistics``; ``pycolmap``:
        its version.
    """
    work = Reconstructor(job, progress)
    work.colmap.set_random_seed(job["seed"])
    best, attempts, before = None, [], None
    for attempt in ATTEMPTS:
        if before is None or (before.peak, before.ratio) != (attempt.peak, attempt.ratio):
            work.features(attempt)
            work.match(attempt)
        before = attempt
        model = work.map(attempt)
        registered = model.num_reg_images() if model else 0
        points = model.num_points3D() if model else 0
        attempts.append({"name": attempt.name, "registered": registered, "points": points})
        if model and (best is None or registered > best.num_reg_images()):
            best = model
        if registered >= job["min_registered"] * len(work.names):
            break
    if best is not None:
        (work.folder / "best").mkdir()
        best.write_binary(work.folder / "best")
    return {
        "attempts": attempts,
        "statistics": work.statistics(),
        "pycolmap": work.colmap.__version__,
    }


def _reports() -> Callable[[dict[str, Any]], None]:
    """Standard output for the reports alone; what C++ prints there goes to standard error."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)

    def report(record: dict[str, Any]) -> None:
        output.write(json.dumps(record) + "\n")

    return report


def _end_with_parent() -> None:
    """Leave when standard input closes: whoever started this is gone, and so is the use of it."""

    def wait() -> None:
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def main(arguments: Sequence[str]) -> int:
    """Run the job of a file."""
    _end_with_parent()
    report = _reports()
    job = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))

    def progress(fraction: float, message: str) -> None:
        report({"fraction": fraction, "message": message})

    report({"result": reconstruct(job, progress)})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
