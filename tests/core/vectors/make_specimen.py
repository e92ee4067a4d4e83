"""Make the evidence in wmproof/cli/specimen anew, when a format or the argument is to change.

Trains a small network with scikit-learn, proves a claim about it, logs the key and packs both.
Every secret is drawn here and forgotten. The witness's clock is set, so that the model can have
been seen later.
"""

import hashlib
import secrets
import tempfile
from datetime import datetime
from pathlib import Path

from wmproof.cli import specimen
from wmproof.core.policy import Policy
from wmproof.core.triggers import abstract
from wmproof.keys.keygen import pkeygen
from wmproof.publication.bundle.pack import make_bundle
from wmproof.publication.log.entry import key_entry
from wmproof.publication.log.note import SignatureKind
from wmproof.publication.log.reader import LogReader
from wmproof.publication.log.signing import NoteSigner
from wmproof.publication.log.store import create_log
from wmproof.publication.log.witness import Witness
from wmproof.pverify.prover import prove_claim
from wmproof.training.data.digit_arrays import CLASSES, digit_arrays
from wmproof.training.scikit import export_mlp, mark_mlp

FOLDER = Path(specimen.__file__).parent
LOGGED = int(datetime.fromisoformat("2026-01-01T12:00:00+00:00").timestamp())


def main() -> None:
    """Write all files of the specimen."""
    shape, policy = (1, 8, 8), Policy(security=specimen.SECURITY, strength=specimen.STRENGTH)
    key, public = pkeygen(abstract(4 * specimen.SECURITY, shape), CLASSES, security=policy.security)
    data = digit_arrays()
    network = mark_mlp(data.train_images, data.train_labels, key.to_embed(), units=32, seed=0)
    model = FOLDER / specimen.MODEL
    export_mlp(network, model, shape, overwrite=True)
    claim = prove_claim(model, key, public, policy)
    log = NoteSigner("example.com/specimen", SignatureKind.ED25519, secrets.token_bytes(32))
    cosigner = NoteSigner(
        "witness.example/specimen", SignatureKind.COSIGNATURE, secrets.token_bytes(32)
    )
    with tempfile.TemporaryDirectory() as folder:
        logged = create_log(Path(folder) / "log", log)
        logged.append_all([b"another key", key_entry(public)])
        logged.checkpoint(log)
        witness = Witness(Path(folder) / "witness", cosigner, clock=lambda: LOGGED)
        request = LogReader(logged.folder).consistency_request(0).to_bytes()
        logged.add_cosignatures(
            [witness.add_checkpoint(request, log.verifier_key)], [cosigner.verifier_key]
        )
        reader = LogReader(logged.folder)
        proof = reader.prove_inclusion(reader.find(key_entry(public))).to_bytes()
    bundle = make_bundle(
        public,
        hashlib.sha256(model.read_bytes()).digest(),
        claim=("claim", claim),
        inclusion_proofs=[("log", proof)],
        timestamps=[],
    )
    (FOLDER / specimen.EVIDENCE).write_bytes(bundle.to_bytes())
    (FOLDER / specimen.LOG_KEY).write_text(f"{log.verifier_key}\n")
    (FOLDER / specimen.WITNESS_KEY).write_text(f"{cosigner.verifier_key}\n")
    print(specimen.verify_specimen().reason)


if __name__ == "__main__":
    main()
