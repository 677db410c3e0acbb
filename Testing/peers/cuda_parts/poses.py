"""2-D/3-D registration on a device, beside the CPU's."""

from __future__ import annotations

from collections.abc import Iterator

from .measuring import Row, Setting


def registration(setting: Setting) -> Iterator[Row]:
    """The starts of ``registration.py``, fewer: errors of the start and found, in mm, and times."""
    from registration import measure

    devices = list(dict.fromkeys(("cpu", setting.device)))
    starts = setting.size(3, 1)
    measured = (measure("abdomen", starts, 1e5, 0, device) for device in devices)
    for records in zip(*measured, strict=True):
        for device, record in zip(devices, records, strict=True):
            for kind in ("local", "search"):
                found = record[kind]
                yield {
                    "starts from": kind,
                    "start mm": f"{record['before']:.1f}",
                    "on": device,
                    "found mm": f"{found['after']:.3f}",
                    "converged": found["converged"],
                    "s": f"{found['wall']:.2f}",
                }
