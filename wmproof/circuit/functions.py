"""Smooth activation functions in decimal arithmetic: the same digits on every machine.

`decimal` is correctly rounded for +, -, *, / and exp, so these functions are reproducible; they
are only called a few thousand times, to place the steps of a table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, localcontext

_FAR = Decimal(80)  # exp(-80) is far below anything that a byte can show
_TWO = Decimal(2)


@dataclass(frozen=True)
class SmoothFunction:
    """A function of one real variable.

    Parameters
    ----------
    evaluate : callable
        Decimal -> Decimal.
    turns : tuple of Decimal
        Where it changes from falling to rising: it is monotone in between.
    limits : tuple of (Decimal or None, Decimal or None)
        Infimum and supremum, None where unbounded.
    """

    evaluate: Callable[[Decimal], Decimal]
    turns: tuple[Decimal, ...]
    limits: tuple[Decimal | None, Decimal | None]

    def __call__(self, x: Decimal) -> Decimal:
        """Value at x."""
        return self.evaluate(x)


def sigmoid(x: Decimal) -> Decimal:
    """1 / (1 + exp(-x))."""
    if x < -_FAR:
        return Decimal(0)
    if x > _FAR:
        return Decimal(1)
    return 1 / (1 + (-x).exp())


def tanh(x: Decimal) -> Decimal:
    """2 sigmoid(2x) - 1."""
    return 2 * sigmoid(2 * x) - 1


def erf(x: Decimal) -> Decimal:
    """Error function by its everywhere convergent series; 1 to 30 digits beyond |x| = 9."""
    if abs(x) > 9:
        return Decimal(1).copy_sign(x)
    with localcontext() as context:
        context.prec = 60  # terms reach exp(40) before they fall
        square, term, total, n = x * x, x, x, 0
        while abs(term) > Decimal("1e-40"):
            n += 1
            term = term * _TWO * square / (2 * n + 1)
            total += term
        result = total * _TWO * (-square).exp() / _PI.sqrt()
    return +result


_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494")


def _gelu(x: Decimal) -> Decimal:
    """GELU in its exact form, x Phi(x) (Hendrycks and Gimpel 2016)."""
    return x * (1 + erf(x / _TWO.sqrt())) / 2


def _gelu_tanh(x: Decimal) -> Decimal:
    """GELU's tanh approximation (same paper)."""
    inner = (_TWO / _PI).sqrt() * (x + Decimal("0.044715") * x * x * x)
    return x * (1 + tanh(inner)) / 2


def _silu(x: Decimal) -> Decimal:
    """X sigmoid(x)."""
    return x * sigmoid(x)


def _hard_swish(x: Decimal) -> Decimal:
    """X clamp(x + 3, 0, 6) / 6."""
    return x * min(max(x + 3, Decimal(0)), Decimal(6)) / 6


def _softplus(x: Decimal) -> Decimal:
    """log(1 + exp(x))."""
    return x if x > _FAR else (1 + x.exp()).ln()


def _mish(x: Decimal) -> Decimal:
    """X tanh(softplus(x)) (Misra 2020)."""
    return x * tanh(_softplus(x)) if x > -_FAR else Decimal(0)


def _exp_of_negative(x: Decimal) -> Decimal:
    """exp(x) for x <= 0, and 1 above: a softmax less its largest entry."""
    if x < -_FAR:
        return Decimal(0)
    return min(x, Decimal(0)).exp()


def _elu(x: Decimal) -> Decimal:
    """X for x > 0, exp(x) - 1 below (alpha = 1)."""
    if x > 0:
        return x
    return Decimal(-1) if x < -_FAR else x.exp() - 1


def _softsign(x: Decimal) -> Decimal:
    """X / (1 + |x|)."""
    return x / (1 + abs(x))


def _local_response(x: Decimal) -> Decimal:
    """(1 + x)^(-3/4) of a number that is not negative, and 1 below."""
    root = (1 + max(x, Decimal(0))).sqrt()
    return 1 / (root * root.sqrt())


def _root(x: Decimal) -> Decimal:
    """The square root of a number that is not negative, and 0 below."""
    return max(x, Decimal(0)).sqrt()


FUNCTIONS: dict[str, SmoothFunction] = {
    "sigmoid": SmoothFunction(sigmoid, (), (Decimal(0), Decimal(1))),
    "tanh": SmoothFunction(tanh, (), (Decimal(-1), Decimal(1))),
    "gelu": SmoothFunction(_gelu, (Decimal("-0.7517916"),), (Decimal("-0.1699713"), None)),
    "gelu_tanh": SmoothFunction(
        _gelu_tanh, (Decimal("-0.7524614"),), (Decimal("-0.1700408"), None)
    ),
    "silu": SmoothFunction(_silu, (Decimal("-1.2784645"),), (Decimal("-0.2784646"), None)),
    "hard_swish": SmoothFunction(_hard_swish, (Decimal("-1.5"),), (Decimal("-0.375"), None)),
    "softplus": SmoothFunction(_softplus, (), (Decimal(0), None)),
    "mish": SmoothFunction(_mish, (Decimal("-1.1924312"),), (Decimal("-0.3088435"), None)),
    "elu": SmoothFunction(_elu, (), (Decimal(-1), None)),
    "erf": SmoothFunction(erf, (), (Decimal(-1), Decimal(1))),
    "softsign": SmoothFunction(_softsign, (), (Decimal(-1), Decimal(1))),
    "local_response": SmoothFunction(_local_response, (), (Decimal(0), Decimal(1))),
    "root": SmoothFunction(_root, (Decimal(0),), (Decimal(0), None)),
    "exp_of_negative": SmoothFunction(_exp_of_negative, (), (Decimal(0), Decimal(1))),
}

# Homogeneous functions of a positive number: f(c x) = c^-k f(x), with the exponent k.
POLES: dict[str, Decimal] = {"reciprocal": Decimal(1), "reciprocal_root": Decimal("0.5")}
