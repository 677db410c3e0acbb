"""Choosing a device: order, memory, reasons. The machine is replaced by a table."""

from __future__ import annotations

import pytest

from meddl.core import DeviceError, choose_device, devices, list_devices
from meddl.core.devices import Device, megabytes, require_memory

GB = 10**9
GPU = Device("cuda:0", "small GPU", 8 * GB, 2 * GB)
OTHER = Device("cuda:1", "large GPU", 24 * GB, 20 * GB)
CPU = Device("cpu", "processor", 32 * GB, 10 * GB)


@pytest.fixture
def machine(monkeypatch):
    monkeypatch.setattr(devices, "list_devices", lambda: [GPU, OTHER, CPU])


def test_auto_takes_the_first_device_with_enough_memory(machine):
    assert choose_device().name == "cuda:0"
    second = choose_device("auto", 5 * GB)
    assert second.name == "cuda:1" and "cuda:0" in second.reason


def test_auto_falls_back_on_the_cpu_and_says_why(monkeypatch):
    monkeypatch.setattr(devices, "list_devices", lambda: [GPU, CPU])
    chosen = choose_device("auto", 5 * GB)
    assert chosen.name == "cpu" and "too little free memory on cuda:0" in chosen.reason
    monkeypatch.setattr(devices, "list_devices", lambda: [CPU])
    assert choose_device().reason == "no accelerator found"


def test_a_named_device_is_taken_or_refused(machine):
    assert choose_device("cuda").name == "cuda:0"
    assert choose_device("cuda", 5 * GB).name == "cuda:1"
    assert choose_device("cuda:1").name == "cuda:1"
    assert choose_device("cpu").reason == "asked for cpu"
    for absent in ("mps", "cuda:7", "gpu", ""):
        with pytest.raises(DeviceError, match="there is: cuda:0, cuda:1, cpu"):
            choose_device(absent)
    with pytest.raises(DeviceError, match=r"needs about 99\.0 GB, cpu has 10\.0 GB"):
        choose_device("cpu", 99 * GB)


def test_this_machine_has_a_cpu_with_memory():
    cpu = list_devices()[-1]
    assert cpu.name == "cpu"
    assert 0 < cpu.free_bytes <= cpu.total_bytes


def test_work_beyond_the_memory_is_refused(monkeypatch):
    monkeypatch.setattr(devices, "_cpu", lambda: CPU)
    require_memory(10 * GB, "reading x")
    with pytest.raises(DeviceError, match=r"reading x needs about 10\.0 GB"):
        require_memory(10 * GB + 1, "reading x")


def test_bytes_for_people():
    assert [megabytes(n) for n in (37_048, 512_000_000, 1_500_000_000)] == [
        "37 kB",
        "512 MB",
        "1.5 GB",
    ]
