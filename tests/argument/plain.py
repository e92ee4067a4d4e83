"""Multilinear algebra by plain Python loops over elements, for comparison."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from hypothesis import strategies as st

from wmproof.argument.algebra.element import ONE, ZERO, Element
from wmproof.argument.algebra.field import U32, P
from wmproof.argument.channel import Expression
from wmproof.argument.pcs.ligero.encoder import Encoder
from wmproof.argument.pcs.ligero.matrix import MessageMatrix

COEFFICIENT = st.integers(0, P - 1)
ELEMENT = st.builds(Element, COEFFICIENT, COEFFICIENT, COEFFICIENT, COEFFICIENT)


def value_of(
    expression: Expression, unknowns: Mapping[int, Element] | Sequence[Element]
) -> Element:
    """An expression where its unknowns are known."""
    terms = (factor * unknowns[unknown] for unknown, factor in expression.terms.items())
    return sum(terms, expression.constant)


def points(variables: int) -> st.SearchStrategy[list[Element]]:
    """Points of K^n, of which some coordinates, often the first ones, are 0 or 1."""
    bits = st.lists(st.sampled_from([ZERO, ONE]), max_size=variables)
    rest = st.lists(
        st.one_of(ELEMENT, st.sampled_from([ZERO, ONE])), min_size=variables, max_size=variables
    )
    return st.builds(lambda prefix, tail: [*prefix, *tail][:variables], bits, rest)


def base_values(size: int, seed: int, below: int = P) -> U32:
    """Canonical values of a seeded generator."""
    return np.random.default_rng(seed).integers(0, below, size, dtype=np.uint32)


def codewords_of(matrix: MessageMatrix) -> U32:
    """Columns of the code matrix, uint32 (n, R), from the code alone."""
    messages = np.concatenate([block.astype(np.uint32) for block in matrix.blocks])
    return np.ascontiguousarray(Encoder(matrix.code).encode(messages, matrix.tails).T)


def weight(point: Sequence[Element], index: int) -> Element:
    """eq(point, corner of an index), the first variable being the highest bit."""
    result = ONE
    for i, r in enumerate(point):
        bit = index >> (len(point) - 1 - i) & 1
        result = result * (r if bit else ONE - r)
    return result


def weights(point: Sequence[Element]) -> list[Element]:
    """`weight` of every index."""
    table = [ONE]
    for r in point:
        table = [w * f for w in table for f in (ONE - r, r)]
    return table


def evaluate(values: Sequence[Element | int], point: Sequence[Element]) -> Element:
    """The multilinear extension at a point; missing entries are zero."""
    total = ZERO
    for factor, value in zip(weights(point), values, strict=False):
        element = value if isinstance(value, Element) else Element(int(value))
        total = total + factor * element
    return total


def product(factors: Iterable[Element]) -> Element:
    """The product of some elements."""
    result = ONE
    for factor in factors:
        result = result * factor
    return result
