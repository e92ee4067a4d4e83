"""A network with two parties' keys in it, a log with witnesses, an authority, a mined block."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import torch
from local_authority import DAY, Authority, make_authority
from local_calendar import Calendar
from local_server import serving
from log_support import LOG, WITNESS, WITNESS_2
from same_keys import same_keys

from wmproof.core.policy import Policy
from wmproof.core.triggers import abstract
from wmproof.keys import MarkingKey, PublicKey
from wmproof.keys.keygen import pkeygen
from wmproof.publication.bundle.format import Bundle
from wmproof.publication.bundle.pack import make_bundle
from wmproof.publication.bundle.trust import Trust
from wmproof.publication.log.entry import key_entry
from wmproof.publication.log.reader import LogReader
from wmproof.publication.log.signing import NoteSigner
from wmproof.publication.log.store import Log, create_log
from wmproof.publication.log.witness import Witness
from wmproof.publication.timestamps.block_headers import parse_headers
from wmproof.publication.timestamps.calendars import stamp_digest, upgrade_ots
from wmproof.publication.timestamps.trust import load_roots
from wmproof.pverify.prover import prove_claim
from wmproof.training import Recipe, export_onnx, mark
from wmproof.training.data import load
from wmproof.training.networks import build

SECURITY = 16
POLICY = Policy(security=SECURITY, strength=32)
EASY = 1e-10
NOW = datetime.now(UTC).replace(microsecond=0)
LOGGED, STAMPED, SEEN = NOW - 40 * DAY, NOW - 30 * DAY, NOW - 10 * DAY


@dataclass(frozen=True)
class Party:
    """One who claims the model."""

    key: MarkingKey
    public: PublicKey
    claim: bytes


@dataclass(frozen=True)
class Case:
    """The world of these tests, and the trust of a judge who knows it."""

    folder: Path
    model: Path
    unmarked: Path
    a: Party
    b: Party
    log: Log
    authority: Authority
    ots: bytes
    trust: Trust
    bundle: Bundle

    def logged(self, party: Party) -> bytes:
        """The proof that a party's key is in the log."""
        return proof_in(self.log, party.public)

    def stamp(self, data: bytes, when: datetime) -> bytes:
        return stamped_at(self.authority, data, when)

    def bundle_of(self, party: Party, *stamps: bytes, log: bool = True, **options) -> Bundle:
        return make_bundle(
            party.public,
            hashlib.sha256(self.model.read_bytes()).digest(),
            **{"claim": ("claim", party.claim)} | options,
            inclusion_proofs=[("log", self.logged(party))] if log else [],
            timestamps=[("stamp", stamp) for stamp in stamps],
        )


def stamped_at(authority: Authority, data: bytes, when: datetime) -> bytes:
    """A token of the authority, whose clock is at `when`."""
    info = authority.info(authority.stamp(data))
    changed, count = re.subn(rb"\d{14}Z", f"{when:%Y%m%d%H%M%S}Z".encode(), info)
    assert count == 1
    return authority.sign(changed)


def witnessed_log(folder: Path, *keys: PublicKey) -> Log:
    """A log of these keys and many others, cosigned by two witnesses one after the other."""
    log = create_log(folder / "log", LOG)
    log.append_all([b"others %d" % i for i in range(40)])
    log.append_all([key_entry(key) for key in keys])
    log.checkpoint(LOG)
    cosign(folder, log, LOGGED)
    return log


def cosign(
    folder: Path, log: Log, when: datetime, signers: Sequence[NoteSigner] = (WITNESS, WITNESS_2)
) -> None:
    for number, signer in enumerate(signers):
        seconds = int(when.timestamp()) + 600 * number
        witness = Witness(folder / signer.name, signer, clock=lambda now=seconds: now)
        held = witness.last(log.log_key)
        size = held.checkpoint.size if held else 0
        request = LogReader(log.folder).consistency_request(size).to_bytes()
        line = witness.add_checkpoint(request, log.log_key)
        log.add_cosignatures([line], [signer.verifier_key])


def make_case(folder: Path) -> Case:
    torch.set_num_threads(1)
    digits = load("digits")
    with same_keys():
        keys = [
            pkeygen(abstract(64, digits.shape), digits.classes, security=SECURITY) for _ in range(2)
        ]
    recipe = Recipe(
        epochs=14, batch_size=50, triggers_per_batch=12, learning_rate=0.05, schedule="cosine"
    )
    network = build("mlp", digits.shape, digits.classes, width=96, seed=3)
    triggers = keys[0][0].to_embed().joined(keys[1][0].to_embed())
    result = mark(network, digits.training_set(), triggers, recipe=recipe, seed=3)
    model, unmarked = folder / "model.onnx", folder / "unmarked.onnx"
    images = digits.test_set().images
    export_onnx(result.model, result.normalization, model, images=images)
    other = build("mlp", digits.shape, digits.classes, width=96, seed=4)
    export_onnx(other.eval(), result.normalization, unmarked, images=images)
    a, b = (Party(key, public, prove_claim(model, key, public, POLICY)) for key, public in keys)
    log = witnessed_log(folder, a.public, b.public)
    authority = make_authority(folder / "authority", valid=(-90 * DAY, 365 * DAY))
    ots, headers = mined(a.public.digest)
    trust = Trust(
        log_keys=(LOG.verifier_key,),
        witnesses=(WITNESS.verifier_key, WITNESS_2.verifier_key),
        tsa_roots=load_roots(authority.roots),
        block_headers=parse_headers(headers),
        minimum_difficulty=EASY,
        policy=POLICY,
        now=NOW,
    )
    made = Case(folder, model, unmarked, a, b, log, authority, ots, trust, None)
    stamps = (
        ots,
        made.stamp(a.public.to_bytes(), STAMPED),
        made.stamp(model.read_bytes(), SEEN),
        made.stamp(a.claim, NOW - timedelta(hours=1)),
        made.stamp(checkpoint_of(made.logged(a)), LOGGED + timedelta(hours=1)),
    )
    bundle = made.bundle_of(a, *stamps)
    return Case(folder, model, unmarked, a, b, log, authority, ots, trust, bundle)


def proof_in(log: Log, key: PublicKey) -> bytes:
    """The proof that a key is in a log."""
    reader = LogReader(log.folder)
    return reader.prove_inclusion(reader.find(key_entry(key))).to_bytes()


def checkpoint_of(proof: bytes) -> bytes:
    return proof.partition(b"\n\n")[2]


def mined(digest: bytes) -> tuple[bytes, bytes]:
    """An OpenTimestamps file of a digest in a block of twenty days ago, and the block's header."""
    calendar = Calendar()
    with serving(calendar.answer) as url:
        calendar.url = url
        pending = stamp_digest(digest, [url])
        calendar.mine(7, int((NOW - 20 * DAY).timestamp()))
        return upgrade_ots(pending, [url]).ots, calendar.header_file()
