"""Inference engines behind one call: torch always, OpenVINO and ONNX Runtime when installed.

:func:`load_engine` measures the installed engines on the caller's own example and takes the fastest
whose result equals torch's within :data:`TOLERANCE`. Nothing leaves the machine: OpenVINO's and
ONNX Runtime's telemetry, both on by default in their official packages, are off before they load.
"""

from __future__ import annotations

import logging
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import DependencyError, InputError, one_line
from meddl.core.optional import is_installed, require

if TYPE_CHECKING:
    from torch.nn import Module

logger = logging.getLogger(__name__)

Array = NDArray[Any]
Arrays = tuple[Array, ...]
Run = Callable[[Arrays], Arrays]

ENGINES = ("torch", "openvino", "onnxruntime")
# Largest difference from torch, relative to the span of torch's output. Measured on a small network
# with a skip: 7e-7 for both engines in float32; bfloat16 differs by 4e-3 to 6e-3 and is refused.
TOLERANCE = 1e-3
# The span of a constant output is rounding itself: so much of its largest value is allowed.
ROUNDING = 1e-6


@dataclass
class Engine:
    """A network ready to run; call it with arrays or tensors, get numpy arrays.

    A shape that it meets for the first time is run by torch too and compared, because sizes can be
    frozen into a converted network. A shape that fails the comparison stays with torch.

    Attributes:
        name: ``"torch"``, ``"openvino"`` or ``"onnxruntime"``.
        reason: why this engine, with what was measured.
        milliseconds: median time of one call on the example.
        tolerance: largest difference from torch, relative to the span of torch's output.
    """

    name: str
    reason: str
    milliseconds: float
    tolerance: float = TOLERANCE
    _run: Run = field(repr=False, kw_only=True)
    _reference: Run = field(repr=False, kw_only=True)
    _trusted: dict[tuple[tuple[int, ...], ...], bool] = field(default_factory=dict, repr=False)

    def __call__(self, *inputs: Any) -> Array | Arrays:
        """Run the network on arrays or tensors shaped like the example (batch, channels, …).

        Batch and spatial sizes may differ from the example's. Floating-point outputs are float32;
        several outputs come as a tuple.
        """
        outputs = self._outputs(_arrays(inputs))
        return outputs[0] if len(outputs) == 1 else outputs

    def _outputs(self, inputs: Arrays) -> Arrays:
        shapes = tuple(array.shape for array in inputs)
        if self._run is self._reference or self._trusted.get(shapes):
            return self._run(inputs)
        expected = self._reference(inputs)
        if shapes not in self._trusted:
            outputs, reason = _compared(self._run, inputs, expected)
            self._trusted[shapes] = not reason
            if not reason:
                return outputs  # the engine's own, so that equal inputs have equal results
            logger.warning("%s leaves inputs of %s to torch: %s", self.name, shapes, reason)
        return expected


def _arrays(inputs: Sequence[Any]) -> Arrays:
    # Contiguous and writable, as torch.from_numpy wants them.
    return tuple(
        np.require(
            item.detach().cpu().numpy() if hasattr(item, "detach") else item, None, ["C", "W"]
        )
        for item in inputs
    )


def _compared(run: Run, inputs: Arrays, expected: Arrays) -> tuple[Arrays, str]:
    """An engine's result, and why it is not torch's; empty if it is."""
    try:
        outputs = run(inputs)
    except Exception as error:  # whatever a foreign engine raises, torch can still do the work
        return (), one_line(error)
    return outputs, _mismatch(outputs, expected)


def _mismatch(outputs: Arrays, expected: Arrays) -> str:
    shapes = [[array.shape for array in arrays] for arrays in (outputs, expected)]
    if shapes[0] != shapes[1]:
        return f"its outputs are {shapes[0]}, torch's {shapes[1]}"
    for output, truth in zip(outputs, expected, strict=True):
        if truth.size == 0 or np.array_equal(output, truth):
            continue
        difference = float(np.abs(output.astype(np.float64) - truth).max())
        largest = float(np.abs(truth).max())
        span = float(np.ptp(truth)) or largest or 1.0
        if not difference <= TOLERANCE * span + ROUNDING * largest:  # also when not finite
            return f"differs from torch by {difference / span:.2g} of the output's span"
    return ""


def _torch_runner(module: Module, device: str, threads: int | None) -> Run:
    import torch

    module.eval().to(device)

    @contextmanager
    def limited_threads() -> Iterator[None]:
        before = torch.get_num_threads()  # one number for the whole process
        torch.set_num_threads(threads or before)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def run(inputs: Arrays) -> Arrays:
        with torch.inference_mode(), limited_threads():
            result = module(*(torch.from_numpy(array).to(device) for array in inputs))
            outputs = result if isinstance(result, (tuple, list)) else (result,)
            return tuple(
                (output.float() if output.is_floating_point() else output).cpu().numpy()
                for output in outputs
            )

    return run


@contextmanager
def _traced_quietly() -> Iterator[None]:
    """No warnings that tracing is deprecated or may freeze sizes: results are compared instead."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _openvino() -> Any:
    """Import OpenVINO with its telemetry replaced by OpenVINO's own empty stand-in."""
    # Without the package openvino_telemetry, OpenVINO falls back to its stub. Its only other
    # switch is a file in the user's home, which is the user's to write.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    openvino = require("openvino", "the OpenVINO engine")
    # In case somebody imported OpenVINO before us, with telemetry.
    utilities = require("openvino.tools.ovc.telemetry_utils", "the OpenVINO engine")
    stub = require("openvino.tools.ovc.telemetry_stub", "the OpenVINO engine")
    utilities.tm = stub  # type: ignore[attr-defined]
    return openvino


def _openvino_runner(module: Module, example: Arrays, threads: int | None) -> Run:
    import torch

    openvino = _openvino()
    tensors = tuple(torch.from_numpy(array) for array in example)
    with torch.no_grad(), _traced_quietly():
        model = openvino.convert_model(module, example_input=tensors)
    # float32 throughout: on processors with bfloat16 units OpenVINO would use those.
    config: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if threads:
        config["INFERENCE_NUM_THREADS"] = threads
    compiled = openvino.Core().compile_model(model, "CPU", config)

    def run(inputs: Arrays) -> Arrays:
        result = compiled(list(inputs))
        return tuple(np.array(result[port]) for port in compiled.outputs)

    return run


def _onnxruntime() -> Any:
    """Import ONNX Runtime with its telemetry off (its Privacy.md, Disabling Telemetry)."""
    # Read once when the library loads: no upload, no device identifier in the user's home.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    onnxruntime = require("onnxruntime", "the ONNX Runtime engine")
    onnxruntime.disable_telemetry_events()  # in case somebody imported it before us
    return onnxruntime


def _onnxruntime_runner(module: Module, example: Arrays, threads: int | None) -> Run:
    import torch

    onnxruntime = _onnxruntime()
    require("onnx", "the ONNX Runtime engine")
    names = [f"input{index}" for index in range(len(example))]
    free = [
        {axis: f"{name}_{axis}" for axis in range(array.ndim) if axis != 1}
        for name, array in zip(names, example, strict=True)
    ]
    with _traced_quietly(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        # torch's newer exporter needs onnxscript and freezes sizes unless told each constraint.
        torch.onnx.export(
            module,
            tuple(torch.from_numpy(array) for array in example),
            path,
            input_names=names,
            dynamic_axes=dict(zip(names, free, strict=True)),
            dynamo=False,
        )
        model = path.read_bytes()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads:
        options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda inputs: tuple(session.run(None, dict(zip(names, inputs, strict=True))))


def _median_milliseconds(run: Run, inputs: Arrays) -> float:
    """Median of up to five calls after a first one; slow networks get fewer."""
    run(inputs)
    times: list[float] = []
    while len(times) < 5 and sum(times) < 1.0:
        start = time.perf_counter()
        run(inputs)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def installed_engines() -> list[str]:
    """The engines that can be tried here, torch first."""
    needs = {"torch": ["torch"], "openvino": ["openvino"], "onnxruntime": ["onnxruntime", "onnx"]}
    return [name for name in ENGINES if all(is_installed(package) for package in needs[name])]


def load_engine(
    module: Module,
    example_inputs: Any,
    engine: str = "auto",
    device: str = "cpu",
    threads: int | None = None,
) -> Engine:
    """Make ``module`` ready for inference; it is put into evaluation mode on ``device``.

    Args:
        module: takes tensors, returns a tensor or a tuple of tensors.
        example_inputs: an array or tensor, or a tuple of them, of the shape and type to come.
        engine: ``"torch"``, ``"openvino"``, ``"onnxruntime"``, or ``"auto"``: the fastest of those
            installed, by measurement on the example.
        device: a torch device name. On accelerators only torch is used.
        threads: number of CPU threads; None leaves it to the engine.

    Raises:
        InputError: unknown engine, one that cannot run on ``device``, or one whose result is not
            torch's.
        DependencyError: the named engine is not installed.
    """
    if engine not in ("auto", *ENGINES):
        raise InputError(f"engine is {engine!r}, expected one of: auto, {', '.join(ENGINES)}")
    if engine not in ("auto", "torch") and device != "cpu":
        raise InputError(f"the engine {engine} runs on the cpu only, not on {device}; use torch")
    if threads is not None and threads < 1:
        raise InputError(f"threads is {threads}, at least 1 was expected")
    example = _arrays(example_inputs if isinstance(example_inputs, tuple) else (example_inputs,))
    if not example or any(array.size == 0 for array in example):
        raise InputError("the example input is empty, arrays like those to come were expected")
    reference = _torch_runner(module, device, threads)
    expected = reference(example)
    runners = {"torch": lambda: reference}
    runners["openvino"] = lambda: _openvino_runner(module, example, threads)
    runners["onnxruntime"] = lambda: _onnxruntime_runner(module, example, threads)
    wanted = [engine] if engine != "auto" else installed_engines() if device == "cpu" else ["torch"]

    measured: dict[str, tuple[float, Run]] = {}
    for name in wanted:
        try:
            run = runners[name]()
        except Exception as error:  # a converter's own types; only torch takes every network
            if engine != "auto":
                if isinstance(error, DependencyError):
                    raise
                raise InputError(f"{name} cannot run this network ({one_line(error)})") from error
            logger.warning("engine %s skipped: %s", name, one_line(error))
            continue
        reason = _compared(run, example, expected)[1]
        if reason and engine != "auto":
            raise InputError(f"{name} cannot run this network ({reason}); use the engine torch")
        if reason:
            logger.warning("engine %s skipped: %s", name, reason)
            continue
        measured[name] = (_median_milliseconds(run, example), run)
    best = min(measured, key=lambda name: measured[name][0])
    times = ", ".join(f"{name} {ms:.1f} ms" for name, (ms, _) in measured.items())
    reason = f"{'asked for' if engine != 'auto' else 'fastest on the example'} ({times})"
    logger.info("inference by %s on %s: %s", best, device, reason)
    milliseconds, run = measured[best]
    trusted = {tuple(array.shape for array in example): True}
    return Engine(best, reason, milliseconds, _run=run, _reference=reference, _trusted=trusted)
