"""The encrypted transcript: expressions in the pads have the values of what was said."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import ELEMENT, value_of

from wmproof.argument.algebra.element import ONE, ZERO, Element
from wmproof.argument.algebra.field import P
from wmproof.argument.channel import (
    Expression,
    VerifierChannel,
    combine,
    constant,
    sum_of,
)
from wmproof.argument.pcs.ligero.pad_prover import draw_pads
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.transcript import fiat_shamir_prover, fiat_shamir_verifier
from wmproof.errors import ProofError, WmproofError

EXPRESSION = st.builds(
    Expression, ELEMENT, st.dictionaries(st.integers(-4, 5), ELEMENT, max_size=4)
)


def _unknowns(seed: int) -> dict[int, Element]:
    rng = random.Random(seed)
    return {i: Element(*(rng.randrange(P) for _ in range(4))) for i in range(-4, 6)}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(ELEMENT, EXPRESSION), max_size=4), st.integers(0, 99))
def test_combinations_have_the_combined_value(
    parts: list[tuple[Element, Expression]], seed: int
) -> None:
    values, expected = _unknowns(seed), ZERO
    for factor, expression in parts:
        expected = expected + factor * value_of(expression, values)
    assert value_of(combine(parts), values) == expected


@settings(max_examples=50, deadline=None)
@given(EXPRESSION, EXPRESSION, ELEMENT, st.integers(0, 99))
def test_expressions_add_like_their_values(
    x: Expression, y: Expression, factor: Element, seed: int
) -> None:
    values = _unknowns(seed)
    a, b = value_of(x, values), value_of(y, values)
    assert value_of(x + y, values) == a + b
    assert value_of(x - y, values) == a - b
    assert value_of(sum_of([x, y, x]), values) == a + b + a
    assert value_of(x.plus(factor), values) == a + factor
    assert value_of(x.times(factor), values) == a * factor
    assert constant(factor) == Expression(factor, {})


def _heard(
    messages: list[list[Element]], pads: list[Element] | None
) -> tuple[VerifierChannel, list[list[Expression]]]:
    prover, proof = fiat_shamir_prover("channel")
    speaker = ProverChannel(prover, pads)
    for i, message in enumerate(messages):
        speaker.send(f"m{i}", message)
    verifier = fiat_shamir_verifier("channel", proof.getvalue())
    channel = VerifierChannel(verifier, hiding=pads is not None)
    heard = [channel.receive(f"m{i}", len(message)) for i, message in enumerate(messages)]
    verifier.finish()
    return channel, heard


def _of_pads(channel: VerifierChannel, pads: list[Element]) -> dict[int, Element]:
    products = {~k: pads[i] * pads[j] for k, (i, j) in enumerate(channel.system.products)}
    return {**dict(enumerate(pads)), **products}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(ELEMENT, max_size=4), max_size=4))
def test_what_is_said_under_pads_is_understood(messages: list[list[Element]]) -> None:
    count = sum(len(message) for message in messages)
    pads = draw_pads(count)
    channel, heard = _heard(messages, pads)
    assert channel.system.pads == count
    values = _of_pads(channel, pads)
    assert [[value_of(e, values) for e in part] for part in heard] == messages


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(ELEMENT, max_size=4), max_size=4))
def test_what_is_said_in_the_clear_is_constant(messages: list[list[Element]]) -> None:
    channel, heard = _heard(messages, None)
    assert channel.system.pads == 0
    assert [[e.constant for e in part] for part in heard] == messages
    assert not any(e.terms for part in heard for e in part)


@settings(max_examples=50, deadline=None)
@given(ELEMENT, ELEMENT, ELEMENT, ELEMENT, st.booleans(), st.booleans())
def test_products_have_the_product_as_value(
    x: Element, y: Element, factor: Element, shift: Element, hiding: bool, square: bool
) -> None:
    # Each factor is affine in one message; either may be a message with a public change.
    pads = draw_pads(2) if hiding else None
    channel, [[a, b]] = _heard([[x, y]], pads)
    left, right = a.times(factor).plus(shift), a if square else b
    product = channel.multiply(left, right)
    expected = (x * factor + shift) * (x if square else y)
    assert value_of(product, _of_pads(channel, pads or [])) == expected
    public = channel.multiply(constant(factor), a)
    assert value_of(public, _of_pads(channel, pads or [])) == factor * x
    public = channel.multiply(a, constant(factor))
    assert value_of(public, _of_pads(channel, pads or [])) == factor * x
    assert len(channel.system.products) == (1 if hiding else 0)


def test_only_single_messages_can_be_multiplied() -> None:
    channel, [[a, b]] = _heard([[ONE, ONE]], draw_pads(2))
    with pytest.raises(ValueError, match="as received"):
        channel.multiply(a + b, a)
    with pytest.raises(ValueError, match="as received"):
        channel.multiply(a, a + b)


@pytest.mark.parametrize("off", [ZERO, ONE])
def test_checks_without_pads_are_made_at_once(off: Element) -> None:
    x, y = Element(3, 1), Element(5, 0, 2)
    channel, [[a, b, c]] = _heard([[x, y, x * y + off]], None)
    if off == ZERO:
        channel.require_product("product", a, b, c)
        channel.require_zero("zero", a - constant(x))
    else:
        with pytest.raises(ProofError, match="'product'"):
            channel.require_product("product", a, b, c)
        with pytest.raises(ProofError, match="'zero'"):
            channel.require_zero("zero", a - constant(x + off))
    assert channel.system.zeros == []


@pytest.mark.parametrize("off", [ZERO, ONE])
def test_checks_under_pads_become_equations(off: Element) -> None:
    x, y = Element(3, 1), Element(5, 0, 2)
    pads = draw_pads(3)
    channel, [[a, b, c]] = _heard([[x, y, x * y + off]], pads)
    channel.require_product("product", a, b, c)
    [equation] = channel.system.zeros
    assert (value_of(equation, _of_pads(channel, pads)) == ZERO) == (off == ZERO)


def test_a_false_public_number_is_seen_under_pads_too() -> None:
    channel, _ = _heard([[ONE]], draw_pads(1))
    with pytest.raises(ProofError, match="'sum'"):
        channel.require_zero("sum", constant(ONE))


def test_a_rehearsal_counts_and_checks_nothing() -> None:
    transcript = fiat_shamir_verifier("channel", bytes(48))
    channel = VerifierChannel(transcript, rehearsal=True)
    a, b, c = channel.receive("m", 3)
    channel.require_product("product", a, b, c.plus(ONE))
    channel.require_zero("false", constant(ONE))
    assert channel.public(lambda: pytest.fail("a rehearsal computes nothing")) == ZERO
    assert (channel.system.pads, channel.system.products) == (3, [(0, 1)])
    assert len(channel.system.zeros) == 1


def test_every_message_has_its_own_pad() -> None:
    prover, proof = fiat_shamir_prover("channel")
    pads = draw_pads(4)
    speaker = ProverChannel(prover, pads)
    speaker.send("a", [ZERO, ZERO])
    speaker.send("b", [ZERO, ZERO])
    verifier = fiat_shamir_verifier("channel", proof.getvalue())
    assert verifier.receive_elements("a", 2) + verifier.receive_elements("b", 2) == pads


def test_more_messages_than_pads_are_an_error() -> None:
    prover, proof = fiat_shamir_prover("channel")
    speaker = ProverChannel(prover, draw_pads(2))
    speaker.send("a", [ONE])
    with pytest.raises(WmproofError, match="rehearsal announced"):
        speaker.send("b", [ONE, ONE])
    assert len(proof.getvalue()) == 16
