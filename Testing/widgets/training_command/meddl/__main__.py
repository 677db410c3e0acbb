"""A long training in two seconds: its log, history and weights, without its work.

The first run goes on until it is ended, as a training that is stopped; with ``--resume`` it comes
to its end.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

EPOCHS, FIGURES = 1000, ("loss", "dice", "iou_a", "iou_b", "assd_a", "assd_b")


def stop(*_: Any) -> None:
    """End as the trainings do when they are asked to."""
    raise SystemExit(130)


def main() -> None:
    """Write what a training of 1000 epochs writes."""
    signal.signal(signal.SIGTERM, stop)
    run = Path(sys.argv[sys.argv.index("--output") + 1])
    (run / "run.json").write_text("{}")
    for number in range(500):
        print(f"the picture {number} has 16 bits; 8 are used")
    first = EPOCHS // 2 if "--resume" in sys.argv else 0
    with (run / "history.jsonl").open("a") as history:
        for epoch in range(first + 1, first + EPOCHS // 2 + 1):
            figures = {f"validation/{name}": 1 / epoch for name in FIGURES}
            row = {"epoch": epoch, "step": 50 * epoch, "train/loss": 2 / epoch, **figures}
            history.write(json.dumps(row) + "\n")
    for step in range(300):
        print(f"{step / 3:3.0f} %  epoch {1 + step // 3}/{EPOCHS}, step {step % 3}/3, loss 0.25")
        if "--resume" not in sys.argv:
            time.sleep(0.1)
    (run / "best").mkdir()
    (run / "best" / "mine.safetensors").write_bytes(b"")


main()
