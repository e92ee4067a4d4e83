"""Log what was verified with a run of MLflow: public key, claim, and the figures of the report."""

import sys
from pathlib import Path

import mlflow

from wmproof import Policy, load_public_key, verify_claim


def log_claim(model: Path, key: Path, claim: Path, policy: Policy | None = None) -> None:
    """Verify a claim about a model and log it with the active run; VerificationError if not."""
    public = load_public_key(key)
    report = verify_claim(model, public, claim, policy)
    fields = report.to_dict()
    mlflow.set_tag("wmproof.public_key_sha256", public.digest.hex())
    mlflow.log_metric("wmproof.strength_bits", fields["strength_bits"] or 0)
    mlflow.log_dict(fields, "wmproof/report.json")
    for file in (key, claim):
        mlflow.log_artifact(str(file), "wmproof")


if __name__ == "__main__":
    with mlflow.start_run():
        log_claim(*map(Path, sys.argv[1:4]))
