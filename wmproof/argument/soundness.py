"""How likely a false statement is accepted, added up part by part, and the parameters chosen by it.

All bounds are proved ones: Reed-Solomon codes are used up to unique decoding, and no proximity-gap
conjecture enters. An error is a probability; the sum over all parts bounds the interactive
argument's error. Fiat-Shamir multiplies each round's error by the number of hash calls that an
attacker makes; proof of work (`grinding_bits`) takes as many bits off that for the rounds behind
it, which are the large ones: the column queries and the lookups' compression.

Not in the sum, because no finite field is to blame: collisions of BLAKE3, 128 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb, log2

from wmproof.argument.field import P
from wmproof.argument.ligero.pad_layout import fold_bits
from wmproof.argument.reed_solomon import Code
from wmproof.errors import InputError

FIELD_SIZE = P**4


def bits(error: Fraction) -> float:
    """-log2 of an error."""
    if error == 0:
        return float("inf")
    return log2(error.denominator) - log2(error.numerator)


def over_field(count: int) -> Fraction:
    """`count` bad challenges among |K|."""
    return Fraction(count, FIELD_SIZE)


def sumcheck_error(variables: int, degree: int) -> Fraction:
    """A false claim becomes a true one: degree + 1 bad challenges a round."""
    return over_field(variables * (degree + 1))


def lookup_errors(
    label: str, lengths: Sequence[int], table_bits: int, width: int
) -> dict[str, Fraction]:
    """Errors of one lookup argument by part.

    The compression's error is Schwartz-Zippel for the cross-multiplied fractions, a polynomial in
    (a, beta) of degree at most max(1, width - 1) in each of its N + T linear factors.
    """
    tree_bits = [max(1, (n - 1).bit_length()) for n in lengths]
    entries = sum(1 << b for b in tree_bits) + (1 << table_bits)
    layers = 0
    for depth in [*tree_bits, table_bits]:
        # Per layer k: the weight lambda, k sumcheck rounds of degree 2, the half.
        layers += sum(1 + 3 * k + 1 for k in range(depth))
    return {
        f"{label} compression": over_field(entries * max(1, width - 1)),
        f"{label} layers": over_field(layers),
    }


def agreement_error(agreeing: int, length: int, queries: int) -> Fraction:
    """All of `queries` distinct random positions fall among `agreeing` ones."""
    return Fraction(comb(agreeing, queries), comb(length, queries))


def evaluation_query_error(code: Code, queries: int) -> Fraction:
    """The opened columns miss a witness far from the code, or a wrong combined row."""
    errors = code.unique_decoding_errors
    far = code.length - errors - 1
    wrong = code.dimension - 1 + errors
    return agreement_error(max(far, wrong), code.length, queries)


def pad_query_error(code: Code, queries: int) -> Fraction:
    """The opened columns miss pads far from the code, or a wrong test polynomial.

    The proximity parameter is free in the analysis; it is set where both cases weigh the same.
    """
    product_dimension = 2 * code.dimension - 1
    errors = min(code.unique_decoding_errors, (code.length - product_dimension) // 2)
    far = code.length - errors - 1
    wrong = product_dimension - 1 + errors
    return agreement_error(max(far, wrong), code.length, queries)


@dataclass(frozen=True)
class Shape:
    """Sizes of an argument, known to both parties.

    Attributes
    ----------
    rows : int
        Rows of the witness, blinding included.
    message_bits : int
        Each row has 2^message_bits values.
    claims : int
        Claims about the witness.
    pads, products, zeros : int
        Of the encrypted transcript.
    """

    rows: int
    message_bits: int
    claims: int
    pads: int
    products: int
    zeros: int


@dataclass(frozen=True)
class Parameters:
    """What the two commitments and the proof of work are set to."""

    witness_code: Code
    witness_queries: int
    pad_code: Code
    pad_queries: int
    grinding_bits: int


def argument_errors(
    shape: Shape, parameters: Parameters, protocol_errors: Mapping[str, Fraction]
) -> dict[str, Fraction]:
    """Every part's error, by name; `protocol_errors` are those of the protocol on top."""
    row_bits = (shape.rows - 1).bit_length()
    pad_rows = -(-shape.pads >> parameters.pad_code.message_bits) + 1
    product_rows = -(-shape.products >> parameters.pad_code.message_bits)
    all_rows = pad_rows + 3 * product_rows
    folds = 1 + fold_bits(shape.products, shape.zeros) + product_rows
    relief = Fraction(1, 1 << parameters.grinding_bits)
    ground = {
        name: error * relief if name.endswith(" compression") else error
        for name, error in protocol_errors.items()
    }
    return {
        **ground,
        "claims batched": over_field(max(0, shape.claims - 1)),
        "claims sumcheck": sumcheck_error(row_bits + shape.message_bits, 2),
        "witness proximity": over_field(row_bits * parameters.witness_code.length),
        "witness queries": relief
        * evaluation_query_error(parameters.witness_code, parameters.witness_queries),
        # The masks may be no polynomials: a proximity gap for each folding, besides its root.
        "pads batched": over_field(folds * (parameters.pad_code.length + 1)),
        "pads proximity": over_field(all_rows * parameters.pad_code.length),
        "pads queries": relief * pad_query_error(parameters.pad_code, parameters.pad_queries),
    }


def _fewest_queries(
    message_bits: int, least_length: int, error: Callable[[Code, int], Fraction], target: float
) -> tuple[Code, int]:
    # As many random coefficients as queries; codewords at least `least_length` times as long.
    queries = 8
    while True:
        rate_bits = 2
        while least_length * ((1 << message_bits) + queries) > 1 << (message_bits + rate_bits):
            rate_bits += 1
        code = Code(message_bits, queries, rate_bits)
        if bits(error(code, queries)) >= target:
            return code, queries
        queries += 1


def choose_parameters(
    shape: Shape,
    protocol_errors: Mapping[str, Fraction],
    *,
    security_bits: float = 100,
    grinding_bits: int = 16,
) -> Parameters:
    """Smallest numbers of queries for which the whole argument reaches `security_bits`.

    Raises
    ------
    InputError
        If no number of queries can reach it, because the field is too small for the sizes.
    """
    for margin in (1.5, 2, 3, 5, 8, 16):
        target = security_bits + margin - grinding_bits
        # Rate 1/4 for long rows; with few values a row, the tail counts too.
        witness_code, witness_queries = _fewest_queries(
            shape.message_bits, 3, evaluation_query_error, target
        )
        # Short rows: the test polynomials are sent in full, the columns are low.
        pad_bits = max(5, ((shape.pads + 3 * shape.products).bit_length() + 5) // 2)
        pad_code, pad_queries = _fewest_queries(pad_bits, 8, pad_query_error, target)
        parameters = Parameters(witness_code, witness_queries, pad_code, pad_queries, grinding_bits)
        errors = argument_errors(shape, parameters, protocol_errors)
        if bits(sum(errors.values(), Fraction(0))) >= security_bits:
            return parameters
    worst = max(errors, key=lambda name: errors[name])
    raise InputError(
        f"the argument cannot reach {security_bits} bits of soundness",
        where=f"{worst}: {bits(errors[worst]):.1f} bits",
        remedy="Prove fewer lookups at once, or grind more",
    )


def format_errors(errors: Mapping[str, Fraction]) -> str:
    """Return a table for people: each part's bits, the weakest first, and the sum's."""
    lines = [
        f"{bits(errors[name]):8.1f}  {name}" for name in sorted(errors, key=lambda n: -errors[n])
    ]
    total = sum(errors.values(), Fraction(0))
    return "\n".join([*lines, f"{bits(total):8.1f}  all parts together"])
