"""Interpolation of several samples at once, for compiled loops.

**Linear, eight neighbouring samples.** Places that lie within eight consecutive voxels are looked
up in a register: AVX2's ``vpermps`` picks eight of eight floats in any order. Compilers do not find
this by themselves (measured: 0.55 ns per sample by scalar loads, 0.1 ns here). Without AVX2 the
same is a loop.

**Cubic, 4 x 4 samples.** One vector of four per row, on any processor (measured: 28 ns per pixel by
scalars, 13 ns here).
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
def blend_lanes_by_loop(a, b, base, places, low, high, at, out_a, out_b):  # type: ignore[no-untyped-def]
    """As :func:`blend_lanes_by_permute`."""
    for n in range(at, at + LANES):
        place = base + places[n]
        out_a[n] = low[n] * a[place] + high[n] * a[place + np.uint32(1)]
        out_b[n] = low[n] * b[place] + high[n] * b[place + np.uint32(1)]


@intrinsic
def blend_lanes_by_permute(
    typingctx: Any,
    a: Any,
    b: Any,
    base: Any,
    places: Any,
    low: Any,
    high: Any,
    at: Any,
    out_a: Any,
    out_b: Any,
) -> Any:
    """out[n] = low[n] x[base + places[n]] + high[n] x[base + places[n] + 1], n from at to at + 7.

    For two columns x: (a, out_a) and (b, out_b). a, b, low, high, out_a, out_b: float32; places:
    uint32, 0 to 6; base + 7 is the index of a voxel. All contiguous; nothing is checked.
    """
    signature = types.void(a, b, base, places, low, high, at, out_a, out_b)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        floats, integers = ir.VectorType(ir.FloatType(), 8), ir.VectorType(ir.IntType(32), 8)
        permute = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(floats, [floats, integers]), "llvm.x86.avx2.permps"
        )

        def pointer(number: int, index: Any, kind: Any) -> Any:
            array = context.make_array(signature.args[number])(context, builder, arguments[number])
            return builder.bitcast(builder.gep(array.data, [index]), kind.as_pointer())

        def load(number: int, index: Any, kind: Any) -> Any:
            return builder.load(pointer(number, index, kind), align=4)

        index = context.cast(builder, arguments[6], signature.args[6], types.intp)
        start = context.cast(builder, arguments[2], signature.args[2], types.intp)
        lower = load(3, index, integers)
        upper = builder.add(lower, ir.Constant(integers, [1] * 8))
        weights = load(4, index, floats), load(5, index, floats)
        sums = []
        for column in (0, 1):
            values = load(column, start, floats)
            terms = [
                builder.fmul(weight, builder.call(permute, [values, places]), flags=("contract",))
                for weight, places in zip(weights, (lower, upper), strict=True)
            ]
            sums.append(builder.fadd(*terms, flags=("contract",)))
        for number, total in zip((7, 8), sums, strict=True):
            builder.store(total, pointer(number, index, floats), align=4)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def catmull_rom(
    typingctx: Any, picture: Any, start: Any, stride: Any, part_y: Any, part_x: Any
) -> Any:
    """The 4 x 4 samples from index ``start`` on, interpolated after Catmull and Rom (1974).

    picture: float32, any shape, contiguous; stride: between rows, in samples; part_y, part_x:
    float64, 0 to 1, the place between the second and third row and column. Nothing is checked.
    """
    signature = types.float32(picture, start, stride, part_y, part_x)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number, four = ir.FloatType(), ir.VectorType(ir.FloatType(), 4)
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        start, stride = (
            context.cast(builder, value, kind, types.intp)
            for value, kind in zip(arguments[1:3], signature.args[1:3], strict=True)
        )

        def spread(value: Any) -> Any:
            first = builder.insert_element(ir.Constant(four, ir.Undefined), value, _lane(0))
            return builder.shuffle_vector(first, first, ir.Constant(_LANES4, [0] * 4))

        def weights(part: Any) -> Any:
            """a + part (b + part (c + part d)), one polynomial per lane."""
            part = spread(builder.fptrunc(part, number))
            total = ir.Constant(four, list(_CUBIC[3]))
            for coefficients in _CUBIC[2::-1]:
                total = builder.fmul(total, part, flags=("contract",))
                total = builder.fadd(
                    total, ir.Constant(four, list(coefficients)), flags=("contract",)
                )
            return total

        along_y, along_x = (weights(part) for part in arguments[3:])
        columns = ir.Constant(four, [0.0] * 4)
        for row in range(4):
            at = builder.add(start, builder.mul(stride, ir.Constant(stride.type, row)))
            place = builder.bitcast(builder.gep(array.data, [at]), four.as_pointer())
            weight = spread(builder.extract_element(along_y, _lane(row)))
            term = builder.fmul(weight, builder.load(place, align=4), flags=("contract",))
            columns = builder.fadd(columns, term, flags=("contract",))
        products = builder.fmul(columns, along_x)
        sums = [builder.extract_element(products, _lane(n)) for n in range(4)]
        return builder.fadd(builder.fadd(sums[0], sums[1]), builder.fadd(sums[2], sums[3]))

    return signature, generate


_LANES4 = ir.VectorType(ir.IntType(32), 4)
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
