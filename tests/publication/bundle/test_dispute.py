"""Two parties, one model: who was first, and when that cannot be told."""

import shutil
from dataclasses import replace
from datetime import timedelta

from bundle_world import (
    LOGGED,
    NOW,
    SEEN,
    STAMPED,
    checkpoint_of,
    cosign,
    proof_in,
    witnessed_log,
)
from local_authority import DAY
from log_support import LOG, OTHER_LOG, WITNESS, WITNESS_2

from wmproof.publication.bundle.dispute import Party, settle
from wmproof.publication.bundle.format import PartKind
from wmproof.publication.bundle.pack import make_bundle
from wmproof.publication.bundle.trust import Required
from wmproof.publication.log.entry import key_entry
from wmproof.publication.log.reader import LogReader
from wmproof.publication.log.signing import NoteSigner
from wmproof.publication.log.store import Log, create_log


def settled(case, a, b, **changes):
    return settle(a, b, case.model, replace(case.trust, **({"model_seen": SEEN} | changes)))


def stamped(case, party, when):
    return case.bundle_of(party, case.stamp(party.public.to_bytes(), when), log=False)


def test_the_earlier_entry_of_a_log_prevails(case):
    a, b = case.bundle_of(case.a), case.bundle_of(case.b)
    result = settled(case, a, b)
    assert (result.prevails, result.precedence.first) == (Party.A, Party.A)
    assert "entries 40 and 41 of example.com/log" in result.conclusion
    assert result.a.claim.header.model_digest == result.b.claim.header.model_digest
    assert settled(case, b, a).prevails is Party.B
    unwitnessed = settled(case, a, b, witnesses=(), without=frozenset({Required.PUBLICATION}))
    assert unwitnessed.precedence.first is Party.A
    assert unwitnessed.prevails is None  # nothing says that its key was there before the model


def test_the_older_key_wins_only_if_it_is_older_than_the_model(case):
    a, b = case.bundle_of(case.a), case.bundle_of(case.b)
    result = settled(case, a, b, model_seen=None)
    assert result.precedence.first is Party.A
    assert result.prevails is None
    assert "undecided" in result.conclusion
    assert "--model-seen" in result.conclusion


def test_logs_that_conflict_decide_nothing(case, tmp_path):
    """A is first in one log and B in the other, whichever they pack first."""
    other = NoteSigner("other.example/log", OTHER_LOG.kind, OTHER_LOG.seed)
    log = create_log(tmp_path / "log", other)
    log.append_all([key_entry(case.b.public), key_entry(case.a.public)])
    log.checkpoint(other)

    def packed(party, *logs):
        proofs = {
            "one": case.logged(party),
            "other": proof_in(log, party.public),
        }
        return make_bundle(
            party.public,
            case.bundle.model_digest,
            claim=("claim", party.claim),
            inclusion_proofs=[(name, proofs[name]) for name in logs],
        )

    trust = {"log_keys": (*case.trust.log_keys, other.verifier_key), "witnesses": ()}
    trust["without"] = frozenset({Required.PUBLICATION})
    for order in (("one", "other"), ("other", "one")):
        result = settled(case, packed(case.a, *order), packed(case.b, *order), **trust)
        assert result.precedence.first is None
        assert "conflict" in result.conclusion
    alone = settled(case, packed(case.a, "one"), packed(case.b, "one", "other"), **trust)
    assert alone.precedence.first is Party.A


def test_a_log_that_shows_two_histories_decides_nothing(case, tmp_path):
    """With its witnesses it has the keys of A and B at one place each, of one size."""
    a = case.bundle_of(case.a)
    fork = witnessed_log(tmp_path, case.b.public)
    proof = proof_in(fork, case.b.public)
    b = make_bundle(
        case.b.public,
        a.model_digest,
        claim=("claim", case.b.claim),
        inclusion_proofs=[("log", proof)],
    )
    for result in (settled(case, a, b), settled(case, b, a)):
        assert result.a.holds
        assert result.b.holds
        assert result.precedence.first is None
        assert "two histories" in result.conclusion


def test_attested_times_decide_where_there_is_no_log(case):
    early, late = stamped(case, case.a, STAMPED), stamped(case, case.b, STAMPED + DAY)
    assert settled(case, early, late).prevails is Party.A
    assert settled(case, late, early).prevails is Party.B


def test_overlapping_times_are_a_tie(case):
    one, other = stamped(case, case.a, STAMPED), stamped(case, case.b, STAMPED + DAY / 86400)
    result = settled(case, one, other)
    assert result.a.holds
    assert result.b.holds
    assert result.prevails is None
    assert "the times overlap" in result.conclusion
    apart = stamped(case, case.b, STAMPED + timedelta(seconds=4))
    assert settled(case, one, apart).prevails is Party.A


def test_an_old_token_does_not_beat_a_public_key(case):
    """B shows that its key existed before A's was public, but not that anybody could see it."""
    secret = stamped(case, case.b, LOGGED - 10 * DAY)
    result = settled(case, case.bundle_of(case.a), secret)
    assert result.prevails is None
    assert "nothing shows that B was public" in result.conclusion
    later = stamped(case, case.b, LOGGED + DAY)
    assert settled(case, case.bundle_of(case.a), later).prevails is Party.A


def test_a_later_checkpoint_of_the_earlier_entry_is_no_disadvantage(case, tmp_path):
    """A fetches its proof from the log of today, B has the old one: the order of entries counts."""
    folder = shutil.copytree(case.folder, tmp_path / "world")
    log = Log(folder / "log")
    log.append(b"one more")
    log.checkpoint(LOG)
    cosign(folder, log, NOW - DAY)
    proof = proof_in(log, case.a.public)
    a = case.bundle_of(case.a, log=False)
    late = make_bundle(
        case.a.public,
        a.model_digest,
        claim=("claim", case.a.claim),
        inclusion_proofs=[("log", proof)],
    )
    result = settled(case, late, case.bundle_of(case.b), model_seen=NOW)
    assert result.a.key_published.moment.earliest > result.b.key_published.moment.latest
    assert result.prevails is Party.A


def test_whoever_was_public_elsewhere_before_prevails(case, tmp_path):
    """B is the later entry of the common log, and was in another log a month before that."""
    other = NoteSigner("other.example/log", OTHER_LOG.kind, OTHER_LOG.seed)
    log = create_log(tmp_path / "log", other)
    log.append(key_entry(case.b.public))
    log.checkpoint(other)
    proof = LogReader(log.folder).prove_inclusion(0).to_bytes()
    b = make_bundle(
        case.b.public,
        case.bundle.model_digest,
        claim=("claim", case.b.claim),
        inclusion_proofs=[("one", case.logged(case.b)), ("other", proof)],
        timestamps=[("stamp", case.stamp(checkpoint_of(proof), LOGGED - 30 * DAY))],
    )
    keys = (*case.trust.log_keys, other.verifier_key)
    a = case.bundle_of(case.a, case.stamp(checkpoint_of(case.logged(case.a)), LOGGED))
    result = settled(case, a, b, log_keys=keys, quorum=0)
    assert result.a.holds
    assert result.prevails is Party.B
    assert "other.example/log" in result.conclusion


def test_only_one_or_neither_holds(case):
    a, empty = case.bundle_of(case.a), case.bundle_of(case.b, claim=None)
    result = settled(case, a, empty)
    assert result.prevails is Party.A
    assert result.conclusion == "only the evidence of A holds"
    neither = settled(case, empty, empty)
    assert neither.prevails is None
    assert "neither" in neither.conclusion
    assert settle(a, a, case.unmarked, case.trust).prevails is None


def test_a_key_that_came_after_the_model_loses(case):
    a, b = stamped(case, case.a, SEEN + DAY), case.bundle_of(case.b)
    result = settled(case, a, b, model_seen=SEEN)
    assert not result.a.holds
    assert result.prevails is Party.B


def test_the_same_key_twice(case):
    result = settled(case, case.bundle, case.bundle_of(case.a))
    assert result.prevails is None
    assert "same key" in result.conclusion


def test_nobody_attests(case):
    parts = case.bundle_of(case.a, log=False)
    assert not parts.of_kind(PartKind.INCLUSION_PROOF)
    without = frozenset({Required.PUBLICATION})
    result = settled(case, parts, stamped(case, case.b, STAMPED), without=without)
    assert result.a.holds
    assert result.prevails is None
    assert "the key of A" in result.conclusion


def test_somebody_elses_copy_of_a_key_is_the_same_key(case, tmp_path):
    """A thief signs A's published key, logs it before A does, and brings A's own claim."""
    stolen = replace(case.a, public=case.a.public.signed(bytes(32)))
    log = witnessed_log(tmp_path, stolen.public, case.a.public)

    def packed(party):
        return make_bundle(
            party.public,
            case.bundle.model_digest,
            claim=("claim", party.claim),
            inclusion_proofs=[("log", proof_in(log, party.public))],
        )

    for result in (
        settled(case, packed(case.a), packed(stolen)),
        settled(case, packed(stolen), packed(case.a)),
    ):
        assert result.a.holds
        assert result.b.holds
        assert result.prevails is None
        assert "same key" in result.conclusion


def test_what_one_party_shows_of_the_model_counts_for_both(case):
    """A, who was late to publish, shows that the model is older than B's key."""
    first, late = STAMPED, STAMPED + 5 * DAY
    model = case.model.read_bytes()
    b = case.bundle_of(
        case.b,
        case.stamp(case.b.public.to_bytes(), first),
        case.stamp(model, first + DAY),
        log=False,
    )
    assert settled(case, stamped(case, case.a, late), b, model_seen=None).prevails is Party.B
    a = case.bundle_of(
        case.a,
        case.stamp(case.a.public.to_bytes(), late),
        case.stamp(model, first - DAY),
        log=False,
    )
    for result in (settled(case, a, b, model_seen=None), settled(case, b, a, model_seen=None)):
        assert not result.a.holds
        assert not result.b.holds
        assert result.prevails is None


def test_one_lying_witness_of_two_does_not_order_two_histories(case, tmp_path):
    """Witnesses one and two have signed one history, two and three another: only two has lied."""
    third = NoteSigner("witness.example/w3", WITNESS.kind, bytes([3]) * 32)
    honest, fork = (create_log(tmp_path / name / "log", LOG) for name in ("honest", "fork"))
    honest.append_all([*(b"others %d" % i for i in range(40)), key_entry(case.a.public)])
    fork.append(key_entry(case.b.public))
    for log, signers in ((honest, (WITNESS, WITNESS_2)), (fork, (WITNESS_2, third))):
        log.checkpoint(LOG)
        cosign(log.folder.parent, log, LOGGED, signers)
    parties = [(case.a, honest), (case.b, fork)]
    a, b = (
        make_bundle(
            party.public,
            case.bundle.model_digest,
            claim=("claim", party.claim),
            inclusion_proofs=[("log", proof_in(log, party.public))],
        )
        for party, log in parties
    )
    keys = tuple(signer.verifier_key for signer in (WITNESS, WITNESS_2, third))
    result = settled(case, a, b, witnesses=keys, quorum=2)
    assert result.a.holds
    assert result.b.holds
    assert result.precedence.first is None
