"""The prover's linear maps and lookups: the definition's bits, whatever the shapes and sizes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wmproof._base.threads import THREADS_VARIABLE, Workspace
from wmproof.argument.algebra.field import P
from wmproof.circuit import operations
from wmproof.circuit.ir import Conv, Linear, Shape
from wmproof.circuit.plan import LinearPlan
from wmproof.circuit.reference import linear
from wmproof.relation.network import kernels, linear_maps
from wmproof.relation.network.linear_maps import LinearMap

BOUND = 2**30


@st.composite
def maps(draw) -> tuple[Linear, list[Shape], list[int]]:
    """A map of one or two terms, what its sources look like, and their largest numbers."""
    numbers, sizes, results = {}, [], []
    for axis in "hw":
        kernel, stride, dilation = (draw(st.integers(1, n)) for n in (4, 3, 3))
        before, after = draw(st.integers(0, 5)), draw(st.integers(0, 5))
        span = dilation * (kernel - 1) + 1
        size = draw(st.integers(max(1, span - before - after), span + 6))
        numbers[axis] = kernel, stride, dilation, before, after
        sizes.append(size)
        results.append((size + before + after - span) // stride + 1)
    kernel, strides, dilations, before, after = zip(numbers["h"], numbers["w"], strict=True)
    groups, channels, times = (
        draw(st.integers(1, 3)),
        draw(st.integers(1, 5)),
        draw(st.integers(1, 6)),
    )
    largest = draw(st.sampled_from([1, 255, 2**9 - 1, 2**15 - 1, 2**15, 2**16 - 1]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    outputs = groups * times
    most = BOUND // 4 // (channels * math.prod(kernel) * largest)
    # All as far as they can go, or where 16 bits end: else anything.
    edge = min(most, draw(st.sampled_from([2**15 - 1, 2**15, BOUND])))
    some = [-edge, edge] if draw(st.booleans()) else np.arange(-min(most, 999), min(most, 999) + 1)
    weight = rng.choice(some, (outputs, channels, *kernel)).astype(np.int32)
    term = Conv(0, weight, kernel, strides, (*before, *after), dilations, groups)
    terms, shapes, reach = [term], [(groups * channels, *sizes)], [largest]
    if draw(st.booleans()):  # as a residual addition is
        top = BOUND // 4 // 255
        own = rng.integers(-top, top, (outputs, 1, 1, 1)).astype(np.int32)
        terms.append(Conv(1, own, (1, 1), groups=outputs))
        shapes.append((outputs, *results))
        reach.append(255)
    bias_shape = draw(st.sampled_from([(outputs, 1, 1), (outputs, *results)]))
    bias = rng.integers(-(BOUND // 4), BOUND // 4, bias_shape).astype(np.int32)
    return Linear(bias, tuple(terms)), shapes, reach


def numbers_up_to(reach: list[int], shapes: list[Shape], count: int) -> dict[int, np.ndarray]:
    """Of all sources, as many of the largest and of 2^15 as of others."""
    rng, found = np.random.default_rng(count), {}
    for index, (largest, shape) in enumerate(zip(reach, shapes, strict=True)):
        some = rng.integers(0, largest + 1, (count, *shape))
        kind = rng.integers(0, 3, some.shape)
        some[kind == 1], some[kind == 2] = largest, min(largest, 2**15)
        found[index] = some.astype(np.uint8 if largest < 256 else np.uint16)
    return found


@settings(max_examples=120, deadline=None)
@given(found=maps(), count=st.sampled_from([1, 2, 16, 19]))
def test_sums_are_those_of_the_definition(found, count: int) -> None:
    form, shapes, reach = found
    values = numbers_up_to(reach, shapes, count)
    seen = []
    sums = LinearMap(form, shapes, reach, Workspace()).sums(values, lambda *unit: seen.append(unit))
    expected = linear(form, [value.astype(np.int64) for value in values.values()])
    np.testing.assert_array_equal(sums.view(np.int32).reshape(expected.shape), expected)
    assert sum((u[1].stop - u[1].start) * (u[3] - u[2]) for u in seen) == count * sums.shape[2]
    totals = LinearPlan(form, shapes, reach).totals(values)
    np.testing.assert_array_equal(totals.reshape(expected.shape), expected)


def wide_map(channels: int, outputs: int, size: int) -> tuple[Linear, list[Shape], list[int]]:
    """A convolution 3x3 of more than one panel of outputs and block of channels."""
    rng = np.random.default_rng(0)
    weight = rng.integers(-99, 100, (outputs, channels, 3, 3)).astype(np.int32)
    bias = rng.integers(-99, 100, (outputs, 1, 1)).astype(np.int32)
    return (
        Linear(bias, (Conv(0, weight, (3, 3), pads=(1, 1, 1, 1)),)),
        [(channels, size, size)],
        [999],
    )


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("cache", [1, linear_maps._CACHE])
def test_wide_maps_in_parts(threads: int, cache: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(THREADS_VARIABLE, str(threads))
    monkeypatch.setattr(linear_maps, "_CACHE", cache)
    form, shapes, reach = wide_map(2 * kernels._BLOCK + 3, kernels._PANEL * kernels.OUTPUTS + 5, 7)
    values = numbers_up_to(reach, shapes, 33)
    units = []
    sums = LinearMap(form, shapes, reach, Workspace()).sums(values, lambda *u: units.append(u[1:]))
    expected = linear(form, [value.astype(np.int64) for value in values.values()])
    np.testing.assert_array_equal(sums.view(np.int32).reshape(expected.shape), expected)
    assert len(units) == 3 * (7 if cache == 1 else 1)


def test_what_says_where_to_read_does_not_grow_with_the_kernel() -> None:
    """All places of a large kernel on a large image would be an array as the unfolded image is."""
    weight = np.ones((1, 1, 1, 1), np.int32)
    form = Linear(np.zeros((1, 1, 1), np.int32), (Conv(0, weight, (40, 40)),))
    x, units = np.ones((1, 1, 120, 120), np.uint8), []
    sums = LinearMap(form, [(1, 120, 120)], [255], Workspace()).sums(
        {0: x}, lambda *u: units.append(u[3] - u[2])
    )
    assert (sums == 1600).all()
    assert max(units) * 1600 * 8 < linear_maps._CACHE


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_lookups(dtype: type) -> None:
    rng = np.random.default_rng(0)
    shape, low, first, last = (3, 4, 9), -(2**10), 2, 7
    z = rng.integers(-1030, 1030, shape)
    table = rng.integers(0, 256, 2**11).astype(dtype)
    y, expected = np.zeros((2, *shape), dtype)
    counts, words = np.zeros(2**11, np.uint32), z.astype(np.int32).view(np.uint32)
    seen = kernels.look_up(words, first, last, table, low, y, counts)
    part = z[:, :, first:last]
    assert seen == (part.min(), part.max())
    inside = ((part >= low) & (part < -low)).all(axis=2)
    assert 0 < inside.sum() < inside.size
    np.testing.assert_array_equal(y[:, :, first:last][inside], table[part[inside] - low])
    np.testing.assert_array_equal(words[:, :, first:last], part % P)
    outside = [*range(first), *range(last, shape[2])]
    np.testing.assert_array_equal(words[:, :, outside].view(np.int32), z[:, :, outside])
    np.testing.assert_array_equal(y[:, :, outside], expected[:, :, outside])
    np.testing.assert_array_equal(
        counts, np.bincount(part[inside].reshape(-1) - low, minlength=2**11)
    )
    # As the calibration looks up the same.
    lines = z.transpose(1, 0, 2).reshape(4, -1).astype(np.float32)
    again, ranges = np.empty(shape, dtype), np.empty((3, 4, 2), np.int64)
    operations.look_up(lines, np.zeros((4, 1), np.int32), table, low, again, ranges)
    np.testing.assert_array_equal(again[:, :, first:last][inside], y[:, :, first:last][inside])
    np.testing.assert_array_equal(ranges[..., 0], z.min(axis=2))
