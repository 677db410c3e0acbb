"""Where to compute: CPU, CUDA or Apple's MPS, with a memory estimate.

``auto`` takes the first accelerator with enough free memory for the task's estimate and otherwise
the CPU, and says why. Torch is imported only if an accelerator is asked for or may be there.
"""

from __future__ import annotations

import logging
import os
import platform
from dataclasses import dataclass
from pathlib import Path

from meddl.core.errors import DeviceError
from meddl.core.optional import is_installed, require

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Device:
    """One compute device.

    Attributes:
        name: as torch writes it: ``"cpu"``, ``"cuda:0"``, ``"mps"``.
        description: what a person calls it.
        total_bytes, free_bytes: memory; free means obtainable now.
        reason: why :func:`choose_device` took it; empty in lists.
    """

    name: str
    description: str
    total_bytes: int
    free_bytes: int
    reason: str = ""


def address_space() -> int | None:
    """The limit of this process's address space (``ulimit -v``) in bytes, None without one."""
    try:
        import resource
    except ImportError:  # Windows has no resource module
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft


def _limits() -> list[int]:
    """Upper bounds on this process's memory in bytes, of its control group."""
    bounds = []
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit():
            bounds.append(int(text))
    return bounds


def _cpu() -> Device:
    psutil = require("psutil", "asking for free memory")
    memory = psutil.virtual_memory()
    used = psutil.Process().memory_info()
    total = min([memory.total, *_limits()])
    free = min(memory.available, total - used.rss)
    space = address_space()
    if space is not None:  # it counts what is mapped, gigabytes with torch, not what is in use
        total, free = min(total, space), min(free, space - used.vms)
    free = max(free, 0)
    name = platform.processor() or platform.machine()
    return Device("cpu", f"{name}, {os.cpu_count()} cores", total, free)


def _may_have_cuda() -> bool:
    return os.name == "nt" or Path("/proc/driver/nvidia").exists() or Path("/dev/nvidia0").exists()


def list_devices() -> list[Device]:
    """All devices of this machine, accelerators first, the CPU last."""
    devices = []
    apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    if is_installed("torch") and (_may_have_cuda() or apple):
        import torch

        if torch.cuda.is_available():
            for index in range(torch.cuda.device_count()):
                free, total = torch.cuda.mem_get_info(index)
                description = torch.cuda.get_device_name(index)
                devices.append(Device(f"cuda:{index}", description, total, free))
        elif torch.backends.mps.is_available():
            cpu = _cpu()
            devices.append(Device("mps", "Apple GPU", cpu.total_bytes, cpu.free_bytes))
    return [*devices, _cpu()]


def megabytes(count: int) -> str:
    """``count`` bytes for a person: ``"37 kB"``, ``"512 MB"``, ``"1.5 GB"``."""
    if count >= 1e9:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def require_memory(
    needed_bytes: int, what: str, remedy: str = "use a smaller one or close other programs"
) -> None:
    """Refuse work that needs more main memory than is free, before anything is allocated.

    Args:
        remedy: what the user can do.

    Raises:
        DeviceError: names ``what``, the bytes needed and the bytes free.
    """
    free = _cpu().free_bytes
    if needed_bytes > free:
        raise DeviceError(
            f"{what} needs about {megabytes(needed_bytes)} of memory, there are "
            f"{megabytes(free)} free; {remedy}"
        )


def choose_device(
    name: str = "auto",
    needed_bytes: int = 0,
    remedy: str = "use a smaller image or close other programs",
) -> Device:
    """Pick a device for work that needs about ``needed_bytes`` of its memory.

    Args:
        name: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"mps"``.
        needed_bytes: the task's own estimate; 0 if it is negligible.
        remedy: what the user can do about too little memory.

    Raises:
        DeviceError: the named device is absent, or no admissible device has enough memory.
    """
    devices = list_devices()
    if name == "auto":
        admissible = devices
    else:
        admissible = [d for d in devices if d.name == name or d.name.partition(":")[0] == name]
        if not admissible:
            there = ", ".join(d.name for d in devices)
            raise DeviceError(f"there is no device {name!r} here; there is: {there} (or auto)")
    for device in admissible:
        if device.free_bytes >= needed_bytes:
            skipped = [d.name for d in admissible[: admissible.index(device)]]
            reason = f"asked for {name}" if name != "auto" else "first device with enough memory"
            if skipped:
                reason = f"too little free memory on {', '.join(skipped)}"
            elif name == "auto" and len(devices) == 1:
                reason = "no accelerator found"
            logger.info("computing on %s (%s)", device.name, reason)
            return Device(
                device.name, device.description, device.total_bytes, device.free_bytes, reason
            )
    most = max(admissible, key=lambda d: d.free_bytes)
    raise DeviceError(
        f"the task needs about {megabytes(needed_bytes)}, {most.name} has "
        f"{megabytes(most.free_bytes)} free; {remedy}"
    )


def available_cores() -> int:
    """Cores that this process may use (OMP_NUM_THREADS lowers it)."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no affinity call
        cores = os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(limit)) if limit.isdigit() and int(limit) > 0 else cores
