"""Rounding a float linear map to the circuit's integers, given scales and zeros.

Only elementwise IEEE operations and integer sums: nothing here depends on the order of a float
summation, so the integers are the same on every machine and for any number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit import ir
from wmproof.circuit.network import FloatConv, FloatLinear, FloatProduct, Floats
from wmproof.errors import InputError

_FRACTION = 16  # bits behind the point in which zeros and offsets enter the bias
_MEAN_FRACTION = 8  # the same for the means of a node
_MOST_COUNTED = 2**8  # in a mean, of an image that is not moved far
_SAMPLED = 2**12  # numbers of an image that say how far it is moved
_SWEEPS = 3  # over the weights of an output: few change in the last one


def mean_values(values: NDArray[Any]) -> NDArray[np.int64]:
    """Mean over images, in units of 2^-8, to which images that are moved far add less.

    Rounded weights err by as much as an image is away from this mean, and that error counts as a
    part of how far the image is moved. So an image that is moved more than twice as far as the one
    in the middle counts for the inverse of the square of that.

    Parameters
    ----------
    values : unsigned array (N, *shape)

    Returns
    -------
    int64 array (*shape)
    """
    flat = values.reshape(len(values), -1)
    counts = image_counts(flat)
    fits = len(flat) * np.iinfo(flat.dtype).max < 2**32
    sums = flat.sum(axis=0, dtype=np.uint32 if fits else np.int64).astype(np.int64)
    sums *= _MOST_COUNTED
    for index in np.flatnonzero(counts < _MOST_COUNTED):
        sums -= (_MOST_COUNTED - counts[index]) * flat[index]
    total = int(counts.sum())
    mean = ((sums << _MEAN_FRACTION) + total // 2) // total
    return np.asarray(mean.reshape(values.shape[1:]))


def image_counts(flat: NDArray[Any]) -> NDArray[np.int64]:
    """How much each image counts, from some of its numbers (N, n).

    Returns
    -------
    int64 array (N,)
        At most 2^8.
    """
    # Whole numbers below 2^53, whose sums are the same in any order.
    away = flat[:, :: flat.shape[1] // _SAMPLED | 1].astype(np.float64)
    away -= np.floor(away.sum(axis=0) / len(away))
    power = np.einsum("ij,ij->i", away, away) + 1
    most = 4 * float(np.median(power))
    return np.asarray(np.rint(_MOST_COUNTED * most / np.maximum(power, most)), np.int64)


@dataclass(frozen=True, eq=False)
class Encoding:
    """What the numbers of a node stand for: scale * (number - zero).

    Parameters
    ----------
    scale, zero : float64 array
        Of the node's shape.
    """

    scale: Floats
    zero: Floats


def channel_encoding(encoding: Encoding, name: str) -> tuple[Floats, Floats]:
    """Scale and zero of each channel of a (C, H, W) tensor, float64 (C,).

    Parameters
    ----------
    encoding : Encoding
        (C, H, W).
    name : str
        Of the layer, for errors.

    Raises
    ------
    InputError
        They differ within a channel.
    """
    pair = []
    for array in (encoding.scale, encoding.zero):
        first = array[:, :1, :1]
        if not np.array_equal(np.broadcast_to(first, array.shape), array):
            raise InputError(
                "mixes parts of different scales into one channel by moving data",
                where=f"layer {name}",
                remedy="Export the model with its parts joined along the channels",
            )
        pair.append(np.ascontiguousarray(first[:, 0, 0]))
    return pair[0], pair[1]


def operand_zero(encoding: Encoding, name: str) -> int:
    """The number that stands for 0 in all of a product's operand.

    Parameters
    ----------
    name : str
        Of the layer, for errors.

    Raises
    ------
    InputError
        There are several, or it is not whole.
    """
    zero = encoding.zero.reshape(-1)[0]
    if not (encoding.zero == zero).all() or zero != np.rint(zero):
        raise _different_scales(name)
    return int(zero)


def product_unit(
    node: FloatProduct, a: Encoding, b: Encoding, same: NDArray[np.int64] | None = None
) -> Floats:
    """What a product of 1 of the operands' numbers stands for, broadcasting to the result's shape.

    Parameters
    ----------
    a, b : Encoding
        Of the operands.
    same : int64 array, optional
        Results of one number have one unit. Of scales that are inverse to each other, the products
        differ by a rounding, which is taken away.

    Returns
    -------
    float64 array
        Of as many axes as the result, of size 1 where it is the same.

    Raises
    ------
    InputError
        If what a sum adds up has different units.
    """
    left, right = node.by_label(a.scale, b.scale)
    every = node.gain * left * right
    summed = range(len(node.shape), every.ndim)
    unit = every[(..., *(0 for _ in summed))]
    if same is not None:
        _, first, which = np.unique(same, return_index=True, return_inverse=True)
        wide = np.broadcast_to(unit, np.broadcast_shapes(unit.shape, same.shape))
        chosen = wide[tuple(slice(size) for size in same.shape)].reshape(-1)[first]
        unit = chosen[which.reshape(-1)].reshape(same.shape)
    wanted = unit.reshape(*unit.shape, *(1 for _ in summed))
    if not (np.abs(every - wanted) <= wanted * 2.0**-40).all():
        raise _different_scales(node.name)
    return np.asarray(unit)


def _different_scales(name: str) -> InputError:
    return InputError(
        "multiplies values on different scales",
        where=f"layer {name}",
        remedy="Export the model without joining tensors before they are multiplied",
    )


def quantise_linear(
    linear: FloatLinear,
    encodings: list[Encoding],
    factor: Floats,
    zero: Floats,
    name: str,
    means: Mapping[int, NDArray[np.int64]],
    moments: Sequence[Floats | None] | None = None,
) -> ir.Linear:
    """The integer map z = round(factor * (linear map) + zero), each weight rounded.

    What the rounding of the weights adds on average is taken off the bias: where numbers hardly
    vary, as behind a sigmoid, it would be larger than what they say.

    Parameters
    ----------
    encodings : list of Encoding
        Of every node so far.
    factor : float64 array (O,)
        Accumulator units for each unit of the float map.
    zero : float64 array (O,)
        Accumulator that stands for 0.
    name : str
        Of the layer, for errors.
    means : mapping of int to int64 array
        `mean_values` of each source.
    moments : sequence of (float64 array or None), optional
        `tap_moments` of the map: the weights of an output are rounded together. Else, and where
        they are None, each is rounded on its own.

    Raises
    ------
    InputError
        If a weight or bias does not fit the accumulator.
    """
    bias = np.rint(linear.bias * factor[:, None, None] + zero[:, None, None])
    _check(bias, name, "bias")
    total = bias.astype(np.int64)
    terms = []
    for term, about in zip(linear.terms, moments or [None] * len(linear.terms), strict=True):
        scale, origin = channel_encoding(encodings[term.source], name)
        offset = np.rint((term.offset / scale - origin) * 2.0**_FRACTION)
        if not np.abs(offset).max() < 2.0 ** (_FRACTION + 24):
            raise InputError("an offset is absurdly large beside its scale", where=f"layer {name}")
        # The weights multiply the number plus its offset, so the mean includes the offset.
        shifted = np.rint(offset * 2.0 ** (_MEAN_FRACTION - _FRACTION)).astype(np.int64)
        mean = means[term.source] + shifted[:, None, None]
        exact = _Exact(term, source_channels(term, scale), factor)
        weight, error = _round_weight(exact, _mean_seen(term, mean, linear.shape), about, name)
        total = total - error
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
    """Numbers of the source's channels arranged like the weight, (O, I/groups, 1, 1).

    Parameters
    ----------
    per_channel : float64 array (I,)
    """
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


def _round_weight(
    exact: _Exact, seen: NDArray[np.int64], moments: Floats | None, name: str
) -> tuple[ir.Ints, NDArray[np.int64]]:
    """Rounded weights, and what rounding adds to an accumulator on average, int64 (O, 1, 1).

    `seen` is the mean number that each tap of each source channel sees.
    """
    weight: ir.Ints = np.empty(exact.term.weight.shape, np.int32)
    if weight.shape[2:] != exact.term.kernel:
        seen = seen.sum(axis=(1, 2), keepdims=True)
    seen = seen.reshape(exact.term.groups, -1)
    group = np.arange(len(weight)) // (len(weight) // exact.term.groups)
    error = np.empty(len(weight), np.int64)
    for rows in row_blocks(weight):
        wanted = exact(rows)
        rounded = np.rint(wanted)
        if moments is not None:
            about = moments[group[rows]] if len(moments) > 1 else moments
            rounded = _rounded_together(wanted.reshape(len(wanted), -1), about)
            rounded = rounded.reshape(wanted.shape)
        _check(rounded, name, "weight")
        weight[rows] = rounded
        # A difference of neighbouring floats is exact, and so are whole numbers below 2^53.
        difference = np.rint((rounded - wanted) * 2.0**_FRACTION).astype(np.int64)
        flat = difference.reshape(len(difference), -1)
        error[rows] = np.einsum("ij,ij->i", flat, seen[group[rows]])
    bits = _FRACTION + _MEAN_FRACTION
    return weight, ((error + (1 << (bits - 1))) >> bits)[:, None, None]


def _rounded_together(wanted: Floats, moments: Floats) -> Floats:
    """Each weight (n, K) one of the two whole numbers beside it, given those before it.

    So a sum's mean squared error, a quadratic form of the weights' errors, falls with each choice.
    Only elementwise operations, as `moments`, (n, K, K) or (1, K, K), has all products.
    """
    error, pull = np.zeros_like(wanted), np.zeros_like(wanted)
    low, high = np.floor(wanted), np.ceil(wanted)
    for tap in [*range(wanted.shape[1])] * _SWEEPS:
        own = moments[:, tap, tap]
        others = pull[:, tap] - own * error[:, tap]
        best = wanted[:, tap] - others / np.where(own > 0, own, 1.0)
        new = np.clip(np.rint(best), low[:, tap], high[:, tap]) - wanted[:, tap]
        pull += (new - error[:, tap])[:, None] * moments[:, tap]
        error[:, tap] = new
    return np.rint(wanted + error)


def _mean_seen(term: FloatConv, mean: NDArray[np.int64], shape: ir.Shape) -> NDArray[np.int64]:
    """Mean number that each tap of each source channel sees, zeros outside; int64 (I, kh, kw)."""
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
    """Slices of the outputs that keep float temporaries in the processor's cache.

    Parameters
    ----------
    weight : array (O, ...)
    """
    step = max(1, 2**16 // max(1, weight[0].size))
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
