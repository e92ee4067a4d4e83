"""No chain of operators is accepted and read otherwise than ONNX Runtime reads it (`chain_run`)."""

from __future__ import annotations

from chain_run import compare
from operator_chains import chains


def test_accepted_is_the_same() -> None:
    compare(chains(), 100)
