"""A training step of the published network beside a plain one, and training on a sequence.

    python Testing/peers/endodepth_training.py step
    python Testing/peers/endodepth_training.py sequence SEQUENCE_DIR [--output DIR] [--weights NAME]

``step``: CPU time, wall time and peak memory of a step (forward, losses, backward, SGD) on a pair
of 256x320 pictures, in processes of their own that take turns, one thread each. The plain side is
depth_training/plain.py; that both compute the same losses is checked first.

``sequence``: trains the light network from scratch and from trained weights, with the presets
``cpu`` and ``finetune``: AbsRel of held-out points before, and after every epoch, by CPU minutes.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from reproduction.report import Report, add_output

SIZE = (256, 320)
WEIGHTS = (20.0, 5.0)  # of the losses
KINDS = ("meddl", "plain")
FIRST = 4  # epochs that the table names


def pair_of_pictures(pairs: int) -> dict[str, Any]:
    """A batch of random pictures of a plane, with its points and motion."""
    import torch

    generator = torch.Generator().manual_seed(0)
    height, width = SIZE
    intrinsics = torch.tensor([[170.0, 0, 160], [0, 170, 128], [0, 0, 1]])
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    rays = torch.linalg.inv(intrinsics) @ torch.stack([x, y, torch.ones_like(x)]).flatten(1)
    normal = torch.tensor([0.2, -0.3, 1.0])
    forth = torch.eye(4)
    forth[:3, 3] = torch.tensor([0.05, 0.02, -0.04])
    depth = [(1.5 / (normal @ rays)).view(1, *SIZE)]
    depth.append(((1.5 + normal @ forth[:3, 3]) / (normal @ rays)).view(1, *SIZE))
    known = torch.rand(2, 1, *SIZE, generator=generator) < 200 / (height * width)
    sample = {
        "colour": torch.rand(2, 3, *SIZE, generator=generator) * 2 - 1,
        "sparse": torch.stack(depth) * known,
        "mask": torch.ones(1, *SIZE),
        "intrinsics": intrinsics,
        "other_from_this": torch.stack([forth, torch.linalg.inv(forth)]),
    }
    return {name: torch.stack([tensor] * pairs) for name, tensor in sample.items()}


def make_loss(kind: str, network: Any) -> Any:
    """Batch -> loss."""
    if kind == "plain":
        from depth_training import plain

        return lambda batch: plain.pair_loss(network, batch, WEIGHTS)
    from meddl.endodepth.training import batch_loss

    return lambda batch: batch_loss(network, batch, *WEIGHTS)["loss"]


def make_network(kind: str) -> Any:
    """The network of a side."""
    import torch

    torch.manual_seed(0)
    if kind == "plain":
        from depth_training import plain

        return plain.Network()
    from meddl.endodepth import networks

    return networks.make_network("fcdensenet57")


def check_equal() -> None:
    """Both sides give the same depth with the same weights, and the same loss of the same depth.

    Without batch statistics, which differ: one side has one picture at a time.
    """
    import torch

    batch = pair_of_pictures(1)
    ours, plain = (make_network(kind).eval() for kind in KINDS)
    picture = batch["colour"][:, 0, :, :64, :96]
    with torch.no_grad():
        for one, other in zip(ours.parameters(), plain.parameters(), strict=True):
            other.copy_(one)
        torch.testing.assert_close(ours(picture), plain(picture), rtol=1e-4, atol=1e-4)
        losses = [
            make_loss(kind, lambda colour: 2 + 0.1 * colour.mean(1, keepdim=True))(batch).item()
            for kind in KINDS
        ]
    print(f"equal depth; loss {losses[0]:.6f} (meddl), {losses[1]:.6f} (plain)")
    np.testing.assert_allclose(*losses, rtol=1e-2)


def worker(kind: str, pairs: int, steps: int) -> None:
    """Print seconds of CPU and of the clock per step, and the growth of memory, as JSON."""
    import torch

    torch.set_num_threads(1)
    network = make_network(kind)
    loss_of = make_loss(kind, network)
    optimizer = torch.optim.SGD(network.parameters(), 1e-4, momentum=0.9)
    batch = pair_of_pictures(pairs)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cpu, wall = [], []
    for _ in range(steps):
        start = time.process_time(), time.perf_counter()
        loss_of(batch).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10)
        optimizer.step()
        optimizer.zero_grad()
        cpu.append(time.process_time() - start[0])
        wall.append(time.perf_counter() - start[1])
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps({"cpu": cpu[1:], "wall": wall[1:], "MB": grown}))


def measure_steps(report: Report, pairs: int, steps: int, rounds: int) -> None:
    """The table of both sides."""
    check_equal()
    rows: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        for kind in KINDS:
            command = [sys.executable, __file__, "worker", kind, str(pairs), str(steps + 1)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rows[kind].append(json.loads(done.stdout))
            print(kind, done.stdout.strip(), flush=True)
    table = []
    for kind, found in rows.items():
        cpu, wall = (
            statistics.median(value for row in found for value in row[name])
            for name in ("cpu", "wall")
        )
        memory = statistics.median(row["MB"] for row in found)
        table.append((kind, f"{cpu:.2f}", f"{wall:.2f}", f"{memory:.0f}"))
    report.table("endodepth_step", ("side", "CPU s", "wall s", "peak memory, MB"), table)


def train(folder: Path, values: dict[str, Any], base: str) -> tuple[str, ...]:
    """Train, and print every epoch. A row: AbsRel before, after the first epochs, at best."""
    import torch
    from torch.utils.data import DataLoader

    from meddl.core.seeding import seed_everything
    from meddl.endodepth.training import build_network, sparse_scores, train_network
    from meddl.endodepth.training_config import make_plan
    from meddl.endodepth.training_samples import Views
    from meddl.endodepth.training_sequences import load_sequences

    torch.set_num_threads(1)
    plan = make_plan(values, base)
    parameters = plan.parameters
    seed_everything(parameters.seed)  # the network that the training begins with, too
    network, _ = build_network(parameters)
    sequences = load_sequences(
        plan.training,
        parameters,
        folder.with_name(f"{folder.name}-start"),
        parameters.held_out_points,
    )
    views = DataLoader(Views(sequences), batch_size=4)
    with torch.no_grad():
        network.train()  # a fresh network has no running statistics to go by
        for _ in range(20):
            network(next(iter(views))["colour"])
        network.eval()
        first = np.mean([sparse_scores(network, batch)["abs_rel"] for batch in views])
    print(f"{base}: AbsRel {first:.4f} before training")
    start = time.process_time()
    minutes = [0.0]

    def note(fraction: float, message: str) -> None:
        minutes[0] = (time.process_time() - start) / 60

    history = train_network(folder, plan, progress=note)
    per_step = minutes[0] / history[-1]["step"]
    for row in history:
        print(
            f"{base}: step {row['step']}, {row['step'] * per_step:.2f} CPU minutes, loss "
            f"{row['train/loss']:.4f}, AbsRel {row['validation/abs_rel']:.4f}, delta < 1.25 "
            f"{row['validation/delta1']:.3f}",
            flush=True,
        )
    after = [f"{row['step']}: {row['validation/abs_rel']:.3f}" for row in history]
    best = min(range(len(history)), key=lambda n: history[n]["validation/abs_rel"])
    start_from = f"`{values['load_trained_model']}`" if "load_trained_model" in values else "random"
    return start_from, f"`{base}`", f"{first:.3f}", ", ".join(after[:FIRST]), after[best]


def main() -> None:
    """Print the tables."""
    if sys.argv[1:2] == ["worker"]:
        worker(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    actions = parser.add_subparsers(dest="action", required=True)
    step = actions.add_parser("step", help="time and memory of a training step")
    add_output(step)
    step.add_argument("--pairs", type=int, default=1)
    step.add_argument("--steps", type=int, default=3, help="per process, after one to warm up")
    step.add_argument("--rounds", type=int, default=3)
    sequence = actions.add_parser("sequence", help="training on a sequence")
    sequence.add_argument("folder", type=Path, help="of the sequence")
    add_output(sequence)
    sequence.add_argument("--weights", default="endodepth-light")
    args = parser.parse_args()
    with Report(args.output) as report, tempfile.TemporaryDirectory() as folder:
        if args.action == "step":
            measure_steps(report, args.pairs, args.steps, args.rounds)
            return
        values = {"sequence": str(args.folder), "device": "cpu"}
        adapted = {**values, "load_trained_model": args.weights}
        rows = (
            train(Path(folder) / preset, start, preset)
            for preset, start in (("cpu", values), ("finetune", adapted))
        )
        head = ("start", "preset", "before", "AbsRel after steps", "best")
        report.table("endodepth_adaptation", head, rows)


if __name__ == "__main__":
    main()
