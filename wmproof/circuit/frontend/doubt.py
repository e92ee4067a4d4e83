"""What a rounded constant leaves open of what is made of it, and of an image."""

from __future__ import annotations

from dataclasses import replace

from wmproof.circuit.frontend.rounded_constants import LITTLE_DOUBT, check_alike
from wmproof.circuit.frontend.values import Affine, Constant, Folded, Value
from wmproof.circuit.rounding import with_doubt


def doubted(made: Value, low: Value, high: Value, constant: Constant) -> Value:
    """The tensor that an operator makes of a constant, its linear map remembering the doubt.

    Parameters
    ----------
    made : Value
    low, high : Value
        What it makes of the constant's ends.
    constant : Constant

    Raises
    ------
    InputError
        It is no linear map, and the constant not all but certain.
    """
    if isinstance(made, Affine) and isinstance(low, Affine) and isinstance(high, Affine):
        return replace(made, linear=with_doubt(made.linear, (low.linear, high.linear)))
    if isinstance(made, Folded) and isinstance(low, Folded) and isinstance(high, Folded):
        inner = doubted(made.inner, low.inner, high.inner, constant)
        return replace(made, inner=inner)  # type: ignore[arg-type]
    check_alike(constant, LITTLE_DOUBT)
    return made
