"""The one linear form that ends a run of blocks: its terms, and their public weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wmproof.argument.algebra.element import ZERO, Element
from wmproof.argument.algebra.field import U32
from wmproof.argument.algebra.multilinear import eq_table
from wmproof.argument.algebra.vectors import scale
from wmproof.argument.logup.statement import powers
from wmproof.commitment.sha256 import BLOCK_BYTES
from wmproof.relation.linear_form.statement import Term, Weights
from wmproof.relation.openings.sha256 import weights as public
from wmproof.relation.openings.sha256.openings import PLACE_BITS, Openings, Run

FACTORS = 17


@dataclass(frozen=True, eq=False)
class RunForm:
    """Everything that the form of one run depends on."""

    openings: Openings
    run: Run
    base: Element
    """lambda, whose powers weigh the half equations."""
    tau: Sequence[Element]
    """Instance and round coordinates of the linear part."""
    r: Sequence[Element]
    """Instance, round and bit coordinates of the factors."""
    gamma: Element
    mu: Element
    """gamma and mu: powers weigh what is checked, and the halves of a state."""
    rho: Sequence[Element]
    """Six coordinates that weigh the bytes of a block."""

    @property
    def _slots(self) -> Sequence[Element]:
        return self.r[: self.openings.slot_bits]

    @property
    def _instance_bits(self) -> int:
        return self.openings.slot_bits + self.run.bits

    @property
    def _next_run(self) -> Run | None:
        return next((run for run in self.openings.runs if run.first == self._stop), None)

    @property
    def _stop(self) -> int:
        return self.run.first + (1 << self.run.bits)

    @property
    def _has_message(self) -> bool:
        return self.run.first < self.openings.message_blocks

    def terms(self) -> list[Term]:
        """Which segments, at which batch points."""
        own, bits = self.run.segment, self._instance_bits
        terms = [Term(own, self.r[:bits]), Term(own, self.tau[:bits])]
        if self.run.bits:
            terms.append(Term(own, self._slots))
        following = self._next_run
        if following:
            terms.append(Term(following.segment, [*self._slots, *[ZERO] * following.bits]))
        if self.run.first == 0:
            terms.append(Term(own, [*self._slots, *[ZERO] * self.run.bits]))
        if self._has_message:
            terms += self.openings.source.terms(self._slots)
        return terms

    def weights(self) -> tuple[Weights, Element]:
        """Weights of the terms, in their order, and the constant."""
        bits = self._instance_bits
        scales = powers(self.gamma, FACTORS + 4)
        linear_scale, chain_scale, message_scale, start_scale = scales[FACTORS:]
        halves = public.BitWeights.of(self.base)
        rounds, word = self.r[bits : bits + 6], self.r[bits + 6 :]
        factors, constant, _ = public.factors_form(halves, rounds, word, self.gamma)
        linear, linear_constant = public.linear_part(halves, self.tau[bits:])
        constant = constant + linear_scale * linear_constant
        at_r = [factors, scale(public.addition_part(self.mu), chain_scale)]
        blocks = eq_table(list(self.r[self.openings.slot_bits : bits]))
        byte_weights = scale(eq_table(list(self.rho)), message_scale)
        if self.run.first != self.openings.random_block:
            at_r.append(public.message_part(byte_weights))
        result = [public.add(*at_r), scale(linear, linear_scale)]
        state = public.next_state_part(self.mu)
        if self.run.bits:
            result.append(_following(state, blocks, chain_scale))
        last = Element.from_montgomery(blocks[:, -1]) * chain_scale
        if self._next_run:
            result.append(scale(state, last))
        else:
            digests = public.state_constant(self.mu, self.openings.digests, self._slots)
            padding = np.frombuffer(self.openings.padding_block, np.uint8)
            constant = constant + last * digests - _weighed(byte_weights, padding)
        if self.run.first == 0:
            result.append(scale(state, start_scale))
            states = self.openings.initial_states
            constant = constant - start_scale * public.state_constant(self.mu, states, self._slots)
        if self._has_message:
            result += self.openings.source.weights(self._message_weights(byte_weights, blocks))
        return result, constant

    def _message_weights(self, byte_weights: U32, blocks: U32) -> U32:
        """Minus the weights of the message's bytes: K (4, message bytes)."""
        out = np.zeros((4, self.openings.message_blocks * BLOCK_BYTES), np.uint32)
        for i in range(blocks.shape[1]):
            first = (self.run.first + i) * BLOCK_BYTES
            factor = -Element.from_montgomery(blocks[:, i])
            out[:, first : first + BLOCK_BYTES] = scale(byte_weights, factor)
        return np.ascontiguousarray(out[:, : self.openings.message_bytes])


def _following(state: U32, blocks: U32, factor: Element) -> U32:
    """For each block but the last: the state of the next one, weighed by eq."""
    count = blocks.shape[1]
    out = np.zeros((4, count, 1 << PLACE_BITS), np.uint32)
    for i in range(count - 1):
        out[:, i + 1] = scale(state, factor * Element.from_montgomery(blocks[:, i]))
    return out.reshape(4, -1)


def _weighed(weights: U32, values: np.ndarray) -> Element:
    total = ZERO
    for i, value in enumerate(values):
        if value:
            total = total + Element(int(value)) * Element.from_montgomery(weights[:, i])
    return total
