"""What the property tests of the commands share: calling one, and files of drawn inputs."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from meddl.cli.main import main
from meddl.core import Image, read_image, write_frames, write_image
from properties import affines, examples, images

few = examples(8, deadline=None)
sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))
# Where less than 16 is refused; most are not, the first one never.
sides = st.integers(16, 40) | st.integers(16, 40) | st.integers(1, 15)
seeds = st.integers(0, 2**32 - 1)
volumes = images(st.tuples(*[st.integers(1, 12)] * 3), low=-1000, high=1000)


def accepted(*words: object, folder: Path) -> bool:
    """Whether ``meddl WORDS`` did it; otherwise it said why not and left ``folder`` as it was."""
    out, err = io.StringIO(), io.StringIO()
    before = set(folder.rglob("*"))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([*map(str, words), "--quiet"])
    said, after = err.getvalue().strip(), set(folder.rglob("*"))
    assert code in (0, 2), said
    assert not [path for path in after - before if path.name.startswith(".")], said
    if code == 2:
        assert said.startswith("meddl: error: ") and "\n" not in said and len(said) < 900, said
        assert after == before, said
        return False
    assert said == "", said
    return True


def command(*words: object, output: Path, option: str = "--output") -> bool:
    """Whether ``meddl WORDS --output OUTPUT`` did it; otherwise it said so and left nothing."""
    done = accepted(*words, option, output, folder=output.parent)
    assert output.exists() or not done
    return done


def stored(folder: Path, image: Image, name: str = "image") -> Path:
    """The image in a file whose format takes its number type."""
    suffix = ".nrrd" if image.array.dtype.kind in "iu" else ".nii.gz"
    write_image(folder / f"{name}{suffix}", image)
    return folder / f"{name}{suffix}"


def marked(image: Image, *, seed: int, values: Sequence[int] = (1,)) -> Image:
    """A label map on the image's grid with one voxel of every value."""
    array = np.zeros(image.array.shape[:3], np.uint8)
    rng = np.random.default_rng(seed)
    places = rng.permutation(array.size)[: len(values)]
    array.flat[places] = values[: len(places)]
    return image.with_array(array)


def same_grid(path: Path, image: Image) -> Image:
    """The file's image, which lies where ``image`` does."""
    found = read_image(path)
    assert found.size == image.size
    np.testing.assert_allclose(found.ras_from_ijk, image.ras_from_ijk, atol=2e-3)
    return found


def picture(folder: Path, name: str, size: tuple[int, int], seed: int, channels: int = 3) -> Path:
    """Noise, grey or in colour."""
    rng = np.random.default_rng(seed)
    array = rng.integers(0, 256, (1, *size, channels)[: 4 if channels > 1 else 3], dtype=np.uint8)
    write_image(folder / f"{name}.png", Image(array))
    return folder / f"{name}.png"


def video(folder: Path, size: tuple[int, int], count: int, seed: int) -> Path:
    """Noise of so many frames."""
    frames = np.random.default_rng(seed).integers(0, 256, (count, *size, 3), dtype=np.uint8)
    write_frames(folder / "video.avi", frames, 25)
    return folder / "video.avi"


@st.composite
def boxes(draw: st.DrawFn, largest: int, least: int = 1) -> tuple[Image, np.ndarray]:
    """A volume of -1000 with a box of 1500 in it, in any pose, and where the box is."""
    shape = draw(st.tuples(*[st.integers(least, largest)] * 3))
    first = [draw(st.integers(0, side - 1)) for side in shape]
    last = [draw(st.integers(start, side - 1)) for start, side in zip(first, shape, strict=True)]
    inside = np.zeros(shape, bool)
    inside[tuple(slice(a, b + 1) for a, b in zip(first, last, strict=True))] = True
    dtype = draw(st.sampled_from(["i2", "i4", "f4", "f8"]))
    return Image(np.where(inside, 1500, -1000).astype(dtype), draw(affines())), inside
