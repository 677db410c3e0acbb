"""Configurations of training runs: which frames are found, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from meddl.cli.main import main
from meddl.core.errors import Cancelled, InputError
from meddl.core.image import Image
from meddl.core.picture_size import fit_frame, middle
from meddl.core.pictures import write_picture
from meddl.core.progress import CancelToken
from meddl.core.video import read_frames, write_frames
from meddl.desmoke.clear_frames import clarity, clear_of_video
from meddl.desmoke.frame_cache import store_frames
from meddl.desmoke.frame_sources import FileFrames, RenderedFrames, find_sources, share_of
from meddl.desmoke.pair_frames import PairSamples
from meddl.desmoke.synthesis import SynthesisParameters, synthesize
from meddl.desmoke.training_config import print_config, read_plan
from meddl.desmoke.training_parameters import DesmokeTraining

ROOT = Path(__file__).resolve().parents[3]
CLIP = ROOT / "Testing/data/input_12.avi"
TEXT = """\
data:
  clear:
    - "frames/{procedure}_*.png"
    - other.png
  validation: [b]
architecture: pix2pix
size: [32, 64]
layers: 5
filters: 4
"""


def grey(level: int, shape: tuple[int, int] = (40, 80)) -> np.ndarray:
    return np.full((*shape, 3), level, np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Three pictures of procedure a, two of b, and one more; their grey tells which is which."""
    (tmp_path / "frames").mkdir()
    for n, name in enumerate(("a_1", "a_2", "a_10", "b_1", "b_2")):
        picture = Image(grey(20 * n)[None])
        write_picture(tmp_path / f"frames/{name}.png", picture)
    write_picture(tmp_path / "other.png", Image(grey(200)[None]))
    return tmp_path


def config(folder: Path, text: str) -> Path:
    (folder / "c.yaml").write_text(text, encoding="utf-8")
    return folder / "c.yaml"


def levels(source: FileFrames) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in source.frames()]


def test_procedures_stay_together(folder):
    plan = read_plan(config(folder, TEXT))
    assert [(source.name, levels(source)) for source in plan.training] == [
        ("a", [0, 40, 20]), ("other", [200]),
    ]  # fmt: skip
    assert [(source.name, levels(source)) for source in plan.validation] == [("b", [60, 80])]
    assert plan.described.startswith("2 source(s)")
    assert plan.parameters.filters == 4


def test_numbers_and_steps_choose_frames(folder):
    clip = folder / "clip.avi"
    write_frames(clip, (grey(20 * n, (32, 32)) for n in range(10)), 5)

    def found(entry: str, every: int = 1) -> list[list[int]]:
        return [[round(g / 20) for g in levels(s)] for s in find_sources(folder, entry, every)]

    assert found("clip.avi") == [list(range(10))]
    assert found("clip.avi:0-2,7") == [[0, 1, 2, 7]]
    assert found("clip.avi:0-2,5,7", every=2) == [[0, 2, 7]]
    assert found("frames", every=2) == [[0, 2, 4]]  # natural order: a_1, a_2, a_10, …
    assert found("frames/a_*.png") == [[0], [2], [1]]
    with pytest.raises(InputError, match="has 10 frames, number 12 was asked for"):
        found("clip.avi:3,12")


def test_smoky_frames_are_left_out_on_request(folder):
    board = np.kron(np.indices((8, 10)).sum(0) % 2, np.ones((5, 8))).astype(np.uint8)
    write_picture(folder / "frames/a_1.png", Image(np.stack([200 * board] * 3, -1)[None]))
    judged = find_sources(folder, "frames/*.png", judge=True)
    assert [len([*source.frames()]) for source in judged] == [1, 0, 0, 0, 0]
    named = find_sources(folder, "frames:0-2", judge=True)
    assert len([*named[0].frames()]) == 3  # taken as they are
    assert len(store_frames(judged, (32, 32), folder / "cache")) == 1
    with pytest.raises(InputError, match="no clear frame in a_10, a_2, b_1, b_2"):
        store_frames(judged[1:], (32, 32), folder / "cache")


def test_frames_of_a_video_are_held_against_each_other():
    """Pale tissue: by fixed numbers none of these frames is clear."""
    [source] = find_sources(CLIP.parent, CLIP.name, judge=True)
    clear = clear_of_video([clarity(frame) for frame in read_frames(CLIP)])
    expected = [frame for frame, kept in zip(read_frames(CLIP), clear, strict=True) if kept]
    assert 10 < len(expected) < 25
    for frame, known in zip(source.frames(), expected, strict=True):
        np.testing.assert_array_equal(frame, known)
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        next(source.frames(cancel))


def test_a_share_is_drawn_by_the_seed_and_by_name():
    sources = [FileFrames(name, (Path(f"{name}{n}.png"),)) for name in "abcdefgh" for n in (1, 2)]
    drawn = share_of(sources, 0.25, 3)
    assert len(drawn) == 4 and len({source.name for source in drawn}) == 2
    assert drawn == share_of(sources, 0.25, 3)
    assert any(drawn != share_of(sources, 0.25, seed) for seed in range(4, 8))
    assert share_of(sources, 0, 3) == [] and len(share_of(sources, 0.01, 3)) == 2


def test_frames_are_cut_to_the_aspect_not_squeezed():
    assert middle((100, 300), (64, 64)) == ((0, 100), (100, 200))
    assert middle((300, 100), (32, 64)) == ((125, 175), (0, 100))
    frame = np.zeros((100, 300, 3), np.uint8)
    frame[:, 100:200] = (10, 200, 90)
    np.testing.assert_array_equal(
        fit_frame(frame, (50, 50)), fit_frame(frame[:, 100:200], (50, 50))
    )
    assert (fit_frame(frame, (50, 50)) == (10, 200, 90)).all()


def test_the_cache_is_read_once_and_survives_cancel(folder):
    plan = read_plan(config(folder, TEXT))
    token, cache = CancelToken(), folder / "cache"
    with pytest.raises(Cancelled):
        store_frames(plan.training, (32, 64), cache, lambda *_: token.cancel(), token)
    kept = list(cache.iterdir())
    assert len(kept) == 1 and kept[0].stat().st_size == 3 * 32 * 64 * 3
    before = kept[0].stat().st_mtime_ns
    frames = store_frames(plan.training, (32, 64), cache)
    assert [int(frames[n].mean()) for n in range(len(frames))] == [0, 40, 20, 200]
    assert kept[0].stat().st_mtime_ns == before
    write_picture(folder / "other.png", Image(grey(90)[None]))  # another file of that name
    assert int(store_frames(plan.training, (32, 64), cache)[3].mean()) == 90


def test_rendered_abdomens_are_split_too(folder):
    text = TEXT.replace("  validation: [b]", "  rendered: 6\n  views: 2\n  validation: 0.3")
    plan = read_plan(config(folder, text))
    held_out = {source.name for source in plan.validation}
    assert sum("rendered" in name for name in held_out) == 2
    assert sum(isinstance(source, RenderedFrames) for source in plan.training) == 4
    assert not {source.name for source in plan.training} & held_out


@pytest.mark.long
def test_rendered_abdomens_are_pictures_of_tissue():
    frames = [*RenderedFrames(3, views=2).frames()]
    np.testing.assert_array_equal(frames[0], next(RenderedFrames(3, views=1).frames()))
    assert not np.array_equal(*frames)
    red, green, blue = frames[0].reshape(-1, 3).mean(0)
    assert red > 1.2 * green > green > 0.8 * blue


def test_the_printed_configuration_is_complete(folder, capsys):
    assert main(["desmoke", "train", "--print-config"]) == 0
    text = capsys.readouterr().out
    assert text == print_config()
    (folder / "videos").mkdir()
    (folder / "videos" / "one.avi").write_bytes(CLIP.read_bytes())
    (folder / "videos" / "two.avi").write_bytes(CLIP.read_bytes())
    plan = read_plan(config(folder, text))
    assert plan.parameters == DesmokeTraining()
    assert len(plan.training) == len(plan.validation) == 1
    assert set(yaml.safe_load(text)["data"]) == {
        "clear", "judge", "every", "rendered", "views", "validation",
    }  # fmt: skip


@pytest.mark.parametrize("architecture", ["light", "pix2pix"])
def test_the_examples_can_be_read(folder, architecture):
    example = (ROOT / f"Docs/examples/desmoke-{architecture}.yaml").read_text(encoding="utf-8")
    (folder / "Docs/examples").mkdir(parents=True)
    for name in ("one", "two"):
        video = folder / "prepared/train" / name  # as meddl desmoke prepare writes
        video.mkdir(parents=True)
        write_picture(video / "000125.png", Image(grey(90)[None]))
    plan = read_plan(config(folder / "Docs/examples", example))
    assert plan.parameters.architecture == architecture
    names = {source.name for source in [*plan.training, *plan.validation]}
    assert {"one", "two"} == {name for name in names if "rendered" not in name}
    if architecture == "pix2pix":  # nothing but what is published
        defaults = DesmokeTraining(
            name="my-desmoke-pix2pix", architecture="pix2pix", clip_length=1, clear_share=0,
            epochs=200, batch_size=1,
        )  # fmt: skip
        assert plan.parameters == defaults


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("layers: 5", "layres: 5", r"line 8: layres: unknown parameter; known are: .*layers"),
        (
            "layers: 5",
            "layers: 6",
            r"line \d: (size|layers|architecture): size is 32, 64; 6 layers",
        ),
        ("filters: 4", "filters: 0", r"line 9: filters: --filters is 0, at least 1"),
        ("filters: 4", "guide: dark", r"line 9: guide: --guide is 'dark'"),
        ("filters: 4", "loss: gan", r"line 9: loss: --loss is 'gan'"),
        ("filters: 4", "clear_share: 2", r"line 9: clear_share: --clear-share is 2"),
        ("pix2pix\nsize: [32, 64]", "light\nsize: [32, 48]", r"line 7: size: size is 32, 48; the"),
        ("pix2pix", "unet", r"line 6: architecture: --architecture is 'unet'"),
        ("    - other.png", "    - no.png", r"line 4: data.clear.1: no file matches no.png"),
        ("    - other.png", "    - c.yaml", r"line 4: data.clear.1: .*c.yaml is no video"),
        ("    - other.png", "    - frames/a_1.png", r"line 4: .*a_1.png belongs to another entry"),
        ("    - other.png", "    - other.png:5-2", r"line 4: data.clear.1: frames '5-2'"),
        (
            "validation: [b]",
            "validation: [c]",
            r"line 5: data.validation: there is no 'c'; .*: a, b",
        ),
        ("validation: [b]", "validation: 1", r"line 5: data.validation: is 1, a share"),
        ("validation: [b]", "validation: [a, b, other]", r"line 5: .*no source is left"),
        ("validation: [b]", "every: 0", r"line 5: data.every: is 0, a whole number of at least 1"),
        ("validation: [b]", "rendered: many", r"line 5: data.rendered: is 'many'"),
        ("validation: [b]", "judge: perhaps", r"line 5: data.judge: is 'perhaps', on or off"),
        ("validation: [b]", "pairs: .", r"line 5: data.pairs: stands alone"),
        ("validation: [b]", "smoky: x", r"line 5: data.smoky: unknown entry; known are: clear"),
    ],
)
def test_bad_configurations_name_line_value_and_remedy(folder, old, new, message):
    assert old in TEXT
    with pytest.raises(InputError, match=message):
        read_plan(config(folder, TEXT.replace(old, new)))


@pytest.mark.parametrize("text", ["data:\n  every: 2\n", "data: {}\n", "layers: 3\n", "- 1\n"])
def test_what_names_no_frames_is_refused(folder, text):
    with pytest.raises(InputError):
        read_plan(config(folder, text))


def test_paired_data_sets_are_split_by_what_they_were_made_of(folder):
    synthesize(
        [folder / "frames", folder / "other.png"], folder / "set", SynthesisParameters(copies=2)
    )
    text = TEXT[TEXT.index("architecture") :].replace("size: [32, 64]", "size: [32, 32]")
    data = "data:\n  pairs: set\n  validation: [a_1, b_2]\n"
    plan = read_plan(config(folder, data + text))
    assert plan.paired and [source.name for source in plan.training] == [
        "a_10", "a_2", "b_1", "other",
    ]  # fmt: skip
    frames = store_frames(plan.training, (32, 32), folder / "cache")
    samples = PairSamples(frames, plan.parameters)
    assert len(samples) == 8
    sample, drawn = samples[6], samples.draw(6, np.random.default_rng(2))
    np.testing.assert_allclose(sample["clear"], 200 / 255, atol=1e-6)
    assert np.abs(sample["smoky"] - sample["clear"]).max() > 0.02
    gain = drawn["clear"].mean() / sample["clear"].mean()
    assert abs(gain - 1) > 0.01
    low, high = sample["smoky"].min() * gain, sample["smoky"].max() * gain
    assert low - 1e-6 <= drawn["smoky"].min() and drawn["smoky"].max() <= max(high + 1e-6, 1)
    with pytest.raises(InputError, match=r"line 2: data.pairs: the architecture light learns"):
        read_plan(config(folder, data))
    (folder / "set/clear/a_1-0.png").unlink()
    with pytest.raises(InputError, match="a_1-0 has no partner"):
        read_plan(config(folder, data + text))
    with pytest.raises(InputError, match="frames has no folder clear"):
        read_plan(config(folder, data.replace("set", "frames") + text))
