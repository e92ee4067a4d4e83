"""No quantised chain is accepted and read otherwise than ONNX Runtime reads it (`chain_run`)."""

from __future__ import annotations

from chain_run import compare
from quantised_chains import quantised_chains


def test_accepted_is_the_same() -> None:
    compare(quantised_chains(), 60, share=0.6)
