"""Lists of cases to segment, depth of videos; as in ``test_properties.py``."""

from __future__ import annotations

import contextlib
import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meddl.cli.main import main
from meddl.core import Image, read_frames
from meddl.core.depth_maps import read_depth_folder
from meddl.endodepth.prediction import BLACK

from .drawn_files import command, few, marked, same_grid, seeds, stored, video, volumes


@few
@given(st.lists(st.tuples(volumes, seeds, st.booleans()), min_size=1, max_size=3), st.booleans())
def test_deepigeos_segment_a_list(folders, cases, named):
    """Cases whose seeds lie on another grid fail, the others are segmented."""
    folder, rows = folders(), []
    for number, (image, seed, alike) in enumerate(cases):
        labels = marked(image, seed=seed, values=(1, 2))
        doubled = Image(np.repeat(labels.array, 2, axis=0), labels.ras_from_ijk)
        seeds_of = labels if alike else doubled
        name = f"case {number}"
        stored(folder, image, name), stored(folder, seeds_of, f"{name} seeds")
        file, marks = (next(folder.glob(f"{n}.n*")).name for n in (name, f"{name} seeds"))
        rows.append({"image": file, "seeds": marks} | ({"name": f"n{number}"} if named else {}))
    with (folder / "cases.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    words = "deepigeos", "segment", "--list", folder / "cases.csv", "--method", "geodesic"
    output = folders() / "all of them"
    with contextlib.redirect_stdout(io.StringIO()):
        code = main([*map(str, words), "--output", str(output), "--quiet"])
    summary = json.loads((output / "summary.json").read_text())["cases"]
    assert code == (2 if any(case["error"] for case in summary) else 0)
    assert {path.suffix for path in output.iterdir()} <= {".gz", ".json"}
    for number, ((image, seed, fits), case) in enumerate(zip(cases, summary, strict=True)):
        path = output / (f"n{number}.nii.gz" if named else f"case {number}.nii.gz")
        assert path.exists() == (case["error"] is None)
        # A volume of one voxel has no room for two seeds.
        assert path.exists() == (fits and image.array.size > 1), case
        if path.exists():
            labels = marked(image, seed=seed, values=(1, 2)).array
            found = same_grid(path, image).array
            assert (found[labels == 2] == 1).all() and (found[labels == 1] == 0).all()


@few
@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=2),
    st.integers(1, 4),
    seeds,
)
def test_endodepth_predict_of_a_video(folders, sizes, count, seed):
    """A map of each frame, of its size; another input beside a video is refused."""
    pytest.importorskip("torch")
    folders = [folders() for _ in sizes]
    files = [video(folder, size, count, seed) for folder, size in zip(folders, sizes, strict=True)]
    words = "endodepth", "predict", *files, "--device", "cpu", "--engine", "torch", "--mask", "none"
    done = command(*words, output=folders[0] / "depth")
    dark = max(frame.max() for frame in read_frames(files[0])) <= BLACK  # as one pixel may be
    assert done == (len(files) == 1 and not dark)
    if done:
        depths = read_depth_folder(folders[0] / "depth")
        assert len(depths.names) == count and depths.unit == "relative"
        for name in depths.names:
            depth = depths.depth(name)
            assert depth.shape == sizes[0] and np.isfinite(depth).all() and depth.min() >= 0
