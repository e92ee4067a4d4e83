"""Prove in public that a neural network is yours.

These names are the public face; docs/api.md says what is behind them. Each is imported when it is
first used, so that who verifies loads no prover and no training.
"""

import logging
from typing import TYPE_CHECKING

from wmproof._base.lazy import lazy_names
from wmproof._base.telemetry import silence_onnx_runtime
from wmproof._base.version import __version__

if TYPE_CHECKING:
    from wmproof._base.progress import progress_bars
    from wmproof.circuit.compile import compile_model
    from wmproof.core.policy import Policy
    from wmproof.core.triggers import TriggerSet, abstract, from_folder, noise
    from wmproof.errors import InputError, ProofError, VerificationError, WmproofError
    from wmproof.keys import (
        MarkingKey,
        PublicKey,
        VerificationKey,
        load_batch_opening,
        load_marking_key,
        load_public_key,
        load_verification_key,
        save_marking_key,
        save_published,
    )
    from wmproof.keys.bounded import reveal
    from wmproof.keys.check import check_public_key
    from wmproof.keys.keygen import keygen, pkeygen
    from wmproof.models import Classifier, FunctionClassifier, TorchClassifier, open_model
    from wmproof.pverify.prover import prove_claim
    from wmproof.pverify.verifier import verify_claim
    from wmproof.report import ContactSheet, contact_sheet
    from wmproof.training import export_onnx, mark
    from wmproof.verification import verify, verify_batch

__all__ = [
    "Classifier",
    "ContactSheet",
    "FunctionClassifier",
    "InputError",
    "MarkingKey",
    "Policy",
    "ProofError",
    "PublicKey",
    "TorchClassifier",
    "TriggerSet",
    "VerificationError",
    "VerificationKey",
    "WmproofError",
    "__version__",
    "abstract",
    "check_public_key",
    "compile_model",
    "contact_sheet",
    "export_onnx",
    "from_folder",
    "keygen",
    "load_batch_opening",
    "load_marking_key",
    "load_public_key",
    "load_verification_key",
    "mark",
    "noise",
    "open_model",
    "pkeygen",
    "progress_bars",
    "prove_claim",
    "reveal",
    "save_marking_key",
    "save_published",
    "verify",
    "verify_batch",
    "verify_claim",
]

__getattr__ = lazy_names(
    __name__,
    {
        "_base.progress": ("progress_bars",),
        "circuit.compile": ("compile_model",),
        "core.policy": ("Policy",),
        "core.triggers": ("TriggerSet", "abstract", "from_folder", "noise"),
        "errors": ("InputError", "ProofError", "VerificationError", "WmproofError"),
        "keys": (
            "MarkingKey",
            "PublicKey",
            "VerificationKey",
            "load_batch_opening",
            "load_marking_key",
            "load_public_key",
            "load_verification_key",
            "save_marking_key",
            "save_published",
        ),
        "keys.bounded": ("reveal",),
        "keys.check": ("check_public_key",),
        "keys.keygen": ("keygen", "pkeygen"),
        "models": ("Classifier", "FunctionClassifier", "TorchClassifier", "open_model"),
        "pverify.prover": ("prove_claim",),
        "pverify.verifier": ("verify_claim",),
        "report": ("ContactSheet", "contact_sheet"),
        "training": ("export_onnx", "mark"),
        "verification": ("verify", "verify_batch"),
    },
)


silence_onnx_runtime()
# Who configures no logging sees none.
logging.getLogger(__name__).addHandler(logging.NullHandler())


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
