"""Steps of eight voxels at once, for compiled loops; and what else numba does not offer.

Compilers do not turn the loops over neighbours into vector code by themselves: writing and reading
distances of the same volume might overlap for all they know. Written out (measured, one thread): a
visit of the bucket queue falls from 26 steps to 5, a sweep takes 1.5 ns per voxel. Vectors are
LLVM's own, for any processor.

``relax_rows`` and ``relax_run`` take a flat volume, padded by a voxel on all sides: ``distance``
(N + SLACK,) float32, ``image`` (channels * N + SLACK,) float32, NaN in the padding, which no
comparison finds nearer, so that nothing is tested for the border. All arrays are contiguous;
nothing is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from meddl.geodesic.steps import COSTS, EPSILON

ROWS, LANES = 9, 4  # of a neighbourhood: rows of three voxels along i, and one that is not used
# The lanes that are neighbours, as bits; the middle of the middle row is the voxel itself.
NEIGHBOURS = sum((0b111 if row != 4 else 0b101) << (LANES * row) for row in range(ROWS))

# Arrays are passed to compiled functions at a cost, references being counted: a bucket queue of
# several functions was eight times slower.
jit = numba.njit(nogil=True, cache=True, error_model="numpy")

_BYTE, _INT, _WORD, _NUMBER = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()
_EIGHT, _FOUR = ir.VectorType(_NUMBER, 8), ir.VectorType(_NUMBER, 4)
_INDICES = ir.VectorType(_INT, 8)


class _Code:
    """What both functions emit: addresses, vectors, the step costs."""

    def __init__(self, context: Any, builder: Any, kinds: Any, arguments: Any) -> None:
        self.builder = builder
        self.data = [
            context.make_array(kind)(context, builder, argument).data
            if isinstance(kind, types.Array)
            else argument
            for kind, argument in zip(kinds, arguments, strict=True)
        ]

    def function(self, name: str, kind: Any) -> Any:
        """One of LLVM's functions of one vector."""
        signature = ir.FunctionType(kind, [kind])
        return cgutils.get_or_insert_function(self.builder.module, signature, name)

    def address(self, array: Any, index: Any, kind: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(array, [index]), kind.as_pointer())

    def load(self, array: Any, index: Any, kind: Any = _EIGHT) -> Any:
        return self.builder.load(self.address(array, index, kind), align=4)

    def spread(self, value: Any) -> Any:
        first = self.builder.insert_element(ir.Constant(_EIGHT, ir.Undefined), value, _INT(0))
        return self.builder.shuffle_vector(first, first, ir.Constant(_INDICES, [0] * 8))

    def variants(self, cost: Any, channels: Any) -> Any:
        """Emit a block for every cost, for one channel and for several; yields (name, single)."""
        one = self.builder.icmp_unsigned("==", channels, _WORD(1))
        for code, name in enumerate(COSTS):
            wanted = self.builder.icmp_signed("==", cost, _WORD(code))
            for single in (True, False):
                fits = one if single else self.builder.not_(one)
                with self.builder.if_then(self.builder.and_(wanted, fits)):
                    yield name, single

    def differences(
        self, cost: str, single: bool, channels: Any, size: Any, pair: Callable[[Any], Any]
    ) -> Any:
        """|dI|2, or sum|dI|; ``pair`` gives the values of both ends at an offset in the image."""
        builder = self.builder
        absolute = self.function("llvm.fabs.v8f32", _EIGHT)
        if single:
            return builder.call(absolute, [builder.fsub(*pair(_WORD(0)))])
        total = cgutils.alloca_once(builder, _EIGHT)
        builder.store(ir.Constant(_EIGHT, [0.0] * 8), total)
        with cgutils.for_range(builder, channels) as loop:
            part = builder.fsub(*pair(builder.mul(loop.index, size)))
            if cost == "fastgeodis":
                part = builder.call(absolute, [part])
            else:
                part = builder.fmul(part, part)
            builder.store(builder.fadd(builder.load(total), part), total)
        result = builder.load(total)
        if cost == "fastgeodis":
            return result
        return builder.call(self.function("llvm.sqrt.v8f32", _EIGHT), [result])

    def steps(self, cost: str, lambda_: Any, lengths: Any, differences: Any) -> Any:
        """The step costs of :mod:`meddl.geodesic.steps`, of the scaled image and lengths."""
        builder = self.builder
        if cost == "fastgeodis":
            return builder.fadd(lengths, differences)
        if cost == "product":
            return builder.fmul(lengths, differences)
        one, epsilon = (
            ir.Constant(_EIGHT, [float(np.float32(value))] * 8) for value in (1.0, EPSILON)
        )
        slowness = builder.fdiv(lambda_, builder.fadd(differences, epsilon))
        return builder.fdiv(lengths, builder.fadd(builder.fsub(one, lambda_), slowness))


def _relax_rows(
    typingctx: Any,
    distance: Any,
    image: Any,
    channels: Any,
    size: Any,
    here: Any,
    key: Any,
    rows: Any,
    lengths: Any,
    cost: Any,
    lambda_: Any,
    ties: Any,
    reached: Any,
) -> Any:
    """Which neighbours come nearer by a step from voxel ``here``, as bits of a uint64.

    Neighbour 4 row + lane is voxel here + rows[row] + lane. channels, size (N): uint64; key:
    float32, the distance here; rows: uint64 (9,); lengths: float32 (40,), infinity where no
    neighbour is; cost: int64; ties: uint64, 255 to count equal distances, else 0; reached: float32
    (40,), gets the distances by way of here.
    """
    number, word = types.float32, types.uint64
    signature = word(
        *(distance, image, word, word, word, number, rows, lengths),
        *(types.int64, number, word, reached),
    )

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = _Code(context, builder, signature.args, arguments)
        distance, image, channels, size, here, key, rows, lengths = code.data[:8]
        cost, lambda_, ties, reached = code.data[8:]
        ties, key, lambda_ = builder.trunc(ties, _BYTE), code.spread(key), code.spread(lambda_)
        result = cgutils.alloca_once(builder, _WORD)

        def two_rows(array: Any, starts: list[Any]) -> Any:
            halves = [code.load(array, start, _FOUR) for start in starts]
            return builder.shuffle_vector(*halves, ir.Constant(_INDICES, list(range(8))))

        for name, single in code.variants(cost, channels):
            mask = _WORD(0)
            for n in range(5):  # the tenth row is the ninth, of infinite lengths
                starts = [
                    builder.add(here, builder.load(builder.gep(rows, [_INT(row)])))
                    for row in (2 * n, min(2 * n + 1, ROWS - 1))
                ]

                def pair(offset: Any, starts: list[Any] = starts) -> tuple[Any, Any]:
                    value = builder.load(builder.gep(image, [builder.add(here, offset)]))
                    there = [builder.add(start, offset) for start in starts]
                    return code.spread(value), two_rows(image, there)

                differences = code.differences(name, single, channels, size, pair)
                steps = code.steps(name, lambda_, code.load(lengths, _INT(8 * n)), differences)
                sums = builder.fadd(key, steps)
                builder.store(sums, code.address(reached, _INT(8 * n), _EIGHT), align=4)
                before = two_rows(distance, starts)
                lower, equal = (
                    builder.bitcast(builder.fcmp_ordered(sign, sums, before), _BYTE)
                    for sign in ("<", "==")
                )
                found = builder.or_(lower, builder.and_(equal, ties))
                mask = builder.or_(mask, builder.shl(builder.zext(found, _WORD), _WORD(8 * n)))
            builder.store(builder.and_(mask, _WORD(NEIGHBOURS)), result)
        return builder.load(result)

    return signature, generate


def _relax_run(
    typingctx: Any,
    distance: Any,
    image: Any,
    channels: Any,
    size: Any,
    start: Any,
    stop: Any,
    sources: Any,
    lengths: Any,
    cost: Any,
    lambda_: Any,
) -> Any:
    """Lower the distances of voxels start..stop - 1 by steps from the nine voxels at ``sources``.

    Up to seven voxels more are treated. channels, size (N), start, stop: uint64; sources: uint64
    (9,), from a voxel to where steps come from, none of it within the run; lengths: float32 (9,);
    cost: int64.
    """
    word = types.uint64
    signature = types.void(
        *(distance, image, word, word, word, word, sources, lengths),
        *(types.int64, types.float32),
    )

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = _Code(context, builder, signature.args, arguments)
        distance, image, channels, size, start, stop, sources, lengths, cost, lambda_ = code.data
        lambda_ = code.spread(lambda_)
        steps = [
            (
                builder.load(builder.gep(sources, [_INT(n)])),
                code.spread(builder.load(builder.gep(lengths, [_INT(n)]))),
            )
            for n in range(9)
        ]
        for name, single in code.variants(cost, channels):
            with cgutils.for_range_slice(builder, start, stop, _WORD(8), _WORD) as (at, _):
                best = code.load(distance, at)
                for source, length in steps:
                    there = builder.add(at, source)

                    def pair(offset: Any, at: Any = at, there: Any = there) -> list[Any]:
                        return [code.load(image, builder.add(n, offset)) for n in (at, there)]

                    differences = code.differences(name, single, channels, size, pair)
                    cost_here = code.steps(name, lambda_, length, differences)
                    reached = builder.fadd(code.load(distance, there), cost_here)
                    nearer = builder.fcmp_ordered("<", reached, best)
                    best = builder.select(nearer, reached, best)
                builder.store(best, code.address(distance, at, _EIGHT), align=4)
        return context.get_dummy_value()

    return signature, generate


def _transpose_square(
    typingctx: Any, source: Any, at: Any, per_row: Any, target: Any, to: Any, per_column: Any
) -> Any:
    """Write 8 rows of 8 numbers as columns: target[to + c * per_column + r] = source[at + r *
    per_row + c]. All uint64."""
    word = types.uint64
    signature = types.void(source, word, word, target, word, word)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = _Code(context, builder, signature.args, arguments)
        source, at, per_row, target, to, per_column = code.data
        rows = [
            code.load(source, builder.add(at, builder.mul(per_row, _WORD(n)))) for n in range(8)
        ]
        # In each of three rounds the halves of pairs of rows change places: 4, 2, 1 apart.
        for apart in (4, 2, 1):
            for low in (n for n in range(8) if not n & apart):
                pair = rows[low], rows[low + apart]
                for number, first in ((low, 0), (low + apart, apart)):
                    order = [(n & ~apart) + first + (8 if n & apart else 0) for n in range(8)]
                    picked = builder.shuffle_vector(*pair, ir.Constant(_INDICES, order))
                    rows[number] = picked
        for n, row in enumerate(rows):
            place = builder.add(to, builder.mul(per_column, _WORD(n)))
            builder.store(row, code.address(target, place, _EIGHT), align=4)
        return context.get_dummy_value()

    return signature, generate


def _lowest_bit(typingctx: Any, mask: Any) -> Any:
    """Number of the lowest bit that is set in a uint64 other than 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


def _prefetch(typingctx: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of ``array[index]`` ahead of its use."""
    signature = types.void(array, types.uint64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = _Code(context, builder, signature.args, arguments)
        address = code.address(code.data[0], code.data[1], _BYTE)
        kind = ir.FunctionType(ir.VoidType(), [address.type, _INT, _INT, _INT])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        # To be read, worth keeping in all caches, data.
        builder.call(function, [address, _INT(0), _INT(3), _INT(1)])
        return context.get_dummy_value()

    return signature, generate


relax_rows: Any = intrinsic(_relax_rows)
relax_run: Any = intrinsic(_relax_run)
transpose_square: Any = intrinsic(_transpose_square)
lowest_bit: Any = intrinsic(_lowest_bit)
prefetch: Any = intrinsic(_prefetch)
