"""Training runs of the panel: their configuration."""

from __future__ import annotations

import json
import re
from pathlib import Path

from meddl.core.errors import InputError

LIGHT, PUBLISHED = "light network", "published"
TRAININGS = (LIGHT, PUBLISHED)
EXAMPLE = '"videos/*.avi"'  # the clear frames in the configuration that is printed
_ARCHITECTURES = {LIGHT: "light", PUBLISHED: "pix2pix"}


def config_text(kind: str, clear: str | Path) -> str:
    """A configuration with all parameters.

    Args:
        kind: one of :data:`TRAININGS`.
        clear: a video, or a folder of videos or pictures, without smoke.

    Raises:
        InputError: an unknown kind, or nothing to train on.
    """
    if kind not in TRAININGS:
        raise InputError(f"there is no training {kind!r}; there are: {', '.join(TRAININGS)}")
    if not str(clear).strip():
        raise InputError("choose the clear video, or the folder of clear videos or pictures")
    from meddl.desmoke.training_config import print_config

    text = _set(print_config(), "architecture", _ARCHITECTURES[kind])
    place = json.dumps(Path(clear).absolute().as_posix())
    return text.replace(EXAMPLE, place)


def _set(text: str, key: str, value: str) -> str:
    new, count = re.subn(
        rf"^{key}: .*$", lambda match: f"{key}: {json.dumps(value)}", text, flags=re.MULTILINE
    )
    if count != 1:
        raise InputError(f"the configuration has no key {key} to be set")
    return new
