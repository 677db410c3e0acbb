"""Pieces of compiled code that the kernels share. They are inlined: passing arrays between compiled
functions counts references, which made a bucket queue eight times slower."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from meddl.geodesic.steps import EPSILON, FASTGEODIS, PRODUCT

jit = numba.njit(nogil=True, cache=True, error_model="numpy")
inlined = numba.njit(nogil=True, inline="always", error_model="numpy")

_ONE, _EPSILON = np.float32(1.0), np.float32(EPSILON)


@inlined
def step_cost(cost, lambda_, length, difference):  # type: ignore[no-untyped-def]
    """A step from |dI|2 (``fastgeodis``: sum|dI|) of the scaled image and the scaled length."""
    if cost == FASTGEODIS:
        result = length + difference
    elif cost == PRODUCT:
        result = length * difference
    else:
        result = length / ((_ONE - lambda_) + lambda_ / (difference + _EPSILON))
    return result


@inlined
def channel_difference(cost, image, voxels, channels, here, there):  # type: ignore[no-untyped-def]
    """|dI|2, or sum|dI|, of an image (channels * voxels,); indices and counts uint64."""
    total = np.float32(0.0)
    for channel in range(channels):
        part = image[channel * voxels + here] - image[channel * voxels + there]
        total += abs(part) if cost == FASTGEODIS else part * part
    return total if cost == FASTGEODIS else math.sqrt(total)


@intrinsic
def prefetch(typingctx: Any, array: Any, index: Any) -> Any:
    """Ask for ``array[index]``'s cache line ahead of its use; array contiguous, index unchecked."""
    signature = types.void(array, index)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        data = context.make_array(kind)(context, builder, arguments[0]).data
        place = context.cast(builder, arguments[1], signature.args[1], types.intp)
        address = builder.bitcast(builder.gep(data, [place]), ir.IntType(8).as_pointer())
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
