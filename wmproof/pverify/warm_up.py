"""Compile the prover's kernels ahead of the first claim, by proving something small.

Numba keeps what it compiled on disk, so this may run in a process of its own:
``python -m wmproof.pverify.warm_up``.
"""

from itertools import pairwise

import numpy as np

from wmproof.core.triggers import abstract
from wmproof.keys.keygen import pkeygen
from wmproof.models.written import written
from wmproof.pverify.prover import prove_claim

_SHAPE = (1, 8, 8)
_TRIGGERS, _SECURITY, _CLASSES, _UNITS = 64, 16, 2, 16


def warm_up() -> None:
    """Prove that a random network gives one of about 32 triggers its label, of two."""
    key, public = pkeygen(abstract(_TRIGGERS, _SHAPE), _CLASSES, security=_SECURITY)
    prove_claim(_random_network(), key, public, threshold=1)


def _random_network() -> bytes:
    from onnx import TensorProto, helper

    random = np.random.default_rng(0)
    sizes = (int(np.prod(_SHAPE)), _UNITS, _CLASSES)
    weights = {
        f"w{i}": random.normal(0, 0.1, pair).astype(np.float32)
        for i, pair in enumerate(pairwise(sizes))
    }
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["float"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w0"], ["z"]),
        helper.make_node("Relu", ["z"], ["h"]),
        helper.make_node("Gemm", ["h", "w1"], ["scores"]),
    ]
    ends = {
        "pixels": (TensorProto.UINT8, ["N", *_SHAPE]),
        "scores": (TensorProto.FLOAT, ["N", _CLASSES]),
    }
    return bytes(written(nodes, ends, weights, name="random").SerializeToString())


if __name__ == "__main__":
    warm_up()
