"""Soundness of Ligero's two commitments, and the parameters that it calls for.

All bounds are proved ones: Reed-Solomon codes are used up to unique decoding, and no proximity-gap
conjecture enters.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import comb

from wmproof.argument.pcs.commitment import Shape
from wmproof.argument.pcs.ligero.pad_layout import fold_bits
from wmproof.argument.pcs.ligero.reed_solomon import Code
from wmproof.argument.soundness import Ground, bits, over_field, sumcheck_error
from wmproof.errors import InputError

# A proof has one combined row over K, and so many columns over F_p: those of 100 bits.
_VALUE_BYTES, _COLUMNS_BYTES = 16, 127 * 4
_LEAST_MESSAGE_BITS = 8
MOST_MESSAGE_BITS = 17
"""The proximity gap costs (logarithm of the rows) x (length of a codeword): with longer rows, 2^31
entries would leave it no more than the 100 bits that all parts together must reach."""


def message_bits(entries: int) -> int:
    """Row length for which the opened columns and the combined row are shortest together."""

    def proof_bytes(bits: int) -> int:
        return (_VALUE_BYTES << bits) + _COLUMNS_BYTES * -(-entries >> bits)

    return min(range(_LEAST_MESSAGE_BITS, MOST_MESSAGE_BITS + 1), key=proof_bytes)


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
        name: error * relief if isinstance(error, Ground) else error
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

    InputError if no number of queries can reach it, because the field is too small for the
    sizes.
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
        remedy="Prove fewer triggers with --triggers",
    )
