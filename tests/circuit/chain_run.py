"""Random chains of operators, drawn by Hypothesis, compared with ONNX Runtime one by one.

In the suite a fixed number. With seeds that nobody has tried, in rounds, as long as you like:

    CHAIN_SECONDS=3600 python -m pytest tests/circuit/test_operator_chains.py --timeout 0
"""

from __future__ import annotations

import os
import time
from collections import Counter

import numpy as np
import onnx
from float_meaning import difference, runtime_scores
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy
from onnxruntime.capi.onnxruntime_pybind11_state import Fail
from operator_chains import Chain

from wmproof.errors import InputError

SECONDS = float(os.environ.get("CHAIN_SECONDS", "0"))
_ROUND = 100
_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def compare(strategy: SearchStrategy[Chain], count: int, share: float = 1.0) -> None:
    """Examine `count` chains, or as many rounds as `CHAIN_SECONDS` allow.

    `share` is as in `difference`. Of all that are compared or refused, a fifth at least must be
    compared, or the run says nothing; and some must be refused, or chains are too tame.
    """
    kinds: Counter[str] = Counter()

    @settings(
        max_examples=_ROUND if SECONDS else count,
        derandomize=not SECONDS,
        database=None,
        suppress_health_check=_QUIET,
        phases=[Phase.generate, Phase.shrink],
    )
    @given(strategy)
    def one_round(graph: Chain) -> None:
        kinds[_examine(graph, share)] += 1

    end = time.monotonic() + SECONDS
    one_round()
    while time.monotonic() < end:
        one_round()
    refused = sum(count for kind, count in kinds.items() if kind.startswith("refused"))
    if SECONDS:
        print(kinds)
    assert kinds["accepted"] > refused / 4 > 1


def _examine(graph: Chain, share: float) -> str:
    """What became of a chain; fails where it is accepted and misread."""
    model, images = graph.model(), graph.images(12)
    try:
        scores = runtime_scores(model, images)
    except Fail:  # shapes that ONNX Runtime finds wrong where the classifier begins
        return "not run"
    if not np.isfinite(scores.astype(np.float64)).all():
        return "not finite"
    try:
        found = difference(
            model, images, graph.images(24, seed=2), ending=graph.ending, share=share
        )
    except InputError as error:
        return f"refused: {error.what}"
    assert not found.misread, f"{found}\n{onnx.printer.to_text(onnx.load_from_string(model))}"
    return "accepted"
