"""Folders of rendered rooms: colour and depth pairs that are free to use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from meddl.core.errors import FileError, InputError
from meddl.core.files import (
    claimed_folder,
    read_json,
    remove_leftovers,
    visible,
    write_json,
)
from meddl.core.image import Image
from meddl.core.parameters import parameter, to_dict, validate
from meddl.core.pictures import RAS_FROM_PICTURE, write_picture
from meddl.core.progress import CancelToken, Progress, no_progress, steps
from meddl.core.run_record import make_folder
from meddl.rendering.rooms import FOCAL, develop, random_pose, random_room, render_room
from meddl.rendering.rooms import room_intrinsics as intrinsics_of

RECORD = "rooms.json"
COLOUR, DEPTH = "color/{:06d}.png", "depth/{:06d}.png"
MM_PER_M = 1000


@dataclass
class RoomPairs:
    """What :func:`render_pairs` writes."""

    pairs: int = parameter(1000, "how many pictures, each of a room of its own", minimum=1)
    seed: int = parameter(0, "of rooms, cameras and noise", minimum=0)
    size: tuple[int, int] = parameter(
        (240, 320), "rows and columns of the pictures", "pixels", minimum=16, maximum=4096
    )
    focal: float = parameter(
        FOCAL, "focal length over the width of the picture", minimum=0.2, maximum=5
    )


def render_pairs(
    folder: str | Path,
    parameters: RoomPairs,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Path:
    """Write ``color/000000.png`` (RGB) and ``depth/000000.png`` (16 bit, mm) and so on.

    A folder that was left half done goes on where it stopped. ``rooms.json`` holds the parameters.

    Raises:
        FileError: the folder holds something else, cannot be written, or another run is at work
            there.
        InputError: a bad parameter, or a folder that was begun with others (other than ``pairs``).
        Cancelled: between two pictures.
    """
    folder, parameters = Path(folder), validate(parameters)
    if folder.exists() and not folder.is_dir():
        raise FileError(f"{folder} is a file; choose another output")
    with claimed_folder(make_folder(folder)):
        _begin(folder, {**to_dict(parameters), "depth_scale": MM_PER_M})
        numbers = range(parameters.pairs)
        for number in steps(numbers, parameters.pairs, "rendering room", progress, cancel):
            if not (folder / COLOUR.format(number)).exists():  # written after its depth
                _render_pair(folder, parameters, number)
    return folder


def _render_pair(folder: Path, parameters: RoomPairs, number: int) -> None:
    height, width = parameters.size
    rng = np.random.default_rng([parameters.seed, number])
    room = random_room(rng)
    pose = random_pose(room, rng)
    intrinsics = intrinsics_of(height, width, parameters.focal)
    light, depth = render_room(room, intrinsics, (height, width), pose, number)
    millimetres = np.round(np.minimum(depth, 65.535) * MM_PER_M).astype(np.uint16)
    write_picture(folder / DEPTH.format(number), Image(millimetres[None], RAS_FROM_PICTURE))
    picture = Image(develop(light, rng)[None], RAS_FROM_PICTURE)
    write_picture(folder / COLOUR.format(number), picture)


def _begin(folder: Path, record: dict[str, object]) -> None:
    if (folder / RECORD).exists():
        _check_same(folder, record)
    elif visible(folder):
        raise FileError(f"{folder} exists and holds no rendered rooms; choose another folder")
    remove_leftovers(folder)
    write_json(folder / RECORD, record)  # first: a folder without it is taken for another's
    for name in ("color", "depth"):
        make_folder(folder / name)


def _check_same(folder: Path, record: dict[str, object]) -> None:
    found = read_json(folder / RECORD, "record of rendered rooms")
    if not isinstance(found, dict):
        raise FileError(f"{folder / RECORD} is no record of rendered rooms")
    for name, value in record.items():
        if name != "pairs" and found.get(name) != value:
            raise InputError(
                f"{folder} was rendered with {name} {found.get(name)!r}, not {value!r}; use the "
                "same or another folder"
            )
