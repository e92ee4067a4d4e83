"""The example for MLflow, with MLflow itself and a store in a folder."""

import json
import sys

import pytest
from log_support import ROOT

from wmproof import Policy
from wmproof.cli import specimen
from wmproof.publication.bundle.format import parse_bundle


def test_a_verified_claim_is_logged(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.syspath_prepend(str(ROOT / "examples/mlflow"))
    import log_claim

    (tmp_path / "model.onnx").write_bytes(specimen.read_specimen(specimen.MODEL))
    bundle = parse_bundle(specimen.read_specimen(specimen.EVIDENCE))
    for name, data in bundle.files().items():
        (tmp_path / name).write_bytes(data)
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    policy = Policy(security=specimen.SECURITY, strength=specimen.STRENGTH)
    with mlflow.start_run() as run:
        files = (tmp_path / name for name in ("model.onnx", "key.pvk", "claim.proof"))
        log_claim.log_claim(*files, policy)
    logged = mlflow.get_run(run.info.run_id)
    assert logged.data.tags["wmproof.public_key_sha256"] == bundle.public_key.digest.hex()
    report = json.loads(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/wmproof/report.json"))
    assert report["holds"]
    assert logged.data.metrics["wmproof.strength_bits"] == report["strength_bits"]
    names = {item.path for item in mlflow.MlflowClient().list_artifacts(run.info.run_id, "wmproof")}
    assert names == {f"wmproof/{name}" for name in ("report.json", "key.pvk", "claim.proof")}
    sys.modules.pop("log_claim")
