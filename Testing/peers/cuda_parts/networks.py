"""Inference of the networks, and an interactive session of them, on a device beside the CPU."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from meddl.core.inference import load_engine
from meddl.core.seeding import seed_everything

from .measuring import Row, Setting, differences, failure, memory, milliseconds

Named = tuple[str, torch.nn.Module, tuple[int, ...]]


def depth_networks(setting: Setting) -> Iterator[Named]:
    """Name, network and shape of its input."""
    from meddl.core.weights import find_weights, load_weights, read_card
    from meddl.endodepth.networks import make_network
    from meddl.monodepth.prediction import _load

    shape = (1, 3, *setting.size((256, 320), (64, 96)))
    seed_everything(0)
    yield "endodepth fcdensenet57", make_network("fcdensenet57"), shape
    card = read_card(find_weights("endodepth-light"))
    light = make_network(card.architecture, **card.arguments)
    load_weights(light, "endodepth-light")
    yield "endodepth-light", light, shape
    _, rooms, size = _load("monodepth-rooms")
    yield "monodepth-rooms", rooms, (1, 3, *size)


def segmentation_networks(setting: Setting) -> Iterator[Named]:
    """Name, network and shape of its input."""
    from meddl.deepigeos.generalist_network import load_p_net
    from meddl.deepigeos.networks import make_network

    for name in ("deepigeos-p-net", "deepigeos-r-net"):
        network = load_p_net(name)
        yield name, network, (1, network.channels, *[setting.size(64, 16)] * 3)
    seed_everything(0)
    side = setting.size(96, 16)
    yield "P-Net, published", make_network("pnet", 1, 2, 3), (1, 1, side // 2, side, side)
    yield "dynunet", make_network("dynunet", 1, 2, 3), (1, 1, side // 2, side, side)


def inference(setting: Setting) -> Iterator[Row]:
    """One input per call, copies to and from the device included; equality with the CPU."""
    rng = np.random.default_rng(0)
    for networks in (depth_networks, segmentation_networks):
        for name, network, shape in networks(setting):
            row: Row = {"network": name, "input": "x".join(map(str, shape))}
            try:
                inputs = rng.uniform(-1, 1, shape).astype(np.float32)
                expected = load_engine(copy.deepcopy(network), inputs, "torch", "cpu")(inputs)
                with memory(row, setting.device):
                    engine = load_engine(network, inputs, "auto", setting.device)
                    row["ms"] = milliseconds(lambda e=engine, i=inputs: e(i), setting.device, 20)
                row["per s"] = round(1000 / row["ms"], 1)
                row |= differences(engine(inputs), expected)
                yield row
            except Exception as error:
                yield {**row, **failure(error)}


def automatic(setting: Setting) -> Iterator[Row]:
    """``device="auto"`` of what users call: where it computed, and that the result is the CPU's."""
    from meddl.endodepth.prediction import DepthPredictor
    from meddl.monodepth.prediction import load_predictor

    shape = setting.size((480, 640, 3), (96, 128, 3))
    frame = np.random.default_rng(0).integers(40, 220, (8, 10, 3)).astype(np.uint8)
    frame = np.kron(frame, np.ones((shape[0] // 8, shape[1] // 10, 1), np.uint8))
    makers: tuple[tuple[str, Callable[[str], Any], Callable[[Any], Any]], ...] = (
        (
            "endodepth-light",
            lambda device: DepthPredictor("endodepth-light", device, "torch"),
            lambda p: next(p._network.parameters()).device,
        ),
        (
            "monodepth-rooms",
            lambda device: load_predictor("monodepth-rooms", device),
            lambda p: p.engine.reason,
        ),
    )
    for name, make, where in makers:
        row: Row = {"predictor": name, "frame": "x".join(map(str, frame.shape[:2]))}
        try:
            auto = make("auto")
            depth = auto(frame)
            row["on"] = str(where(auto))
            row["ms"] = milliseconds(lambda p=auto: p(frame), setting.device, 20)
            yield row | differences(depth, make("cpu")(frame))
        except Exception as error:
            yield {**row, **failure(error)}


def session(setting: Setting) -> Iterator[Row]:
    """Stroke to mask of the interactive session, on the device and on the CPU."""
    import time

    from meddl.core import Image
    from meddl.deepigeos import InteractiveSession
    from meddl.deepigeos.interactions import scribbles

    from .geodesics import image_and_seeds

    shape = setting.size((128, 128, 128), (32, 32, 32))
    texture, _ = image_and_seeds(shape)
    axes = np.indices(shape, dtype=np.float32)
    radius = np.sqrt(sum(((a - n / 2) / (n / 3)) ** 2 for a, n in zip(axes, shape, strict=True)))
    target = radius + 0.001 * texture < 1
    image = Image((100 * target + 0.3 * texture).astype(np.float32))
    masks = {}
    for device in dict.fromkeys(("cpu", setting.device, "auto")):
        row: Row = {"ROI": "x".join(map(str, shape)), "device": device}
        try:
            run = InteractiveSession(image, roi=[(0, n) for n in shape], device=device)
            times = []
            with memory(row, "cpu" if device == "cpu" else setting.device):
                for number in range(setting.size(6, 2)):
                    rng = np.random.default_rng(number)
                    # The same strokes on every device: those that the CPU's masks call for.
                    before = masks[number - 1] if number and device != "cpu" else run.mask()
                    marks = scribbles(before, target, (1, 1, 1), rng)
                    start = time.perf_counter()
                    run.add(*marks)
                    times.append(time.perf_counter() - start)
                    if device == "cpu":
                        masks[number] = run.mask().copy()
            row["first s"], row["s"] = round(times[0], 3), round(float(np.median(times[1:])), 3)
            found, truth = run.mask(), masks[max(masks)]
            row["Dice with the target"] = round(_dice(found, target), 4)
            row["Dice with the CPU"] = round(_dice(found, truth), 5)
            yield row
        except Exception as error:
            yield {**row, **failure(error)}


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))
