"""Pieces of compiled code that the kernels share: what numba does not offer, and the step costs.

Functions are inlined. Passing arrays between compiled functions counts references, which made a
bucket queue eight times slower.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from meddl.geodesic.steps import COSTS, EPSILON

ROWS, LANES = 9, 4  # of a neighbourhood: rows of three voxels along i, and one that is not used
# The lanes that are neighbours, as bits; the middle of the middle row is the voxel itself.
NEIGHBOURS = np.uint64(sum((0b111 if row != 4 else 0b101) << (LANES * row) for row in range(ROWS)))

jit = numba.njit(nogil=True, cache=True, error_model="numpy")
inlined = numba.njit(nogil=True, inline="always", error_model="numpy")
_ONE, _EPSILON = np.float32(1.0), np.float32(EPSILON)


@inlined
def step_product(lambda_, length, difference):  # type: ignore[no-untyped-def]
    """:mod:`meddl.geodesic.steps`' ``product``; float32, |dI|2 of the scaled image."""
    return length * difference


@inlined
def step_geodistk(lambda_, length, difference):  # type: ignore[no-untyped-def]
    """``geodistk`` of |dI|2."""
    return length / ((_ONE - lambda_) + lambda_ / (difference + _EPSILON))


@inlined
def step_fastgeodis(lambda_, length, difference):  # type: ignore[no-untyped-def]
    """``fastgeodis`` of the scaled length and sum|dI| of the scaled image."""
    return length + difference


def _lowest_bit(typingctx: Any, mask: Any) -> Any:
    """Number of the lowest bit that is set in a uint64 other than 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


def _prefetch(typingctx: Any, array: Any, index: Any) -> Any:
    """Ask for ``array[index]``'s cache line ahead of its use; array contiguous, index unchecked."""
    signature = types.void(array, types.uint64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = _data(context, builder, signature, arguments, 0)
        address = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [address.type, number, number, number]),
            "llvm.prefetch.p0",
        )
        # To be read, worth keeping in all caches, data.
        builder.call(function, [address, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return signature, generate


def _data(context: Any, builder: Any, signature: Any, arguments: Any, number: int) -> Any:
    return context.make_array(signature.args[number])(context, builder, arguments[number]).data


_EIGHT = ir.VectorType(ir.FloatType(), 8)
_FOUR = ir.VectorType(ir.FloatType(), 4)
_INDICES = ir.VectorType(ir.IntType(32), 8)


def _spread(builder: Any, value: Any) -> Any:
    first = builder.insert_element(ir.Constant(_EIGHT, ir.Undefined), value, ir.IntType(32)(0))
    return builder.shuffle_vector(first, first, ir.Constant(_INDICES, [0] * 8))


def _steps(builder: Any, cost: str, lambda_: Any, lengths: Any, differences: Any) -> Any:
    """The functions ``step_...`` of eight lanes: the same operations, hence the same bits."""
    if cost == "fastgeodis":
        return builder.fadd(lengths, differences)
    if cost == "product":
        return builder.fmul(lengths, differences)
    one, epsilon = (ir.Constant(_EIGHT, [float(value)] * 8) for value in (_ONE, _EPSILON))
    weight = _spread(builder, lambda_)
    slowness = builder.fdiv(weight, builder.fadd(differences, epsilon))
    return builder.fdiv(lengths, builder.fadd(builder.fsub(one, weight), slowness))


def _relax_rows(cost: str) -> Any:
    def relax_rows(
        typingctx: Any,
        distance: Any,
        image: Any,
        here: Any,
        key: Any,
        rows: Any,
        lengths: Any,
        lambda_: Any,
        ties: Any,
        reached: Any,
    ) -> Any:
        number = types.float32
        signature = types.uint64(
            *(distance, image, types.uint64, number, rows, lengths, number, types.uint64, reached)
        )

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            arrays = {n: _data(context, builder, signature, arguments, n) for n in (0, 1, 4, 5, 8)}
            here, key, lambda_, ties = (arguments[n] for n in (2, 3, 6, 7))
            byte, word = ir.IntType(8), ir.IntType(64)
            constant = ir.IntType(32)
            absolute = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(_EIGHT, [_EIGHT]), "llvm.fabs.v8f32"
            )

            def address(array: int, index: Any, kind: Any) -> Any:
                return builder.bitcast(builder.gep(arrays[array], [index]), kind.as_pointer())

            def two_rows(array: int, starts: list[Any]) -> Any:
                halves = [builder.load(address(array, s, _FOUR), align=4) for s in starts]
                return builder.shuffle_vector(*halves, ir.Constant(_INDICES, list(range(8))))

            ties = builder.trunc(ties, byte)
            value = _spread(builder, builder.load(builder.gep(arrays[1], [here])))
            key, mask = _spread(builder, key), word(0)
            for pair in range(5):  # the tenth row is the ninth, of infinite lengths
                starts = [
                    builder.add(here, builder.load(builder.gep(arrays[4], [constant(row)])))
                    for row in (2 * pair, min(2 * pair + 1, ROWS - 1))
                ]
                at = constant(8 * pair)
                differences = builder.call(absolute, [builder.fsub(value, two_rows(1, starts))])
                steps = builder.load(address(5, at, _EIGHT), align=4)
                sums = builder.fadd(key, _steps(builder, cost, lambda_, steps, differences))
                builder.store(sums, address(8, at, _EIGHT), align=4)
                before = two_rows(0, starts)
                lower, equal = (
                    builder.bitcast(builder.fcmp_ordered(sign, sums, before), byte)
                    for sign in ("<", "==")
                )
                found = builder.or_(lower, builder.and_(equal, ties))
                mask = builder.or_(mask, builder.shl(builder.zext(found, word), word(8 * pair)))
            return builder.and_(mask, word(int(NEIGHBOURS)))

        return signature, generate

    relax_rows.__doc__ = f"""Which neighbours get nearer by a step ({cost}) from a voxel, as bits.

    Neighbour 4 row + lane is voxel here + rows[row] + lane. distance and image: float32 with two
    voxels behind the padded grid; rows: uint64 (9,); lengths: float32 (40,), infinity where no
    neighbour is; ties: 0, or 255 to count equal distances; reached: float32 (40,), gets the
    distances over here. Eight lanes at once: three times faster than one after the other.
    """
    return intrinsic(relax_rows)


lowest_bit: Any = intrinsic(_lowest_bit)
prefetch: Any = intrinsic(_prefetch)
relax_product, relax_geodistk, relax_fastgeodis = map(_relax_rows, COSTS)
