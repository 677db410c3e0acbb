"""How good desmoked frames are: figures of every frame, of output, smoky input and their
difference, with a clear reference or without one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from meddl.core.errors import InputError
from meddl.core.optional import require
from meddl.core.parameters import to_dict
from meddl.core.progress import CancelToken, Progress, no_progress, steps
from meddl.desmoke.evaluation_parameters import EvaluationParameters
from meddl.desmoke.evaluation_sets import FrameSets
from meddl.desmoke.flicker import FlickerMeter
from meddl.desmoke.metrics import (
    FULL_REFERENCE,
    Frame,
    Mask,
    change,
    clipped,
    contrast,
    full_reference,
    gradient_correlation,
    smoke_density,
    structure,
)

COMPARED = (*FULL_REFERENCE, "gradient_correlation")  # beside the reference: more is better
ALONE = {"smoke_density": smoke_density, "contrast": contrast, "clipped": clipped}
# An input this near its reference holds no smoke: half a grey level is what JPEG and video add.
SMOKE_FREE = 0.005


def evaluate(
    sets: FrameSets,
    parameters: EvaluationParameters | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> dict[str, Any]:
    """Judge every frame; the result is in plain JSON types.

    Returns:
        ``parameters``; ``frames``, a row each with ``name`` and ``ROLE_FIGURE``: PSNR in dB, SSIM,
        UQI, FSIMc and the gradient correlation of ``output`` and ``input`` with the reference,
        smoke density, contrast and clipped share of every role, of all of them ``gain_FIGURE``
        (output minus input), ``structure_kept`` (of the input in the output), ``change`` (mean
        absolute difference of output and input, part of the range); ``summary``, the same names
        with ``mean`` and ``median``; ``smoke_free``, the mean change of ``frames`` whose input is
        its reference to within 0.5 % of the range, or None; ``flicker`` (see
        :mod:`meddl.desmoke.flicker`, by the flow of the reference, of the input where there is
        none) of every role, its ``gain``, and the number of ``pairs``, or None. What needs a role
        that is not there is left out.

    Raises:
        InputError: no frame, frames of different or too small size, or no two frames that match
            where flicker is asked for.
        FileError: a frame that does not decode.
        DependencyError: OpenCV is not installed.
        Cancelled: between two frames.
    """
    parameters = parameters or EvaluationParameters()
    if not len(sets):
        raise InputError("there are no frames to judge")
    in_order = parameters.flicker == "on" or (parameters.flicker == "auto" and sets.in_order)
    meter = FlickerMeter()
    rows: list[dict[str, Any]] = []
    for number in steps(range(len(sets)), len(sets), "judging frame", progress, cancel):
        frames = sets[number]
        rows.append({"name": sets.names[number], **judge(frames)})
        if in_order:
            meter.add(_guide(frames), frames)
    if parameters.flicker == "on" and not meter.pairs:
        guide = "references" if "reference" in sets.readers else "inputs"
        raise InputError(f"no two successive {guide} match, flicker cannot be judged")
    unchanged = [row["change"] for row in rows if row.get("smoke", 1.0) < SMOKE_FREE]
    return {
        "parameters": to_dict(parameters),
        "frames": rows,
        "summary": summary(rows),
        "smoke_free": {"frames": len(unchanged), "change": float(np.mean(unchanged))}
        if unchanged
        else None,
        "flicker": _flicker(meter) if meter.pairs else None,
    }


def _guide(frames: Mapping[str, Frame]) -> Frame:
    """What is not the work of the method that is judged."""
    return frames["reference"] if "reference" in frames else frames["input"]


def _flicker(meter: FlickerMeter) -> dict[str, float]:
    means = meter.means()
    gain = {"gain": means["output"] - means["input"]} if "input" in means else {}
    return {**means, **gain, "pairs": meter.pairs}


def judge(frames: Mapping[str, Frame]) -> dict[str, float]:
    """The figures of one frame; ``frames`` is output and reference, input or both.

    ``smoke`` is the mean absolute difference of input and reference, part of the range. PSNR, SSIM,
    UQI and FSIMc count the whole picture, as everywhere; all else the field of view alone.
    """
    output, smoky, reference = frames["output"], frames.get("input"), frames.get("reference")
    mask = field_of_view(_guide(frames))
    row = {
        f"{role}_{name}": figure(frame, mask)
        for role, frame in frames.items()
        for name, figure in ALONE.items()
    }
    if reference is not None:
        for role in [role for role in ("output", "input") if role in frames]:
            found = full_reference(frames[role], reference)
            found["gradient_correlation"] = gradient_correlation(frames[role], reference, mask)
            row |= {f"{role}_{name}": value for name, value in found.items()}
    if smoky is not None:
        names = (*ALONE, *(COMPARED if reference is not None else ()))
        row |= {f"gain_{n}": row[f"output_{n}"] - row[f"input_{n}"] for n in names}
        row["structure_kept"] = structure(output, smoky, mask)
        row["change"] = change(output, smoky, mask)
        if reference is not None:
            row["smoke"] = change(smoky, reference, mask)
    return row


def field_of_view(frame: Frame) -> Mask | None:
    """What is no black surround, (H, W) bool; None if that is the whole picture."""
    require("cv2", "finding the field of view")
    from meddl.desmoke.field_of_view import FieldOfView

    return FieldOfView()(frame.astype(np.float32) / np.float32(255))


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Figure -> its ``mean`` and ``median`` over the frames."""
    names = [name for name in rows[0] if name != "name"]
    columns = {name: [row[name] for row in rows] for name in names}
    return {
        name: {"mean": float(np.mean(values)), "median": float(np.median(values))}
        for name, values in columns.items()
    }
