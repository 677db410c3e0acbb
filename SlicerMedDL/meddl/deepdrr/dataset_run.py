"""Making a data set: views handed to Dask workers, their lines collected in the manifest.

A worker that dies is replaced and its view done again elsewhere; a run that dies is continued from
the manifest. Views of one CT go to the same worker as long as there is another CT for the others.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meddl.core.devices import megabytes
from meddl.core.errors import DeviceError, FileError, InputError, one_line
from meddl.core.files import claimed_folder, remove_leftovers
from meddl.core.optional import require
from meddl.core.progress import CancelToken, Progress, no_progress, subprogress
from meddl.deepdrr.dataset import DatasetParameters, ViewTask, plan
from meddl.deepdrr.dataset_record import (
    Line,
    append_line,
    check_folder,
    open_manifest,
    trusted,
    write_config,
    write_landmarks,
    write_manifest,
)
from meddl.deepdrr.dataset_worker import WORK, render_view

logger = logging.getLogger(__name__)

CONNECT = 10.0  # seconds for the scheduler to answer
WAIT = 60.0  # seconds for the first worker, and for a new one after the last has died
MOST_DEATHS = 3  # of workers with the same view; it may be what kills them
AHEAD = 1  # views queued at a worker beyond those it computes: the next starts without a round trip


def generate(
    config: DatasetParameters,
    output: str | Path,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    resume: bool = False,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> dict[str, Any]:
    """Render all views of a data set that are not there yet.

    The files and, once complete, the manifest do not depend on the workers, nor on how often the
    run was interrupted.

    Args:
        config: what :func:`meddl.deepdrr.dataset.read_dataset` returned.
        output: folder of the data set; new, empty, or with ``resume`` one that was begun.
        scheduler: address of a Dask cluster, ``tcp://HOST:PORT``, whose workers have this package
            and see the CTs and the output under the same paths. Without it, processes here.
        workers: how many processes here, each of one thread; by default one per core.
        resume: continue a data set.

    Returns:
        ``views``, ``rendered`` (by this run), ``clipped_pixels`` and ``seconds``.

    Raises:
        InputError, FileError: before any work, an output or configuration that does not fit; during
            it, a CT that cannot be used. What is done stays and is not done again.
        DeviceError: no cluster, or a view that kills its workers.
        Cancelled: what is done stays.
    """
    output = Path(output).absolute()
    start = time.monotonic()
    if scheduler is not None and workers is not None:
        raise InputError("--workers are processes here, --scheduler has workers of its own")
    if workers is not None and workers < 1:
        raise InputError(f"--workers is {workers}, at least 1 was expected")
    require("distributed", "a data set")
    check_folder(output, config, resume)
    tasks = plan(config)
    with _claimed(output, config):
        lines = trusted(output, len(tasks), subprogress(progress, 0.0, 0.05), cancel)
        write_manifest(output, lines)
        todo = [task for task in tasks if task.number not in lines]
        _check_disk(output, config, len(todo))
        if todo:
            report = subprogress(progress, 0.05, 1.0)
            _render(config, output, todo, lines, scheduler, workers, report, cancel)
        write_manifest(output, lines)
        write_landmarks(output, config, lines)
    clipped = sum(line["clipped"] for line in lines.values())
    if clipped and config.scale is not None:
        low, high = config.scale
        logger.warning(
            "%d pixels lay outside the range %g to %g and were clipped; the manifest says in which "
            "views",
            clipped,
            low,
            high,
        )
    return {
        "views": len(lines),
        "rendered": len(todo),
        "clipped_pixels": clipped,
        "seconds": round(time.monotonic() - start, 3),
    }


@contextmanager
def _claimed(output: Path, config: DatasetParameters) -> Iterator[None]:
    """Keep a second run out of the folder; leave nothing behind that is not finished."""
    write_config(output, config)
    with claimed_folder(output):
        remove_leftovers(output)
        shutil.rmtree(output / WORK, ignore_errors=True)
        try:
            yield
        finally:
            shutil.rmtree(output / WORK, ignore_errors=True)


def disk_bytes(config: DatasetParameters, views: int) -> int:
    """What so many views take on the disk, roughly and rather too much.

    Pictures count as uncompressed, masks (zlib) with 1/16 byte per pixel and label, cameras and
    manifest with 4 kB.
    """
    width, height = config.carm.detector_size
    return views * int(width * height * (2 + (len(config.masks) + len(config.kinds)) / 16) + 4096)


def _check_disk(output: Path, config: DatasetParameters, views: int) -> None:
    needed, free = disk_bytes(config, views), shutil.disk_usage(output).free
    logger.info("%d views, about %s", views, megabytes(needed))
    if needed > free:
        raise FileError(
            f"{views} views need about {megabytes(needed)}, {megabytes(free)} are free at {output}"
        )


def _render(
    config: DatasetParameters,
    output: Path,
    todo: list[ViewTask],
    lines: dict[int, Line],
    scheduler: str | None,
    workers: int | None,
    progress: Progress,
    cancel: CancelToken | None,
) -> None:
    """Render ``todo``; add each view's line to the manifest and to ``lines``."""
    digests = {line["ct"]["file"]: line["ct"]["sha256"] for line in lines.values()}
    pending: dict[int, deque[ViewTask]] = {}
    for task in todo:
        pending.setdefault(task.ct, deque()).append(task)
    start, before = time.monotonic(), len(lines)
    progress(0.0, "starting workers")
    with _client(output, scheduler, workers) as client, open_manifest(output) as manifest:

        def finished(line: Line) -> None:
            ct = line["ct"]
            if digests.setdefault(ct["file"], ct["sha256"]) != ct["sha256"]:
                raise FileError(f"{ct['file']} has changed since the data set was begun")
            append_line(manifest, line)
            lines[line["view"]] = line
            done = len(lines) - before
            rate = 60 * done / (time.monotonic() - start)
            progress(done / len(todo), f"view {done}/{len(todo)}, {rate:.0f} per minute")

        try:
            with _forwarded_warnings(client):
                _Dispatcher(client, config, str(output), pending).run(finished, cancel)
        except OSError as error:
            raise DeviceError(f"the Dask scheduler is gone: {one_line(error)}") from error


@contextmanager
def _forwarded_warnings(client: Any) -> Iterator[None]:
    """What the workers log as warnings is logged here, where warnings are."""
    # Dask hands a record to the handlers of the logger here whatever the logger's level.
    level = max(logging.WARNING, logging.getLogger("meddl").getEffectiveLevel())
    client.forward_logging("meddl", level=level)
    try:
        yield
    finally:
        with suppress(Exception):
            client.unforward_logging("meddl")


@contextmanager
def _client(output: Path, scheduler: str | None, workers: int | None) -> Iterator[Any]:
    """A Dask client of the cluster, or of processes on this machine that see no network."""
    import dask
    from distributed import Client, LocalCluster

    from meddl.core.devices import available_cores

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=CONNECT, set_as_default=False)
        except (OSError, ValueError) as error:
            raise DeviceError(f"no Dask scheduler at {scheduler}: {one_line(error)}") from error
        with client, client.as_current():
            yield client
        return
    # Memory is ours to estimate: Dask would kill a worker over its share of a large CT.
    with (
        dask.config.set({"distributed.admin.low-level-log-length": 0}),
        LocalCluster(
            n_workers=workers or available_cores(),
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            memory_limit=0,
            local_directory=str(output / WORK),
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
        client.as_current(),
    ):
        yield client


@dataclass
class _Dispatcher:
    """Hands views to workers, a few ahead, and prefers the CT that a worker holds.

    Each view is bound to one worker. Dask would leave it waiting for that worker's address if all
    workers died at once; so the views of a worker that is gone are handed out again here.
    """

    client: Any
    config: DatasetParameters
    output: str
    pending: dict[int, deque[ViewTask]]
    running: dict[Any, tuple[str, ViewTask]] = field(default_factory=dict)
    holds: dict[str, int] = field(default_factory=dict)  # worker -> CT of its last view
    deaths: Counter[int] = field(default_factory=Counter)  # view -> workers that died with it

    def run(self, finished: Callable[[Line], None], cancel: CancelToken | None) -> None:
        """Work through all; ``finished`` gets each manifest line."""
        from distributed import wait

        alive = time.monotonic()
        while self.pending or self.running:
            if cancel is not None:
                cancel.check()
            threads = self.client.nthreads()
            alive = time.monotonic() if threads else alive
            if time.monotonic() - alive > WAIT:
                raise DeviceError(f"the Dask cluster has had no worker for {WAIT:g} seconds")
            self._take_back(threads)
            self._hand_out(threads)
            if not self.running:
                time.sleep(0.1)
                continue
            with suppress(TimeoutError):
                for future in wait(list(self.running), 0.5, "FIRST_COMPLETED").done:
                    finished(future.result(timeout=5))  # gone again if its worker has just died
                    del self.running[future]

    def _take_back(self, threads: Mapping[str, int]) -> None:
        for future, (worker, task) in list(self.running.items()):
            if worker in threads:
                continue
            del self.running[future]
            future.cancel()
            self.deaths[task.number] += 1
            if self.deaths[task.number] > MOST_DEATHS:
                raise DeviceError(
                    f"{self.deaths[task.number]} workers died with view {task.view} of "
                    f"{self.config.cts[task.ct].path}: most likely there is too little memory; "
                    "--resume with fewer workers"
                )
            self.pending.setdefault(task.ct, deque()).appendleft(task)

    def _hand_out(self, threads: Mapping[str, int]) -> None:
        self.holds = {worker: ct for worker, ct in self.holds.items() if worker in threads}
        load = Counter(worker for worker, _ in self.running.values())
        for worker, count in threads.items():
            while self.pending and load[worker] < count + AHEAD:
                load[worker] += 1
                ct = choose_ct(self.pending, self.holds, worker)
                self.holds[worker] = ct
                task = self.pending[ct].popleft()
                if not self.pending[ct]:
                    del self.pending[ct]
                key = f"view-{self.output}-{task.number}-{self.deaths[task.number]}"
                future = self.client.submit(
                    render_view, self.config, task, self.output, key=key, workers=[worker]
                )
                self.running[future] = worker, task


def choose_ct(pending: Mapping[int, Any], holds: Mapping[str, int], worker: str) -> int:
    """The CT of a worker's next view: its own, else one that nobody holds, else the longest."""
    own = holds.get(worker)
    if own is not None and own in pending:
        return own
    held = set(holds.values())
    return min(pending, key=lambda ct: (ct in held, -len(pending[ct]), ct))
