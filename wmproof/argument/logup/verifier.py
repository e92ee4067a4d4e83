"""The lookup argument's verifier."""

from wmproof.argument.algebra.element import ONE, Element
from wmproof.argument.channel import Expression, VerifierChannel, combine, constant
from wmproof.argument.logup.statement import ColumnClaims, Lookup, LookupClaims, filled_part, powers
from wmproof.argument.sumcheck import verifier as sumcheck_verifier

Fraction = tuple[Expression, Expression]


def verify(channel: VerifierChannel, lookup: Lookup) -> LookupClaims:
    """Check a lookup up to claims on its columns and multiplicities.

    Parameters
    ----------
    channel : VerifierChannel
    lookup : Lookup
        Its columns and multiplicities were committed before the transcript's next challenge.

    Returns
    -------
    LookupClaims
        True for the committed columns if the lookup holds; the caller checks them.
    """
    channel.grind(f"{lookup.label}/work")
    a, beta = channel.challenges(f"{lookup.label}/compress", 2)
    groups = []
    total: Fraction | None = None
    for g in range(len(lookup.lengths)):
        label = f"{lookup.label}/group{g}"
        root, point, denominator = _verify_unit_tree(channel, label, lookup.bits(g))
        groups.append(_column_claims(channel, lookup, g, point, denominator, a, beta))
        total = root if total is None else _add_fractions(channel, label, total, root)
    table_root, multiplicities = _verify_table(channel, lookup, a, beta)
    if total is not None:
        left = channel.multiply(total[0], table_root[1])
        right = channel.multiply(table_root[0], total[1])
        channel.require_zero(f"{lookup.label}/sum", left - right)
    return LookupClaims(groups, multiplicities)


def _verify_unit_tree(
    channel: VerifierChannel, label: str, bits: int
) -> tuple[Fraction, list[Element], Expression]:
    numerator, denominator = channel.receive(f"{label}/root", 2)
    root = (numerator, denominator)
    point: list[Element] = []
    for _ in range(bits - 1):
        point, numerator, denominator = _layer(channel, label, point, numerator, denominator)
    point, denominator = _unit_layer(channel, label, point, numerator, denominator)
    return root, point, denominator


def _layer(
    channel: VerifierChannel,
    label: str,
    point: list[Element],
    numerator: Expression,
    denominator: Expression,
) -> tuple[list[Element], Expression, Expression]:
    weight = channel.challenge(f"{label}/lambda")
    claim = combine([(ONE, numerator), (weight, denominator)])
    point, value = sumcheck_verifier.verify(channel, label, claim, point, degree=2)
    # The first numerator comes with lambda times its denominator already added to it.
    n0_shifted, n1, d0, d1 = channel.receive(f"{label}/children", 4)
    product = channel.multiply(n0_shifted, d1) + channel.multiply(n1, d0)
    channel.require_zero(f"{label}/layer", product - value)
    t = channel.challenge(f"{label}/half")
    n0 = combine([(ONE, n0_shifted), (-weight, d0)])
    return [t, *point], _interpolate(n0, n1, t), _interpolate(d0, d1, t)


def _unit_layer(
    channel: VerifierChannel,
    label: str,
    point: list[Element],
    numerator: Expression,
    denominator: Expression,
) -> tuple[list[Element], Expression]:
    weight = channel.challenge(f"{label}/lambda")
    shift = weight.inverse()
    claim = combine([(shift, numerator), (ONE, denominator)]).plus(shift * shift)
    point, value = sumcheck_verifier.verify(channel, label, claim, point, degree=2)
    d0, d1 = channel.receive(f"{label}/children", 2)
    channel.require_product(f"{label}/layer", d0, d1, value)
    t = channel.challenge(f"{label}/half")
    return [t, *point], _interpolate(d0, d1, t).plus(-shift)


def _interpolate(low: Expression, high: Expression, t: Element) -> Expression:
    return combine([(ONE - t, low), (t, high)])


def _column_claims(
    channel: VerifierChannel,
    lookup: Lookup,
    group: int,
    point: list[Element],
    denominator: Expression,
    a: Element,
    beta: Element,
) -> ColumnClaims:
    # a - sum_j beta^j column_j - fill = denominator gives the first column from the others.
    width = len(lookup.table.fill)
    others = channel.receive(f"{lookup.label}/group{group}/columns", width - 1)
    weights = powers(beta, width)[1:]
    parts = [(-ONE, denominator)]
    parts += [(-weight, column) for weight, column in zip(weights, others, strict=True)]
    first = combine(parts).plus(a - filled_part(lookup, group, point, beta))
    return ColumnClaims(point, [first, *others])


def _add_fractions(
    channel: VerifierChannel, label: str, left: Fraction, right: Fraction
) -> Fraction:
    numerator, denominator = channel.receive(f"{label}/sum", 2)
    crossed = channel.multiply(left[0], right[1]) + channel.multiply(right[0], left[1])
    channel.require_zero(f"{label}/numerator", crossed - numerator)
    channel.require_product(f"{label}/denominator", left[1], right[1], denominator)
    return numerator, denominator


def _verify_table(
    channel: VerifierChannel, lookup: Lookup, a: Element, beta: Element
) -> tuple[Fraction, ColumnClaims]:
    label = f"{lookup.label}/table"
    numerator, denominator = channel.receive(f"{label}/root", 2)
    root = (numerator, denominator)
    point: list[Element] = []
    for _ in range(lookup.table.bits):
        point, numerator, denominator = _layer(channel, label, point, numerator, denominator)

    def compressed() -> Element:
        total = a
        columns = lookup.table.evaluate(point)
        for weight, value in zip(powers(beta, len(columns)), columns, strict=True):
            total = total - weight * value
        return total

    channel.require_zero(f"{label}/leaves", denominator - constant(channel.public(compressed)))
    return root, ColumnClaims(point, [numerator])
