"""The configuration of a training run that the panel starts."""

from __future__ import annotations

import json
from pathlib import Path


def config_text(kind: str, data: str | Path = "") -> str:
    """A configuration with all defaults.

    Args:
        kind: ``"pnet"``, ``"rnet"`` or ``"end-to-end"``.
        data: folder of the cases, with the folders ``images`` and ``labels`` in it.
    """
    from meddl.deepigeos.training_config import print_config

    text = print_config(kind)
    if str(data).strip():
        folder = json.dumps(Path(data).absolute().as_posix())[1:-1]
        for part in ("images", "labels"):
            text = text.replace(f'"{part}/{{case}}', f'"{folder}/{part}/{{case}}')
    return text
