"""The tables of smooth functions: layers that reach about as far have the same."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from functools import cache

from wmproof.circuit.calibrate.settings import Settings
from wmproof.circuit.functions import FUNCTIONS
from wmproof.circuit.tables import Grid, Table, function_table


@cache
def smooth_table(
    kind: str, top: int, argument: int, activation_bits: int, settings: Settings, coarser: int
) -> tuple[Table, Grid]:
    """The table of a function for layers whose values and arguments reach so far.

    Parameters
    ----------
    kind : str
        One of `functions.FUNCTIONS`.
    top, argument : int
        Binary logarithms of the largest value, if nothing bounds it, and of the largest argument.
    activation_bits : int
        Values are below 2^activation_bits.
    coarser : int
        Bits that its accumulators have less than those of other layers.

    Returns
    -------
    table : Table
    grid : Grid
        How the function lies on it.
    """
    function, largest = FUNCTIONS[kind], 2**activation_bits - 1
    shift = settings.shift + 9 - activation_bits - coarser
    with localcontext(Context(prec=40)):
        low, high = function.limits
        if low is None or high is None:
            low, high = low or Decimal(0), Decimal(2) ** top
        else:
            shift -= 1  # no headroom, so accumulators are as fine as elsewhere
        zero = 0 if low >= 0 else int((largest * -low / (high - low)).to_integral_value())
        scale = (high - max(low, Decimal(0))) / (largest - zero)
        while Decimal(2) ** (argument + shift) / scale > 2 ** (settings.max_table_bits - 1):
            shift -= 1
        grid = Grid(Decimal(2) ** shift / scale, scale, zero, largest)
    return function_table(kind, settings.max_table_bits, grid), grid
