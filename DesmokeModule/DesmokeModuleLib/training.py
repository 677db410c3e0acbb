"""Training runs of the panel: their configuration."""

from __future__ import annotations

import json
from pathlib import Path

from slicer.i18n import tr as _

from meddl.core.errors import InputError
from meddl.core.files import visible
from meddl.core.image_io import PICTURES
from SlicerMedDLLib.runs import set_value

LIGHT, PUBLISHED = "light network", "published"
TRAININGS = (LIGHT, PUBLISHED)
EXAMPLE = '"videos/*.avi"'  # the clear frames in the configuration that is printed
_ARCHITECTURES = {LIGHT: "light", PUBLISHED: "pix2pix"}


def config_text(kind: str, clear: str | Path) -> str:
    """A configuration with all parameters.

    Args:
        kind: one of :data:`TRAININGS`.
        clear: a video, a folder of videos or pictures, or one with a folder of pictures per
            procedure, as ``meddl desmoke prepare`` makes them; without smoke.

    Raises:
        InputError: an unknown kind, or nothing to train on.
    """
    if kind not in TRAININGS:
        raise InputError(
            _("there is no training {kind!r}; there are: {trainings}").format(
                kind=kind, trainings=", ".join(TRAININGS)
            )
        )
    if not str(clear).strip():
        raise InputError(_("choose the clear video, or the folder of clear videos or pictures"))
    from meddl.desmoke.training_config import print_config

    pattern, sources = _sources(Path(clear).absolute())
    text = set_value(print_config(), "architecture", _ARCHITECTURES[kind])
    text = text.replace(EXAMPLE, json.dumps(pattern))
    # A share of one video would be all of it.
    return set_value(text, "validation", 0) if sources < 2 else text


def _sources(path: Path) -> tuple[str, int]:
    """The pattern of the clear frames in a configuration, and how many sources it names."""
    if not path.is_dir():
        return path.as_posix(), 1
    entries = visible(path)
    if any(one.suffix.lower() in PICTURES for one in entries if one.is_file()):
        return path.as_posix(), 1
    return f"{path.as_posix()}/*", len(entries)
