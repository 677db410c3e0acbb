"""Frames that belong together: output, and clear reference, smoky input or both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from meddl.core.errors import FileError, InputError
from meddl.core.frame_source import open_frames
from meddl.core.pictures import read_rgb
from meddl.core.progress import CancelToken
from meddl.core.video import picture_files
from meddl.desmoke.metrics import Frame


@dataclass(frozen=True, eq=False)
class FrameSets:
    """Frames in order, each in several roles.

    Attributes:
        names: of the frames.
        readers: ``"output"`` and ``"reference"``, ``"input"`` or both -> number -> frame.
        in_order: whether they are successive frames of a video.
    """

    names: list[str]
    readers: dict[str, Callable[[int], Frame]]
    in_order: bool

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, number: int) -> dict[str, Frame]:
        """Role -> (H, W, 3) uint8 of frame ``number``.

        Raises:
            FileError: a frame does not decode.
            InputError: the roles have different sizes.
        """
        frames = {role: read(number) for role, read in self.readers.items()}
        sizes = {role: f"{f.shape[1]}x{f.shape[0]}" for role, f in frames.items()}
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"{role} {size}" for role, size in sizes.items())
            raise InputError(f"frame {self.names[number]} differs in size: {told}; make them equal")
        return frames


@contextmanager
def open_sets(
    output: str | Path,
    reference: str | Path | None = None,
    smoky: str | Path | None = None,
    cancel: CancelToken | None = None,
) -> Iterator[FrameSets]:
    """Open frames for comparison.

    Folders of pictures are matched by the names of the files without their suffix; what has no
    output is left out. Where one is a video, all are matched by order and must have as many frames.

    Args:
        output: a folder of pictures or a video, what is judged.
        reference: the same frames without smoke; None where nobody has such.
        smoky: the same frames before; without a reference they are needed.

    Raises:
        FileError: missing, no pictures, no video.
        InputError: neither reference nor smoky frames, frames without a partner, or different
            numbers of frames.
    """
    roles = {"output": output, "reference": reference, "input": smoky}
    paths = {role: Path(path) for role, path in roles.items() if path is not None}
    if len(paths) == 1:
        raise InputError(
            f"there is nothing to hold {output} against; give clear frames (REFERENCE_DIR), "
            "smoky ones (--input) or both"
        )
    for role, path in paths.items():
        if not path.exists():
            raise FileError(f"the {role} {path} was not found (folder {Path.cwd()})")
    if all(path.is_dir() for path in paths.values()):
        yield _by_name(paths)
        return
    with ExitStack() as stack:
        # One frame at a time is looked at, so that the cache need hold no more.
        sources = {
            role: stack.enter_context(open_frames(path, cache_bytes=0, cancel=cancel))
            for role, path in paths.items()
        }
        counts = {role: len(source) for role, source in sources.items()}
        if len(set(counts.values())) > 1:
            told = ", ".join(f"{role} {count}" for role, count in counts.items())
            raise InputError(f"the numbers of frames differ ({told}); cut them to the same frames")
        names = [f"{number:06d}" for number in range(counts["output"])]
        yield FrameSets(names, {role: s.frame for role, s in sources.items()}, in_order=True)


def _by_name(folders: Mapping[str, Path]) -> FrameSets:
    files = {role: _stems(folder) for role, folder in folders.items()}
    names = list(files["output"])
    for role, partners in files.items():
        missing = [name for name in names if name not in partners]
        if len(missing) == len(names):
            raise InputError(
                f"no picture of {folders['output']} has a partner of the same name in "
                f"{folders[role]} ({names[0]} …, there {next(iter(partners))} …)"
            )
        if missing:
            raise InputError(
                f"{len(missing)} of {len(names)} pictures of {folders['output']} have no {role} of "
                f"the same name in {folders[role]}: {', '.join(missing[:3])}; add or remove them"
            )

    def reader(partners: dict[str, Path]) -> Callable[[int], Frame]:
        return lambda number: read_rgb(partners[names[number]])

    return FrameSets(names, {role: reader(f) for role, f in files.items()}, in_order=False)


def _stems(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in picture_files(folder):
        if path.stem in found:
            raise InputError(f"{folder} has two pictures {found[path.stem].name} and {path.name}")
        found[path.stem] = path
    return found
