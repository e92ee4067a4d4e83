"""What a report says in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from wmproof.publication.bundle.evidence import EvidenceReport
from wmproof.publication.bundle.trust import Trust

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


def summary(report: EvidenceReport) -> Iterator[str]:
    """Yield paragraphs for readers who know nothing of the method."""
    yield (
        "The owner of a neural network can hide secret pictures with arbitrary wrong answers in "
        "it, and publish a sealed list of them beforehand. A network that gives these answers was "
        "made with knowledge of the list."
    )
    key, model, claim = report.key_published, report.model_seen, report.claim
    if key is not None:
        verb = "was public" if key.public else "existed"
        yield f"The sealed list, the key, {verb} by {key.moment}, as attested by {key.by}."
    else:
        yield "Nothing here shows when the sealed list, the key, was there."
    if model is not None:
        yield f"The network was there by {model.moment}, according to {model.by}."
    else:
        yield "Nothing here shows when the network was there."
    if claim is None:
        yield "It is not shown that the network gives the secret answers."
        return
    yield (
        f"It is proved, without showing the secret pictures, that the network gives at least "
        f"{claim.header.threshold} of {claim.hidden} secret pictures the answers on the list. A "
        f"network made without knowledge of the list would do so with a chance of 1 in "
        f"2^{int(claim.strength_bits)}."
    )


def trusted(trust: Trust) -> list[tuple[str, str]]:
    """Return the roots of trust and the limits that a verifier chose."""
    rows = [("log", str(key)) for key in trust.log_keys]
    rows += [(f"origin of {name}", origin) for name, origin in trust.origins.items()]
    rows += [("witness", str(key)) for key in trust.witnesses]
    if trust.witnesses:
        needed = len(set(trust.witnesses)) if trust.quorum is None else trust.quorum
        rows.append(("witnesses needed", str(needed)))
    rows += [("timestamp authority", _certificate(root)) for root in trust.tsa_roots]
    rows += [(f"block {height}", data.hex()) for height, data in trust.block_headers.items()]
    if trust.model_seen is not None:
        rows.append(("model seen", f"{trust.model_seen:%Y-%m-%d %H:%M:%S} UTC"))
    if trust.signer is not None:
        rows.append(("owner of the key", trust.signer.hex()))
    rows.append(("least security of a key", f"{trust.minimum_security} bits"))
    rows.append(("share of misses accepted", f"{float(trust.tolerance):g}"))
    rows += [("not required", item) for item in sorted(trust.without)]
    return rows


def _certificate(root: Certificate) -> str:
    from cryptography.hazmat.primitives.hashes import SHA256

    return f"{root.subject.rfc4514_string()}, SHA-256 {root.fingerprint(SHA256()).hex()}"
