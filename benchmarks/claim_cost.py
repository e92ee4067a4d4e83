"""Measure what `wmproof.pverify.expected` predicts, and write claim_cost.json beside it.

python -m benchmarks.claim_cost            # print the fit and each proof beside it
python -m benchmarks.claim_cost --write
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from wmproof._base.compilation import announced
from wmproof.core.triggers import abstract
from wmproof.keys.keygen import pkeygen
from wmproof.pverify import expected
from wmproof.pverify.prover import prepare_claim
from wmproof.pverify.warm_up import warm_up

_SHAPES = ((1, 8, 8), (1, 28, 28), (3, 32, 32))
_CLASSES, _TRIGGERS = 10, 512
_TARGET = Path(expected.__file__).with_name("claim_cost.json")


def main() -> None:
    """Prove for both networks and every shape, and fit CPU seconds by least squares."""
    with announced(quiet=True):
        warm_up()
    rows = [_measure(shape, layers) for shape in _SHAPES for layers in _layers()]
    entries, seconds = np.array([row[:2] for row in rows]).T
    # Relative errors count, or the largest proof would be the only one.
    left = np.stack([np.ones_like(entries), entries], axis=1) / seconds[:, None]
    (fixed, slope), *_ = np.linalg.lstsq(left, np.ones_like(seconds), rcond=None)
    fit = {
        "cpu_seconds": max(0.0, float(fixed)),
        "cpu_seconds_an_entry": float(slope),
        "yardstick_cpu_seconds": expected.yardstick(),
    }
    proofs = [{"entries": int(e), "cpu_seconds": s, "fit": fixed + slope * e} for e, s in rows]
    print(json.dumps({"benchmark": "claim_cost", **fit, "proofs": proofs}, indent=2))
    if "--write" in sys.argv:
        _TARGET.write_text(json.dumps(fit, indent=2) + "\n")


def _layers() -> tuple[tuple[tuple[int, int], ...], ...]:
    return expected._SMALL, expected._LARGE


def _measure(shape: tuple[int, int, int], layers: tuple[tuple[int, int], ...]) -> tuple[int, float]:
    key, public = pkeygen(abstract(_TRIGGERS, shape), _CLASSES)
    model = expected._model(shape, _CLASSES, layers)
    started = time.process_time()
    prepared = prepare_claim(model, key, public, threshold=1)
    compiled = time.process_time()
    prepared.to_bytes()
    print(f"{shape}: compiled in {compiled - started:.1f} CPU s", file=sys.stderr)
    return expected.entries_of(prepared.proof), time.process_time() - compiled


if __name__ == "__main__":
    main()
