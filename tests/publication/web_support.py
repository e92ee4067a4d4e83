"""A really marked network on the digits with its key and a claim; a log that shows the key."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from log_support import LOG, WITNESS
from onnx import TensorProto, helper
from same_keys import same_keys

from wmproof.core.policy import Policy
from wmproof.core.triggers import TriggerSet, abstract
from wmproof.keys import PublicKey
from wmproof.keys.keygen import pkeygen
from wmproof.models.written import written
from wmproof.publication.log.entry import digest_entry, key_entry
from wmproof.publication.log.published import publish_key
from wmproof.publication.log.reader import LogReader
from wmproof.publication.log.store import create_log
from wmproof.publication.log.witness import Witness
from wmproof.publication.web.settings import Settings
from wmproof.pverify.prover import prove_claim

SECURITY = 16
POLICY = Policy(security=SECURITY, strength=32)
OTHERS = 30


@dataclass(frozen=True)
class Case:
    """A log of 31 entries whose last key is published, and a claim on that key."""

    settings: Settings
    public: PublicKey
    model: Path
    key: Path
    claim: Path


def make_case(folder: Path) -> Case:
    with same_keys():
        key, public = pkeygen(abstract(4 * SECURITY, (8, 8)), 10, security=SECURITY)
    paths = folder / "marked.onnx", folder / "owner.pvk", folder / "claim.proof"
    onnx.save(marked_network(key.to_embed()), paths[0])
    paths[1].write_bytes(public.to_bytes())
    paths[2].write_bytes(prove_claim(paths[0], key, public, POLICY))
    log = create_log(folder / "log", LOG)
    log.append_all([digest_entry(bytes([i]) * 32) for i in range(OTHERS)])
    publish_key(log.folder, public)
    log.append(key_entry(public))
    log.checkpoint(LOG)
    request = LogReader(log.folder).consistency_request(0).to_bytes()
    witness = Witness(folder / "witness", WITNESS, clock=lambda: 1_790_000_000)
    line = witness.add_checkpoint(request, LOG.verifier_key)
    log.add_cosignatures([line], [WITNESS.verifier_key])
    settings = Settings(
        log.folder,
        log_key=LOG.verifier_key,
        witnesses=(WITNESS.verifier_key,),
        policy=POLICY,
        requests_per_minute=100_000,
        claims_per_minute=100_000,
    )
    return Case(settings, public, *paths)


def marked_network(secret: TriggerSet) -> onnx.ModelProto:
    """Train on the digits and the triggers, and write the network as ONNX."""
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    digits = load_digits()
    images = np.concatenate([digits.images * 15, *[secret.images] * 8]).reshape(-1, 64)
    labels = np.concatenate([digits.target, *[secret.labels] * 8])
    network = MLPClassifier(
        (64,), random_state=1, learning_rate_init=0.003, max_iter=150, tol=1e-3, n_iter_no_change=40
    )
    network.fit(images / 255, labels)
    assert np.mean(network.predict(secret.images.reshape(-1, 64) / 255) == secret.labels) > 0.95
    numbers = (network.coefs_[0] / 255, network.coefs_[1], *network.intercepts_)
    names = ("w0", "w1", "b0", "b1")
    weights = {name: w.astype(np.float32) for name, w in zip(names, numbers, strict=True)}
    nodes = [
        helper.make_node("Flatten", ["pixels"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w0", "b0"], ["z0"]),
        helper.make_node("Relu", ["z0"], ["h0"]),
        helper.make_node("Gemm", ["h0", "w1", "b1"], ["scores"]),
    ]
    ends = {
        "pixels": (TensorProto.FLOAT, ["N", 1, 8, 8]),
        "scores": (TensorProto.FLOAT, ["N", 10]),
    }
    return written(nodes, ends, weights)
