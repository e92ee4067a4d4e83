"""The best known cheats succeed as often as the theory says, where challenges are few.

Challenges in K come from a set of 32 elements here, so that errors of the form count / |K| become
large enough to measure: Schwartz-Zippel over that set gives the exact rate of a cheat that places
as many roots in it as its degree allows. Prover and verifier are the real ones.

False-alarm rate: a measured rate is compared by a two-sided binomial test at 1e-6; seeds are fixed.
"""

import io
import random
from collections.abc import Callable, Iterable, Sequence
from math import comb, prod

import numpy as np
import pytest
from pad_cheats import TamperedPads
from plain import codewords_of
from scipy.stats import binomtest

from wmproof.argument.algebra.element import DEGREE, HALF, ONE, ZERO, Element
from wmproof.argument.algebra.extension import elements_of, inner_product, vector_of
from wmproof.argument.algebra.field import U32, P, random_elements, to_montgomery
from wmproof.argument.algebra.multilinear import eq, eq_table, evaluate_base
from wmproof.argument.channel import ConstraintSystem, VerifierChannel, constant
from wmproof.argument.logup import prover as lookup_prover
from wmproof.argument.logup import verifier as lookup_verifier
from wmproof.argument.logup.statement import ArrayTable, Lookup
from wmproof.argument.pcs.claims import Place, PointClaim
from wmproof.argument.pcs.ligero.evaluation_prover import prove_evaluations
from wmproof.argument.pcs.ligero.evaluation_verifier import EvaluationTest
from wmproof.argument.pcs.ligero.matrix import MessageMatrix
from wmproof.argument.pcs.ligero.pad_layout import PadLayout
from wmproof.argument.pcs.ligero.pad_prover import draw_pads
from wmproof.argument.pcs.ligero.pad_verifier import PadTests
from wmproof.argument.pcs.ligero.reed_solomon import Code
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.sumcheck import prover as sumcheck_prover
from wmproof.argument.sumcheck import verifier as sumcheck_verifier
from wmproof.argument.system.prover import ReplayedCoins
from wmproof.argument.transcript import ProverTranscript, VerifierTranscript
from wmproof.errors import ProofError

SET_SIZE = 32
FALSE_ALARM = 1e-6


class ToyCoins:
    """Challenges from {1, ..., SET_SIZE}, written down; positions from the same generator."""

    def __init__(self, rng: random.Random, set_size: int = SET_SIZE) -> None:
        self._rng, self._set_size = rng, set_size
        self.draws: list[bytes] = []

    def absorb(self, label: str, data: bytes) -> None:
        """Interactive: nothing to bind."""

    def draw(self, label: str, size: int) -> bytes:
        if label.endswith("positions"):
            coins = self._rng.randbytes(size)
        else:
            count = size // (16 * DEGREE)
            values = [self._rng.randint(1, self._set_size) for _ in range(count)]
            coins = b"".join(v.to_bytes(16, "little") + bytes(48) for v in values)
        self.draws.append(coins)
        return coins

    def find_nonce(self, bits: int) -> bytes:
        raise NotImplementedError

    def check_nonce(self, nonce: bytes, bits: int) -> bool:
        raise NotImplementedError


class Session:
    """A prover's transcript, and afterwards the verifier's view of what was said."""

    def __init__(self, seed: int, set_size: int = SET_SIZE) -> None:
        self._coins = ToyCoins(random.Random(seed), set_size)
        self._said = io.BytesIO()
        self.prover = ProverTranscript(self._said, self._coins)

    def verifier(self) -> VerifierTranscript:
        return VerifierTranscript(
            io.BytesIO(self._said.getvalue()), ReplayedCoins(self._coins.draws)
        )


def _measure(accepts: Callable[[int], bool], runs: int, rate: float) -> None:
    accepted = sum(accepts(seed) for seed in range(runs))
    assert 0.02 < rate < 0.9, "a rate that cannot be measured"
    assert binomtest(accepted, runs, rate).pvalue > FALSE_ALARM, (accepted / runs, rate)


def _passes(check: Callable[[], None]) -> bool:
    try:
        check()
    except ProofError:
        return False
    return True


def _times_root(coefficients: Sequence[Element], root: Element) -> list[Element]:
    """(X - root) times a polynomial given from the constant coefficient up."""
    shifted = [ZERO, *coefficients]
    return [a - root * b for a, b in zip(shifted, [*coefficients, ZERO], strict=True)]


def _from_roots(roots: Iterable[int]) -> list[Element]:
    coefficients = [ONE]
    for root in roots:
        coefficients = _times_root(coefficients, Element.of(root))
    return coefficients


class CheatingSumcheck(ProverChannel):
    """Adds to each round polynomial one that carries the claim's error and has d roots in the set.

    D with (1 - rho) D(0) + rho D(1) = error, D(s) = 0 for as many s as its degree allows: if the
    challenge is one of them, the claim has become true, and the rest is honest.
    """

    def __init__(self, transcript: ProverTranscript, error: Element, point: list[Element]) -> None:
        super().__init__(transcript, None)
        self._error, self._point = error, iter(point)
        self._difference: list[Element] = []

    def send(self, label: str, messages: Sequence[Element]) -> None:
        rho = next(self._point)
        shape = _from_roots(range(1, len(messages) + 1))
        # (1 - rho) D(0) + rho D(1), which is not zero for the points chosen here.
        carried = shape[0] + rho * sum(shape[1:], start=ZERO)
        factor = self._error * carried.inverse()
        self._difference = [factor * c for c in shape]
        super().send(label, [m + d for m, d in zip(messages, self._difference[1:], strict=True)])

    def challenge(self, label: str) -> Element:
        r = super().challenge(label)
        value, power = ZERO, ONE
        for coefficient in self._difference:
            value, power = value + power * coefficient, power * r
        self._error = value
        return r


@pytest.mark.parametrize(("variables", "degree"), [(1, 1), (3, 1), (3, 2), (2, 3), (4, 4)])
def test_a_false_sum_survives_as_often_as_its_degree_allows(variables: int, degree: int) -> None:
    rng = np.random.default_rng(variables * 10 + degree)
    tables = random_elements((degree, 4, 1 << variables), rng.bytes)
    terms = np.arange(degree, dtype=np.int64).reshape(1, degree)
    point = [Element(*row) for row in random_elements((variables, 4), rng.bytes).tolist()]
    columns = [elements_of(np.ascontiguousarray(table)) for table in tables]
    weights = elements_of(eq_table(point))
    claim = ZERO
    for x, weight in enumerate(weights):
        for column in columns:
            weight = weight * column[x]
        claim = claim + weight

    def accepts(seed: int) -> bool:
        session = Session(seed)
        channel = CheatingSumcheck(session.prover, ONE, point)
        _, values = sumcheck_prover.prove(channel, "sum", claim, point, tables.copy(), terms)
        verifier = VerifierChannel(session.verifier(), hiding=False)
        false = constant(claim + ONE)
        _, found = sumcheck_verifier.verify(verifier, "sum", false, point, degree)
        truth = ONE
        for value in values:
            truth = truth * value
        return found.constant == truth

    _measure(accepts, 1500, 1 - (1 - degree / SET_SIZE) ** variables)


# A lookup of one column in the table {1, .., 4}. One of the four looked up values is not in it.
TABLE = [1, 2, 3, 4]
HONEST, STRANGER = [1, 2, 3], 40
PLACED_ROOTS = [11, 12, 13, 14]


def _cheating_multiplicities() -> U32:
    """Those for which the two sides agree at the placed roots.

    1 / (a - w) - sum_y c_y / (a - t_y) = G(a) / ((a - w) prod (a - t_y)), where G may be any
    polynomial of degree T with G(w) = prod (w - t_y): so it has T roots wherever the prover likes.
    """
    scale = prod(STRANGER - t for t in TABLE) * pow(prod(STRANGER - s for s in PLACED_ROOTS), -1, P)
    result = []
    for t in TABLE:
        g = scale * prod(t - s for s in PLACED_ROOTS)
        below = (t - STRANGER) * prod(t - u for u in TABLE if u != t)
        result.append((HONEST.count(t) - g * pow(below, -1, P)) % P)
    return np.array(result, np.uint32)


class FalseRoot(ProverChannel):
    """Sends a root that fits the table's, and is a true claim if lambda is 1."""

    def __init__(self, transcript: ProverTranscript, multiplicities: U32) -> None:
        super().__init__(transcript, None)
        self._multiplicities = [Element(int(m)) for m in multiplicities]
        self._a = ZERO

    def challenges(self, label: str, count: int) -> list[Element]:
        drawn = super().challenges(label, count)
        self._a = drawn[0]
        return drawn

    def send(self, label: str, messages: Sequence[Element]) -> None:
        if label.endswith("group0/root"):
            numerator, denominator = messages
            n, d = self._table_root()
            # (numerator - e) d = n (denominator + e), and the claim's error -e + lambda e.
            gap = (n + d).inverse() * (numerator * d - n * denominator)
            messages = [numerator - gap, denominator + gap]
        super().send(label, messages)

    def _table_root(self) -> tuple[Element, Element]:
        n, d = ZERO, ONE
        for t, m in zip(TABLE, self._multiplicities, strict=True):
            factor = self._a - Element(t)
            n, d = n * factor + m * d, d * factor
        return n, d


def _lookup_accepts(seed: int, make: Callable[[ProverTranscript, U32], ProverChannel]) -> bool:
    lookup = Lookup("toy", ArrayTable(np.array([TABLE], np.uint32)), [4])
    columns = np.array([[*HONEST, STRANGER]], np.uint32)
    multiplicities = _cheating_multiplicities()
    session = Session(seed)
    lookup_prover.prove(make(session.prover, multiplicities), lookup, [columns], multiplicities)

    def check() -> None:
        claims = lookup_verifier.verify(VerifierChannel(session.verifier(), hiding=False), lookup)
        for values, claim in (
            (columns[0], claims.groups[0]),
            (multiplicities, claims.multiplicities),
        ):
            if evaluate_base(values, claim.point) != claim.values[0].constant:
                raise ProofError("test", "a claim on committed values is false")

    return _passes(check)


def test_a_value_outside_the_table_passes_at_every_root_that_can_be_placed() -> None:
    # Crosswise, the honest values' denominators are roots too: N - 1 + T in all.
    rate = (len(HONEST) + len(TABLE)) / SET_SIZE
    _measure(lambda seed: _lookup_accepts(seed, lambda t, _: ProverChannel(t, None)), 1200, rate)


def test_a_false_root_passes_at_one_more_lambda() -> None:
    # A denominator of zero leaves no root to choose; it is among the accepted cases already.
    rate = (len(HONEST) + len(TABLE)) / SET_SIZE
    _measure(lambda seed: _lookup_accepts(seed, FalseRoot), 1200, rate + (1 - rate) / SET_SIZE)


ROWS, QUERIES = 6, 5
CODE = Code(message_bits=3, tail=QUERIES, rate_bits=2)
ROW_BITS = (ROWS - 1).bit_length()
LARGE = 2**31  # challenges that are nearly never roots of anything


def _matrix(seed: int) -> MessageMatrix:
    rng = np.random.default_rng(seed)
    messages = random_elements((ROWS, CODE.message_length), rng.bytes)
    return MessageMatrix([messages], random_elements((ROWS, CODE.tail), rng.bytes), CODE)


def _value(matrix: MessageMatrix, point: Sequence[Element]) -> Element:
    return evaluate_base(matrix.blocks[0].reshape(-1), point)


def _point(rng: np.random.Generator) -> list[Element]:
    rows = random_elements((ROW_BITS + CODE.message_bits, 4), rng.bytes)
    return [Element(*row) for row in rows.tolist()]


@pytest.mark.parametrize("changed", [1, 4, 8])
def test_changed_columns_are_missed_as_often_as_the_queries_miss_them(changed: int) -> None:
    rng = np.random.default_rng(changed)
    matrix, point = _matrix(1), _point(rng)
    codewords = codewords_of(matrix)
    bad = rng.choice(CODE.length, changed, replace=False)
    codewords[bad, 2] = (codewords[bad, 2].astype(np.uint64) + 1) % P
    claim = PointClaim(point, constant(_value(matrix, point)))

    def accepts(seed: int) -> bool:
        session = Session(seed, LARGE)
        prove_evaluations(ProverChannel(session.prover, None), matrix, [Place(point)], blinding=0)
        session.prover.positions("positions", CODE.length, QUERIES)
        return _passes(lambda: _check_columns(session.verifier(), claim, codewords))

    rate = comb(CODE.length - changed, QUERIES) / comb(CODE.length, QUERIES)
    _measure(accepts, 600, rate)


def _check_columns(transcript: VerifierTranscript, claim: PointClaim, codewords: U32) -> None:
    channel = VerifierChannel(transcript, hiding=False)
    test = EvaluationTest(channel, CODE, ROWS, [claim])
    positions = transcript.positions("positions", CODE.length, QUERIES)
    test.check_columns(positions, codewords[positions])


class FalseCombinedRow(ProverTranscript):
    """Adds to the combined row a codeword with k - 1 zeros, scaled to carry the claim's error."""

    def __init__(self, transcript: ProverTranscript, point: list[Element], error: Element) -> None:
        self.__dict__.update(transcript.__dict__)
        self._point, self._error = point, error
        self._drawn: dict[str, list[Element]] = {}

    def challenge(self, label: str) -> Element:
        r = super().challenge(label)
        self._drawn.setdefault(label, []).append(r)
        return r

    def send_vector(self, label: str, vector: U32) -> None:
        columns = self._drawn["evaluation/columns/r"]
        rows = self._drawn["evaluation/rows/r"]
        row = _row_with_most_zeros()
        message = np.ascontiguousarray(row[:, : CODE.message_length])
        weight = eq(self._point, [*rows, *columns]) * inner_product(eq_table(columns), message)
        # Plain sums are halved once for each variable.
        error = self._error * HALF ** len(self._point)
        factor = error * weight.inverse()
        elements = [
            e + factor * d for e, d in zip(elements_of(vector), elements_of(row), strict=True)
        ]
        super().send_vector(label, vector_of(elements))


def _row_with_most_zeros() -> U32:
    """Message values and tail of the polynomial that vanishes at the first k - 1 positions."""
    polynomial = _from_roots(int(x) for x in CODE.points()[: CODE.dimension - 1])
    coefficients = [c.c0 for c in polynomial]
    size = CODE.message_length
    tail = coefficients[size:]
    inner = [(c + t) % P for c, t in zip(coefficients, [*tail, *[0] * size], strict=False)][:size]
    values = [sum(c * pow(int(x), i, P) for i, c in enumerate(inner)) % P for x in CODE.slots()]
    row = np.zeros((4, CODE.dimension), np.uint32)
    row[0] = to_montgomery(np.array(values + tail, np.uint32))
    return row


def test_a_false_value_passes_where_its_row_agrees() -> None:
    # With two queries only, so that the rate can be measured.
    matrix, point = _matrix(2), _point(np.random.default_rng(2))
    codewords = codewords_of(matrix)
    claim = PointClaim(point, constant(_value(matrix, point) + ONE))

    def accepts(seed: int) -> bool:
        session = Session(seed, LARGE)
        transcript = FalseCombinedRow(session.prover, point, ONE)
        prove_evaluations(ProverChannel(transcript, None), matrix, [Place(point)], blinding=0)
        transcript.positions("positions", CODE.length, 2)

        def check() -> None:
            verifier = session.verifier()
            channel = VerifierChannel(verifier, hiding=False)
            test = EvaluationTest(channel, CODE, ROWS, [claim])
            positions = verifier.positions("positions", CODE.length, 2)
            test.check_columns(positions, codewords[positions])

        return _passes(check)

    _measure(accepts, 600, comb(CODE.dimension - 1, 2) / comb(CODE.length, 2))


@pytest.mark.parametrize("changed", [3, 9])
def test_changed_pads_are_missed_as_often_as_the_queries_miss_them(changed: int) -> None:
    code = Code(message_bits=2, tail=4, rate_bits=4)
    pads, pairs = draw_pads(6), [(0, 1), (2, 3)]
    layout = PadLayout(code, 6, 2)
    matrix = TamperedPads(layout, pads, pairs)
    system = ConstraintSystem(6, pairs)
    rng = random.Random(changed)
    everywhere = list(range(code.length))
    columns = matrix.open_columns(everywhere).columns.copy()
    bad = rng.sample(everywhere, changed)
    columns[bad, 0] = (columns[bad, 0].astype(np.uint64) + 1) % P

    def accepts(seed: int) -> bool:
        session = Session(seed, LARGE)
        matrix.prove(session.prover, system)
        session.prover.positions("positions", code.length, 4)

        def check() -> None:
            verifier = session.verifier()
            tests = PadTests(verifier, layout, system)
            positions = verifier.positions("positions", code.length, 4)
            tests.check_sum()
            tests.check_columns(positions, columns[positions])

        return _passes(check)

    _measure(accepts, 300, comb(code.length - changed, 4) / comb(code.length, 4))
