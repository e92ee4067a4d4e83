"""Challenges depend on all that was said before them, in its order, and on nothing else."""

import io
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.field import P
from wmproof.argument.transcript import (
    NONCE_BYTES,
    FiatShamirCoins,
    ProverCoins,
    ProverTranscript,
    VerifierCoins,
    VerifierTranscript,
    fiat_shamir_prover,
    fiat_shamir_verifier,
)
from wmproof.errors import InputError, ProofError

# A script is a list of (kind, label, payload): what a protocol says and asks, in order.
Step = tuple[str, str, bytes]
SCRIPT: list[Step] = [
    ("bind", "statement", b"digest"),
    ("send", "one", b"first message"),
    ("send", "two", b"second message"),
    ("ask", "alpha", b""),
    ("send", "three", b"third message"),
    ("ask", "beta", b""),
    ("send", "four", b""),
    ("ask", "gamma", b""),
]
LAST = -1


def _run(script: Sequence[Step], protocol: str = "test") -> list[Element]:
    """Every challenge of a script."""
    transcript, _ = fiat_shamir_prover(protocol)
    challenges = []
    for kind, label, payload in script:
        if kind == "bind":
            transcript.bind(label, payload)
        elif kind == "send":
            transcript.send(label, payload)
        else:
            challenges.append(transcript.challenge(label))
    return challenges


def _asked_before(script: Sequence[Step], index: int) -> int:
    return sum(kind == "ask" for kind, _, _ in script[:index])


def _differ_from(index: int, changed: Sequence[Step]) -> None:
    """Challenges before the changed step are the same, and all behind it are others."""
    honest, others = _run(SCRIPT), _run(changed)
    kept = _asked_before(SCRIPT, index)
    assert others[:kept] == honest[:kept]
    assert not set(others[kept:]) & set(honest)


def test_a_transcript_is_deterministic() -> None:
    assert _run(SCRIPT) == _run(SCRIPT)
    assert len(set(_run(SCRIPT))) == 3


@pytest.mark.parametrize("index", range(len(SCRIPT) - 1))
def test_two_steps_that_change_places_change_every_later_challenge(index: int) -> None:
    changed = list(SCRIPT)
    changed[index], changed[index + 1] = changed[index + 1], changed[index]
    _differ_from(index, changed)


@pytest.mark.parametrize("challenge", [3, 5, 7])
def test_a_challenge_is_not_known_before_the_messages_in_front_of_it(challenge: int) -> None:
    for earlier in range(challenge):
        changed = [step for i, step in enumerate(SCRIPT) if i != challenge]
        changed.insert(earlier, SCRIPT[challenge])
        _differ_from(earlier, changed)


@pytest.mark.parametrize("index", range(len(SCRIPT)))
def test_labels_are_bound(index: int) -> None:
    changed = list(SCRIPT)
    kind, label, payload = changed[index]
    changed[index] = (kind, label + "x", payload)
    _differ_from(index, changed)


@pytest.mark.parametrize("index", [i for i, step in enumerate(SCRIPT) if step[2]])
def test_every_bit_of_a_message_is_bound(index: int) -> None:
    kind, label, payload = SCRIPT[index]
    for bit in range(8 * len(payload)):
        flipped = bytearray(payload)
        flipped[bit // 8] ^= 1 << bit % 8
        _differ_from(index, [*SCRIPT[:index], (kind, label, bytes(flipped)), *SCRIPT[index + 1 :]])


@pytest.mark.parametrize("index", [i for i, step in enumerate(SCRIPT) if step[2]])
def test_messages_have_borders(index: int) -> None:
    kind, label, payload = SCRIPT[index]
    rest = SCRIPT[index + 1 :]
    for cut in range(len(payload) + 1):
        halves = [(kind, label, payload[:cut]), (kind, label, payload[cut:])]
        _differ_from(index, [*SCRIPT[:index], *halves, *rest])
        moved = (kind, label + payload[:cut].decode(), payload[cut:])
        if cut:
            _differ_from(index, [*SCRIPT[:index], moved, *rest])


@pytest.mark.parametrize("index", range(len(SCRIPT)))
def test_left_out_and_repeated_steps_are_seen(index: int) -> None:
    shorter = [step for i, step in enumerate(SCRIPT) if i != index]
    longer = [*SCRIPT[: index + 1], *SCRIPT[index:]]
    if index < len(SCRIPT) - 1:
        _differ_from(index, shorter)
        _differ_from(index + 1, longer)
    else:
        assert _run(shorter) == _run(SCRIPT)[:LAST]
        assert _run(longer)[LAST] not in _run(SCRIPT)


def test_protocol_names_are_bound() -> None:
    assert not set(_run(SCRIPT, "test")) & set(_run(SCRIPT, "tesu"))
    assert not set(_run(SCRIPT, "")) & set(_run([("send", "protocol", b"test"), *SCRIPT], ""))


def test_one_draw_of_two_is_not_two_draws_of_one() -> None:
    one, two = (fiat_shamir_prover("test")[0] for _ in range(2))
    pair = one.challenges("x", 2)
    assert not set(pair) & set(two.challenges("x", 1) + two.challenges("x", 1))
    assert one.challenge("y") != two.challenge("y")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["send", "ask"]), st.text(max_size=4), st.binary(max_size=9))
    )
)
def test_both_parties_draw_the_same(script: list[Step]) -> None:
    prover, proof = fiat_shamir_prover("test")
    drawn = []
    for kind, label, payload in script:
        if kind == "send":
            prover.send(label, payload)
        else:
            drawn.append(prover.challenge(label))
    verifier = fiat_shamir_verifier("test", proof.getvalue())
    found = []
    for kind, label, payload in script:
        if kind == "send":
            assert verifier.receive(label, len(payload)) == payload
        else:
            found.append(verifier.challenge(label))
    verifier.finish()
    assert found == drawn


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=3), st.binary(max_size=6)), max_size=4),
    st.lists(st.tuples(st.text(max_size=3), st.binary(max_size=6)), max_size=4),
)
def test_different_transcripts_have_different_challenges(
    one: list[tuple[str, bytes]], other: list[tuple[str, bytes]]
) -> None:
    def ask(messages: list[tuple[str, bytes]]) -> Element:
        return _run([*(("send", label, data) for label, data in messages), ("ask", "x", b"")])[0]

    assert (ask(one) == ask(other)) == (one == other)


def test_challenges_are_uniform() -> None:
    # 4 coefficients of 2000 challenges in 64 buckets; false alarm 1e-6.
    transcript, _ = fiat_shamir_prover("uniform")
    counts = [0] * 64
    for element in transcript.challenges("x", 2000):
        for coefficient in element:
            assert 0 <= coefficient < P
            counts[coefficient * 64 // P] += 1
    expected = 8000 / 64
    assert sum((c - expected) ** 2 / expected for c in counts) < chi2.isf(1e-6, 63)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10), st.data())
def test_positions_are_distinct_and_increasing(bits: int, data: st.DataObject) -> None:
    domain = 1 << bits
    count = data.draw(st.integers(1, min(domain, 40)))
    transcript, _ = fiat_shamir_prover(f"positions {bits}")
    positions = transcript.positions("x", domain, count)
    assert len(positions) == count
    assert positions == sorted(set(positions))
    assert 0 <= positions[0] <= positions[-1] < domain


def test_all_positions_can_be_asked_for_but_not_more() -> None:
    transcript, _ = fiat_shamir_prover("positions")
    assert transcript.positions("x", 64, 64) == list(range(64))
    with pytest.raises(ValueError, match="65 of 64"):
        transcript.positions("x", 64, 65)


def test_positions_are_uniform() -> None:
    # 4 of 16 positions, 1600 times; each position is as likely. False alarm 1e-6; the statistic's
    # variance is smaller than chi-square's, because positions of one draw differ.
    transcript, _ = fiat_shamir_prover("positions")
    counts = [0] * 16
    for _ in range(1600):
        for position in transcript.positions("x", 16, 4):
            counts[position] += 1
    assert sum((c - 400) ** 2 / 400 for c in counts) < chi2.isf(1e-6, 15)


# --- reading


@pytest.mark.parametrize("missing", [1, 5, 16])
def test_a_short_message_is_an_error(missing: int) -> None:
    transcript = fiat_shamir_verifier("test", bytes(32 - missing))
    with pytest.raises(ProofError, match="ends inside message 'm'") as error:
        transcript.receive_elements("m", 2)
    assert error.value.numbers == {"expected_bytes": 32, "found_bytes": 32 - missing}


def test_bytes_behind_the_end_are_an_error() -> None:
    transcript = fiat_shamir_verifier("test", b"ab")
    transcript.receive("m", 1)
    with pytest.raises(ProofError, match="after its last message"):
        transcript.finish()


# --- proof of work


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_work_is_found_and_checked(bits: int) -> None:
    prover, proof = fiat_shamir_prover("work")
    prover.send("m", b"x")
    prover.grind("w", bits)
    verifier = fiat_shamir_verifier("work", proof.getvalue())
    verifier.receive("m", 1)
    verifier.check_grinding("w", bits)
    verifier.finish()
    assert prover.challenge("c") == verifier.challenge("c")


def test_no_work_leaves_no_trace() -> None:
    prover, proof = fiat_shamir_prover("work")
    prover.grind("w", 0)
    fiat_shamir_verifier("work", b"").check_grinding("w", 0)
    assert proof.getvalue() == b""


def test_nonces_pass_as_often_as_their_bits_say() -> None:
    # 4096 nonces at 4 bits: 256 pass, but for 5 standard deviations of 15.5 (false alarm 1e-6).
    coins = FiatShamirCoins("work")
    passed = sum(coins.check_nonce(n.to_bytes(NONCE_BYTES, "little"), 4) for n in range(4096))
    assert abs(passed - 256) < 5 * 15.5


def test_work_for_another_transcript_does_not_count() -> None:
    # A nonce of 16 bits passes elsewhere with probability 2^-16, over fixed transcripts.
    prover, proof = fiat_shamir_prover("work")
    prover.send("m", b"x")
    prover.grind("w", 16)
    nonce = proof.getvalue()[1:]
    for name, message in (("work", b"y"), ("work2", b"x")):
        verifier = fiat_shamir_verifier(name, message + nonce)
        verifier.receive("m", 1)
        with pytest.raises(ProofError, match="16 bits of proof of work"):
            verifier.check_grinding("w", 16)


def test_the_nonce_is_bound() -> None:
    passing = []
    coins = FiatShamirCoins("work")
    for n in range(64):
        nonce = n.to_bytes(NONCE_BYTES, "little")
        if coins.check_nonce(nonce, 2):
            verifier = fiat_shamir_verifier("work", nonce)
            verifier.check_grinding("w", 2)
            passing.append(verifier.challenge("c"))
    assert len(passing) > 1
    assert len(set(passing)) == len(passing)


# --- interactive coins


def test_interactive_coins_are_told_and_fresh() -> None:
    wire = io.BytesIO()
    verifier = VerifierTranscript(io.BytesIO(b"hello"), VerifierCoins(wire))
    verifier.receive("m", 5)
    drawn = [verifier.challenge("c"), verifier.challenge("c")]
    positions = verifier.positions("p", 1024, 20)
    prover = ProverTranscript(io.BytesIO(), ProverCoins(io.BytesIO(wire.getvalue())))
    prover.send("m", b"hello")
    assert [prover.challenge("c"), prover.challenge("c")] == drawn
    assert prover.positions("p", 1024, 20) == positions
    assert drawn[0] != drawn[1]


def test_a_verifier_who_hangs_up_is_an_error() -> None:
    prover = ProverTranscript(io.BytesIO(), ProverCoins(io.BytesIO(bytes(63))))
    with pytest.raises(ProofError, match="stopped before the challenge 'c'"):
        prover.challenge("c")


def test_nobody_works_for_a_challenge_that_does_not_exist() -> None:
    """Where the coins are the verifier's own, work would count for nothing: both refuse it."""
    said = io.BytesIO()
    with pytest.raises(InputError, match="adds nothing"):
        ProverTranscript(said, ProverCoins(io.BytesIO())).grind("w", 60)
    assert not said.getvalue()
    verifier = VerifierTranscript(io.BytesIO(bytes(8)), VerifierCoins(io.BytesIO()))
    with pytest.raises(InputError, match="adds nothing"):
        verifier.check_grinding("w", 60)


@pytest.mark.parametrize(
    "call",
    [
        lambda: VerifierCoins(io.BytesIO()).find_nonce(1),
        lambda: ProverCoins(io.BytesIO()).check_nonce(b"", 1),
    ],
    ids=["verifier finds", "prover checks"],
)
def test_nobody_does_the_others_part(call: Callable[[], object]) -> None:
    with pytest.raises(NotImplementedError):
        call()
