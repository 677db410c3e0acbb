"""A data set of the scene's CT: its files and its configuration, for ``meddl drr dataset``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from meddl.core.errors import InputError
from meddl.core.files import atomic_path, write_json
from meddl.core.image import Image
from meddl.core.image_io import write_image
from meddl.core.parameters import to_dict
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.deepdrr.carm import CArm
from meddl.deepdrr.dataset import OutputParameters, read_dataset
from meddl.deepdrr.labels import Labels
from meddl.deepdrr.radiograph import RenderParameters
from meddl.deepdrr.views import ViewRanges

# Translated here: a worker must not (see tasks).
SEVERAL_VALUES = _(
    "a data set has one value per pixel, the quantity {quantity} with the detector {detector} has "
    "several; choose another"
)
WRITING_THE_CT = _("writing the CT")
WRITING_THE_LABELS = _("writing the labels")
WRITTEN = _("written")

CONFIG, INPUT, VIEWS = "config.yaml", "input", "views"  # names in the chosen folder


@dataclass(frozen=True, eq=False)
class DatasetPlan:
    """What a data set consists of.

    Attributes:
        ct: scalar volume in HU.
        carm: detector, and the isocentre if it is not the CT's centre.
        ranges: how the C-arm moves.
        output: how many views, and how they are written.
        render: materials, tube and detector, the same for all views.
        labels: materials of structures; they become masks as well.
        names: label value -> name of its mask.
    """

    ct: Image
    carm: CArm
    ranges: ViewRanges
    output: OutputParameters
    render: RenderParameters
    labels: Labels | None = None
    names: Mapping[int, str] | None = None


def write_plan(
    folder: str | Path,
    plan: DatasetPlan,
    *,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Path:
    """Write CT, labels and ``config.yaml`` into a folder and check them.

    Returns:
        The configuration; ``arguments`` tells how it is run.

    Raises:
        InputError: parameters that a data set cannot have; the message names them.
        FileError: the folder takes no file.
        Cancelled: between the files.
    """
    import yaml

    if not plan.render.one_picture:
        raise InputError(
            SEVERAL_VALUES.format(quantity=plan.render.quantity, detector=plan.render.detector)
        )
    folder = Path(folder).absolute()
    inputs = folder / INPUT
    inputs.mkdir(parents=True, exist_ok=True)
    cancel = cancel or CancelToken()
    progress(0.0, WRITING_THE_CT)
    write_image(inputs / "ct.nrrd", plan.ct)
    cancel.check()
    config = configuration(plan)
    if plan.labels is not None:
        progress(0.7, WRITING_THE_LABELS)
        labels = inputs / "labels.nrrd"
        write_image(labels, plan.labels.image)
        names = _mask_names(plan)
        table = {
            str(value): {"name": names[value], "material": material}
            for value, material in plan.labels.materials.items()
        }
        write_json(inputs / "labels.json", table)
        config["cts"][0]["labels"] = f"{INPUT}/labels.nrrd"
        config["render"]["materials"] = f"{INPUT}/labels.nrrd"
        config["masks"] = {name: value for value, name in names.items()}
        cancel.check()
    with atomic_path(folder / CONFIG) as temporary:
        temporary.write_text(
            yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8"
        )
    read_dataset(folder / CONFIG)
    progress(1.0, WRITTEN)
    return folder / CONFIG


def _mask_names(plan: DatasetPlan) -> dict[int, str]:
    """Label value -> a name that no other label has."""
    given = plan.names or {}
    values = list(plan.labels.materials) if plan.labels is not None else []
    names = [given.get(value, str(value)) for value in values]
    return {
        value: name if names.count(name) == 1 else f"{name} ({value})"
        for value, name in zip(values, names, strict=True)
    }


def configuration(plan: DatasetPlan) -> dict[str, Any]:
    """The configuration as plain types, without labels; what has its default is left out."""
    carm: dict[str, Any] = {
        "detector_size": list(plan.carm.detector_size),
        "pixel_spacing": plan.carm.pixel_spacing,
    }
    if plan.carm.isocenter is not None:
        carm["isocenter"] = list(plan.carm.isocenter)
    record, default = to_dict(plan.render), RenderParameters()
    changed = {
        item.name: record[item.name]
        for item in fields(default)
        if item.name not in ("seed", "quantity")
        and getattr(plan.render, item.name) != getattr(default, item.name)
    }
    return {
        **{name: value for name, value in to_dict(plan.output).items() if value is not None},
        "cts": [{"path": f"{INPUT}/ct.nrrd"}],
        "carm": carm,
        "pose": to_dict(plan.ranges),
        "render": {"quantity": plan.render.quantity, **changed},
    }


def arguments(config: Path, workers: int = 0) -> Sequence[str]:
    """The command line after ``meddl`` that renders a written plan, or continues it."""
    count = ["--workers", str(workers)] if workers else []
    output = config.parent / VIEWS
    resume = ["--resume"] if output.exists() and any(output.iterdir()) else []
    return ["drr", "dataset", str(config), "--output", str(output), *count, *resume]
