"""Activation tables: every entry is the rounded function, and a table has one description."""

from __future__ import annotations

import math
from decimal import Context, Decimal, localcontext

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st

from wmproof.circuit.functions import FUNCTIONS
from wmproof.circuit.tables import (
    Grid,
    Table,
    clamp_table,
    function_table,
    leaky_table,
    leaky_zero_point,
)
from wmproof.errors import InputError

FLOATS = {
    "sigmoid": scipy.special.expit,
    "tanh": np.tanh,
    "gelu": lambda x: x * (1 + scipy.special.erf(x / math.sqrt(2))) / 2,
    "gelu_tanh": lambda x: x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
    "silu": lambda x: x * scipy.special.expit(x),
    "hard_swish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "softplus": lambda x: np.logaddexp(x, 0),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
}


def entries(table: Table) -> np.ndarray:
    return np.arange(table.low, table.high + 1)


@pytest.mark.parametrize(("bits", "shift"), [(9, 1), (12, 4), (16, 7), (20, 10)])
def test_clamp_is_the_formula(bits, shift):
    table = clamp_table(bits, shift)
    expected = np.clip((entries(table) + 2 ** (shift - 1)) >> shift, 0, 255)
    np.testing.assert_array_equal(table.values, expected)


@pytest.mark.parametrize("slope", ["0.01", "0.25", "1.5", "-0.5"])
def test_leaky_is_the_formula(slope):
    table, exact = leaky_table(14, 5, Decimal(slope)), Decimal(slope)
    zero = leaky_zero_point(exact)
    for z in range(table.low, table.high + 1, 37):
        x = Decimal(z) / 32
        y = zero + (x if x > 0 else exact * x)
        expected = min(max(math.floor(y + Decimal("0.5")), 0), 255)
        assert table.values[z - table.low] == expected


@pytest.mark.parametrize("kind", FLOATS)
def test_smooth_functions_in_every_entry(kind):
    """Against floats, where the function is not within 1e-6 of a rounding edge."""
    density, scale, zero = 100.0, 0.03125, 20
    table = function_table(kind, 12, Grid(Decimal(100), Decimal("0.03125"), zero))
    assert table.name == kind
    real = zero + FLOATS[kind](entries(table) / density) / scale + 0.5
    clear = np.abs(real - np.rint(real)) > 1e-6
    assert clear.mean() > 0.9
    expected = np.clip(np.floor(real), 0, 255)
    np.testing.assert_array_equal(table.values[clear], expected[clear])


@pytest.mark.parametrize("kind", FLOATS)
def test_functions_to_many_digits(kind):
    function = FUNCTIONS[kind]
    for x in (-12.5, -3.0, -0.75, 0.0, 0.1, 2.5, 40.0):
        expected = float(FLOATS[kind](np.array(x)))
        with localcontext(prec=40):
            exact = function(Decimal(x))
        assert float(exact) == pytest.approx(expected, rel=1e-13, abs=1e-15)


@pytest.mark.parametrize("kind", FLOATS)
def test_the_callers_context_does_not_matter(kind):
    grid = Grid(Decimal(64), Decimal("0.01"), 128)
    expected = function_table(kind, 11, grid)
    with localcontext(Context(prec=3, rounding="ROUND_UP")):
        assert function_table(kind, 11, grid) == expected


def test_a_shrunk_table_is_the_same_function():
    for table in (clamp_table(18, 6), leaky_table(18, 6, Decimal("0.1"))):
        small = table.shrunk(12)
        middle = table.values[small.low - table.low : small.high + 1 - table.low]
        np.testing.assert_array_equal(small.values, middle)


@given(st.binary(min_size=512, max_size=512))
def test_steps_describe_any_table(values):
    kept = [i for i in range(512) if not i or values[i] != values[i - 1]]
    table = Table("any", 9, tuple((i - 256, values[i]) for i in kept))
    assert bytes(table.values.tolist()) == values


@pytest.mark.parametrize(
    "steps",
    [
        (),
        ((-255, 0),),
        ((-256, 0), (0, 0)),
        ((-256, 0), (5, 1), (5, 2)),
        ((-256, 0), (5, 1), (4, 2)),
        ((-256, 0), (256, 1)),
        ((-256, 2**16),),
        ((-256, -1),),
    ],
    ids=str,
)
def test_steps_that_are_not_canonical(steps):
    with pytest.raises(InputError, match="canonical form"):
        Table("wrong", 9, steps)


def test_sizes_and_kinds():
    for bits in (8, 25):
        with pytest.raises(InputError, match=rf"2\^{bits} entries"):
            Table("wrong", bits, ((-(2 ** (bits - 1)), 0),))
    with pytest.raises(InputError, match="no table for the function cosine"):
        function_table("cosine", 12, Grid(Decimal(1), Decimal(1), 0))
    values = clamp_table(9, 1).values
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 1
