"""Paired data sets: what is written, that it obeys the scattering model, seeds, resume, cancel."""

from __future__ import annotations

import json

import numpy as np
import pytest

from meddl.cli.main import main
from meddl.core.errors import Cancelled, FileError, InputError
from meddl.core.pictures import read_picture, read_rgb
from meddl.core.progress import CancelToken
from meddl.core.video import read_frames
from meddl.desmoke.smoke import DENSITIES
from meddl.desmoke.synthesis import SynthesisParameters, hand_held, synthesize

from .dataset_files import contents, index
from .surgical_pictures import film, fogged, save, tissue


@pytest.fixture
def stills(tmp_path):
    folder = tmp_path / "stills"
    folder.mkdir()
    for n, shape in enumerate([(48, 64), (33, 47), (64, 48)]):
        save(folder / f"{n}.png", tissue(n, shape))
    return folder


def test_pairs_obey_the_scattering_model(stills, tmp_path, capsys):
    out = tmp_path / "pairs"
    command = ["desmoke", "synthesize", str(stills), "--output", str(out), "--seed", "4"]
    command += ["--transmission", "on", "--density", "medium", "--kind", "veil", "--copies", "2"]
    assert main([*command, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["pairs"] == said["written"] == 6 and said["densities"]["medium"] == 6
    rows = index(out)
    assert [row["name"] for row in rows] == [f"{n}-{c}" for n in range(3) for c in range(2)]
    for row in rows:
        clear, smoky = (read_rgb(out / part / f"{row['name']}.png") for part in ("clear", "smoky"))
        t = read_picture(out / "transmission" / f"{row['name']}.png").array[0]
        assert t.dtype == np.uint16
        t = t / 65535
        # Targets are the frames themselves.
        assert (clear == read_rgb(stills / f"{row['name'][0]}.png")).all()
        low, high = DENSITIES["medium"]
        assert low <= 1 - t.mean() <= high
        assert 1 - t.mean() == pytest.approx(float(row["opacity"]), abs=0.01)
        # What the smoke adds is light of one hue, t apart: I - J t = A (1 - t), 0 <= A <= 1.
        airlight = (smoky / 255 - clear / 255 * t[..., None]) / (1 - t)[..., None]
        assert airlight.min() > -0.02 and airlight.max() < 1.02
    record = json.loads((out / "dataset.json").read_text())
    assert record["parameters"]["seed"] == 4 and len(record["smoke"]) == 6
    assert main(command) == 2 and "resume it" in capsys.readouterr().err


def test_one_seed_makes_one_data_set_however_often_it_is_interrupted(stills, tmp_path):
    parameters = SynthesisParameters(seed=1, clip=3, transmission=True)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    synthesize([stills], whole, parameters)
    token = CancelToken()

    def stop(fraction, message):
        if message.startswith("writing pair 4/"):
            token.cancel()

    with pytest.raises(Cancelled):
        synthesize([stills], broken, parameters, progress=stop, cancel=token)
    assert not (broken / "index.csv").exists() and len(list(broken.glob("smoky/*"))) < 6
    report = synthesize([stills], broken, parameters, resume=True)
    assert report["pairs"] == 9 and report["written"] >= 4
    assert contents(broken) == contents(whole)
    other = tmp_path / "other"
    synthesize([stills], other, SynthesisParameters(seed=2, clip=3, transmission=True))
    assert contents(other)["smoky/0-0000.png"] != contents(whole)["smoky/0-0000.png"]
    with pytest.raises(InputError, match="begun with other parameters"):
        synthesize([stills], broken, SynthesisParameters(seed=2), resume=True)
    with pytest.raises(InputError, match="begun with other frames"):
        synthesize([stills / "0.png"], broken, parameters, resume=True)


def test_smoke_on_a_video_is_coherent(tmp_path):
    views = [tissue(0, (48, 64), shift=n) for n in range(8)]
    film(tmp_path / "a.avi", views, rate=25)
    out = tmp_path / "pairs"
    parameters = SynthesisParameters(seed=3, transmission=True, density="heavy", depth="flat")
    report = synthesize([f"{tmp_path / 'a.avi'}:0-4,6-7"], out, parameters)
    assert report["pairs"] == 7 and report["clips"] == 2
    rows = index(out)
    assert [float(row["time"]) for row in rows] == [0.0, 0.04, 0.08, 0.12, 0.16, 0.0, 0.04]
    video = list(read_frames(tmp_path / "a.avi"))
    maps = []
    for row in rows:
        assert (read_rgb(out / "clear" / f"{row['name']}.png") == video[int(row["frame"])]).all()
        maps.append(read_picture(out / "transmission" / f"{row['name']}.png").array[0] / 65535)
    change = [np.abs(maps[n] - maps[0]).mean() for n in range(1, 5)]
    assert change[0] < change[1] < change[3] < 0.05
    assert np.abs(maps[5] - maps[0]).mean() > 2 * change[3]  # another clip has another smoke


def test_a_hand_held_camera_sees_no_border_and_does_not_jump():
    for shape in ((60, 90), (80, 40), (50, 50)):
        corners = np.array([(x, y, 1) for x in (0, shape[1] - 1) for y in (0, shape[0] - 1)]).T
        for motion in (0.01, 0.05, 0.2):
            times = np.linspace(0, 40, 400)
            seen = np.stack([hand_held(shape, time, motion, 5) @ corners for time in times])
            assert seen.min() >= 0
            assert seen[:, 0].max() <= shape[1] - 1 and seen[:, 1].max() <= shape[0] - 1
            step = np.abs(np.diff(seen, axis=0)).max()
            assert 0 < step < 0.35 * motion * max(shape)  # in a tenth of a second
            assert np.ptp(seen[:, 0], axis=0).min() > 0.3 * motion * shape[1]


def test_a_still_becomes_a_clip_of_its_own_colours(stills, tmp_path):
    parameters = SynthesisParameters(clip=4, motion=0.1, rate=2, density="light")
    synthesize([stills / "0.png"], tmp_path / "out", parameters)
    clear = [read_rgb(path) for path in sorted((tmp_path / "out" / "clear").iterdir())]
    assert len(clear) == 4 and not (clear[0] == clear[3]).all()
    frame = read_rgb(stills / "0.png")
    for view in clear:
        assert view.shape == frame.shape
        assert (view.min(axis=(0, 1)) >= frame.min(axis=(0, 1))).all()
        assert (view.max(axis=(0, 1)) <= frame.max(axis=(0, 1))).all()
    parameters = SynthesisParameters(clip=2, motion=0)
    synthesize([stills / "0.png"], tmp_path / "still", parameters)
    assert (read_rgb(tmp_path / "still" / "clear" / "0-0001.png") == frame).all()


def test_smoke_stays_in_a_round_field_of_view(tmp_path):
    y, x = np.mgrid[:90, :120]
    inside = np.hypot(y - 45, x - 60) < 42
    frames = [np.maximum(tissue(n, (90, 120)), 20) * inside[..., None] for n in range(2)]
    for n, frame in enumerate(frames):
        save(tmp_path / f"{n}.png", frame.astype(np.uint8))
    parameters = SynthesisParameters(transmission=True, density="heavy", kind="cloud")
    synthesize([tmp_path / "*.png"], tmp_path / "out", parameters)
    for row in index(tmp_path / "out"):
        t = read_picture(tmp_path / "out" / "transmission" / f"{row['name']}.png").array[0] / 65535
        assert (t[~inside] == 1).all()
        assert 1 - t[inside].mean() == pytest.approx(float(row["opacity"]), abs=0.02)
        smoky = read_rgb(tmp_path / "out" / "smoky" / f"{row['name']}.png")
        assert (smoky[~inside] == 0).all()


def test_smoky_frames_can_be_left_out_and_names_do_not_collide(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        save(tmp_path / name / "view.png", tissue())
    save(tmp_path / "b" / "smoky.png", fogged(tissue()))
    out = tmp_path / "pairs"
    parameters = SynthesisParameters(judge=True, format="jpg")
    assert synthesize([tmp_path / "a", tmp_path / "b"], out, parameters)["pairs"] == 2
    assert sorted(p.name for p in (out / "clear").iterdir()) == ["a-view.jpg", "b-view.jpg"]


def test_what_does_not_fit_is_refused_before_work(stills, tmp_path, capsys):
    full = tmp_path / "full"
    full.mkdir()
    (full / "letter.txt").write_text("keep me")
    with pytest.raises(FileError, match="not an empty folder"):
        synthesize([stills], full)
    assert [path.name for path in full.iterdir()] == ["letter.txt"]
    out = str(tmp_path / "out")
    cases = [
        (["--density", "thick"], "--density is 'thick', expected one of: light"),
        (["--copies", "0"], "at least 1"),
        (["--seed", "-1"], "at least 0"),
        (["--motion", "nan"], "finite number"),
    ]
    for options, message in cases:
        assert main(["desmoke", "synthesize", str(stills), "--output", out, *options]) == 2
        assert message in capsys.readouterr().err
    assert main(["desmoke", "synthesize", str(tmp_path / "none"), "--output", out]) == 2
    assert "not found" in capsys.readouterr().err
    names = ["a/v", "b/v", "c/a-v_2", "d/a-v"]  # the last would become a-v, then a-v_2
    for name in names:
        (tmp_path / name).parent.mkdir()
        save(tmp_path / f"{name}.png", tissue(0, (8, 8)))
    sources = [str(tmp_path / f"{name}.png") for name in names]
    assert main(["desmoke", "synthesize", *sources, "--output", out]) == 2
    assert "2 pairs would be called a-v_2; rename a source" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
