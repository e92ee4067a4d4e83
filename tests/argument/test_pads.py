"""The pads' constraints: they hold for honest pads, and no mask makes up for one that does not."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pad_cheats import TamperedPads, show

from wmproof.argument.algebra.element import ONE, ZERO, Element
from wmproof.argument.algebra.field import P
from wmproof.argument.channel import ConstraintSystem, Expression
from wmproof.argument.pcs.ligero.pad_layout import PadLayout
from wmproof.argument.pcs.ligero.pad_prover import PadMatrix, draw_pads
from wmproof.argument.pcs.ligero.reed_solomon import Code
from wmproof.errors import ProofError

QUERIES = 12
CODE = Code(message_bits=3, tail=QUERIES, rate_bits=4)


def _element(rng: random.Random) -> Element:
    return Element(*(rng.randrange(P) for _ in range(4)))


def _system(rng: random.Random, pads: list[Element], products: int, zeros: int) -> ConstraintSystem:
    pairs = [(rng.randrange(len(pads)), rng.randrange(len(pads))) for _ in range(products)]
    unknowns = [*range(len(pads)), *(~k for k in range(products))]
    system = ConstraintSystem(len(pads), pairs)
    for _ in range(zeros):
        chosen = rng.sample(unknowns, min(len(unknowns), rng.randint(1, 5)))
        terms = {unknown: _element(rng) for unknown in chosen}
        system.zeros.append(_true(Expression(ZERO, terms), pads, pairs))
    return system


def _true(expression: Expression, pads: list[Element], pairs: list[tuple[int, int]]) -> Expression:
    """Choose the constant for which the expression is zero."""
    total = ZERO
    for unknown, coefficient in expression.terms.items():
        i, j = pairs[~unknown] if unknown < 0 else (unknown, unknown)
        total = total + coefficient * (pads[i] * pads[j] if unknown < 0 else pads[i])
    return replace(expression, constant=-total)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    pads=st.integers(1, 60),
    products=st.integers(0, 20),
    zeros=st.integers(0, 12),
)
def test_honest_pads_are_accepted(seed: int, pads: int, products: int, zeros: int) -> None:
    rng = random.Random(seed)
    drawn = draw_pads(pads)
    system = _system(rng, drawn, products, zeros)
    layout = PadLayout(CODE, pads, products)
    show(PadMatrix(layout, drawn, system.products), layout, system, QUERIES)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    pads=st.integers(1, 60),
    products=st.integers(0, 20),
    zeros=st.integers(1, 12),
    data=st.data(),
)
def test_any_constraint_that_is_off_is_seen(
    seed: int, pads: int, products: int, zeros: int, data: st.DataObject
) -> None:
    rng = random.Random(seed)
    drawn = draw_pads(pads)
    system = _system(rng, drawn, products, zeros)
    layout = PadLayout(CODE, pads, products)
    matrix = PadMatrix(layout, drawn, system.products)
    wrong = data.draw(st.integers(0, zeros - 1))
    system.zeros[wrong] = system.zeros[wrong].plus(_element(rng))
    with pytest.raises(ProofError, match="linear constraints"):
        show(matrix, layout, system, QUERIES)


PRODUCTS = 2 * CODE.message_length
PAIRS = [(k, k + 1) for k in range(PRODUCTS)]
PADS = PRODUCTS + 1
LAYOUT = PadLayout(CODE, PADS, PRODUCTS)
OFF = Element(5, 6, 7, 8)


@pytest.mark.parametrize("masked", [False, True], ids=["", "mask makes up for it"])
@pytest.mark.parametrize("k", [0, 1, CODE.message_length, PRODUCTS - 1])
def test_a_wrong_product_is_seen(k: int, masked: bool) -> None:
    # z_k = x_k y_k + OFF, and the quadratic mask is -(x_k y_k - z_k) in that slot.
    pads = draw_pads(PADS)
    slots = {k % CODE.message_length: OFF} if masked else {}
    matrix = TamperedPads(LAYOUT, pads, PAIRS, {LAYOUT.cell(~k): OFF}, quadratic=slots)
    system = ConstraintSystem(PADS, PAIRS)
    with pytest.raises(ProofError, match="quadratic"):
        show(matrix, LAYOUT, system, QUERIES)


@pytest.mark.parametrize("masked", [False, True], ids=["", "mask makes up for it"])
@pytest.mark.parametrize("k", [0, 1, PRODUCTS - 1])
@pytest.mark.parametrize("side", [0, 1], ids=["left", "right"])
def test_a_factor_that_is_no_copy_of_its_pad_is_seen(k: int, side: int, masked: bool) -> None:
    # The product fits the changed factor, so that only the copy constraint fails.
    pads = draw_pads(PADS)
    other = pads[PAIRS[k][1 - side]]
    cells = {LAYOUT.factor_cells(k)[side]: OFF, LAYOUT.cell(~k): OFF * other}
    matrix = TamperedPads(LAYOUT, pads, PAIRS, cells, linear_sum=-OFF if masked else ZERO)
    system = ConstraintSystem(PADS, PAIRS)
    with pytest.raises(ProofError, match="linear constraints"):
        show(matrix, LAYOUT, system, QUERIES)


@pytest.mark.parametrize("products", [0, PRODUCTS])
def test_a_linear_mask_makes_up_for_no_equation(products: int) -> None:
    # pad_0 = pad_0 + OFF is false; the linear mask sums to what is missing.
    pads = draw_pads(PADS)
    pairs = PAIRS[:products]
    layout = PadLayout(CODE, PADS, products)
    matrix = TamperedPads(layout, pads, pairs, linear_sum=-OFF)
    system = ConstraintSystem(PADS, pairs, [Expression(OFF - pads[0], {0: ONE})])
    with pytest.raises(ProofError, match="linear constraints"):
        show(matrix, layout, system, QUERIES)


@pytest.mark.parametrize(
    "masks", [{"linear_sum": OFF}, {"quadratic": {0: OFF}}, {"quadratic": {3: OFF, 5: ONE}}]
)
def test_masks_that_hide_with_the_wrong_values_are_seen(masks: dict[str, object]) -> None:
    matrix = TamperedPads(LAYOUT, draw_pads(PADS), PAIRS, **masks)  # type: ignore[arg-type]
    with pytest.raises(ProofError, match=r"linear constraints|quadratic"):
        show(matrix, LAYOUT, ConstraintSystem(PADS, PAIRS), QUERIES)


def test_other_pads_than_those_committed_are_seen() -> None:
    # The transcript is encrypted with one set of pads, the commitment holds another.
    pads, others = draw_pads(PADS), draw_pads(PADS)
    system = _system(random.Random(3), pads, PRODUCTS, 4)
    matrix = PadMatrix(LAYOUT, others, system.products)
    with pytest.raises(ProofError, match="linear constraints"):
        show(matrix, LAYOUT, system, QUERIES)


@pytest.mark.parametrize("pads", [PADS - 1, PADS + 1])
def test_another_shape_than_announced_is_seen(pads: int) -> None:
    matrix = PadMatrix(LAYOUT, draw_pads(PADS), PAIRS)
    with pytest.raises(ProofError, match="shape"):
        show(matrix, LAYOUT, ConstraintSystem(pads, PAIRS), QUERIES)
