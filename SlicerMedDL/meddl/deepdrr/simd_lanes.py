"""Interpolation of several samples at once, for compiled loops.

**Linear, eight neighbouring samples.** Places that lie within eight consecutive voxels are looked
up in a register: AVX2's ``vpermps`` picks eight of eight floats in any order. Compilers do not find
this by themselves (measured: 0.55 ns per sample by scalar loads, 0.1 ns here). Without AVX2 the
same is a loop.

**Cubic, 4 x 4 samples, of two pixels.** One vector of eight per row, on any processor.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = 8
CACHE_LINE = 16  # float32


def has_avx2() -> bool:
    """Whether numba compiles for a processor with AVX2; its environment variables may say less
    than the processor can."""
    options: Any = numba.config
    if options.CPU_FEATURES is not None:
        return "+avx2" in options.CPU_FEATURES.split(",")
    if options.CPU_NAME is not None:
        return False
    return bool(llvmlite.binding.get_host_cpu_features().get("avx2", False))


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def blend_lanes_by_loop(  # type: ignore[no-untyped-def]
    values, labels, material, start_a, start_b, places, low, high, at, out, out_a, out_b
):
    """As :func:`blend_lanes_by_permute`."""
    pairs = ((np.int64(start_a), np.int64(out_a)), (np.int64(start_b), np.int64(out_b)))
    for start, to in pairs:
        for n in range(LANES):
            k = start + places[at + n]
            below, above = values[k], values[k + 1]
            if labels is not None:
                below *= labels[k] == material
                above *= labels[k + 1] == material
            out[to + n] = low[at + n] * below + high[at + n] * above


@intrinsic
def blend_lanes_by_permute(
    typingctx: Any,
    values: Any,
    labels: Any,
    material: Any,
    start_a: Any,
    start_b: Any,
    places: Any,
    low: Any,
    high: Any,
    at: Any,
    out: Any,
    out_a: Any,
    out_b: Any,
) -> Any:
    """Two columns of voxels, a and b, at eight places between them.

    out[out_a + n] = low[at + n] x[p] + high[at + n] x[p + 1], where p = start_a + places[at + n]
    and n goes from 0 to 7; likewise for b. x are the values; with labels (None: without) only those
    that have the label ``material``, the others are 0.

    values, low, high, out: float32; labels: uint8; places: uint32, 0 to 6; all flat and contiguous.
    start + 7 is the index of a voxel. Nothing is checked.
    """
    kinds = (values, labels, material, start_a, start_b, places, low, high, at, out, out_a, out_b)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        floats, integers = ir.VectorType(ir.FloatType(), 8), ir.VectorType(ir.IntType(32), 8)
        permute = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(floats, [floats, integers]), "llvm.x86.avx2.permps"
        )
        value_at, label_at, place_at, low_at, high_at, out_at = (
            _pointers(context, builder, signature, arguments, n) for n in (0, 1, 5, 6, 7, 9)
        )
        lower = builder.load(place_at(8, integers), align=4)
        upper = builder.add(lower, ir.Constant(integers, [1] * 8))
        weights = [builder.load(pointer(8, floats), align=4) for pointer in (low_at, high_at)]
        for start, to in ((3, 10), (4, 11)):
            found = builder.load(value_at(start, floats), align=4)
            if labels is not types.none:
                wanted = context.cast(builder, arguments[2], signature.args[2], types.uint8)
                label = builder.load(label_at(start, ir.VectorType(wanted.type, 8)), align=1)
                same = builder.icmp_unsigned("==", label, _spread(builder, wanted, 8))
                found = builder.select(same, found, ir.Constant(floats, [0.0] * 8))
            terms = [
                builder.fmul(weight, builder.call(permute, [found, places]), flags=("contract",))
                for weight, places in zip(weights, (lower, upper), strict=True)
            ]
            total = builder.fadd(*terms, flags=("contract",))
            builder.store(total, out_at(to, floats), align=4)
        return context.get_dummy_value()

    return types.void(*kinds), generate


@intrinsic
def add_lanes(
    typingctx: Any, lines: Any, a: Any, weight_a: Any, b: Any, weight_b: Any, out: Any, at: Any
) -> Any:
    """out[at + n] += weight_a lines[a + n] + weight_b lines[b + n], n from 0 to 7.

    lines, out: float32, flat and contiguous; nothing is checked.
    """
    signature = types.void(lines, a, weight_a, b, weight_b, out, at)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        floats = ir.VectorType(ir.FloatType(), 8)
        line_at, out_at = (_pointers(context, builder, signature, arguments, n) for n in (0, 5))
        place = out_at(6, floats)
        total = builder.load(place, align=4)
        for index in (1, 3):
            weight = context.cast(
                builder, arguments[index + 1], signature.args[index + 1], types.float32
            )
            line = builder.load(line_at(index, floats), align=4)
            term = builder.fmul(_spread(builder, weight, 8), line, flags=("contract",))
            total = builder.fadd(total, term, flags=("contract",))
        builder.store(total, place, align=4)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def prefetch(typingctx: Any, values: Any, at: Any) -> Any:
    """Ask for the memory of values[at], flat and contiguous, without waiting for it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, integer = ir.IntType(8).as_pointer(), ir.IntType(32)
        ask = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [byte, integer, integer, integer]),
            "llvm.prefetch.p0i8",
        )
        place = _pointers(context, builder, signature, arguments, 0)(1, ir.IntType(8))
        read, all_caches, data = integer(0), integer(3), integer(1)
        builder.call(ask, [place, read, all_caches, data])
        return context.get_dummy_value()

    return types.void(values, at), generate


def _pointers(context: Any, builder: Any, signature: Any, arguments: Any, array: int) -> Any:
    """Function of the number of an index among the arguments, and of a type: the pointer to where
    that is in the array, which is argument number ``array``."""

    def pointer(index: int, kind: Any) -> Any:
        data = context.make_array(signature.args[array])(context, builder, arguments[array]).data
        place = context.cast(builder, arguments[index], signature.args[index], types.intp)
        return builder.bitcast(builder.gep(data, [place]), kind.as_pointer())

    return pointer


def _spread(builder: Any, value: Any, lanes: int) -> Any:
    """A vector of equal lanes."""
    first = builder.insert_element(ir.VectorType(value.type, lanes)(ir.Undefined), value, _lane(0))
    places = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    return builder.shuffle_vector(first, first, places)


@intrinsic
def catmull_rom(
    typingctx: Any,
    picture: Any,
    start_a: Any,
    start_b: Any,
    stride: Any,
    parts_y: Any,
    parts_x: Any,
    a: Any,
    b: Any,
    out: Any,
) -> Any:
    """out[a] and out[b]: the 4 x 4 samples from index start_a and start_b on, interpolated after
    Catmull and Rom (1974).

    picture: any shape; stride: between rows, in samples; parts_y[a], parts_x[a]: 0 to 1, the place
    between the second and third row and column; likewise for b. All float32 and contiguous; nothing
    is checked.
    """
    signature = types.void(picture, start_a, start_b, stride, parts_y, parts_x, a, b, out)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number, four = ir.FloatType(), ir.VectorType(ir.FloatType(), 4)
        picture_at, y_at, x_at, out_at = (
            _pointers(context, builder, signature, arguments, n) for n in (0, 4, 5, 8)
        )
        stride = context.cast(builder, arguments[3], signature.args[3], types.intp)

        def joined(one: Any, other: Any) -> Any:
            """Two vectors of four as one of eight."""
            lanes = ir.Constant(ir.VectorType(ir.IntType(32), 8), list(range(8)))
            return builder.shuffle_vector(one, other, lanes)

        def chosen(vector: Any, *lanes: int) -> Any:
            """Four lanes of either half."""
            both = [*lanes, *(4 + n for n in lanes)]
            mask = ir.Constant(ir.VectorType(ir.IntType(32), 8), both)
            return builder.shuffle_vector(vector, vector, mask)

        def weights(part_at: Any) -> Any:
            """a + part (b + part (c + part d)), one polynomial per lane."""
            halves = (_spread(builder, builder.load(part_at(n, number)), 4) for n in (6, 7))
            part = joined(*halves)
            constants = [ir.Constant(part.type, list(2 * row)) for row in _CUBIC]
            total = constants[3]
            for constant in constants[2::-1]:
                total = builder.fmul(total, part, flags=("contract",))
                total = builder.fadd(total, constant, flags=("contract",))
            return total

        along_y, along_x = weights(y_at), weights(x_at)
        columns = None
        for row in range(4):
            beyond = builder.mul(stride, ir.Constant(stride.type, row))
            samples = []
            for start in (1, 2):
                place = builder.gep(picture_at(start, number), [beyond])
                samples.append(builder.load(builder.bitcast(place, four.as_pointer()), align=4))
            weight = chosen(along_y, row, row, row, row)
            term = builder.fmul(weight, joined(*samples), flags=("contract",))
            columns = builder.fadd(columns, term, flags=("contract",)) if row else term
        total = builder.fmul(columns, along_x)
        total = builder.fadd(total, chosen(total, 1, 0, 3, 2))
        total = builder.fadd(total, chosen(total, 2, 3, 0, 1))
        for lane, to in ((0, 6), (4, 7)):
            builder.store(builder.extract_element(total, _lane(lane)), out_at(to, number))
        return context.get_dummy_value()

    return signature, generate


# Coefficients of 1, part, part^2, part^3 of the weights of the four samples.
_CUBIC = (
    (0.0, 1.0, 0.0, 0.0),
    (-0.5, 0.0, 0.5, 0.0),
    (1.0, -2.5, 2.0, -0.5),
    (-0.5, 1.5, -1.5, 0.5),
)


def _lane(number: int) -> Any:
    return ir.Constant(ir.IntType(32), number)


blend_lanes = blend_lanes_by_permute if has_avx2() else blend_lanes_by_loop
