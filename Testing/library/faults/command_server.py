"""Runs commands of ``meddl`` in forked processes, under faults: one JSON line in, one out.

A fork of an interpreter that has imported everything starts in milliseconds, a new one in seconds.
This process computes nothing itself, so that no library has threads that would not survive a fork.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import importlib
import ipaddress
import json
import os
import resource
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CHANGES = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate")
HANGS = 120.0  # seconds after which a command counts as hanging


def count_changes(folder: str, kill_at: int | None) -> list[int]:
    """A cell with the number of changes in ``folder``; this process dies before the one asked."""
    count = [0]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            changes = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        else:
            changes = event in CHANGES
        if not changes or isinstance(arguments[0], int):
            return
        path, inside = os.fsdecode(arguments[0]), arguments[-1]
        # What shutil.rmtree deletes is named relative to an open folder.
        relative = event in ("os.remove", "os.rmdir") and isinstance(inside, int) and inside >= 0
        if relative or (path + os.sep).startswith(folder + os.sep):
            if count[0] == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            count[0] += 1

    sys.addaudithook(hook)
    return count


def mount_tmpfs(folder: str, options: str) -> None:
    """Mount a file system of its own on ``folder``, seen by this process alone.

    Raises:
        OSError: the system does not allow it.
    """
    new_mounts, new_user, private, read_only = 0x20000, 0x10000000, 0x44000, 1
    library, user = ctypes.CDLL(None, use_errno=True), os.getuid()

    def check(status: int) -> None:
        if status != 0:
            raise OSError(ctypes.get_errno(), "mounting is not allowed here")

    check(library.unshare(new_mounts | (new_user if user else 0)))
    if user:
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    check(library.mount(None, b"/", None, private, None))
    flags = read_only if options == "ro" else 0
    data = None if flags else options.encode()
    check(library.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", flags, data))


def limit(request: dict[str, Any]) -> None:
    """Bound the size of files, or the memory beyond what the process has."""
    if "file_bytes" in request:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails instead, with EFBIG
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_bytes"],) * 2)
    if "memory_bytes" in request:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        bound = pages * resource.getpagesize() + request["memory_bytes"]
        resource.setrlimit(resource.RLIMIT_AS, (bound, bound))


def is_here(host: Any) -> bool:
    """Whether an address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in (None, "", "localhost")


def refuse_network(loopback: bool) -> list[str]:
    """Every look-up of a name and every connection fails and is noted; if ``loopback``, those to
    this machine are allowed."""
    sent: list[str] = []

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("socket.getaddrinfo", "socket.gethostbyname"):
            host = arguments[0]
        elif event == "socket.connect" and arguments[0].family != socket.AF_UNIX:
            host = arguments[1][0]
        else:
            return
        if not (loopback and is_here(host)):
            sent.append(f"{event} {host!r} {arguments[1:]}")
            raise OSError("no network in this test")

    sys.addaudithook(hook)
    return sent


def work(request: dict[str, Any], channel: int) -> None:
    """Run the command in this process; report code, changes and connections."""
    from meddl.cli.main import main

    os.chdir(request.get("cwd", "/"))
    try:
        if sys.platform != "linux" and request.keys() & {"mount", "memory_bytes"}:
            raise OSError("only Linux mounts, or bounds the memory, for a single process")
        if "mount" in request:
            mount_tmpfs(request["folder"], request["mount"])
    except OSError as error:
        os.write(channel, json.dumps({"code": None, "err": str(error)}).encode())
        return
    limit(request)
    allowed = request.get("network", "any")
    sent = [] if allowed == "any" else refuse_network(allowed == "loopback")
    count = count_changes(request["folder"], request.get("kill_at"))
    code = main(request["arguments"])
    sys.stdout.flush()
    left = [str(path) for path in Path(request["folder"]).rglob("*")]
    report = {"code": code, "changes": count[0], "sent": sent, "left": left}
    os.write(channel, json.dumps(report).encode())


def serve(request: dict[str, Any]) -> dict[str, Any]:
    """Fork, wait and say how it went; ``code`` is negative if a signal ended the command."""
    for module in request.get("imports", ()):
        importlib.import_module(module)
    receive, send = os.pipe()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        child = os.fork()
        if child == 0:
            os.setsid()
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            sys.stdout, sys.stderr = (os.fdopen(os.dup(n), "w") for n in (1, 2))
            status = 1
            with contextlib.suppress(BaseException):
                work(request, send)
                status = 0
            # As at an interpreter's end, where multiprocessing gives its semaphores back: without,
            # its resource tracker complains behind the command's last line.
            atexit._run_exitfuncs()
            sys.stderr.flush()
            os._exit(status)
        os.close(send)
        deadline = start + request.get("kill_after", HANGS)
        ended = 0
        while not ended:
            time.sleep(0.002)
            if time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):  # it has no group of its own yet
                    os.killpg(child, signal.SIGKILL)
            ended, status = os.waitpid(child, os.WNOHANG)
        with os.fdopen(receive, "rb") as reader:
            report = reader.read()
        answer = json.loads(report) if report else {"code": os.waitstatus_to_exitcode(status)}
        answer["seconds"] = time.monotonic() - start
        for name, file in (("out", out), ("err", err)):
            file.seek(0)
            answer.setdefault(name, file.read().decode(errors="replace"))
    return answer


if __name__ == "__main__":
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing else may speak into the replies
    for line in sys.stdin:
        print(json.dumps(serve(json.loads(line))), file=replies, flush=True)
