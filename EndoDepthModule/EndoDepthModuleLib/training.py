"""Training runs of the panel: their configuration and their command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

from slicer.i18n import tr as _

from meddl.core.errors import FileError, InputError
from SlicerMedDLLib.runs import CONFIG, set_value, train_arguments

FINETUNE, FROM_SCRATCH, PUBLISHED, PAIRS = "fine-tune", "light network", "published", "pairs"
TRAININGS = (FINETUNE, FROM_SCRATCH, PUBLISHED, PAIRS)
_PRESETS = {FINETUNE: "finetune", FROM_SCRATCH: "cpu", PUBLISHED: "published"}
NYU, SPLITS = ".mat", "splits.mat"


def config_text(kind: str, sequence: str | Path = "", weights: str = "", data: str = "") -> str:
    """A configuration with all parameters.

    Args:
        kind: one of :data:`TRAININGS`: adapt ``weights`` to a sequence, the light network or the
            published one from scratch on it, or single-image depth on pairs.
        sequence: folder of the sequence; not for pairs.
        weights: what to start from, to fine-tune.
        data: a folder of pairs with the folders ``color`` and ``depth``, or NYU's ``.mat`` file,
            with ``splits.mat`` beside it.

    Raises:
        InputError: an unknown kind, or nothing to train on.
    """
    if kind == PAIRS:
        return _pairs_text(data)
    if kind not in _PRESETS:
        raise InputError(
            _("there is no training {kind!r}; there are: {trainings}").format(
                kind=kind, trainings=", ".join(TRAININGS)
            )
        )
    from meddl.endodepth.training_config import print_config

    text = set_value(print_config(_PRESETS[kind]), "sequence", str(sequence))
    return set_value(text, "load_trained_model", weights) if kind == FINETUNE else text


def _pairs_text(data: str) -> str:
    if not data.strip():
        raise InputError(_("choose the pairs: a folder with color and depth in it, or NYU's .mat"))
    from meddl.monodepth.training_config import print_config

    text, path = print_config(), Path(data).absolute()
    if path.suffix.lower() == NYU:
        lines = [f"  nyu: {_quoted(path)}", f"  splits: {_quoted(path.parent / SPLITS)}"]
        pattern = r'^  colour: ".*?$\n^  depth: ".*?$\n^  depth_scale: .*?$'
        return re.sub(pattern, lambda match: "\n".join(lines), text, flags=re.MULTILINE)
    return re.sub(
        r'^(  (?:colour|depth): )"', lambda m: f"{m[1]}{_quoted(path)[:-1]}/", text, flags=re.M
    )


def _quoted(path: Path) -> str:
    return json.dumps(path.as_posix())


def arguments(folder: str | Path) -> list[str]:
    """The command line after ``meddl`` that trains, or continues what was stopped.

    Raises:
        FileError: there is no configuration yet.
    """
    folder = Path(folder)
    try:
        text = (folder / CONFIG).read_text(encoding="utf-8")
    except OSError as error:
        raise FileError(
            _("{value} cannot be read: {reason}").format(
                value=folder / CONFIG, reason=error.strerror
            )
        ) from error
    system = "monodepth" if re.search(r"^data:", text, re.MULTILINE) else "endodepth"
    return train_arguments(system, folder)
