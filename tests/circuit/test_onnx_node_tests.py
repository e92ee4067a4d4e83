"""Not one of the node tests that the package onnx ships is accepted and read otherwise.

The suite runs one classifier of each test of the modules below; `node_tests.py` runs all of all.
"""

from __future__ import annotations

import pytest
from node_tests import compare, node_tests, wrapped

# Modules of onnx.backend.test.case.node, of whose tests some are accepted.
MODULES = """
add argmax averagepool batch_normalization celu clip conv depthtospace dropout elu expand flatten
gather gelu gemm globalaveragepool globalmaxpool hardsigmoid hardswish identity leakyrelu logsoftmax
matmul maxpool mul neg pad pow reducemean reducesum relu reshape resize selu sigmoid slice softmax
softplus spacetodepth split squeeze sub sum tanh transpose unsqueeze
"""


def first_accepted(case: object) -> str:
    """What is found of the first classifier that the test can be made and the compiler accepts."""
    result = "none"
    for one in wrapped(case):
        result = compare(one)
        if not result.startswith("refused"):
            break
    return result


@pytest.mark.parametrize("module", MODULES.split())
def test_accepted_is_the_same(module: str) -> None:
    cases = [case for case in node_tests(module) if "_expanded" not in case.name]
    results = {case.name: first_accepted(case) for case in cases}
    assert not {name: result for name, result in results.items() if result.startswith("DIFF")}
    assert "same" in results.values()
