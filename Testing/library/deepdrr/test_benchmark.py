"""The table of backends: what it measures, and what it says of backends that are not here."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from meddl.cli.main import main
from meddl.core import Cancelled, CancelToken, Image, InputError, write_image
from meddl.core.devices import list_devices
from meddl.core.geometry import compose
from meddl.deepdrr.benchmark import BenchmarkParameters, benchmark, phantom

SMALL = BenchmarkParameters(size=64, pixels=64, repeat=2)


def test_phantom_has_the_mass_of_its_ellipsoids():
    """By the formula 4/3 pi a b c, with the parts that replace others."""
    volumes = [4 / 3 * math.pi * np.prod(radii) for radii in ((150, 100, 155), (50, 65, 90))]
    spine = 4 / 3 * math.pi * 18 * 20 * 130
    expected = 1040 * volumes[0] - 2 * 890 * volumes[1] + 560 * spine
    for size in (64, 128):
        body = phantom(size)
        found = (body.array + 1000.0).sum() * np.prod(body.spacing)
        assert found == pytest.approx(expected, rel=0.005)
        np.testing.assert_allclose(body.center, 0, atol=1e-4)


def test_every_backend_has_a_row_with_its_error_or_its_reason():
    records = benchmark(SMALL)
    here = {(r.backend, r.device): r for r in records if not r.reason}
    assert {("exact", "cpu"), ("numba", "cpu"), ("torch", "cpu")} <= here.keys()
    assert here["exact", "cpu"].error == 0
    for record in here.values():
        assert record.error < 0.01
        assert record.cpu_s > 0 and record.wall_s > 0 and record.repeats == 2
        assert record.volume == (64, 64, 64) and record.pixels == (64, 64)
    for name, device in here:
        assert device in [d.name for d in list_devices()], name
    if [device.name for device in list_devices()] == ["cpu"]:
        absent = {r.backend: r.reason for r in records if r.reason}
        assert "no device 'cuda'" in absent["pycuda"]
        assert "accelerator" in absent["torch"]


def test_a_slow_projector_is_measured_on_some_rows_of_the_same_picture():
    """On the CPU torch needs 0.2 s for this; rows that did not match would be 20 % apart."""
    hurried = BenchmarkParameters(size=64, pixels=128, repeat=1, budget=0.1)
    records = benchmark(hurried)
    torch = next(r for r in records if (r.backend, r.device) == ("torch", "cpu"))
    assert torch.rows > 1
    assert torch.error < 0.005


def test_bad_input_is_refused():
    air = Image(np.full((20, 20, 20), -1000, np.int16))
    with pytest.raises(InputError, match="no voxel above -1000 HU"):
        benchmark(SMALL, air)
    with pytest.raises(InputError, match="pixels"):
        BenchmarkParameters(pixels=2)


def test_cancel_stops_it():
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        benchmark(SMALL, cancel=cancel)


def test_command_prints_a_table_and_json(tmp_path, capsys):
    values = np.full((30, 30, 30), -1000, np.int16)
    values[8:22, 8:22, 8:22] = 40
    path = tmp_path / "ct.nii.gz"
    write_image(path, Image(values, compose((6, 6, 6))))
    arguments = ["drr", "benchmark", str(path), "--pixels", "32", "--repeat", "1", "--quiet"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert out.startswith("30x30x30 voxels -> 32x32 pixels")
    assert [line.split()[0] for line in out.splitlines()[2:5]] == ["exact", "numba", "torch"]
    assert main([*arguments, "--json"]) == 0
    records = json.loads(capsys.readouterr().out)["backends"]
    assert records[0]["backend"] == "exact" and records[0]["wall_s"] > 0
    assert main([*arguments, "--size", "64"]) == 2
    assert "--size 64 is of the built-in phantom" in capsys.readouterr().err
