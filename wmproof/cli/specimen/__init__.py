"""A small claim that comes with the package, for `wmproof doctor` and for who packs it.

The files are made by tests/core/vectors/make_specimen.py, and their secrets were thrown away. The
key is small, so that the files are: it says nothing about a model of yours.
"""

from __future__ import annotations

from datetime import datetime
from importlib.resources import files

from wmproof.core.policy import Policy
from wmproof.publication.bundle.evidence import EvidenceReport
from wmproof.publication.bundle.format import parse_bundle
from wmproof.publication.bundle.trust import Trust
from wmproof.publication.bundle.verifier import verify_bundle
from wmproof.publication.log.note import parse_verifier_key

MODEL, EVIDENCE, LOG_KEY, WITNESS_KEY = "model.onnx", "evidence.bundle", "log.vkey", "witness.vkey"
SECURITY = 16
STRENGTH = 24
MODEL_SEEN = datetime.fromisoformat("2026-02-01T12:00:00+00:00")


def read_specimen(name: str) -> bytes:
    """Return one of the files."""
    return files(__package__).joinpath(name).read_bytes()


def verify_specimen() -> EvidenceReport:
    """Verify the evidence as a judge would who knows the log and the witness.

    WmproofError if it does not hold: then this installation does not work.
    """
    keys = (read_specimen(name).decode().strip() for name in (LOG_KEY, WITNESS_KEY))
    log, witness = (parse_verifier_key(text) for text in keys)
    trust = Trust(
        log_keys=(log,),
        witnesses=(witness,),
        model_seen=MODEL_SEEN,
        policy=Policy(security=SECURITY, strength=STRENGTH),
    )
    return verify_bundle(parse_bundle(read_specimen(EVIDENCE)), trust, read_specimen(MODEL))
