"""What a registration leaves: report, table, plot, transform, coloured mesh in the patient."""

from __future__ import annotations

import csv
import io
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError
from meddl.core.files import (
    atomic_path,
    existing_file,
    parsing,
    report_path,
    writable_parent,
    write_json,
)
from meddl.core.geometry import RAS_FROM_LPS, apply, inverse
from meddl.core.mesh import Mesh
from meddl.core.optional import is_installed, require
from meddl.core.pinhole import Floats
from meddl.core.tables import write_csv
from meddl.endodepth.registration import Registration
from meddl.endodepth.registration_parameters import RegistrationParameters

logger = logging.getLogger(__name__)

COLUMNS = ("label", "x", "y", "z", "r", "a", "s")


def read_pairs(path: str | Path) -> tuple[tuple[str, ...], Floats, Floats]:
    """Read paired landmarks from a CSV file with the header ``label,x,y,z,r,a,s``.

    Returns:
        Labels, places (L, 3) on the mesh in the numbers of its file, and in the patient (RAS, mm).

    Raises:
        FileError: another header, fewer than three pairs, or a row without six finite numbers.
    """
    path = existing_file(path, "file of landmark pairs")
    labels, rows = [], []
    with parsing(path, "file of landmark pairs"):
        reader = csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig")))
        header = [name.strip().lower() for name in next(reader)]
        if header != list(COLUMNS):
            raise FileError(
                f"{path}, line 1 is {','.join(header)[:80]!r}, {','.join(COLUMNS)!r} "
                "was expected: places on the mesh, then in the patient"
            )
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            try:
                values = np.array([float(cell) for cell in cells[1:]])
                if values.shape != (6,) or not np.isfinite(values).all():
                    raise ValueError
            except ValueError:
                raise FileError(
                    f"{path}, line {reader.line_num} is {','.join(cells)[:80]!r}; a label and six "
                    "finite numbers were expected"
                ) from None
            labels.append(cells[0].strip())
            rows.append(values)
    if len(rows) < 3:
        raise FileError(f"{path} has {len(rows)} pairs of landmarks; at least 3 were expected")
    values = np.stack(rows)
    return tuple(labels), values[:, :3], values[:, 3:]


def figures(residuals: Floats) -> dict[str, float]:
    """Mean, median, 95th percentile, root mean square and largest of distances in mm."""
    return {
        "mean": float(residuals.mean()),
        "median": float(np.median(residuals)),
        "percentile_95": float(np.percentile(residuals, 95)),
        "rms": float(np.sqrt((residuals**2).mean())),
        "largest": float(residuals.max()),
    }


def report(found: Registration, parameters: RegistrationParameters) -> dict[str, Any]:
    """The registration in plain JSON types."""
    return {
        "parameters": asdict(parameters),
        "initial": found.initial,
        "ras_from_mesh": found.ras_from_mesh.tolist(),
        "mm_per_unit": found.scale,
        "residuals_mm": figures(found.residuals),
        "residuals_of_overlap_mm": figures(found.residuals[found.inliers]),
        "overlap": found.overlap,
        "vertices": len(found.residuals),
        "landmark_errors_mm": found.landmark_errors.tolist(),
        "ambiguity": found.ambiguity,
        "converged": found.converged,
    }


def write_report(
    path: str | Path, found: Registration, parameters: RegistrationParameters
) -> dict[str, Any]:
    """Write ``REPORT.json``, and beside it ``.csv`` (residuals by share) and ``.png`` (histogram).

    The table has the residual below which each percentage of the vertices lies. The picture is left
    out with a warning where matplotlib is missing.

    Returns:
        What the JSON file holds.

    Raises:
        FileError: not ``.json``, or a folder that takes no file.
    """
    path = report_path(path)
    record = report(found, parameters)
    write_json(path, record)
    shares = np.arange(0, 101)
    levels = np.percentile(found.residuals, shares)
    rows = [
        {"percent_of_vertices": share, "residual_mm": f"{level:.6g}"}
        for share, level in zip(shares, levels, strict=True)
    ]
    write_csv(path.with_suffix(".csv"), rows)
    if is_installed("matplotlib"):
        _plot(path.with_suffix(".png"), found)
    else:
        logger.warning("no plot: the package matplotlib is not installed")
    return record


def _plot(path: Path, found: Registration) -> None:
    figure_module = require("matplotlib.figure", "the plot")
    figure = figure_module.Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    top = float(np.percentile(found.residuals, 99)) or 1.0
    axes.hist(found.residuals, bins=60, range=(0, top), color="#4878a8")
    for name, value in list(figures(found.residuals).items())[:3]:
        axes.axvline(value, color="black", linewidth=1)
        axes.text(
            value,
            axes.get_ylim()[1],
            f" {name.replace('_', ' ')} {value:.2f}",
            rotation=90,
            va="top",
            fontsize=8,
        )
    axes.set_xlabel("distance of the vertices to the surface (mm)")
    axes.set_ylabel("vertices")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")


def residual_colours(residuals: Floats, farthest: float) -> NDArray[np.uint8]:
    """(N, 3) uint8 from green (0) by yellow to red (``farthest`` mm and more)."""
    share = np.clip(residuals / farthest, 0, 1)
    colours = [np.minimum(2 * share, 1), np.minimum(2 - 2 * share, 1), np.zeros_like(share)]
    return np.round(255 * np.stack(colours, axis=1)).astype(np.uint8)


def registered(mesh: Mesh, found: Registration, coloured_up_to: float | None = None) -> Mesh:
    """The mesh in the patient (RAS, mm); coloured by its residuals up to that many mm if given."""
    colours = mesh.colours
    if coloured_up_to is not None:
        colours = residual_colours(found.residuals, coloured_up_to)
    return Mesh(apply(found.ras_from_mesh, mesh.vertices), mesh.faces, colours)


def write_transform(path: str | Path, ras_from_mesh: Floats) -> None:
    """Write ``.h5``, ``.tfm`` or ``.txt`` as Slicer does, or ``.json``.

    ITK's files count in LPS and hold the way back, from the patient to the mesh, as Slicer writes
    and reads linear transforms: loaded there, the transform moves the model into the patient. JSON
    holds ``{"ras_from_mesh": 4x4}``.

    Raises:
        FileError: another suffix, or a folder that takes no file.
    """
    path = check_transform(path)
    if path.suffix.lower() == ".json":
        write_json(path, {"ras_from_mesh": ras_from_mesh.tolist()})
        return
    import SimpleITK as sitk

    matrix = RAS_FROM_LPS @ inverse(ras_from_mesh) @ RAS_FROM_LPS
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    with atomic_path(path) as temporary, parsing(path, "output"):
        sitk.WriteTransform(transform, str(temporary))


def check_transform(path: str | Path) -> Path:
    """``path`` if a transform can be written there.

    Raises:
        FileError: another suffix, or a folder that takes no file.
    """
    path = writable_parent(path)
    if path.suffix.lower() not in (".h5", ".tfm", ".txt", ".json"):
        raise FileError(f"{path}: a transform is written as .h5, .tfm, .txt or .json")
    return path
