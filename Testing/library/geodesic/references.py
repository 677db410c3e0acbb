"""Exact distances by Dijkstra's algorithm on an explicit graph (scipy), written independently."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import dijkstra


def step_cost(cost: str, lambda_: float, length: float, difference: np.ndarray) -> np.ndarray:
    """By the definitions; difference (..., C)."""
    l1, l2 = abs(difference).sum(-1), np.linalg.norm(difference, axis=-1)
    if cost == "product":
        return length * l2
    if cost == "geodistk":
        return length / ((1 - lambda_) + lambda_ / (l2 + 1e-5))
    return (1 - lambda_) * length + lambda_ * l1


def exact_distance(image, seeds, spacing, cost="product", lambda_=1.0) -> np.ndarray:
    """Distances in float64; image (K, J, I) or (K, J, I, C), two axes fewer by one for pictures."""
    seeds = np.asarray(seeds) != 0
    return shortest_paths(image_graph(image, spacing, cost, lambda_), seeds)


def image_graph(values, spacing, cost, lambda_) -> csr_matrix:
    """The voxels of an image, (K, J, I) or (K, J, I, C), and their neighbours: every edge once.
    ``spacing`` has a length per axis."""
    shape, axes = np.shape(values)[: len(spacing)], len(spacing)
    values = np.asarray(values, np.float64).reshape(*shape, -1)
    number = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    rows, columns, weights = [], [], []
    for step in itertools.product((-1, 0, 1), repeat=axes):
        if step <= (0,) * axes:
            continue  # the opposite step has the same cost
        here = tuple(slice(max(-s, 0), n - max(s, 0)) for s, n in zip(step, shape, strict=True))
        there = tuple(slice(max(s, 0), n - max(-s, 0)) for s, n in zip(step, shape, strict=True))
        length = float(np.linalg.norm(np.multiply(step, spacing)))
        weight = step_cost(cost, lambda_, length, values[here] - values[there])
        rows.append(number[here].ravel())
        columns.append(number[there].ravel())
        # An entry of 0 would be no edge.
        weights.append(np.maximum(weight, 1e-200).ravel())
    entries = np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))
    return coo_matrix(entries, shape=(number.size, number.size)).tocsr()


def shortest_paths(graph: csr_matrix, seeds: np.ndarray) -> np.ndarray:
    """Distances (float64) from the seeds, non-zero, in a graph of :func:`image_graph`."""
    found = dijkstra(graph, directed=False, indices=np.flatnonzero(seeds), min_only=True)
    return found.reshape(seeds.shape)
