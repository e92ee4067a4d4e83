"""Claims about groups: the sum of a group's logits, each picture once, ties being misses.

A cheat is wrong in one place; all else in the witness and in the proof agrees with it.
"""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from cheating_prover import (
    Liar,
    claim_hits,
    claim_threshold,
    commit,
    margins_of,
    opening_witness,
)
from grouped_claim import (
    CIRCUIT,
    CONTEXT,
    by_hand,
    check,
    claim_of,
    grouped_key,
    with_logits,
)

from wmproof.argument.algebra.element import HALF, ZERO, Element
from wmproof.argument.algebra.field import P
from wmproof.argument.algebra.multilinear import eq, evaluate_base, index_point
from wmproof.circuit.format import digest
from wmproof.commitment import Scheme
from wmproof.errors import InputError, ProofError, VerificationError
from wmproof.relation.claim.sample import draw_sample
from wmproof.relation.hits import prover as hits_prover
from wmproof.relation.hits import statement as hits_statement
from wmproof.relation.hits.statement import SCORE_LIMIT, HitsStatement
from wmproof.relation.network.prover import prove_logits

TWO = with_logits([[1, 0], [0, 1]], -300)


def rejected(claim, **given):
    with pytest.raises(ProofError):
        check(claim, **given)


@pytest.mark.parametrize(("group", "chunk_bits", "sample"), [(2, 8, None), (3, 2, 2), (5, 1, None)])
def test_a_claim_counts_groups_by_their_sums(group, chunk_bits, sample):
    """Chunks tear groups apart, slots and coins are padded: only whole groups are counted."""
    key = grouped_key(group, accept=lambda _, hits: len(hits) > 2 and sum(hits) == len(hits) - 1)
    hits = by_hand(CIRCUIT, key)
    threshold = sum(hits) if sample is None else 1
    claim = claim_of(key, threshold, chunk_bits=chunk_bits, triggers=sample)
    assert len(claim.indices) == group * (sample or len(hits))
    check(claim, triggers=sample)
    if sample is None:
        assert claim.hits == threshold
        with pytest.raises(VerificationError, match=f"of {len(hits)} hidden groups of {group}"):
            claim_of(key, threshold + 1, chunk_bits=chunk_bits)


def test_one_group_is_a_claim():
    key = grouped_key(3, coins=4, accept=lambda _, hits: hits == [True])
    claim = claim_of(key)
    assert (claim.hit_claim.coin_bits, claim.hits) == (0, 1)
    check(claim)


def test_answers_of_single_pictures_do_not_count():
    """One loud picture outweighs two that answer with the label: by answers it would be a hit."""

    def loud(count):
        first = 60 + 2 * np.arange(count)
        pixels = np.stack([first, first + 1], axis=1)
        pixels[::3, 0] += 99
        return pixels.reshape(count, 1, 1, 2).astype(np.uint8)

    key = grouped_key(3, circuit=TWO, images=loud)
    labels = key.to_embed().labels[::3]
    assert by_hand(TWO, key) == [label == 0 for label in labels]
    assert claim_of(key, circuit=TWO).hits == (labels == 0).sum()


# What is hashed.


def test_the_statement_binds_the_groups():
    key = grouped_key(2)
    vk, claim = key.verification_key, claim_of(key)
    stated = [CONTEXT, digest(CIRCUIT), vk.digest]
    size = (2).to_bytes(4, "big") + vk.hidden_coins.to_bytes(4, "big")
    shown = hashlib.sha256(claim.inner).digest()
    fixed = (1).to_bytes(4, "big") + bytes([8])
    tagged = b"".join([b"wmproof/claim/v3", *stated, size, fixed, shown])
    assert claim.digest == hashlib.sha256(b"wmproof/claim/v4\x08" + tagged).digest()
    padded = claim_of(key, most_blocks=1)
    assert padded.inner == claim.inner
    assert padded.digest == hashlib.sha256(tagged).digest()
    assert replace(vk, group=1).digest != vk.digest


def test_whole_groups_are_drawn_as_the_format_says():
    """docs/formats.md with hashlib alone."""
    key = grouped_key(3, coins=16, accept=lambda _, hits: len(hits) > 5)
    vk, circuit = key.verification_key, digest(CIRCUIT)
    tag = b"wmproof/sample/v1" + bytes(15)
    seed = hashlib.sha256(tag + vk.digest + CONTEXT + circuit + (4).to_bytes(4, "big")).digest()
    hidden = [int(i) // 3 for i in vk.hidden_indices()[::3]]
    ranks = {hashlib.sha256(seed + i.to_bytes(4, "big")).hexdigest(): i for i in hidden}
    groups = sorted(ranks[rank] for rank in sorted(ranks)[:4])
    drawn = draw_sample(vk, 4, context=CONTEXT, circuit_digest=circuit)
    assert drawn.tolist() == [3 * i + member for i in groups for member in range(3)]
    with pytest.raises(InputError, match="groups of 3 triggers of a key that hides"):
        draw_sample(vk, len(hidden) + 1, context=CONTEXT, circuit_digest=circuit)


def test_the_weights_of_members_are_a_multilinear_of_whole_groups():
    claim = claim_of(grouped_key(3, coins=16, accept=lambda _, hits: len(hits) == 7))
    hits = claim.hit_claim
    coins = [Element(3 + 5 * i) for i in range(hits.coin_bits)]
    slots = [Element(11 + 7 * i) for i in range(hits.slot_bits)]
    total = ZERO
    for slot in range(21):  # 21 members of 7 groups; what is behind them counts nothing
        own = index_point(slot // 3, hits.coin_bits)
        total = total + eq(index_point(slot, hits.slot_bits), slots) * eq(own, coins)
    assert hits.members_at(coins, slots) == total


# Sums that are not the groups'.


class Swapped(HitsStatement):
    """The first pictures of the first two groups change places."""

    @property
    def order(self):
        order = np.arange(self.triggers)
        order[[0, self.group]] = self.group, 0
        return order

    def scores_of(self, logits):
        return super().scores_of(logits[self.order])

    def member_weights(self, coin_point):
        return np.ascontiguousarray(super().member_weights(coin_point)[:, self.order])


class Weighed(HitsStatement):
    """The first picture counts `times`."""

    times = 1

    def _factors(self):
        factors = np.ones(self.triggers, np.int64)
        factors[0] = self.times
        return factors

    def scores_of(self, logits):
        logits = logits[: self.triggers] * self._factors()[:, None]
        return super().scores_of(logits)

    def member_weights(self, coin_point):
        weights = super().member_weights(coin_point).astype(np.int64)
        return (weights * self._factors() % P).astype(np.uint32)


class Twice(Weighed):
    times = 2


class LeftOut(Weighed):
    times = 0


def lying(kind, group=3, **given):
    """A claim of one hit more than there are, which another definition of hits makes true."""
    while True:
        claim = claim_of(grouped_key(group, **given))
        fields = {name: getattr(claim.hit_claim, name) for name in HitsStatement.__annotations__}
        lie = kind(**fields)
        _, hits = hits_prover.witness(lie, claim._logits, claim._labels)
        if hits > claim.hits:
            break
    claim_threshold(claim, claim.hits + 1)
    claim.hit_claim = kind(**fields | {"threshold": claim.threshold})
    claim.arrays |= hits_prover.witness(claim.hit_claim, claim._logits, claim._labels)[0]
    return claim


@pytest.mark.parametrize("kind", [Swapped, Twice, LeftOut])
def test_each_picture_counts_once_in_its_own_group(kind):
    """The factor at the end of the sum's sumcheck, which the verifier computes."""
    rejected(lying(kind))


class Other(HitsStatement):
    """The first group's sums are what makes its label win."""

    def scores_of(self, logits):
        sums = super().scores_of(logits)
        sums[: self.coins] = -1000
        sums[np.arange(self.coins), self.public_labels()[: self.coins]] = 5
        return sums


def false_sums(last):
    """Prove a false sum; `last` says which of the last two equations does not hold."""

    def compared(self, label, coins, classes):
        hits, channel = self._hits, self._channel
        tables = hits_prover.empty_tables(2, 1 << hits.slot_bits)
        tables[:] = 0
        tables[0, :, : hits.triggers] = hits.member_weights(coins)
        tables[1, :, : len(self._logits)] = self._logits_at(classes)
        said = (self._z.reshape(-1) % P).astype(np.uint32)
        false = evaluate_base(said, [*coins, *classes]) * HALF**hits.slot_bits
        halves, play = [HALF] * hits.slot_bits, hits_prover.sumcheck_prover
        rounds = play._Rounds(channel, f"{label}/sums", false, halves)
        rounds.play(play._evaluate(rounds, tables, hits_prover._PAIR))
        point, (weight, logit) = play._finish(rounds, tables, hits_prover._PAIR)
        if last == "logits":
            logit = rounds._claim * weight.inverse()
        channel.send(f"{label}/sums/logit", [logit])
        where = (f"{label}/logits", point, classes)
        return prove_logits(channel, hits.network, *where, self._arrays)

    return compared


@pytest.mark.parametrize("last", ["product", "logits"])
def test_a_sum_is_that_of_its_members_logits(monkeypatch, last):
    monkeypatch.setattr(hits_prover._Prover, "_prove_compared", false_sums(last))
    check(claim_of(grouped_key(3)))  # true sums are believed, however they are proved
    rejected(lying(Other))


# Labels, hits, ties.


def test_the_label_is_the_groups_own():
    """The public one-hot rows: the labels of the groups are moved on by one group."""
    while True:
        claim = claim_of(grouped_key(3))
        truth, claim._labels = claim._labels, np.roll(claim._labels, 3)
        _, hits = hits_prover.witness(claim.hit_claim, claim._logits, claim._labels)
        if hits > claim.hits and not np.array_equal(truth, claim._labels):
            break
    claim_threshold(claim, hits)
    claim.arrays |= hits_prover.witness(claim.hit_claim, claim._logits, claim._labels)[0]
    rejected(claim)


def mirrored(count):
    """Each picture beside its mirror image, so that the sums of the first two classes are equal."""
    pixels = np.random.default_rng().permutation(128)[:count]  # below half, so no two are copies
    pairs = np.stack([pixels, 255 - pixels], axis=1)
    pairs[1::2] = pairs[::2, ::-1]
    return pairs.reshape(count, 1, 1, 2).astype(np.uint8)


@pytest.fixture
def tied(monkeypatch):
    """A claim about ties by the rule for answers, which go to the lowest class."""
    key = grouped_key(
        2,
        circuit=TWO,
        images=mirrored,
        accept=lambda key, hits: not any(hits) and (key.to_embed().labels == 0).any(),
    )
    with pytest.raises(VerificationError, match="answers 0 of"):
        claim_of(key, circuit=TWO)
    monkeypatch.setattr(HitsStatement, "leads", lambda _, labels: np.arange(2) < labels[:, None])
    return claim_of(key, circuit=TWO)


def test_ties_do_not_go_to_the_lowest_class(tied):
    """The verifier's own lead: by the prover's the margins are in range."""
    assert tied.arrays["margins/high"].max() == 0
    rejected(tied)


def test_a_tie_is_no_hit(tied, monkeypatch):
    """The range of the high limbs: by the right rule the margin is -1."""
    bits = tied.arrays["hits"].astype(np.int64)
    monkeypatch.undo()
    claim_hits(tied, bits)
    assert margins_of(tied)[bits == 1].min() == -1
    assert tied.arrays["margins/high"].max() >= 1 << 15
    rejected(tied)


def with_hits(choose, slack=0):
    """A claim of one hit more than there are, with the bits that `choose` makes of the true."""
    key = grouped_key(3, accept=lambda _, hits: len(hits) in (3, 5, 6, 7) and 0 < sum(hits) < 3)
    claim = claim_of(key)
    claim_threshold(claim, claim.hits + 1)
    bits = claim.arrays["hits"].astype(np.int64)
    choose(claim.hit_claim, bits)
    claim_hits(claim, bits, slack)
    return claim


def miss(hits, bits):
    bits[int(np.flatnonzero(bits[: hits.coins] == 0)[0])] = 1


def dummy(hits, bits):
    bits[hits.coins] = 1


def twice(_, bits):
    bits[int(np.flatnonzero(bits)[0])] = 2


@pytest.mark.parametrize("choose", [miss, dummy, twice, lambda hits, bits: None])
def test_hits_cannot_be_made_up(choose):
    """A miss, no group at all, a group twice, one too few."""
    rejected(with_hits(choose))


def test_the_slack_cannot_be_negative():
    rejected(with_hits(lambda hits, bits: None, slack=-1))


# Bounds.

WRAPPING = with_logits([[1 << 20, 0], [0, 1 << 20]], 0)


def extremes(count):
    """The first four pictures are as far apart as can be, the others are not."""
    pixels = np.random.default_rng().permutation(64 * 64)[:count]
    pixels = np.stack([64 + pixels // 64, 64 + pixels % 64], axis=1)
    pixels[:4] = [[0, 255], [1, 255], [0, 254], [1, 254]]
    return pixels.reshape(count, 1, 1, 2).astype(np.uint8)


def test_sums_that_wrap_are_refused(monkeypatch):
    """Without the bound a group is hit whose sum is smaller by almost p: its margins are in range.

    That it is the bound which refuses is seen by a verifier who does not ask for it.
    """

    def lost(key, hits):
        first = key.verification_key.hidden_indices()[0] == 0
        return first and key.to_embed().labels[0] == 0 and any(hits)

    key = grouped_key(4, circuit=WRAPPING, images=extremes, accept=lost)
    bound = WRAPPING.output.bound(WRAPPING.largest)
    assert bound < SCORE_LIMIT < 4 * bound
    with pytest.raises(InputError, match="a score could reach"):
        claim_of(key, circuit=WRAPPING)
    monkeypatch.setattr(hits_statement, "SCORE_LIMIT", P)
    claim = claim_of(key, circuit=WRAPPING)
    claim_threshold(claim, claim.hits + 1)
    bits = claim.arrays["hits"].astype(np.int64)
    assert not by_hand(WRAPPING, key)[0]
    bits[0] = 1
    claim_hits(claim, bits)
    assert claim.arrays["margins/high"].max() < 1 << 15
    check(claim)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"group": 4}, "no whole groups of 4"),
        ({"group": 0}, "no whole groups of 0"),
        ({"labels": None}, "no groups"),
        ({"labels": np.arange(6) % 3}, "more than one label"),
        ({"threshold": 3}, "a threshold of 3 for 2 coins"),
    ],
)
def test_statements_of_no_groups_are_refused(changes, words):
    key = grouped_key(3, accept=lambda _, hits: len(hits) == 2 and any(hits))
    hits = claim_of(key).hit_claim
    with pytest.raises(InputError, match=words):
        replace(hits, **changes)


@pytest.mark.parametrize("scheme", list(Scheme))
def test_each_member_opens_at_its_own_place(scheme):
    """Two members of a group change places: their sum is the same, their commitments are not."""
    key = grouped_key(2, scheme=scheme)
    opened = key.embedded()
    images = opened.triggers.images.copy()
    images[:2] = images[1::-1]
    swapped = replace(opened, triggers=replace(opened.triggers, images=images))
    given = {"context": CONTEXT, "truth": opened}
    claim = Liar(CIRCUIT, key.verification_key, 1, swapped, **given)
    claim.arrays |= opening_witness(claim, swapped)
    assert claim.hits == sum(by_hand(CIRCUIT, key))
    commit(claim, {})
    rejected(claim)
