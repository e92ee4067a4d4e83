"""Why a verdict is what it is, in words for people who know nothing of the method.

A check says what it found in the terms of its own method, for whoever wants to know exactly. A
verdict gives the reason for everybody: names of checks that would need an explanation have a
sentence here. The others say it plainly themselves.
"""

_PROOF = "the proof does not verify: it is damaged, or of something else"
_LOG = "the log's signature, or the proof that the key is in it, is not good"
_HISTORY = "the log shows another history than before, so it cannot be believed"
_STAMP = "a timestamp is not good: it was changed, or nobody whom you trust has signed it"
_OTHER_STAMP = "a timestamp is of another file"

PLAIN = {
    # The key.
    "commitments": "the pictures that the key shows are not those that it was published with",
    "derived-labels": "the key gives its pictures other labels than those that nobody could choose",
    "distinct-triggers": "some of the key's pictures are copies of each other, so hits on them "
    "count twice",
    "spread-labels": "the key's labels crowd in few classes, as chance does not make them",
    "ground-truth": "too many of the key's labels are simply right for their pictures",
    "chosen-labels": "the owner chose the labels, so nobody can tell a mark from answers that he "
    "foresaw",
    "security": "the key is easier to forge than you allow",
    "verification-key": "the secret key does not belong to the published one",
    # The claim.
    "argument": _PROOF,
    "challenge": _PROOF,
    "circuit": "read as you say (pixels, mean, std, order of colours, layout, shape, "
    "output), the model is not what the claim is about",
    "encoding": _PROOF,
    "evaluation": _PROOF,
    "grinding": _PROOF,
    "inner-commitments": _PROOF,
    "merkle-root": _PROOF,
    "merkle-shape": _PROOF,
    "pads": _PROOF,
    "statement": _PROOF,
    "agreement": "what is proved does not stand for this model: run side by side, the two answer "
    "the same pictures differently",
    # The log.
    "consistency": _HISTORY,
    "entries": _HISTORY,
    "fork": _HISTORY,
    "rollback": _HISTORY,
    "tiles": _HISTORY,
    "inclusion": _LOG,
    "log-signature": _LOG,
    "origin": "the proof is from another log than yours",
    "cosignature": "a witness of the log did not sign what is shown",
    "quorum": "fewer witnesses of the log have signed than you ask for",
    # Timestamps.
    "block-difficulty": "a block that dates the evidence took less work than you ask for",
    "block-work": _STAMP,
    "ots-clock": "a timestamp is of a time that has not come yet",
    "ots-digest": _OTHER_STAMP,
    "ots-merkle-root": _STAMP,
    "ots-pending": "a timestamp is not finished: nobody attests to it yet",
    "timestamp-certificate": _STAMP,
    "timestamp-certificate-usage": _STAMP,
    "timestamp-certificate-validity": _STAMP,
    "timestamp-clock": "a timestamp is of a time that has not come yet",
    "timestamp-digest": _OTHER_STAMP,
    "timestamp-nonce": _STAMP,
    "timestamp-policy": _STAMP,
    "timestamp-signature": _STAMP,
    "timestamp-status": _STAMP,
}
"""Sentences without a final full stop, by the name of the check."""


def plain_reason(check: str, what: str) -> str:
    """Return the reason of a check that failed, for everybody."""
    return PLAIN.get(check, what)
