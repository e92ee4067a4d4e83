"""The verifier of the constraints on the pads.

Three polynomials over K are sent in full and compared with the committed rows at random positions
(rows w_i, masks s; rho and theta are challenges, a_i the folded linear constraint's row i):

    proximity   u = s_0 + sum_i rho^i w_i                         degree < 2^m + Q
    linear      q = s_1 + sum_i a_i w_i,    sum_H q = target      degree < 2 * 2^m + Q - 1
    quadratic   (X^w - 1) h = s_2 + sum_(t>=1) theta^t (x_t y_t - z_t)

s_1 sums to zero over H and s_2 vanishes on it; a mask that does not is fixed before the challenges,
so it cannot make up for a constraint that is violated: every constraint's weight has a challenge as
a factor, so none was known when the masks were chosen.

Nothing tests that a mask is close to any polynomial, and nothing has to: q and (X^w - 1) h are
combinations, by random coefficients, of the mask and of one word for each constraint, which is
sum_i A_ji w_i or x_t y_t - z_t. If too many such combinations are close to polynomials of degree
< 2k - 1, so are the mask and all of these words, on common positions (proximity gaps, as for the
rows). Each coefficient costs n / |K|, so linear constraints, which are thousands, are folded by a
tensor of few. Soundness: `soundness.argument_errors`, `soundness.pad_query_error`.
"""

import numpy as np

from wmproof.argument.algebra import ntt
from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.extension import elements_of
from wmproof.argument.algebra.field import U32, P, to_montgomery
from wmproof.argument.channel import ConstraintSystem
from wmproof.argument.logup.statement import powers
from wmproof.argument.pcs.ligero.pad_layout import PadLayout, draw_challenges
from wmproof.argument.transcript import VerifierTranscript
from wmproof.errors import ProofError


class PadTests:
    """The three polynomials, received and waiting for the opened columns.

    Attributes
    ----------
    polynomials : three of uint32 (4, degree), Montgomery
        Proximity, linear, quadratic quotient, as received.
    weights, target
        The folded linear constraint, `PadLayout.linear_constraint`.
    """

    def __init__(
        self, transcript: VerifierTranscript, layout: PadLayout, system: ConstraintSystem
    ) -> None:
        if (system.pads, len(system.products)) != (layout.pads, layout.products):
            raise ProofError("argument", "the transcript does not have the shape it announced")
        self._layout = layout
        gamma, self._rho, self._theta, fold = draw_challenges(transcript, system)
        self.weights, self.target = layout.linear_constraint(system, gamma, fold)
        self.polynomials = (
            transcript.receive_vector("pads/proximity", layout.code.dimension),
            transcript.receive_vector("pads/linear", layout.linear_degree),
            transcript.receive_vector("pads/quadratic", layout.quotient_degree),
        )

    def check_sum(self) -> None:
        """The linear polynomial's sum over H, w times its coefficients at multiples of w."""
        width = self._layout.code.message_length
        total = Element(0)
        for coefficient in elements_of(np.ascontiguousarray(self.polynomials[1][:, ::width])):
            total = total + coefficient
        if total * Element.of(width) != self.target:
            raise ProofError("pads", "the linear constraints on the encrypted transcript fail")

    def check_columns(self, positions: list[int], columns: U32) -> None:
        """Compare the polynomials with opened columns.

        Parameters
        ----------
        positions : Q distinct positions
        columns : uint32 (Q, column_height), canonical
            Their authenticity is the caller's business.
        """
        sent = self.values(positions)
        entries = to_montgomery(np.ascontiguousarray(columns)).reshape(len(positions), -1, 4)
        weights = self.weights_at(positions)
        for k, (position, found) in enumerate(zip(positions, sent, strict=True)):
            expected = self.expected(weights[k], elements_of(entries[k].T))
            for name, one, other in zip(
                ("proximity", "linear", "quadratic"), found, expected, strict=True
            ):
                if one != other:
                    raise ProofError(
                        "pads", f"the {name} test of the pads fails", where=f"position {position}"
                    )

    def values(self, positions: list[int]) -> list[tuple[Element, Element, Element]]:
        """What the polynomials say of each position: u, q and (X^w - 1) h."""
        code = self._layout.code
        points = code.points()[positions]
        table = np.stack([ntt.values_at(poly, points) for poly in self.polynomials])
        result = []
        for k, point in enumerate(points):
            u, q, h = elements_of(table[:, :, k].T)
            vanishing = pow(int(point), code.message_length, P) - 1
            result.append((u, q, Element.of(vanishing) * h))
        return result

    def weights_at(self, positions: list[int]) -> list[list[Element]]:
        """The folded linear constraint's weight of each row, at each position."""
        layout = self._layout
        rows = self.weights.reshape(4 * layout.rows, layout.code.message_length)
        values = ntt.values_at(ntt.coefficients(rows), layout.code.points()[positions])
        by_position = values.reshape(4, layout.rows, len(positions)).transpose(2, 0, 1)
        return [elements_of(own) for own in by_position]

    def expected(
        self, weights: list[Element], values: list[Element]
    ) -> tuple[Element, Element, Element]:
        """What the polynomials have to be, given the weights and an opened column of a position."""
        rows = self._layout.rows
        body, linear_mask, quadratic_mask = values[:rows], values[rows], values[rows + 1]
        proximity = body[-1]
        for power, value in zip(powers(self._rho, rows)[1:], body[:-1], strict=True):
            proximity = proximity + power * value
        linear = linear_mask
        for weight, value in zip(weights, body, strict=True):
            linear = linear + weight * value
        quadratic = quadratic_mask
        triples = self._layout.factor_rows()
        factors = powers(self._theta, len(triples) + 1)[1:]
        for power, (x, y, z) in zip(factors, triples, strict=True):
            quadratic = quadratic + power * (body[x] * body[y] - body[z])
        return proximity, linear, quadratic
