"""Samples of hidden triggers: who draws them, what a prover may try, how often grinding helps."""

import hashlib
from math import comb

import numpy as np
import pytest
from cheating_prover import Liar, commit, opening_witness
from sampled import CONTEXT
from scipy.stats import binom
from toy_claim import distinct, toy_circuit, toy_key

from wmproof.argument.system.prover import prove
from wmproof.argument.system.statement import Security
from wmproof.argument.system.verifier import verify_proof
from wmproof.circuit.evaluate import classify
from wmproof.circuit.format import digest
from wmproof.commitment import Scheme
from wmproof.errors import InputError, ProofError, VerificationError
from wmproof.keys import LabelMode
from wmproof.keys.keygen import pkeygen
from wmproof.relation.claim import statement
from wmproof.relation.claim.prover import ClaimProof
from wmproof.relation.claim.sample import draw_sample
from wmproof.relation.claim.statement import ClaimStatement

SECURITY = Security(bits=40, grinding_bits=0)
FALSE_ALARM = 1e-10
CIRCUIT = toy_circuit()
DIGEST = digest(CIRCUIT)


@pytest.fixture(scope="module")
def vk():
    key, _ = pkeygen(distinct(64), 2, security=16)
    return key.verification_key


def drawn(vk, count, context=CONTEXT, circuit=DIGEST):
    return draw_sample(vk, count, context=context, circuit_digest=circuit)


def test_the_sample_is_what_the_format_says(vk):
    """docs/formats.md with hashlib alone."""
    tag = b"wmproof/sample/v1" + bytes(15)
    seed = hashlib.sha256(tag + vk.digest + CONTEXT + DIGEST + (7).to_bytes(4, "big")).digest()
    hidden = [int(i) for i in vk.hidden_indices()]
    ranks = {hashlib.sha256(seed + i.to_bytes(4, "big")).hexdigest(): i for i in hidden}
    assert drawn(vk, 7).tolist() == sorted(ranks[rank] for rank in sorted(ranks)[:7])


def test_everything_public_draws_another_sample(vk):
    own = drawn(vk, 9).tolist()
    other, _ = pkeygen(distinct(64), 2, security=16)
    assert drawn(vk, 9, context=bytes(32)).tolist() != own
    assert drawn(vk, 9, circuit=bytes(32)).tolist() != own
    assert drawn(other.verification_key, 9).tolist() != own
    assert not set(own) <= set(drawn(vk, 10).tolist())
    assert set(own) <= set(vk.hidden_indices().tolist())
    assert len(set(own)) == 9


def test_every_hidden_trigger_is_drawn_equally_often(vk):
    runs, hidden = 2000, vk.hidden_indices()
    counts = dict.fromkeys(hidden.tolist(), 0)
    for i in range(runs):
        for index in drawn(vk, 5, context=i.to_bytes(32, "big")):
            counts[int(index)] += 1
    chance, each = 5 / len(hidden), FALSE_ALARM / len(hidden) / 2
    low, high = binom.ppf(each, runs, chance), binom.isf(each, runs, chance)
    assert all(low <= count <= high for count in counts.values())


def test_sizes_that_no_claim_has(vk):
    hidden = vk.hidden_indices()
    assert drawn(vk, len(hidden)).tolist() == hidden.tolist()
    for count in (0, -1, len(hidden) + 1):
        with pytest.raises(InputError, match="--triggers"):
            drawn(vk, count)
    secret, _ = pkeygen(distinct(64), 2, security=16, label_mode=LabelMode.SECRET)
    with pytest.raises(InputError, match="the owner chose this key's labels"):
        drawn(secret.verification_key, 1)


def test_all_triggers_are_the_claim_of_version_1():
    key = toy_key(CIRCUIT, LabelMode.DERIVED)
    vk = key.verification_key
    given = {"context": CONTEXT, "most_blocks": 1}
    claim = ClaimProof(CIRCUIT, vk, 1, key.embedded(), triggers=2, **given)
    fixed = (1).to_bytes(4, "big") + bytes([8])
    shown = hashlib.sha256(claim.inner).digest()
    old = b"".join([b"wmproof/claim/v1", CONTEXT, DIGEST, vk.digest, fixed, shown])
    assert claim.digest == hashlib.sha256(old).digest()
    new = ClaimStatement(CIRCUIT, vk, 1, context=CONTEXT, inner=claim.inner)
    assert new.digest == hashlib.sha256(b"wmproof/claim/v4\x08" + old).digest()
    stated = ClaimStatement(CIRCUIT, vk, 1, inner=claim.inner, **given)
    verify_proof(stated, prove(claim, claim.witness(), SECURITY), SECURITY)


# Provers who would rather prove something else.


def check(vk, inner, proof, **given):
    stated = ClaimStatement(CIRCUIT, vk, 1, context=CONTEXT, inner=inner, **given)
    verify_proof(stated, proof, SECURITY)


CHEATS = {
    "chooses the sample": lambda real, hidden: np.setdiff1d(hidden, real[:1])[:2],
    "drops a trigger": lambda real, hidden: real[1:],
    "repeats a trigger": lambda real, hidden: np.repeat(real[:1], 2),
    "proves all": lambda real, hidden: hidden,
}


@pytest.fixture(scope="module", params=Scheme, ids=lambda scheme: scheme.label)
def key(request):
    """Of three hidden triggers, all hit."""
    return toy_key(CIRCUIT, LabelMode.DERIVED, request.param, hides=3)


@pytest.mark.parametrize("name", CHEATS)
def test_a_prover_does_not_choose(key, monkeypatch, name):
    """The verifier draws the sample itself, whatever was proved."""
    vk, hidden = key.verification_key, key.verification_key.hidden_indices()
    real = drawn(vk, 2)
    chosen = CHEATS[name](real, hidden)
    assert chosen.tolist() != real.tolist()
    with monkeypatch.context() as patched:
        patched.setattr(statement, "draw_sample", lambda *_, **__: chosen)
        claim = ClaimProof(CIRCUIT, vk, 1, key.embedded(), context=CONTEXT, triggers=2)
        proof = prove(claim, claim.witness(), SECURITY)
    with pytest.raises(VerificationError):
        check(vk, claim.inner, proof, triggers=2)


def test_the_inner_commitments_of_the_sample_are_not_enough():
    """The linear equations: other triggers are in the witness, and the sample's v are shown."""
    key = toy_key(CIRCUIT, LabelMode.DERIVED, hides=3)
    vk, opened = key.verification_key, key.embedded()
    other = np.setdiff1d(np.arange(3), np.searchsorted(opened.indices, drawn(vk, 2)))
    swapped = opened.select(np.repeat(other, 3))
    lied = type(opened)(
        opened.indices, swapped.triggers, swapped.trigger_randomness, opened.label_randomness
    )
    given = {"context": CONTEXT, "triggers": 2}
    claim = Liar(CIRCUIT, vk, 1, lied, truth=opened, **given)
    claim.arrays |= opening_witness(claim, lied)
    commit(claim, {})
    stated = ClaimStatement(CIRCUIT, vk, 1, inner=claim.inner, **given)
    with pytest.raises(ProofError):
        verify_proof(stated, prove(claim, claim.witness(), SECURITY), SECURITY)


def test_a_claim_of_one_size_is_none_of_another(key):
    claim = ClaimProof(
        CIRCUIT, key.verification_key, 1, key.embedded(), context=CONTEXT, triggers=2
    )
    proof = prove(claim, claim.witness(), SECURITY)
    width = len(claim.inner) // 2
    for size in (None, 3):
        shown = claim.inner + claim.inner[:width]
        with pytest.raises(VerificationError):
            check(key.verification_key, shown, proof, triggers=size)


# Grinding.


def test_grinding_passes_as_often_as_predicted(vk):
    """A model that hits h of n by chance has k hits in a sample of s with hypergeometric chance."""
    key, _ = pkeygen(distinct(64), 2, security=16)
    vk, hidden = key.verification_key, key.to_embed()
    hits = classify(CIRCUIT, hidden.images) == hidden.labels
    places = dict(zip(vk.hidden_indices().tolist(), hits.tolist(), strict=True))
    n, h, s, tries = len(hits), int(hits.sum()), 6, 3000
    k = min(s, h)
    while k > 1 and tail(n, h, s, k) < 0.02:
        k -= 1
    passed = 0
    for i in range(tries):
        context = hashlib.sha256(b"a file of the same model" + i.to_bytes(4, "big")).digest()
        passed += sum(places[int(j)] for j in drawn(vk, s, context=context)) >= k
    chance = tail(n, h, s, k)
    low = binom.ppf(FALSE_ALARM / 2, tries, chance)
    assert low <= passed <= binom.isf(FALSE_ALARM / 2, tries, chance)


def tail(n, h, s, k):
    """Chance that s of n, h of which hit, have k hits or more."""
    ways = sum(comb(h, j) * comb(n - h, s - j) for j in range(k, min(h, s) + 1))
    return ways / comb(n, s)
