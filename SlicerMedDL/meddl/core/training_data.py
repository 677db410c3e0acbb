"""Training samples whose order and augmentation depend on the seed, the epoch and the index alone.

So a resumed run sees what the uninterrupted one would have seen, with any number of worker
processes, and a run on several processes sees what one process with the larger batch would see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from meddl.core.errors import InputError

Keys = list[tuple[int, int]]  # (epoch, index) of each sample of a batch


class Samples(Protocol):
    """What training draws from: a length and ``data[index]``, which should not be random.

    Random augmentation goes into an optional method ``draw(index, generator)``, which training then
    uses instead; it is random by ``generator`` (numpy.random.Generator) only. Validation never
    draws.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


def training_batches(
    length: int, batch_size: int, seed: int, epoch: int, rank: int = 0, processes: int = 1
) -> list[Keys]:
    """One process's batches of an epoch: its share of each batch of a seeded permutation.

    A last incomplete batch is left out (batch normalisation fails on a single sample) unless it is
    the only one; then it is filled up to a multiple of ``processes``.

    Args:
        length: number of samples.
        batch_size: samples per process and step.
        rank, processes: this process and their number.
    """
    order = np.random.default_rng([seed, epoch]).permutation(length)
    size = batch_size * processes
    if length >= size:
        order = order[: length // size * size]
    else:
        order = np.resize(order, -(-length // processes) * processes)
    return [
        [(epoch, int(index)) for index in order[start : start + size][rank::processes]]
        for start in range(0, len(order), size)
    ]


def validation_batches(
    length: int, batch_size: int, rank: int = 0, processes: int = 1
) -> list[Keys]:
    """One process's batches of every sample in order; shares may differ by one sample."""
    share = range(rank, length, processes)
    return [
        [(0, index) for index in share[start : start + batch_size]]
        for start in range(0, len(share), batch_size)
    ]


class _Drawn(Dataset):
    """``Samples`` looked up by (epoch, index), each drawn with a generator of its own."""

    def __init__(self, samples: Any, seed: int | None) -> None:
        self.samples, self.seed = samples, seed

    def __getitem__(self, key: tuple[int, int]) -> Any:
        epoch, index = key
        if self.seed is not None and hasattr(self.samples, "draw"):
            return self.samples.draw(index, np.random.default_rng([self.seed, epoch, index]))
        return self.samples[index]


class _Batches(Sampler):
    """Hands the loader the batches that were last assigned to it."""

    def __init__(self) -> None:
        self.batches: list[Keys] = []

    def __iter__(self) -> Iterator[Keys]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class SampleLoader:
    """Loads given batches, in worker processes if asked; workers stay alive between epochs.

    Args:
        samples: see :class:`Samples`.
        seed: of the samples' generators; None for validation, which does not draw.
        workers: number of loader processes; 0 loads in this one.
        collate: list of samples -> batch; torch's default if None.
        pin_memory: for faster copies to CUDA.

    Raises:
        InputError: no or no countable samples.
    """

    def __init__(
        self,
        samples: Any,
        seed: int | None,
        workers: int = 0,
        collate: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
    ) -> None:
        if not hasattr(samples, "__len__") or len(samples) == 0:
            raise InputError(
                f"the data set {type(samples).__name__} has no samples or no length; "
                "check the data folder"
            )
        self.length = len(samples)
        self._batches = _Batches()
        self._loader: DataLoader[Any] = DataLoader(
            _Drawn(samples, seed),
            batch_sampler=self._batches,
            num_workers=workers,
            persistent_workers=workers > 0,
            collate_fn=collate,
            pin_memory=pin_memory,
            # Its own, because the loader draws a number whenever it starts: on a resume, too.
            generator=torch.Generator(),
        )

    def load(self, batches: list[Keys]) -> Iterator[Any]:
        """Yield the collated batches in order."""
        self._batches.batches = batches
        yield from self._loader
