"""Bundles of real parts: what they show, what they do not, and every lie by name."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from bundle_world import LOGGED, NOW, SEEN, STAMPED, checkpoint_of
from local_authority import DAY, make_authority
from log_support import LOG, OTHER_LOG, WITNESS, WITNESS_2
from tampering import fails, flip

from wmproof.core.checks import Outcome, Verdict
from wmproof.core.policy import Policy
from wmproof.errors import FormatError, InputError, VerificationError
from wmproof.publication.bundle.format import (
    Bundle,
    Part,
    PartKind,
    Pixels,
    Subject,
    parse_bundle,
)
from wmproof.publication.bundle.pack import make_bundle
from wmproof.publication.bundle.trust import Required
from wmproof.publication.bundle.verifier import examine_bundle, verify_bundle
from wmproof.publication.timestamps.trust import load_roots
from wmproof.pverify.claim_file import parse_claim


def examine(case, bundle=None, model=None, **changes):
    trust = replace(case.trust, **changes)
    return examine_bundle(bundle or case.bundle, trust, model or case.model)


def refused(case, check, words, bundle=None, **changes):
    """One check fails, by its name and with these words."""
    report = examine(case, bundle, **changes)
    failed = [i for i in report.checks if i.outcome in (Outcome.FAILED, Outcome.MISSING)]
    assert check in {item.name for item in failed}, failed
    assert any(words in item.what for item in failed), failed
    assert not report.holds
    return report


def gaps(report):
    return {item.part for item in report.not_shown}


def test_everything_is_shown(case):
    report = verify_bundle(case.bundle, case.trust, case.model)
    assert report.claim.header.threshold <= report.claim.hidden
    assert report.claim.security_bits >= 100
    assert report.claim.strength_bits >= 32
    assert report.key_published.public
    assert report.key_published.moment.latest == LOGGED + timedelta(minutes=11)
    assert report.model_seen.moment.earliest == SEEN - timedelta(seconds=1.5)
    assert {item.subject for item in report.attestations} == set(Subject) - {Subject.NONE}
    always = {"older-model", "service", "which-hits", "lying-attesters"}
    assert gaps(report) == always | {"log-today", "owner", "labels", "hidden-triggers"}


def test_a_bundle_is_the_same_whatever_the_order(case):
    parsed = parse_bundle(case.bundle.to_bytes())
    assert parsed.to_bytes() == case.bundle.to_bytes()
    again = make_bundle(
        case.a.public,
        case.bundle.model_digest,
        claim=("c", case.a.claim),
        inclusion_proofs=2 * [("l", case.logged(case.a))],
        timestamps=[("t", part.content) for part in reversed(case.bundle.stamps)],
    )
    assert again.to_bytes() == case.bundle.to_bytes()


def without(bundle, *kinds, subject=None):
    kept = (
        p for p in bundle.parts if p.kind not in kinds and (p.subject != subject or not subject)
    )
    return Bundle(bundle.model_digest, bundle.pixels, tuple(kept))


def test_a_missing_claim_is_named(case):
    bare = without(without(case.bundle, subject=Subject.CLAIM), PartKind.CLAIM)
    assert "claim" in gaps(refused(case, "claim", "the bundle has no claim", bare))
    report = examine(case, bare, without=frozenset({Required.CLAIM}))
    assert report.holds
    assert "claim" in gaps(report)


def test_a_missing_model_is_named(case):
    report = examine_bundle(case.bundle, case.trust, None)
    assert not report.holds
    assert "no model file was given" in str([item.what for item in report.checks])


def test_missing_publication_is_named(case):
    bare = without(case.bundle, PartKind.INCLUSION_PROOF, PartKind.RFC3161, PartKind.OPENTIMESTAMPS)
    report = refused(case, "publication", "nobody who is trusted attests", bare)
    assert {"publication", "order", "log", "model-seen"} <= gaps(report)
    with fails("publication"):
        verify_bundle(bare, case.trust, case.model)


def test_a_token_alone_says_nothing_of_the_public(case):
    tokens = without(case.bundle, PartKind.OPENTIMESTAMPS, subject=Subject.CHECKPOINT)
    report = examine(case, without(tokens, PartKind.INCLUSION_PROOF))
    assert report.holds
    assert report.key_published.moment.latest == STAMPED + timedelta(seconds=1.5)
    assert {"public", "log"} <= gaps(report)


def test_existing_before_the_model_is_not_being_public_before_it(case):
    """The log came after the model, an old token before it: the odds hold, the public is a gap."""
    old = case.stamp(case.a.public.to_bytes(), LOGGED - 5 * DAY)
    report = examine(case, case.bundle_of(case.a, old), model_seen=LOGGED - DAY)
    assert report.holds
    assert report.key_published.public
    assert not report.key_there.public
    assert "public" in gaps(report)


def test_only_an_old_block(case):
    old = without(case.bundle, PartKind.INCLUSION_PROOF, PartKind.RFC3161)
    report = examine(case, old, model_seen=SEEN)
    assert report.holds
    assert report.key_published.by == "block 7 of Bitcoin"
    assert report.key_published.moment.latest == NOW - 20 * DAY + timedelta(hours=2)
    assert report.model_seen.by == "the verifier's own knowledge"


def test_what_nobody_vouches_for_is_not_believed(case):
    nobody = {"log_keys": (), "witnesses": (), "tsa_roots": (), "block_headers": {}}
    report = refused(case, "publication", "nobody who is trusted", **nobody)
    assert not report.attestations
    named = {part.name for part in case.bundle.parts if part.kind > PartKind.CLAIM}
    assert named <= gaps(report)


def test_without_witnesses_the_log_says_no_time(case):
    bundle = without(case.bundle, PartKind.RFC3161, PartKind.OPENTIMESTAMPS)
    report = refused(case, "publication", "nobody who is trusted", bundle, witnesses=())
    assert "witnesses" in gaps(report)
    assert report.logged[0].report.index == 40


def test_a_quorum_is_as_late_as_its_last_witness(case):
    bundle = without(case.bundle, PartKind.RFC3161, PartKind.OPENTIMESTAMPS)
    for quorum, minutes in ((1, 1), (2, 11)):
        report = examine(case, bundle, quorum=quorum, model_seen=SEEN)
        assert report.key_published.moment.latest == LOGGED + timedelta(minutes=minutes)
    stranger = replace(WITNESS, seed=bytes(32)).verifier_key
    both = (WITNESS.verifier_key, stranger)
    refused(case, "log", "1 of the 2 known witnesses", witnesses=both)
    assert examine(case, witnesses=both, quorum=1).holds


def test_a_key_after_the_model_is_worthless(case):
    seen = LOGGED - DAY
    refused(case, "order", "the model was seen first", model_seen=seen)
    late = without(case.bundle, subject=Subject.CHECKPOINT)
    late = without(late, PartKind.INCLUSION_PROOF, PartKind.OPENTIMESTAMPS)
    refused(case, "order", "times overlap", late, model_seen=STAMPED)


def test_wrong_roots(case, tmp_path):
    refused(case, "log", "is not signed by", log_keys=(OTHER_LOG.verifier_key,))
    foreign = load_roots(make_authority(tmp_path / "foreign").roots)
    refused(case, "timestamp", "no trusted root", tsa_roots=foreign)
    refused(case, "timestamp", "difficulty", minimum_difficulty=1e13)
    headers = {7: case.trust.block_headers[7][:40] + bytes(40)}
    refused(case, "timestamp", "difficulty", block_headers=headers)
    refused(case, "log", "not of", origins={LOG.name: "another.example/log"})
    refused(case, "signature", "not signed", policy=replace(case.trust.policy, signer=bytes(32)))
    refused(case, "security", "bits are asked for", policy=Policy(strength=32))
    with pytest.raises(InputError, match="3 of 2 witnesses"):
        examine(case, quorum=3)


def test_a_header_that_the_verifier_lacks(case):
    report = examine(case, block_headers={8: case.trust.block_headers[7]})
    assert "OTS file of the key" in gaps(report)
    assert report.holds


def test_another_model(case):
    refused(case, "model", "another model", model=case.unmarked)


def test_a_proof_for_another_key(case):
    with fails("key", "another key"):
        make_bundle(case.a.public, case.bundle.model_digest, claim=("c", case.b.claim))
    smuggled = replace_part(case.bundle, PartKind.CLAIM, case.b.claim)
    refused(case, "claim", "another key", without(smuggled, subject=Subject.CLAIM))


def test_a_claim_about_another_model(case):
    with fails("model", "another model"):
        make_bundle(case.a.public, bytes(32), claim=("c", case.a.claim))
    stolen = Bundle(bytes(32), case.bundle.pixels, case.bundle.parts)
    refused(case, "model", "another model", stolen)


def test_a_log_proof_of_another_key(case):
    with fails("inclusion", "does not show this key"):
        make_bundle(
            case.a.public,
            case.bundle.model_digest,
            inclusion_proofs=[("p", case.logged(case.b))],
        )
    smuggled = replace_part(case.bundle, PartKind.INCLUSION_PROOF, case.logged(case.b))
    refused(case, "log", "not proved to be at index 41", smuggled)


def test_timestamps_of_other_things(case):
    stray = case.stamp(b"something else", STAMPED)
    with fails("timestamp-subject", "none of the bundle's things"):
        case.bundle_of(case.a, stray)
    parts = (*case.bundle.parts, Part(PartKind.RFC3161, Subject.KEY, stray))
    smuggled = Bundle(case.bundle.model_digest, case.bundle.pixels, tuple(sorted(parts)))
    refused(case, "timestamp", "for another file", smuggled)
    moved = next(p for p in case.bundle.stamps if p.kind is PartKind.OPENTIMESTAMPS)
    parts = (*case.bundle.parts, replace(moved, subject=Subject.MODEL))
    moved = Bundle(case.bundle.model_digest, case.bundle.pixels, tuple(sorted(parts)))
    refused(case, "timestamp", "for another file", moved)


def test_a_promise_of_a_calendar_is_no_timestamp(case):
    from local_calendar import Calendar
    from local_server import serving

    from wmproof.publication.timestamps.calendars import stamp_digest

    calendar = Calendar()
    with serving(calendar.answer) as url:
        calendar.url = url
        pending = stamp_digest(case.a.public.digest, [url])
    with pytest.raises(InputError, match="only promises"):
        case.bundle_of(case.a, pending)


def replace_part(bundle, kind, content):
    parts = [replace(p, content=content) if p.kind is kind else p for p in bundle.parts]
    kept = [p for p in parts if p.subject is not Subject.CHECKPOINT]
    return Bundle(bundle.model_digest, bundle.pixels, tuple(sorted(kept)))


def test_a_log_that_was_rolled_back_or_forked(case, tmp_path):
    from bundle_world import witnessed_log

    rolled = witnessed_log(tmp_path / "rolled").folder / "checkpoint"
    report = refused(case, "log", "was rolled back", log_now=(rolled.read_bytes(),))
    assert "size 42" in str(report.checks)
    assert "size 40" in str(report.checks)
    forked = witnessed_log(tmp_path / "forked", case.b.public, case.a.public)
    fork = (forked.folder / "checkpoint").read_bytes()
    refused(case, "log", "nothing shows that the log", log_now=(fork,))


def test_a_log_of_today_that_still_has_the_key(case):
    now = (case.log.folder / "checkpoint").read_bytes()
    assert "log-today" not in gaps(examine(case, log_now=(now,)))


def test_a_log_that_grew_needs_a_proof(case, tmp_path):
    import shutil

    from wmproof.publication.log.checkpoint import open_checkpoint
    from wmproof.publication.log.reader import LogReader
    from wmproof.publication.log.store import Log

    grown = Log(shutil.copytree(case.log.folder, tmp_path / "log"))
    grown.append(b"one more")
    grown.checkpoint(LOG)
    fresh = (grown.folder / "checkpoint").read_bytes()
    assert "log-today" in gaps(examine(case, log_now=(fresh,)))
    old = open_checkpoint((case.log.folder / "checkpoint").read_bytes(), LOG.verifier_key)
    proof = LogReader(grown.folder).prove_consistency(old.checkpoint).to_bytes()
    elsewhere = LogReader(grown.folder).consistency_request(7).to_bytes()
    assert "log-today" in gaps(examine(case, log_now=(elsewhere,)))
    assert "log-today" not in gaps(examine(case, log_now=(elsewhere, proof)))
    broken = proof.replace(b"old 42\n", b"old 42\n" + proof.split(b"\n")[1] + b"\n", 1)
    refused(case, "log", "nothing shows that the log", log_now=(broken,))


def test_every_region_of_the_file_is_bound(case):
    """One changed byte is refused, or changes nothing that is shown, even without the model.

    The latter are bytes of a token that its signature does not cover, like a version number.
    """
    unclaimed = replace(case.trust, without=frozenset({Required.CLAIM}))
    shown = verify_bundle(case.bundle, unclaimed, None)
    data = case.bundle.to_bytes()
    positions, start = [], 8 + 2 + 32 + 1 + 2
    for part in case.bundle.parts:
        start += 6
        positions += [start + len(part.content) * k // 7 for k in range(7)]
        start += len(part.content)
    assert start == len(data)
    accepted = 0
    for position in [0, 8, 9, 12, 42, 44, *positions]:
        try:
            report = verify_bundle(parse_bundle(flip(data, position)), unclaimed, None)
        except (FormatError, VerificationError):
            continue
        accepted += 1
        assert report.attestations == shown.attestations
        assert report.checks == shown.checks
    assert accepted <= 4


def test_another_range_of_pixels_is_another_claim(case):
    unit = Bundle(case.bundle.model_digest, Pixels.UNIT, case.bundle.parts)
    report = refused(case, "claim", "the claimant says that the model takes pixels as 'unit'", unit)
    assert report.verdict is Verdict.INCOMPLETE
    with pytest.raises(InputError, match="raw"):
        examine(case, unit, policy=replace(case.trust.policy, pixels="unit"))


def test_cut_longer_and_misordered_bundles(case):
    data = case.bundle.to_bytes()
    for changed in (data[:-1], data + b"\0", data[:100], b"", b"wmpf-ev\0\0\2"):
        with pytest.raises(FormatError):
            parse_bundle(changed)
    key, claim = case.bundle.parts[:2]
    log = case.bundle.of_kind(PartKind.INCLUSION_PROOF)[0]
    stamp = next(p for p in case.bundle.stamps if p.subject is Subject.CHECKPOINT)
    for parts, words in (
        ((), "0 public keys"),
        ((claim,), "0 public keys"),
        ((claim, key), "not in order"),
        ((key, key), "one twice"),
        ((key, claim, replace(claim, content=b"")), "not in order"),
        ((key, replace(claim, content=b""), claim), "more than one claim"),
        ((key, replace(claim, subject=Subject.KEY)), "wrong subject"),
        ((key, replace(stamp, subject=Subject.NONE)), "wrong subject"),
        ((key, stamp), "is missing a part"),
        ((key, replace(stamp, subject=Subject.CLAIM)), "is missing a part"),
        ((replace(key, content=log.content),), "not a wmproof public key"),
    ):
        with pytest.raises(FormatError, match=words):
            Bundle(case.bundle.model_digest, case.bundle.pixels, parts)


def test_the_claim_is_the_one_that_was_made(case):
    report = examine(case)
    header, argument = parse_claim(case.a.claim)
    assert report.claim.header == header
    assert report.claim.argument_bytes == len(argument)
    assert hashlib.sha256(case.model.read_bytes()).digest() == header.model_digest
    assert checkpoint_of(case.logged(case.a)).startswith(b"example.com/log\n42\n")
    assert {WITNESS_2.name, WITNESS.name} <= set(report.logged[0].by.replace(",", "").split())


def test_nobody_has_seen_a_model_in_the_future(case):
    """Else any key would be older than the model."""
    with pytest.raises(InputError, match="in the future"):
        examine(case, case.bundle, model_seen=NOW + DAY)
