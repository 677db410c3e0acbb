"""Video: MRML sequences of colour frames, read and written one frame at a time.

A frame is a picture (H, W, 3) uint8 RGB, row 0 at the top, as :func:`meddl.core.read_frames` gives
it. In the scene it is a vector volume of one slice with ``ras_from_ijk`` diag(-1, -1, 1): columns
run to the patient's left and rows to posterior, which the axial slice view shows upright.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray
from slicer.i18n import tr as _

from meddl.core.errors import InputError
from meddl.core.image import Image
from SlicerMedDLLib.nodes import describe, new_node, part, require_node, set_part
from SlicerMedDLLib.volumes import SCALAR, VECTOR, deferred_view, image_from_volume, vtk_image

# Translated here: a worker must not (see tasks).
FRAME = _("frame")
NO_FRAME = _(
    "the {what} has {size} voxels of {components} values, {dtype}; a video frame is one slice of "
    "uint8 RGB or grey"
)

RAS_FROM_FRAME = np.diag([-1.0, -1.0, 1.0, 1.0])


def require_frame(image: Image, what: str = FRAME) -> Image:
    """Return ``image`` if it is a video frame.

    Raises:
        InputError: several slices, another dtype than uint8, or 2 or more than 4 components.
    """
    if image.size[2] != 1 or image.array.dtype != np.uint8 or image.components not in (1, 3, 4):
        raise InputError(
            NO_FRAME.format(
                what=what,
                size="x".join(map(str, image.size)),
                components=image.components,
                dtype=image.array.dtype,
            )
        )
    return image


def upright(image: Image, what: str = FRAME) -> Image:
    """A one-slice image as the axial slice view shows it, with the matrix that keeps its place.

    Grey pictures get three equal channels; an alpha channel is dropped.

    Returns:
        An image (1, H, W, 3), row 0 on top.

    Raises:
        InputError: as :func:`require_frame`.
    """
    if image.components == 1 and image.array.ndim == 4:
        image = image.with_array(image.array[..., 0])
    picture = require_frame(image, what).array
    picture = picture[..., :3] if image.components > 1 else np.stack([picture] * 3, axis=-1)
    old_from_new = np.eye(4)
    # Columns to the right or rows to anterior: the view shows the last one first.
    for axis in (0, 1):
        if image.ras_from_ijk[axis, axis] > 0:
            picture = np.flip(picture, 2 - axis)
            old_from_new[axis, axis], old_from_new[axis, 3] = -1, image.size[axis] - 1
    return Image(np.ascontiguousarray(picture), image.ras_from_ijk @ old_from_new)


def frame_from_image(image: Image, what: str = FRAME) -> NDArray[np.uint8]:
    """The picture (H, W, 3) of :func:`upright`.

    Raises:
        InputError: as there.
    """
    picture: NDArray[np.uint8] = upright(image, what).array[0]
    return picture


def image_from_frame(frame: NDArray[np.uint8]) -> Image:
    """A picture (H, W, 3) or (H, W), uint8, row 0 on top, as an image that stands upright.

    Raises:
        InputError: another shape or dtype.
    """
    frame = np.asarray(frame)
    if frame.dtype != np.uint8 or not (
        frame.ndim == 2 or (frame.ndim == 3 and frame.shape[2] == 3)
    ):
        raise InputError(
            _(
                "a frame has shape {shape} and dtype {dtype}; (H, W, 3) RGB or (H, W) grey of "
                "uint8 was expected"
            ).format(shape=frame.shape, dtype=frame.dtype)
        )
    return Image(frame[np.newaxis], RAS_FROM_FRAME)


def frames_from_sequence(
    node: Any, start: int = 0, stop: int | None = None, step: int = 1
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames start, start + step, … before stop; only one is copied at a time.

    Args:
        node: a sequence of volumes of one slice.
        start, stop, step: as in ``range``; stop None means to the end.

    Yields:
        (H, W, 3) uint8 RGB, row 0 at the top.

    Raises:
        InputError: no sequence, an empty one, one of something else than frames, or one that
            gets shorter while it is read.
    """
    count = _require_items(node)
    for number in range(*slice(start, stop, step).indices(count)):
        data = node.GetNthDataNode(number)
        if data is None:
            raise InputError(
                _("{node} lost frame {number} of {count} while it was read").format(
                    node=describe(node), number=number, count=count
                )
            )
        what = _("item {number} of {node}").format(number=number, node=describe(node))
        yield frame_from_image(image_from_volume(data), what)


class FrameViews(Sequence[Image]):
    """Images that share the memory of a sequence's volumes, each made anew when it is read."""

    def __init__(self) -> None:
        self._makers: list[Callable[[], Image]] = []

    def append(self, volume: Any) -> None:
        """Add a volume node; it is looked at now, in the main thread."""
        self._makers.append(deferred_view(volume))

    def __len__(self) -> int:
        return len(self._makers)

    def __getitem__(self, number: Any) -> Any:
        return self._makers[number]()


def views_of_frames(node: Any, stop: int | None = None) -> FrameViews:
    """The volumes of a sequence node as images that share their memory, for a worker.

    Args:
        node: a sequence of volumes.
        stop: the number of the first volume that is left out; None for all of them.

    Raises:
        InputError: no sequence, an empty one, one of something else than volumes, or a volume
            without voxels.
    """
    views = FrameViews()
    for _step in gathering_frames(node, views, stop):
        pass
    return views


def gathering_frames(
    node: Any, views: FrameViews, stop: int | None = None
) -> Iterator[tuple[float, str]]:
    """As :func:`views_of_frames`, one volume between two yields, for :mod:`slices`.

    A look takes 0.05 ms, and 0.4 ms in a video of 10,000 frames: for each image that Python lets
    go of, VTK goes through all that it has let go of before.

    Args:
        node, stop: as there.
        views: the volumes are appended to it.

    Yields:
        The fraction done and a message.

    Raises:
        InputError: as there.
    """
    numbers = range(_require_items(node))[:stop]
    text = _("frame {number}/{total}")
    for number in numbers:
        volume = node.GetNthDataNode(number)
        if volume is None or not volume.IsA("vtkMRMLVolumeNode"):
            raise InputError(
                _("{node} is no sequence of colour frames; choose another one").format(
                    node=describe(node)
                )
            )
        views.append(volume)
        yield (number + 1) / len(numbers), text.format(number=number + 1, total=len(numbers))


def _require_items(node: Any) -> int:
    require_node(node, "vtkMRMLSequenceNode", _("sequence"))
    count = int(node.GetNumberOfDataNodes())
    if count == 0:
        raise InputError(
            _("{node} has no frames; load or record a video first").format(node=describe(node))
        )
    return count


def frame_rate(node: Any) -> float:
    """Frames per second by the median step of a sequence's index in seconds; 0 if unknown."""
    count = min(node.GetNumberOfDataNodes(), 100)
    if count < 2 or not node.GetIndexUnit().startswith("s"):
        return 0.0
    try:
        times = [float(node.GetNthIndexValue(n)) for n in range(count)]
    except ValueError:  # a text index
        return 0.0
    step = float(np.median(np.diff(times)))
    return 1.0 / step if step > 0 else 0.0


def browse(sequence: Any, browser: Any = None, rate: float = 25.0) -> Any:
    """Play ``sequence`` in ``browser``, beside what it plays already, or in a new browser.

    Returns:
        The browser, its proxy node at the first frame (or at the item selected before).
    """
    if browser is None:
        browser = new_node(
            "vtkMRMLSequenceBrowserNode", _("{name} browser").format(name=sequence.GetName())
        )
        browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
        browser.SetPlaybackRateFps(rate)
        browser.SetSelectedItemNumber(0)
    else:
        require_node(browser, "vtkMRMLSequenceBrowserNode", _("sequence browser"))
        browser.AddSynchronizedSequenceNodeID(sequence.GetID())
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
    return browser


def replace_sequence(browser: Any, role: str, sequence: Any) -> None:
    """Play ``sequence`` in ``browser`` in place of the one that plays ``role`` for it so far."""
    remove_sequence(browser, role)
    browse(sequence, browser)
    set_part(browser, role, sequence)


def remove_sequence(browser: Any, role: str) -> None:
    """Remove the sequence that plays ``role`` for ``browser``, and the node that shows it."""
    old = part(browser, role)
    if old is not None:
        shown = browser.GetProxyNode(old)
        browser.RemoveSynchronizedSequenceNode(old.GetID())
        for node in (old, shown):
            slicer.mrmlScene.RemoveNode(node)


@contextmanager
def recording(name: str, rate: float = 25.0, browser: Any = None) -> Iterator[Callable[..., Any]]:
    """Record frames into a new sequence node, which is removed again if an error leaves the block.

    ::

        with recording("Cleared video", rate=25) as append:
            for frame in frames:
                sequence = append(frame)

    Args:
        name: of the sequence node.
        rate: frames per second; the index is the time in seconds.
        browser: an existing browser to play in step with (the item counts should agree); by
            default a new browser is made.

    Yields:
        A function that appends one frame (H, W, 3) or (H, W) uint8, at a time (s, later than the
        one before) if the rate does not give it, and returns the sequence node.

    Raises:
        InputError: a rate that is not positive, no frame at all, a bad frame, or one of another
            size than the first.
    """
    if not rate > 0:
        raise InputError(
            _("the frame rate is {rate} per second, a positive one was expected").format(rate=rate)
        )
    sequence = new_node("vtkMRMLSequenceNode", name)
    sequence.SetIndexName("time")
    sequence.SetIndexUnit("s")
    frame_node: Any = None
    first_shape: tuple[int, ...] = ()

    def append(frame: NDArray[np.uint8], seconds: float | None = None) -> Any:
        nonlocal frame_node, first_shape
        image = image_from_frame(frame)
        if frame_node is None:
            frame_node = slicer.mrmlScene.CreateNodeByClass(
                VECTOR if image.components > 1 else SCALAR
            )
            frame_node.UnRegister(None)  # CreateNodeByClass gives the caller a reference
            frame_node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(RAS_FROM_FRAME))
            first_shape = image.array.shape
        elif image.array.shape != first_shape:
            raise InputError(
                _("a frame has shape {shape}, the first had {first_shape}").format(
                    shape=np.shape(frame), first_shape=first_shape[1:]
                )
            )
        frame_node.SetAndObserveImageData(vtk_image(image.array))
        time = sequence.GetNumberOfDataNodes() / rate if seconds is None else seconds
        sequence.SetDataNodeAtValue(frame_node, f"{time:.6f}")  # copies the node
        return sequence

    try:
        yield append
        if frame_node is None:
            raise InputError(_("no frame was recorded into {name!r}").format(name=name))
        browse(sequence, browser, rate)
    except BaseException:
        slicer.mrmlScene.RemoveNode(sequence)
        raise
