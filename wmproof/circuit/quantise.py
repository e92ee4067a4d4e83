"""Rounding a float linear map to the circuit's integers, given scales and zeros.

Only elementwise IEEE operations and integer sums: nothing here depends on the order of a float
summation, so the integers are the same on every machine and for any number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit import ir
from wmproof.circuit.network import FloatConv, FloatLinear, Floats
from wmproof.errors import InputError

_FRACTION = 16  # bits behind the point in which zeros and offsets enter the bias
_MEAN_FRACTION = 8  # the same for the mean bytes of a node


def mean_bytes(values: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Mean over images (N, *shape), in units of 2^-8: int64 of that shape."""
    total = values.sum(axis=0, dtype=np.int64) << _MEAN_FRACTION
    return np.asarray((total + len(values) // 2) // len(values))


@dataclass(frozen=True, eq=False)
class Encoding:
    """What the bytes of a node stand for: scale * (byte - zero), both float64 of its shape."""

    scale: Floats
    zero: Floats


def channel_encoding(encoding: Encoding, name: str) -> tuple[Floats, Floats]:
    """Scale and zero of each channel of a (C, H, W) tensor, float64 (C,)."""
    pair = []
    for array in (encoding.scale, encoding.zero):
        first = array[:, :1, :1]
        if not np.array_equal(np.broadcast_to(first, array.shape), array):
            raise InputError(
                "mixes channels of different scales into one by moving data",
                where=f"layer {name}",
                remedy="Compile with one scale a layer (channel_floor=1)",
            )
        pair.append(np.ascontiguousarray(first[:, 0, 0]))
    return pair[0], pair[1]


def quantise_linear(
    linear: FloatLinear,
    encodings: list[Encoding],
    factor: Floats,
    zero: Floats,
    name: str,
    means: Mapping[int, NDArray[np.int64]] | None = None,
) -> ir.Linear:
    """The integer map z = round(factor * (linear map) + zero), each weight rounded on its own.

    What the rounding of the weights adds on average is taken off the bias: where bytes hardly
    vary, as behind a sigmoid, it would be larger than what they say.

    Parameters
    ----------
    linear : FloatLinear
    encodings : list of Encoding
        Of every node so far.
    factor : float64 array (O,)
        Accumulator units for each unit of the float map.
    zero : float64 array (O,)
        Accumulator that stands for 0.
    name : str
        Of the layer, for errors.
    means : mapping of int to int64 array, optional
        `mean_bytes` of each source; without them the bias is left as it is.

    Raises
    ------
    InputError
        If a weight or bias does not fit the accumulator.
    """
    bias = np.rint(linear.bias * factor[:, None, None] + zero[:, None, None])
    _check(bias, name, "bias")
    total = bias.astype(np.int64)
    terms = []
    for term in linear.terms:
        scale, origin = channel_encoding(encodings[term.source], name)
        exact = _Exact(term, source_channels(term, scale), factor)
        weight = _round_weight(exact, name)
        offset = np.rint((term.offset / scale - origin) * 2.0**_FRACTION)
        if not np.abs(offset).max() < 2.0 ** (_FRACTION + 24):
            raise InputError("an offset is absurdly large beside its scale", where=f"layer {name}")
        if means is not None:
            # What the weights really multiply: the byte and what it stands off from.
            mean = means[term.source] + np.rint(offset * 2.0 ** (_MEAN_FRACTION - _FRACTION))[
                :, None, None
            ].astype(np.int64)
            total = total - _mean_error(exact, weight, mean, linear.shape)
        if offset.any():
            total = total + _constant_part(
                term,
                weight,
                offset.astype(np.int64),
                linear.shape,
                encodings[term.source].scale.shape,
            )
        terms.append(
            ir.Conv(
                term.source,
                weight,
                term.kernel,
                term.strides,
                term.pads,
                term.dilations,
                term.groups,
            )
        )
    if np.array_equal(np.broadcast_to(total[:, :1, :1], total.shape), total):
        total = total[:, :1, :1]
    _check(total, name, "bias")
    return ir.Linear(np.ascontiguousarray(total, np.int32), tuple(terms))


def _check(values: NDArray[np.float64] | NDArray[np.int64], name: str, what: str) -> None:
    # The comparison is false for NaN too.
    if not np.abs(values).max() < ir.ACCUMULATOR_LIMIT:
        raise InputError(
            f"a {what} of its integer form reaches {float(np.abs(values).max()):.3g}, "
            "the accumulator must stay below 2^30",
            where=f"layer {name}",
            remedy="The layer has numbers of absurd size; train or scale it differently",
        )


def source_channels(term: FloatConv, per_channel: Floats) -> Floats:
    """Numbers of the source's channels arranged like the weight, (O, I/groups, 1, 1)."""
    grouped = per_channel.reshape(term.groups, 1, -1)
    outputs = len(term.weight) // term.groups
    shape = (term.groups, outputs, grouped.shape[2])
    return np.broadcast_to(grouped, shape).reshape(len(term.weight), -1, 1, 1)


@dataclass(frozen=True, eq=False)
class _Exact:
    """The weights of a term in accumulator units, before rounding, some rows at a time."""

    term: FloatConv
    scale: Floats
    factor: Floats

    def __call__(self, rows: slice) -> Floats:
        scaled = self.term.weight[rows] * self.scale[rows]
        return np.asarray(scaled * self.factor[rows, None, None, None])


def _round_weight(exact: _Exact, name: str) -> ir.Ints:
    weight = np.empty(exact.term.weight.shape, np.int32)
    for rows in row_blocks(weight):
        rounded = np.rint(exact(rows))
        _check(rounded, name, "weight")
        weight[rows] = rounded
    return weight


def _mean_error(
    exact: _Exact, weight: ir.Ints, mean: NDArray[np.int64], shape: ir.Shape
) -> NDArray[np.int64]:
    """What rounded weights add to an accumulator, averaged over places; int64 (O, 1, 1)."""
    term = exact.term
    seen = _mean_seen(term, mean, shape)
    if weight.shape[2:] != term.kernel:
        seen = seen.sum(axis=(1, 2), keepdims=True)
    seen = seen.reshape(term.groups, -1, *seen.shape[1:])
    group = np.arange(len(weight)) // (len(weight) // term.groups)
    error = np.empty(len(weight), np.int64)
    for rows in row_blocks(weight):
        difference = np.rint((weight[rows] - exact(rows)) * 2.0**_FRACTION).astype(np.int64)
        error[rows] = (difference * seen[group[rows]]).sum(axis=(1, 2, 3))
    bits = _FRACTION + _MEAN_FRACTION
    return ((error + (1 << (bits - 1))) >> bits)[:, None, None]


def _mean_seen(term: FloatConv, mean: NDArray[np.int64], shape: ir.Shape) -> NDArray[np.int64]:
    """Mean byte that each tap of each source channel sees, zeros outside; int64 (I, kh, kw)."""
    top, left, bottom, right = term.pads
    padded = np.pad(mean, ((0, 0), (top, bottom), (left, right)))
    seen = np.empty((len(mean), *term.kernel), np.int64)
    for i, j in np.ndindex(*term.kernel):
        first = (i * term.dilations[0], j * term.dilations[1])
        rows, columns = (
            slice(at, at + stride * (size - 1) + 1, stride)
            for at, stride, size in zip(first, term.strides, shape[1:], strict=True)
        )
        seen[:, i, j] = padded[:, rows, columns].sum(axis=(1, 2))
    return seen // (shape[1] * shape[2])


def row_blocks(weight: NDArray[Any]) -> list[slice]:
    """Slices of the outputs that keep float temporaries small."""
    step = max(1, 2**22 // max(1, weight[0].size))
    return [slice(first, first + step) for first in range(0, len(weight), step)]


def _constant_part(
    term: FloatConv,
    weight: ir.Ints,
    offset: NDArray[np.int64],
    shape: ir.Shape,
    source_shape: ir.Shape,
) -> NDArray[np.int64]:
    """What constant channels `offset` (fixed point) add to the bias, zeros being outside."""
    outputs, inputs = weight.shape[:2]
    kernel = np.broadcast_to(weight, (outputs, inputs, *term.kernel))
    kernel = kernel.reshape(term.groups, outputs // term.groups, inputs, -1)
    grouped = offset.reshape(term.groups, 1, inputs, 1)
    sums = np.empty((outputs, kernel.shape[3]), np.int64)
    for tap in range(kernel.shape[3]):
        products = kernel[:, :, :, tap].astype(np.int64) * grouped[:, :, :, 0]
        sums[:, tap] = products.sum(axis=2).reshape(outputs)
    seen = _coverage(term, shape, source_shape)
    total = sums.sum(axis=1)[:, None, None] if seen is None else (sums @ seen).reshape(shape)
    half = 1 << (_FRACTION - 1)
    return np.asarray((total + half) >> _FRACTION)


def _coverage(term: FloatConv, shape: ir.Shape, source_shape: ir.Shape) -> NDArray[np.int64] | None:
    """For each tap and output place, whether the tap lies inside; None if all always do."""
    if term.pads == (0, 0, 0, 0):
        return None
    insides = []
    for axis in (0, 1):
        taps = np.arange(term.kernel[axis])[:, None] * term.dilations[axis]
        places = np.arange(shape[1 + axis])[None, :] * term.strides[axis] - term.pads[axis]
        at = taps + places
        insides.append((at >= 0) & (at < source_shape[1 + axis]))
    rows, columns = insides
    both = rows[:, None, :, None] & columns[None, :, None, :]
    return both.reshape(math.prod(term.kernel), -1).astype(np.int64)
