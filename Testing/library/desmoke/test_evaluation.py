"""Pairing of frames, the figures of a set and its report."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from meddl.cli.main import main
from meddl.core.errors import Cancelled, FileError, InputError
from meddl.core.image import Image
from meddl.core.pictures import RAS_FROM_PICTURE, read_rgb, write_picture
from meddl.core.progress import CancelToken
from meddl.desmoke import metrics
from meddl.desmoke.evaluation import evaluate, judge
from meddl.desmoke.evaluation_parameters import EvaluationParameters
from meddl.desmoke.evaluation_sets import open_sets

from .smoky_scenes import frame_of, smoky


def write_frames(folder, frames, suffix="png"):
    folder.mkdir()
    for name, frame in frames.items():
        write_picture(folder / f"{name}.{suffix}", Image(frame[None], RAS_FROM_PICTURE))
    return folder


def clear_frame(seed):
    coarse = np.random.default_rng(seed).integers(0, 200, (10, 12, 3)).astype(np.uint8)
    return coarse.repeat(4, 0).repeat(4, 1)


def smoked(frame, opacity):
    return frame_of(smoky(frame / np.float32(255), opacity, np.array([0.8, 0.8, 0.85], np.float32)))


@pytest.fixture
def folders(tmp_path):
    """Three frames under smoke of opacity 0.5 and 0.3, and none; half of it was removed."""
    clear = {f"f{n}": clear_frame(n) for n in range(3)}
    opacities = dict(zip(clear, (0.5, 0.3, 0.0), strict=True))
    return {
        "reference": write_frames(tmp_path / "clear", {**clear, "more": clear_frame(9)}),
        "input": write_frames(
            tmp_path / "smoky", {n: smoked(f, opacities[n]) for n, f in clear.items()}
        ),
        "output": write_frames(
            tmp_path / "out", {n: smoked(f, opacities[n] / 2) for n, f in clear.items()}, "bmp"
        ),
    }


def test_frames_are_judged_by_name_against_the_reference(folders):
    with open_sets(folders["output"], folders["reference"], folders["input"]) as sets:
        assert sets.names == ["f0", "f1", "f2"] and not sets.in_order
        result = evaluate(sets)
    rows = result["frames"]
    one = rows[0]
    clear, out, hazy = (
        read_rgb(folders[role] / f"f0.{suffix}")
        for role, suffix in (("reference", "png"), ("output", "bmp"), ("input", "png"))
    )
    assert one["output_ssim"] == metrics.ssim(out, clear)
    assert one["input_fsimc"] == metrics.fsimc(hazy, clear)
    for name in ("psnr", "ssim", "uqi", "fsimc"):
        assert one[f"gain_{name}"] == pytest.approx(one[f"output_{name}"] - one[f"input_{name}"])
        assert one[f"gain_{name}"] > 0
        values = [row[f"gain_{name}"] for row in rows]
        assert result["summary"][f"gain_{name}"]["mean"] == pytest.approx(np.mean(values))
        assert result["summary"][f"gain_{name}"]["median"] == pytest.approx(np.median(values))
    # Half of an opacity of 0.5 is taken away: 6 dB, but for rounding.
    assert one["gain_psnr"] == pytest.approx(20 * np.log10(2), abs=0.1)
    assert one["structure_kept"] == metrics.structure(out, hazy) > 0.9
    assert one["input_smoke_density"] > one["output_smoke_density"] > 0
    assert result["smoke_free"] == {"frames": 1, "change": 0.0}
    assert rows[2]["output_psnr"] == metrics.EQUAL_PSNR
    assert result["flicker"] is None


def test_command_writes_report_table_plot_and_pictures(folders, tmp_path, capsys):
    report = tmp_path / "report.json"
    arguments = [str(folders["output"]), str(folders["reference"]), "--output", str(report)]
    assert main(["desmoke", "evaluate", *arguments, "--input", str(folders["input"])]) == 0
    printed = capsys.readouterr().out
    assert "3 frames" in printed and "gain" in printed and "change by 0.00%" in printed
    result = json.loads(report.read_text())
    with (tmp_path / "report.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row["name"] for row in table] == ["f0", "f1", "f2"]
    assert float(table[1]["output_uqi"]) == result["frames"][1]["output_uqi"]
    assert (tmp_path / "report.png").read_bytes()[:4] == b"\x89PNG"
    picture = read_rgb(tmp_path / "report_pictures" / "f1.png")
    np.testing.assert_array_equal(picture[:, :48], read_rgb(folders["input"] / "f1.png"))
    np.testing.assert_array_equal(picture[:, -48:], read_rgb(folders["reference"] / "f1.png"))
    assert picture.shape == (40, 3 * 48 + 2 * 4, 3)


def test_a_black_surround_is_left_out_of_what_has_no_reference():
    pytest.importorskip("cv2")
    clear = clear_frame(5).repeat(3, 0).repeat(3, 1)
    frames = {"reference": clear, "input": smoked(clear, 0.4), "output": smoked(clear, 0.2)}
    framed = {role: np.pad(f, ((0, 0), (60, 60), (0, 0))) for role, f in frames.items()}
    alone, found = judge(frames), judge(framed)
    for name in ("change", "smoke", "input_contrast", "output_contrast"):
        assert found[name] == pytest.approx(alone[name]), name
    assert found["input_smoke_density"] == pytest.approx(alone["input_smoke_density"], abs=0.1)
    assert found["input_psnr"] > alone["input_psnr"] + 2


def test_without_input_there_is_no_gain(folders):
    with open_sets(folders["output"], folders["reference"]) as sets:
        result = evaluate(sets)
    assert not any(name.startswith(("gain", "input")) for name in result["frames"][0])
    assert result["smoke_free"] is None


def test_real_smoke_needs_no_reference(folders, tmp_path, capsys):
    report = tmp_path / "report.json"
    arguments = [str(folders["output"]), "--input", str(folders["input"]), "--output", str(report)]
    assert main(["desmoke", "evaluate", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "gain" in printed and "PSNR" not in printed
    result = json.loads(report.read_text())
    with open_sets(folders["output"], folders["reference"], folders["input"]) as sets:
        whole = evaluate(sets)
    for row, known in zip(result["frames"], whole["frames"], strict=True):
        assert row.keys() < known.keys() and {"change", "structure_kept"} < row.keys()
        assert row == {name: known[name] for name in row}
        assert not any(name in row for name in ("output_psnr", "smoke", "reference_contrast"))
    one, hazy = result["frames"][0], read_rgb(folders["input"] / "f0.png")
    # Half of an even veil of opacity 0.5 goes: contrast rises from 0.5 to 0.75 of the clear one.
    assert one["gain_contrast"] == pytest.approx(metrics.contrast(hazy) / 2, rel=0.02)
    assert one["gain_smoke_density"] < -0.05
    assert result["smoke_free"] is None and result["flicker"] is None
    assert (tmp_path / "report.png").exists()
    assert read_rgb(tmp_path / "report_pictures" / "f1.png").shape == (40, 2 * 48 + 4, 3)
    assert main(["desmoke", "evaluate", str(folders["output"]), "--output", str(report)]) == 2
    assert "REFERENCE_DIR" in capsys.readouterr().err


def test_flicker_without_reference_is_by_the_flow_of_the_input(tmp_path):
    pytest.importorskip("cv2")
    scene = clear_frame(4).repeat(2, 0).repeat(2, 1)
    jumping = {f"f{n}": smoked(scene, 0.1 + 0.4 * (n % 2)) for n in range(3)}
    out = write_frames(tmp_path / "out", jumping)
    still = write_frames(tmp_path / "in", dict.fromkeys(jumping, scene))
    with open_sets(out, smoky=still) as sets:
        found = evaluate(sets, EvaluationParameters(flicker="on"))["flicker"]
    expected = np.abs(jumping["f0"].astype(int) - jumping["f1"]).mean() / 255
    assert found["output"] == pytest.approx(expected, rel=0.05) == found["gain"]
    assert found["input"] == 0 and found["pairs"] == 2


def test_videos_are_matched_by_order_and_judged_for_flicker(tmp_path):
    pytest.importorskip("cv2")
    from meddl.core.video import write_frames as write_video

    scene = clear_frame(4).repeat(2, 0).repeat(2, 1)
    clear = [scene] * 5
    jumping = [smoked(scene, 0.1 + 0.4 * (n % 2)) for n in range(5)]
    for name, frames in (("clear", clear), ("out", jumping), ("short", clear[:3])):
        write_video(tmp_path / f"{name}.avi", frames, 25)
    out, reference = tmp_path / "out.avi", tmp_path / "clear.avi"
    with open_sets(out, reference, out) as sets:
        assert len(sets) == 5 and sets.in_order
        result = evaluate(sets)
        assert evaluate(sets, EvaluationParameters(flicker="off"))["flicker"] is None
    expected = np.abs(jumping[0].astype(int) - jumping[1]).mean() / 255
    assert result["flicker"]["output"] == pytest.approx(expected, rel=0.1)
    assert result["flicker"]["reference"] < 0.01 and result["flicker"]["pairs"] == 4
    with (
        pytest.raises(InputError, match="output 3, reference 5"),
        open_sets(tmp_path / "short.avi", reference),
    ):
        pass


def test_frames_in_a_folder_are_judged_for_flicker_when_asked(tmp_path):
    pytest.importorskip("cv2")
    asked = EvaluationParameters(flicker="on")
    still = write_frames(tmp_path / "still", {f"f{n}": clear_frame(0) for n in range(3)})
    with open_sets(still, still) as sets:
        assert evaluate(sets, asked)["flicker"] == {"output": 0, "reference": 0, "pairs": 2}
    one = write_frames(tmp_path / "one", {"f0": clear_frame(0)})
    with open_sets(one, one) as sets, pytest.raises(InputError, match="no two successive"):
        evaluate(sets, asked)


def test_cancel_stops_between_frames(folders):
    cancel = CancelToken()
    cancel.cancel()
    frames = open_sets(folders["output"], folders["reference"])
    with frames as sets, pytest.raises(Cancelled):
        evaluate(sets, cancel=cancel)


def test_bad_sets_are_named(folders, tmp_path):
    other = write_frames(tmp_path / "other", {"x": clear_frame(0)})
    part = write_frames(tmp_path / "part", {"f0": clear_frame(0)})
    small = write_frames(tmp_path / "small", {f"f{n}": clear_frame(n)[:30] for n in range(3)})
    tiny = write_frames(tmp_path / "tiny", {"f0": clear_frame(0)[:7, :5]})
    empty = tmp_path / "empty"
    empty.mkdir()
    out = folders["output"]
    for reference, kind, message in (
        (tmp_path / "nowhere", FileError, "reference .*nowhere was not found"),
        (empty, FileError, "no pictures"),
        (other, InputError, "no picture of .* has a partner of the same name"),
        (part, InputError, "2 of 3 pictures of .* have no reference .*: f1, f2"),
    ):
        with pytest.raises(kind, match=message), open_sets(out, reference):
            pass
    with open_sets(out, small) as sets, pytest.raises(InputError, match=r"output 48x40, .* 48x30"):
        evaluate(sets)
    with open_sets(tiny, tiny) as sets, pytest.raises(InputError, match="5x7, at least 24x24"):
        evaluate(sets)
    write_frames(tmp_path / "twice", {"f0": clear_frame(0)})
    write_picture(tmp_path / "twice" / "f0.bmp", Image(clear_frame(0)[None], RAS_FROM_PICTURE))
    with pytest.raises(InputError, match="two pictures"), open_sets(tmp_path / "twice", out):
        pass


def test_damaged_pictures_leave_no_report(folders, tmp_path, capsys):
    (folders["output"] / "f2.bmp").write_bytes((folders["output"] / "f2.bmp").read_bytes()[:900])
    report = tmp_path / "report.json"
    arguments = [str(folders["output"]), str(folders["reference"]), "--output", str(report)]
    assert main(["desmoke", "evaluate", *arguments]) == 2
    assert "f2.bmp" in capsys.readouterr().err
    assert not list(tmp_path.glob("report*"))
