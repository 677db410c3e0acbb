"""Engines: all give torch's result, the fastest is taken, and nothing is written or sent."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from meddl.core import inference
from meddl.core.errors import DependencyError, InputError
from meddl.core.inference import TOLERANCE, installed_engines, load_engine

torch = pytest.importorskip("torch")
functional = torch.nn.functional


class Network(torch.nn.Module):
    """Two scales, a skip, two outputs; sizes follow the input's."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(4)
        self.coarse = torch.nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        fine = functional.relu(self.norm(self.fine(x)))
        coarse = self.coarse(functional.max_pool2d(fine, 2))
        up = functional.interpolate(coarse, size=fine.shape[2:], mode="bilinear")
        return fine + up, coarse.mean((2, 3))


class FrozenSize(torch.nn.Module):
    """A size computed in Python, which tracing freezes at the example's."""

    def forward(self, x):
        return x * float(x.shape[3])


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape, dtype=np.float32)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    module = Network().train()
    for _ in range(3):
        module(torch.from_numpy(images(2, 3, 16, 16)))
    return module


@pytest.mark.parametrize("name", inference.ENGINES)
def test_every_engine_gives_torchs_result_at_any_size(network, name):
    if name not in installed_engines():
        pytest.skip(f"{name} is not installed")
    engine = load_engine(network, images(1, 3, 32, 32), name, threads=1)
    assert engine.name == name and f"{name} {engine.milliseconds:.1f} ms" in engine.reason
    assert not network.training
    for shape in ((1, 3, 32, 32), (2, 3, 16, 48), (2, 3, 16, 48)):
        inputs = images(*shape)
        with torch.no_grad():
            expected = [output.numpy() for output in network(torch.from_numpy(inputs))]
        outputs = engine(inputs)
        assert len(outputs) == 2
        for output, truth in zip(outputs, expected, strict=True):
            assert output.dtype == np.float32
            np.testing.assert_allclose(output, truth, atol=1e-5 * np.ptp(truth))
    assert set(engine._trusted.values()) == {True}  # no shape fell back to torch


def test_auto_takes_the_fastest(network, monkeypatch):
    times = {"torch": 3.0, "openvino": 2.0, "onnxruntime": 1.0}
    measured = iter(times[name] for name in installed_engines())
    monkeypatch.setattr(inference, "_median_milliseconds", lambda run, inputs: next(measured))
    engine = load_engine(network, images(1, 3, 16, 16))
    assert engine.name == min(installed_engines(), key=times.__getitem__)
    for name in installed_engines():
        assert f"{name} {times[name]:.1f} ms" in engine.reason


def test_an_engine_out_of_tolerance_or_that_fails_is_skipped(network, monkeypatch, caplog):
    def wrong(module, example, threads):
        reference = inference._torch_runner(module, "cpu", threads)
        return lambda inputs: tuple(o + 2 * TOLERANCE * np.ptp(o) for o in reference(inputs))

    def broken(module, example, threads):
        raise RuntimeError("no such\noperator")

    monkeypatch.setattr(inference, "installed_engines", lambda: list(inference.ENGINES))
    monkeypatch.setattr(inference, "_openvino_runner", wrong)
    monkeypatch.setattr(inference, "_onnxruntime_runner", broken)
    assert load_engine(network, images(1, 3, 16, 16)).name == "torch"
    assert "openvino skipped: differs from torch by 0.002" in caplog.text
    assert "onnxruntime skipped: no such operator" in caplog.text
    with pytest.raises(InputError, match=r"openvino cannot run this network \(differs"):
        load_engine(network, images(1, 3, 16, 16), "openvino")
    with pytest.raises(InputError, match=r"onnxruntime cannot run this network \(no such"):
        load_engine(network, images(1, 3, 16, 16), "onnxruntime")


def test_an_engine_that_is_there_and_does_not_import_is_skipped(network, monkeypatch, caplog):
    def damaged():
        raise DependencyError("openvino does not import here")

    monkeypatch.setattr(inference, "installed_engines", lambda: ["torch", "openvino"])
    monkeypatch.setattr(inference, "_openvino", damaged)
    assert load_engine(network, images(1, 3, 16, 16)).name == "torch"
    assert "openvino skipped: openvino does not import here" in caplog.text
    with pytest.raises(DependencyError, match="does not import here"):
        load_engine(network, images(1, 3, 16, 16), "openvino")


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_frozen_size_is_noticed_and_left_to_torch(name, caplog):
    if name not in installed_engines():
        pytest.skip(f"{name} is not installed")
    engine = load_engine(FrozenSize(), images(1, 1, 8, 8), name)
    other = images(1, 1, 8, 4)
    for _ in range(2):
        np.testing.assert_allclose(engine(other), other * 4)
    assert caplog.text.count("leaves inputs of") == 1


def test_threads_of_the_process_stay(network):
    before = torch.get_num_threads()
    load_engine(network, images(1, 3, 16, 16), "torch", threads=before + 1)(images(1, 3, 8, 8))
    assert torch.get_num_threads() == before


def test_bad_arguments_are_named(network, monkeypatch):
    example = images(1, 3, 16, 16)
    with pytest.raises(InputError, match="engine is 'tensorrt', expected one of: auto, torch"):
        load_engine(network, example, "tensorrt")
    with pytest.raises(InputError, match="openvino runs on the cpu only, not on cuda:0"):
        load_engine(network, example, "openvino", device="cuda:0")
    with pytest.raises(InputError, match="threads is 0"):
        load_engine(network, example, threads=0)
    with pytest.raises(InputError, match="empty"):
        load_engine(network, images(0, 3, 16, 16))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DependencyError, match="onnxruntime"):
        load_engine(network, example, "onnxruntime")


def test_an_output_that_is_constant_may_differ_by_rounding():
    """As ONNX Runtime's convolution of a constant picture does on processors with AVX-512."""
    truth = np.full((1, 1, 6, 6), 0.37, np.float32)
    truth[0, 0, 0, 0] = np.nextafter(truth[0, 0, 0, 0], 1)
    assert not inference._mismatch((truth + np.float32(2.4e-7),), (truth,))
    assert "differs" in inference._mismatch((truth + np.float32(1e-5),), (truth,))


QUIET = """
import logging, socket, sys
sent = []
def refuse(*arguments, **options):
    sent.append(arguments)
    raise OSError("no network in this test")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
import numpy, psutil, torch
from meddl.core.inference import load_engine
for name in sys.argv[1:]:
    load_engine(torch.nn.Conv2d(1, 1, 3), numpy.ones((1, 1, 8, 8), "float32"), name)
assert not sent, sent
connections = psutil.Process().net_connections(kind="inet")
assert not connections, connections
"""


def test_no_engine_sends_or_writes_anything(tmp_path):
    names = [name for name in installed_engines() if name != "torch"]
    if not names:
        pytest.skip("neither OpenVINO nor ONNX Runtime is installed")
    # Variables that switch telemetry off by themselves must not be what makes this pass.
    drop = ("CI", "TF_BUILD", "JENKINS_URL", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    environment = {key: value for key, value in os.environ.items() if key not in drop}
    for key in ("HOME", "USERPROFILE", "LOCALAPPDATA", "APPDATA"):
        environment[key] = str(tmp_path)
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    result = subprocess.run(
        [sys.executable, "-c", QUIET, *names],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    assert not list(tmp_path.rglob("*"))
