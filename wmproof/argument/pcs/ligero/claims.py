"""Claims about a committed matrix as one multilinear polynomial, and how they are batched.

The matrix has 2^s rows (those behind the last are zero) of 2^m values: a multilinear polynomial W
in s + m variables, rows first. With powers of a challenge gamma, claims W(i_j, c_j) = value_j sum
up to

    sum_j gamma^j value_j = sum_c sum_j gamma^j eq(c_j, c) S_j(c),
    S_j(c) = sum_i eq(i_j, i) W(i, c).

One sumcheck binds all variables, the columns first: S_j reads only the rows that claim j weighs. At
the random column point r_c all claims are about the one vector T(i) = <eq(r_c, .), row i>, and

    ... = sum_i (sum_j gamma^j eq(c_j, r_c) eq(i_j, i)) T(i)

is bound to a random row point r. There the prover sends u = sum_i eq(r, i) row_i in full, so that
T(r) = <eq(r_c, .), u>, and u is compared with the commitment at random columns.

A claim may be about some rows alone, W(first + i, c) for i < n with weights eq(i_j, i): then its
eq(i_j, i) is 0 for all other rows, and the verifier computes its n weights one by one.

*Soundness*: r is drawn after the commitment, so comparing u also tests that all rows are close to
codewords: tensor combinations have proximity gaps up to unique decoding (Diamond and Posen, ePrint
2023/630; Diamond and Gruen, ePrint 2024/1351). *Hiding*: see `BLINDING_ROWS`.
"""

from collections.abc import Sequence

from wmproof.argument.algebra.element import ONE, ZERO, Element

# Rows of random values in every matrix. In u they come with the coefficients eq(r, i); where these
# span all of K over F_p, u is uniform. They fail to with a probability of about s / |K|, when the
# block's common factor is zero, or if the verifier chose r; then the prover does not send u.
BLINDING_ROWS = 8


def corner_rows(row_point: Sequence[Element]) -> tuple[int, int, list[Element]]:
    """Rows that a claim can weigh: leading coordinates 0 or 1 fix the row's leading bits.

    Returns
    -------
    start, stop : int
        The range of rows.
    rest : list of Element
        The coordinates inside the range.
    """
    start, fixed = 0, 0
    for coordinate in row_point:
        if coordinate not in (ZERO, ONE):
            break
        start = 2 * start + coordinate.c0
        fixed += 1
    span = 1 << (len(row_point) - fixed)
    return start * span, (start + 1) * span, list(row_point[fixed:])
