"""The verifier of the constraints on the pads.

Three polynomials over K are sent in full and compared with the committed rows at random positions
(rows w_i, masks s; gamma, rho and theta are challenges, a_i the folded linear constraint's row i):

    proximity   u = s_0 + sum_i rho^i w_i                         degree < 2^m + Q
    linear      q = s_1 + sum_i a_i w_i,    sum_H q = target      degree < 2 * 2^m + Q - 1
    quadratic   (X^w - 1) h = s_2 + sum_t theta^t (x_t y_t - z_t)

s_1 sums to zero over H and s_2 vanishes on it; a mask that does not is fixed before the challenges,
so it cannot make up for a constraint that is violated. Soundness: `soundness.pad_errors`.
"""

from __future__ import annotations

import numpy as np

from wmproof.argument.channel import ConstraintSystem
from wmproof.argument.element import Element
from wmproof.argument.extension import elements_of
from wmproof.argument.field import U32, to_montgomery
from wmproof.argument.ligero.pad_layout import PadLayout
from wmproof.argument.ligero.polynomials import coefficients_on_subgroup, values_at_positions
from wmproof.argument.logup.statement import powers
from wmproof.argument.transcript import VerifierTranscript
from wmproof.errors import ProofError


class PadTests:
    """The three polynomials, received and waiting for the opened columns."""

    def __init__(
        self, transcript: VerifierTranscript, layout: PadLayout, system: ConstraintSystem
    ) -> None:
        if (system.pads, len(system.products)) != (layout.pads, layout.products):
            raise ProofError("argument", "the transcript does not have the shape it announced")
        self._layout = layout
        gamma, self._rho, self._theta = transcript.challenges("pads/challenges", 3)
        weights, target = layout.linear_constraint(system, gamma)
        self._weights = weights
        proximity = transcript.receive_vector("pads/proximity", layout.code.dimension)
        linear = transcript.receive_vector("pads/linear", layout.linear_degree)
        quotient = transcript.receive_vector("pads/quadratic", layout.quotient_degree)
        self._polynomials = (proximity, linear, quotient)
        self._check_sum(linear, target)

    def _check_sum(self, linear: U32, target: Element) -> None:
        width = self._layout.code.message_length
        total = Element(0)
        for coefficient in elements_of(np.ascontiguousarray(linear[:, ::width])):
            total = total + coefficient
        if total * Element.of(width) != target:
            raise ProofError("pads", "the linear constraints on the encrypted transcript fail")

    def check_columns(self, positions: list[int], columns: U32) -> None:
        """Compare the polynomials with opened columns.

        Parameters
        ----------
        positions : Q distinct positions
        columns : uint32 (Q, column_height), canonical
            Their authenticity is the caller's business.
        """
        layout, code = self._layout, self._layout.code
        sent = np.concatenate(
            [values_at_positions(code, polynomial) for polynomial in self._polynomials]
        )[:, positions]
        rows = layout.rows * 4
        weight_rows = self._weights.reshape(4 * layout.rows, code.message_length)
        weight_rows = coefficients_on_subgroup(weight_rows)
        weights = values_at_positions(code, weight_rows).reshape(4, layout.rows, code.length)
        points = code.points()
        entries = to_montgomery(np.ascontiguousarray(columns)).reshape(len(positions), -1, 4)
        assert entries.shape[1] * 4 == rows + 8
        for k, position in enumerate(positions):
            values = elements_of(np.ascontiguousarray(entries[k].T))
            local = elements_of(np.ascontiguousarray(weights[:, :, position]))
            expected = self._expected(values, local)
            vanishing = Element.of(pow(int(points[position]), code.message_length) - 1)
            u, q, h = elements_of(np.ascontiguousarray(sent[:, k].reshape(3, 4).T))
            for name, found, wanted in zip(
                ("proximity", "linear", "quadratic"), (u, q, vanishing * h), expected, strict=True
            ):
                if found != wanted:
                    raise ProofError(
                        "pads", f"the {name} test of the pads fails", where=f"position {position}"
                    )

    def _expected(
        self, values: list[Element], weights: list[Element]
    ) -> tuple[Element, Element, Element]:
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
        for power, (x, y, z) in zip(powers(self._theta, len(triples)), triples, strict=True):
            quadratic = quadratic + power * (body[x] * body[y] - body[z])
        return proximity, linear, quadratic
