"""Provers that cheat at one step and are honest at all others: every one is rejected.

Each is the real prover with one step replaced. All of them know the challenges that they have been
given, and go on from there as well as they can; none is rejected for being badly encoded.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from lookup_statement import LookupProof, LookupStatement
from pad_cheats import TamperedPads

from wmproof.argument.algebra.element import HALF, ONE, ZERO, Element
from wmproof.argument.algebra.extension import elements_of, vector_of
from wmproof.argument.algebra.field import U32, P, random_elements
from wmproof.argument.algebra.multilinear import eq, eq_table
from wmproof.argument.channel import VerifierChannel, constant
from wmproof.argument.logup import prover as lookup_prover
from wmproof.argument.logup.statement import powers
from wmproof.argument.pcs.claims import Place
from wmproof.argument.pcs.ligero import matrix as matrix_module
from wmproof.argument.pcs.ligero import prover as ligero_prover
from wmproof.argument.pcs.ligero.columns import Columns, CommittedMatrix, KeptColumns
from wmproof.argument.pcs.ligero.evaluation_prover import prove_evaluations
from wmproof.argument.pcs.ligero.matrix import MessageMatrix
from wmproof.argument.pcs.ligero.pad_prover import PadMatrix, draw_pads
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.sumcheck import prover as sumcheck_prover
from wmproof.argument.sumcheck import verifier as sumcheck_verifier
from wmproof.argument.sumcheck.kernels import fold_and_evaluate
from wmproof.argument.system import prover as system_prover
from wmproof.argument.system.prover import ReplayedCoins, prove, prove_to
from wmproof.argument.system.statement import MAGIC, Security, prepare
from wmproof.argument.system.verifier import verify_proof
from wmproof.argument.transcript import (
    FiatShamirCoins,
    ProverTranscript,
    VerifierTranscript,
)
from wmproof.errors import ProofError, WmproofError

LENGTH, TABLE_BITS, MESSAGE_BITS = 20, 3, 4
SIZES = (LENGTH, TABLE_BITS, MESSAGE_BITS)
STATEMENT = LookupStatement(*SIZES)
SECURITY = Security(bits=40, grinding_bits=4)
SETUP = prepare(STATEMENT, SECURITY)
OFF = Element(9, 8, 7, 6)


def _honest() -> LookupProof:
    return LookupProof(*SIZES).with_rows(np.arange(LENGTH) % (1 << TABLE_BITS))


def _assert_rejected(
    proof: LookupProof | None = None, check: str | None = None, match: str | None = None
) -> None:
    """The proof that the (patched) prover makes is rejected, by this check."""
    proof = proof or _honest()
    data = prove(proof, proof.witness(), SECURITY)
    statement = LookupStatement(proof.length, proof.table_bits, proof.message_bits)
    with pytest.raises(ProofError, match=match) as error:
        verify_proof(statement, data, SECURITY)
    assert check in (None, error.value.check)


def _change_messages(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[str, list[Element]], list[Element]]
) -> None:
    """Have the prover say other messages, before they are padded."""
    send = ProverChannel.send

    def patched(self: ProverChannel, label: str, messages: Sequence[Element]) -> None:
        send(self, label, change(label, list(messages)))

    monkeypatch.setattr(ProverChannel, "send", patched)


def test_the_unpatched_prover_is_accepted() -> None:
    proof = _honest()
    assert verify_proof(STATEMENT, prove(proof, proof.witness(), SECURITY), SECURITY) == SETUP


# --- false witnesses, proved as if they were true


def test_wrong_multiplicities_are_rejected() -> None:
    for change in ([1, 0], [1, -1], [P - 1, 1]):
        proof = _honest()
        changed = proof.multiplicities[:2].astype(np.int64) + change
        proof.multiplicities[:2] = (changed % P).astype(np.uint32)
        _assert_rejected(proof, "pads", "linear")


@pytest.mark.parametrize(
    ("column", "change"),
    [
        (0, 1),  # another row's z
        (1, 1),
        (0, 1 << TABLE_BITS),  # equal modulo the table's size
        (1, 256),  # equal modulo the range of y
        (1, P - 1),
        (0, P - 1),
        (0, 1 << 30),
    ],
)
@pytest.mark.parametrize("index", [0, 7, LENGTH - 1])
def test_a_row_outside_the_table_is_rejected(column: int, change: int, index: int) -> None:
    proof = _honest()
    value = int(proof.columns[column, index]) + change
    proof.columns[column, index] = value % P
    _assert_rejected(proof, "pads", "linear")


def test_columns_that_change_places_are_rejected() -> None:
    proof = _honest()
    proof.columns[:, 3] = proof.columns[::-1, 3]
    _assert_rejected(proof, "pads", "linear")
    proof = _honest()
    proof.columns = np.ascontiguousarray(proof.columns[::-1])
    _assert_rejected(proof, "pads", "linear")


def test_values_that_change_rows_are_rejected() -> None:
    proof = _honest()
    proof.columns[1, [1, 2]] = proof.columns[1, [2, 1]]
    _assert_rejected(proof, "pads", "linear")


@pytest.mark.parametrize("part", ["z", "y", "multiplicities"])
def test_another_witness_than_the_committed_one_is_rejected(part: str) -> None:
    # What is looked up is in the table; what is committed is not that.
    proof = _honest()
    witness = proof.witness()
    block = witness[["z", "y", "multiplicities"].index(part)]
    block[0, 2] += 1
    data = prove(proof, witness, SECURITY)
    with pytest.raises(ProofError):
        verify_proof(STATEMENT, data, SECURITY)


# --- lies in the protocol


def _labels() -> list[tuple[str, int]]:
    """Every message under pads, as (label, how many elements)."""
    found: list[tuple[str, int]] = []

    class Listening(ProverChannel):
        def send(self, label: str, messages: Sequence[Element]) -> None:
            found.append((label, len(messages)))
            super().send(label, messages)

    proof = _honest()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(system_prover, "ProverChannel", Listening)
        prove(proof, proof.witness(), SECURITY)
    return found


LABELS = _labels()


@pytest.mark.parametrize(
    "which", range(len(LABELS)), ids=[f"{i}-{label}" for i, (label, _) in enumerate(LABELS)]
)
def test_a_lie_in_any_message_is_rejected(monkeypatch: pytest.MonkeyPatch, which: int) -> None:
    # Roots, round polynomials, children, sums and column values, each off in one element; all
    # later challenges and messages follow from what was sent.
    count = 0

    def change(_: str, messages: list[Element]) -> list[Element]:
        nonlocal count
        if count == which and messages:
            place = which % len(messages)
            messages[place] = messages[place] + OFF
        count += 1
        return messages

    _change_messages(monkeypatch, change)
    assert LABELS[which][1]
    _assert_rejected(check="pads", match="linear")


@pytest.mark.parametrize("step", ["fold_and_evaluate", "evaluate_round", "fold"])
def test_wrong_folds_and_round_sums_are_rejected(
    monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    kernel = getattr(sumcheck_prover, step)

    def wrong(start: int, stop: int, tables: U32, *rest: Any) -> Any:
        # One entry changes under the kernel's hands.
        if start == 0:
            tables[0, 0, 0] = (int(tables[0, 0, 0]) + 1) % P
        return kernel(start, stop, tables, *rest)

    monkeypatch.setattr(sumcheck_prover, step, wrong)
    _assert_rejected(check="pads", match="linear")


def test_a_fold_at_another_challenge_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = fold_and_evaluate

    def other(start: int, stop: int, tables: U32, half: int, r: U32, *rest: Any) -> Any:
        moved = (Element.from_montgomery(r) + ONE).montgomery()
        return kernel(start, stop, tables, half, moved, *rest)

    monkeypatch.setattr(sumcheck_prover, "fold_and_evaluate", other)
    _assert_rejected(check="pads", match="linear")


@pytest.mark.parametrize("claim", [0, 1, 2])
def test_claims_at_other_points_are_rejected(monkeypatch: pytest.MonkeyPatch, claim: int) -> None:
    original = prove_evaluations

    def elsewhere(channel: ProverChannel, matrix: MessageMatrix, places: Any, **rest: int) -> None:
        moved = [*places]
        point = places[claim].point
        moved[claim] = Place([*point[:-1], point[-1] + ONE])
        original(channel, matrix, moved, **rest)

    monkeypatch.setattr(ligero_prover, "prove_evaluations", elsewhere)
    _assert_rejected(check="pads", match="linear")


class LyingChannel(ProverChannel):
    """Makes every equation of the transcript true for a false lookup, and so pushes the lie down.

    The root fits the table's; each layer's left child, then the first column's value and in the end
    the combined row (see `FalseRow`) take over the error. Only the columns can tell.
    """

    multiplicities: U32
    _a = _beta = _weight = _n = _d = ZERO

    def challenges(self, label: str, count: int) -> list[Element]:
        drawn = super().challenges(label, count)
        if label.endswith("/compress"):
            self._a, self._beta = drawn
        return drawn

    def challenge(self, label: str) -> Element:
        drawn = super().challenge(label)
        if label == "squares/group0/lambda":
            self._weight = drawn
        elif label == "squares/group0/half":
            self._n = (ONE - drawn) * self._n
            self._d = (ONE - drawn) * self._d
        elif label.startswith("evaluation/"):
            self.drawn.setdefault(label, []).append(drawn)
        return drawn

    def send(self, label: str, messages: Sequence[Element]) -> None:
        messages = list(messages)
        if label == "squares/group0/root":
            self.drawn: dict[str, list[Element]] = {}
            n, d = self._table_root()
            self._n, self._d = n * messages[1] * d.inverse() - messages[0], ZERO
            messages[0] = messages[0] + self._n
        elif label == "squares/group0/children" and len(messages) == 4:
            lie = (self._n + self._weight * self._d) * messages[3].inverse()
            messages[0] = messages[0] + lie
            self._n, self._d = lie, ZERO
        elif label == "squares/group0/children":
            lie = (self._n * self._weight.inverse() + self._d) * messages[1].inverse()
            messages[0] = messages[0] + lie
            self._n, self._d = ZERO, lie
        super().send(label, messages)

    @property
    def error(self) -> Element:
        """By how much the claim on the first column is false."""
        return -self._d

    def _table_root(self) -> tuple[Element, Element]:
        n, d = ZERO, ONE
        rows = STATEMENT.table.columns().T.tolist()
        for (z, y), m in zip(rows, self.multiplicities.tolist(), strict=True):
            factor = self._a - Element(z) - self._beta * Element(y)
            n, d = n * factor + Element(m) * d, d * factor
        return n, d


def test_a_lie_that_is_pushed_to_the_end_is_seen_in_the_columns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proof = _honest()
    proof.columns[1, 4] += 1
    LyingChannel.multiplicities = proof.multiplicities
    original = prove_evaluations

    def lie(channel: LyingChannel, matrix: MessageMatrix, places: list[Place], **rest: int) -> None:
        send_vector = channel.transcript.send_vector

        def false_row(label: str, vector: U32) -> None:
            drawn = channel.drawn
            columns, rows = drawn["evaluation/columns/r"], drawn["evaluation/rows/r"]
            gammas = powers(drawn["evaluation/gamma"][0], len(places))
            weight = ZERO
            for gamma, (point, _) in zip(gammas, places, strict=True):
                weight = weight + gamma * eq(point, [*rows, *columns])
            first = weight * elements_of(eq_table(columns))[0]
            elements = elements_of(vector)
            halved = channel.error * HALF ** len(places[0].point)
            elements[0] = elements[0] + halved * first.inverse()
            send_vector(label, vector_of(elements))

        channel.transcript.send_vector = false_row  # type: ignore[method-assign]
        original(channel, matrix, places, **rest)
        channel.transcript.send_vector = send_vector  # type: ignore[method-assign]

    monkeypatch.setattr(system_prover, "ProverChannel", LyingChannel)
    monkeypatch.setattr(ligero_prover, "prove_evaluations", lie)
    _assert_rejected(proof, "evaluation", "combined row")


# --- challenges known too early, other transcripts


class PredictingChannel(ProverChannel):
    """Asks the coins before it speaks, and makes its error vanish at the challenge it was told."""

    def __init__(self, coins: Any, sink: Any, error: Element, point: list[Element]) -> None:
        super().__init__(ProverTranscript(sink, coins), None)
        self._coins, self._error, self._point = coins, error, iter(point)
        self._difference = (ZERO, ZERO)

    def send(self, label: str, messages: Sequence[Element]) -> None:
        rho = next(self._point)
        told = self._ask(label, messages)
        # D = c (X - told) with (1 - rho) D(0) + rho D(1) = error.
        slope = self._error * (rho - told).inverse()
        self._difference = (-(slope * told), slope)
        super().send(label, [messages[0] + slope, *messages[1:]])

    def _ask(self, label: str, messages: Sequence[Element]) -> Element:
        aside = ProverTranscript(io.BytesIO(), self._coins.fork())
        aside.send_elements(label, messages)
        return aside.challenge(label.replace("/round", "/r"))

    def challenge(self, label: str) -> Element:
        drawn = super().challenge(label)
        self._error = self._difference[0] + self._difference[1] * drawn
        return drawn


class ForkingCoins(FiatShamirCoins):
    def fork(self) -> ForkingCoins:
        other = ForkingCoins("")
        other._state = self._state
        return other


class KnownCoins(ReplayedCoins):
    """Coins that depend on nothing, for comparison."""

    def __init__(self, draws: Sequence[bytes]) -> None:
        super().__init__(draws)
        self._all, self._used = list(draws), 0

    def draw(self, label: str, size: int) -> bytes:
        self._used += 1
        return super().draw(label, size)

    def fork(self) -> ReplayedCoins:
        return ReplayedCoins(self._all[self._used :])


@pytest.mark.parametrize("known", [False, True])
def test_a_stale_challenge_helps_only_where_challenges_are_known_before(known: bool) -> None:
    variables = 3
    tables = random_elements((2, 4, 1 << variables))
    point = draw_pads(variables)
    truth = ZERO
    for weight, x, y in zip(
        elements_of(eq_table(point)), elements_of(tables[0]), elements_of(tables[1]), strict=True
    ):
        truth = truth + weight * x * y
    draws = [random_elements(16).tobytes() for _ in range(variables)]

    def coins() -> Any:
        return KnownCoins(draws) if known else ForkingCoins("stale")

    said = io.BytesIO()
    channel = PredictingChannel(coins(), said, OFF, point)
    terms = np.array([[0, 1]], np.int64)
    _, values = sumcheck_prover.prove(channel, "sum", truth, point, tables, terms)
    verifier = VerifierChannel(
        VerifierTranscript(io.BytesIO(said.getvalue()), coins()), hiding=False
    )
    claim = constant(truth + OFF)
    _, found = sumcheck_verifier.verify(verifier, "sum", claim, point, 2)
    assert (found.constant == values[0] * values[1]) is known


@pytest.mark.parametrize(
    "label",
    [
        "witness/root",
        "pads/root",
        "squares/group0/root",
        "squares/table/round",
        "evaluation/columns/round",
        "evaluation/row",
        "pads/linear",
        "witness/columns",
    ],
)
def test_a_message_under_another_label_is_rejected(
    monkeypatch: pytest.MonkeyPatch, label: str
) -> None:
    send = ProverTranscript.send

    def renamed(self: ProverTranscript, name: str, data: bytes) -> None:
        send(self, "other" if name == label else name, data)

    monkeypatch.setattr(ProverTranscript, "send", renamed)
    if label == "witness/columns":
        # The last challenge is behind; nothing depends on this label any more.
        proof = _honest()
        verify_proof(STATEMENT, prove(proof, proof.witness(), SECURITY), SECURITY)
    else:
        _assert_rejected()


@pytest.mark.parametrize("challenge", ["squares/compress", "evaluation/gamma", "pads/challenges"])
def test_a_challenge_under_another_label_is_rejected(
    monkeypatch: pytest.MonkeyPatch, challenge: str
) -> None:
    challenges = ProverTranscript.challenges

    def renamed(self: ProverTranscript, label: str, count: int) -> list[Element]:
        return challenges(self, "other" if label == challenge else label, count)

    monkeypatch.setattr(ProverTranscript, "challenges", renamed)
    _assert_rejected()


@pytest.mark.parametrize("bound", ["statement", "setup"])
def test_a_prover_who_binds_something_else_is_rejected(
    monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    bind = ProverTranscript.bind

    def other(self: ProverTranscript, label: str, data: bytes) -> None:
        bind(self, label, data + b"!" if label == bound else data)

    monkeypatch.setattr(ProverTranscript, "bind", other)
    _assert_rejected()


def test_a_proof_under_another_protocol_name_is_rejected() -> None:
    proof, buffer = _honest(), io.BytesIO()
    prove_to(proof, SETUP, proof.witness(), buffer, FiatShamirCoins("wmproof argument v0"))
    with pytest.raises(ProofError):
        verify_proof(STATEMENT, MAGIC + buffer.getvalue(), SECURITY)


@pytest.mark.parametrize("work", ["squares/work", "positions/work"])
def test_work_that_was_not_done_is_rejected(monkeypatch: pytest.MonkeyPatch, work: str) -> None:
    grind = ProverTranscript.grind

    def idle(self: ProverTranscript, label: str, bits: int) -> None:
        if label != work:
            return grind(self, label, bits)
        nonce = 0
        while self._coins.check_nonce(nonce.to_bytes(8, "little"), bits):
            nonce += 1
        return self.send(label, nonce.to_bytes(8, "little"))

    monkeypatch.setattr(ProverTranscript, "grind", idle)
    _assert_rejected(check="grinding")


# --- words that are no codewords, other rows


def _tamper_codewords(
    monkeypatch: pytest.MonkeyPatch, tamper: Callable[[U32], None], width: int
) -> None:
    """Change the codewords (n, width) of one of the matrices before they are hashed."""

    def tampered(columns: Columns, *rest: Any) -> CommittedMatrix:
        if columns.height == width:
            codewords = columns.at(range(columns.length))
            tamper(codewords)
            columns = KeptColumns(codewords)
        return CommittedMatrix(columns, *rest)

    monkeypatch.setattr(matrix_module, "CommittedMatrix", tampered)
    monkeypatch.setattr("wmproof.argument.pcs.ligero.pad_prover.CommittedMatrix", tampered)


@pytest.mark.parametrize("row", [0, 2, SETUP.shape.rows - 1])
def test_a_random_row_of_the_witness_is_rejected(monkeypatch: pytest.MonkeyPatch, row: int) -> None:
    def tamper(codewords: U32) -> None:
        codewords[:, row] = random_elements(len(codewords))

    _tamper_codewords(monkeypatch, tamper, SETUP.shape.rows)
    _assert_rejected(check="evaluation", match="combined row")


def test_rows_far_from_the_code_are_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    # All rows follow one polynomial on half of the positions, and another on the others.
    def tamper(codewords: U32) -> None:
        codewords[: len(codewords) // 2, :4] += np.uint32(1)
        codewords[codewords == P] = 0

    _tamper_codewords(monkeypatch, tamper, SETUP.shape.rows)
    _assert_rejected(check="evaluation", match="combined row")


def test_a_row_of_too_high_degree_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    code = SETUP.commitment.parameters.witness_code

    def tamper(codewords: U32) -> None:
        points = [pow(int(x), code.dimension, P) for x in code.points()]
        codewords[:, 1] = (codewords[:, 1] + np.array(points, np.uint64)) % P

    _tamper_codewords(monkeypatch, tamper, SETUP.shape.rows)
    _assert_rejected(check="evaluation", match="combined row")


@pytest.mark.parametrize(
    ("row", "match"),
    [
        (0, "proximity"),
        (SETUP.commitment.pad_layout.rows - 1, "proximity"),
        (SETUP.commitment.pad_layout.rows, "linear"),
        (SETUP.commitment.pad_layout.rows + 1, "quadratic"),
    ],
)
def test_a_random_row_of_the_pads_is_rejected(
    monkeypatch: pytest.MonkeyPatch, row: int, match: str
) -> None:
    def tamper(codewords: U32) -> None:
        codewords[:, 4 * row + 1] = random_elements(len(codewords))

    _tamper_codewords(monkeypatch, tamper, SETUP.commitment.pad_layout.column_height)
    _assert_rejected(check="pads", match=match)


@pytest.mark.parametrize("matrix", ["witness", "pads"])
def test_one_column_other_than_committed_is_rejected(
    monkeypatch: pytest.MonkeyPatch, matrix: str
) -> None:
    height = SETUP.shape.rows if matrix == "witness" else SETUP.commitment.pad_layout.column_height
    opening = CommittedMatrix.open_columns

    def other(self: CommittedMatrix, positions: Sequence[int]) -> Any:
        result = opening(self, positions)
        if self.columns.height == height:
            result.columns[len(positions) // 2, 0] ^= 1
        return result

    monkeypatch.setattr(CommittedMatrix, "open_columns", other)
    _assert_rejected(check="merkle-root")


def test_columns_at_other_positions_are_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    opening = CommittedMatrix.open_columns

    def other(self: CommittedMatrix, positions: Sequence[int]) -> Any:
        free = next(i for i in range(self.columns.length) if i not in positions)
        return opening(self, sorted([*positions[1:], free]))

    monkeypatch.setattr(CommittedMatrix, "open_columns", other)
    _assert_rejected()


@pytest.mark.parametrize("part", ["tails", "blinding", "witness"])
def test_a_combined_row_of_another_matrix_is_rejected(
    monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    combine = MessageMatrix.combine_rows

    def other(self: MessageMatrix, coefficients: U32) -> U32:
        blocks, tails = [block.copy() for block in self.blocks], self.tails.copy()
        if part == "tails":
            tails[0, 0] ^= 1
        else:
            block = blocks[-1] if part == "blinding" else blocks[0]
            block[0, 0] = (int(block[0, 0]) + 1) % P
        return combine(MessageMatrix(blocks, tails, self.code), coefficients)

    monkeypatch.setattr(MessageMatrix, "combine_rows", other)
    # The message part enters the claim, the tail only the code.
    if part == "tails":
        _assert_rejected(check="evaluation", match="combined row")
    else:
        _assert_rejected(check="pads", match="linear")


# --- pads


def _tamper_pads(monkeypatch: pytest.MonkeyPatch, make: Callable[..., PadMatrix]) -> None:
    monkeypatch.setattr(ligero_prover, "PadMatrix", make)


def test_other_pads_than_committed_are_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    for which in (0, SETUP.shape.pads - 1):

        def make(layout: Any, pads: list[Element], products: Any, which: int = which) -> PadMatrix:
            others = list(pads)
            others[which] = others[which] + OFF
            return PadMatrix(layout, others, products)

        _tamper_pads(monkeypatch, make)
        _assert_rejected(check="pads", match="linear")


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("k", [0, SETUP.shape.products - 1])
def test_inconsistent_products_are_rejected(
    monkeypatch: pytest.MonkeyPatch, k: int, masked: bool
) -> None:
    def make(layout: Any, pads: Any, products: Any) -> PadMatrix:
        masks = {k % layout.code.message_length: OFF} if masked else {}
        return TamperedPads(layout, pads, products, {layout.cell(~k): OFF}, quadratic=masks)

    _tamper_pads(monkeypatch, make)
    _assert_rejected(check="pads")


@pytest.mark.parametrize("masks", [{"linear_sum": OFF}, {"quadratic": {1: OFF}}], ids=str)
def test_masks_of_the_wrong_values_are_rejected(
    monkeypatch: pytest.MonkeyPatch, masks: dict[str, Any]
) -> None:
    _tamper_pads(monkeypatch, lambda *shape: TamperedPads(*shape, **masks))
    _assert_rejected(check="pads")


def test_a_pad_that_is_used_twice_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    class Repeating(ProverChannel):
        """Every message but the first goes under the pad of the message before it."""

        def __init__(self, transcript: Any, pads: list[Element], *, grinding_bits: int) -> None:
            repeated = [pads[0], *pads[:-1]]
            super().__init__(transcript, repeated, grinding_bits=grinding_bits)

    monkeypatch.setattr(system_prover, "ProverChannel", Repeating)
    _assert_rejected(check="pads", match="linear")


def test_more_messages_than_pads_raise_instead_of_leaking(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ligero_prover, "draw_pads", lambda count: draw_pads(count - 1))
    proof = _honest()
    with pytest.raises(WmproofError, match="rehearsal"):
        prove(proof, proof.witness(), SECURITY)


def test_no_mask_makes_up_for_a_false_lookup(monkeypatch: pytest.MonkeyPatch) -> None:
    # Table rows (0, 1) and (16, 1) against the rows (3, 1) and (13, 1), which are none: the sums of
    # the denominators agree, their products differ by 39 whatever the challenges are. The prover
    # sends the table's product, commits to a pad product that is off by 39, and to a quadratic mask
    # that is off by as much.
    proof = LookupProof(2, 5, 4).with_rows(np.array([0, 16]))
    proof.columns[0] = [3, 13]
    gap = Element(39)

    def root(label: str, messages: list[Element]) -> list[Element]:
        if label == "squares/group0/root":
            return [messages[0], messages[1] - gap]
        return messages

    def make(layout: Any, pads: Any, products: Any) -> PadMatrix:
        return TamperedPads(layout, pads, products, {layout.cell(~0): -gap}, quadratic={0: -gap})

    _tamper_pads(monkeypatch, make)
    _change_messages(monkeypatch, root)
    _assert_rejected(proof, "pads", "quadratic")


def test_wrong_lengths_are_refused_before_anything_is_sent() -> None:
    proof = _honest()
    channel = ProverChannel(ProverTranscript(io.BytesIO(), FiatShamirCoins("x")), None)
    with pytest.raises(ValueError, match="rows"):
        lookup_prover.prove(channel, proof.lookup, [proof.columns[:, :-1]], proof.multiplicities)
