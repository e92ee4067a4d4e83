"""Products of two committed tensors: every evaluator gives the same bits, whatever the axes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wmproof.circuit.evaluate import Evaluator
from wmproof.circuit.export import export_onnx
from wmproof.circuit.format import decode, encode
from wmproof.circuit.ir import Activation, Circuit, Conv, Input, Linear, Product, Reshape
from wmproof.circuit.product import accumulators
from wmproof.circuit.reference import evaluate_reference, multiply
from wmproof.circuit.tables import Table, clamp_table
from wmproof.errors import InputError

SHAPE = (2, 3, 4)


def _identity(name: str, channels: int) -> Activation:
    weight = np.eye(channels, dtype=np.int32).reshape(channels, channels, 1, 1)
    bias = np.zeros((channels, 1, 1), np.int32)
    return Activation(name, 0, Linear(bias * 0, (Conv(0, 2 * weight, (1, 1)),)))


def circuit_of(product: Product, operands: list[tuple[int, ...]], table: Table) -> Circuit:
    """Two moved copies of the image, their product, and two classes."""
    nodes = [Input("image", SHAPE), _identity("copy", 2)]
    nodes += [Reshape("a", 0, operands[0]), Reshape("b", 1, operands[1]), product]
    size = int(np.prod(product.shape))
    nodes.append(Reshape("flat", 4, (size, 1, 1)))
    weight = np.random.default_rng(0).integers(-9, 9, (2, size, 1, 1)).astype(np.int32)
    output = Linear(np.zeros((2, 1, 1), np.int32), (Conv(5, weight, (1, 1)),))
    return Circuit(tuple(nodes), (clamp_table(10, 1), table), output)


# Operands' shapes, their labels, and the result.
FORMS = {
    "elementwise": ((2, 3, 4), (2, 3, 4), (0, 1, 2), (0, 1, 2), (2, 3, 4)),
    "heads": ((2, 3, 4), (2, 4, 3), (0, 1, 3), (0, 3, 2), (2, 3, 3)),
    "heads, keys as rows": ((2, 3, 4), (2, 3, 4), (0, 1, 3), (0, 2, 3), (2, 3, 3)),
    "matrices": ((6, 4), (6, 4), (2, 0), (2, 1), (4, 4)),
    "sum of squares": ((2, 12), (2, 12), (2, 1), (2, 1), (1, 12)),
    "moved": ((2, 3, 4), (4, 2, 3), (1, 2, 0), (0, 1, 2), (4, 2, 3)),
    "outer": ((24,), (24,), (0,), (1,), (24, 24)),
    "all": ((24,), (24,), (1,), (1,), (1,)),
    "empty axis": ((2, 12), (2, 12), (0, 2), (0, 2), (2, 1, 12)),
}


def product_of(form: str, a_zero: int = 0, b_zero: int = 0) -> tuple[Product, list, Table]:
    """A product of this form with channels' factors of both signs, and a table that holds it."""
    a_shape, b_shape, a_axes, b_axes, shape = FORMS[form]
    channel = np.arange(shape[0], dtype=np.int32)
    node = Product(
        "product", 1, 2, 3, a_axes, b_axes, shape, a_zero, b_zero, channel % 3 - 1, 7 * channel - 5
    )
    bits = max(9, node.bound(node.sizes(a_shape, b_shape), (255, 255)).bit_length() + 1)
    low = -(1 << (bits - 1))
    steps = (
        (low, 9),
        *((z, abs(z) * 7 % 256) for z in range(-40 << (bits - 9), 0, 1 << (bits - 9))),
    )
    kept = [s for i, s in enumerate(steps) if not i or s[1] != steps[i - 1][1]]
    return node, [a_shape, b_shape], Table("any", bits, tuple(kept))


IMAGES = np.random.default_rng(3).integers(0, 256, (5, *SHAPE), dtype=np.uint8)


@pytest.mark.parametrize("form", FORMS)
@given(a_zero=st.integers(0, 255), b_zero=st.integers(0, 255))
@settings(max_examples=5, deadline=None)
def test_all_evaluators_agree(form, a_zero, b_zero):
    circuit = circuit_of(*product_of(form, a_zero, b_zero))
    logits, committed = evaluate_reference(circuit, IMAGES)
    fast = Evaluator(circuit)(IMAGES)
    assert np.array_equal(fast.logits, logits)
    assert all(np.array_equal(fast.committed[i], committed[i]) for i in committed)
    model = export_onnx(circuit, activations=True).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    exported, inside, *activations = session.run(None, {"images": IMAGES})
    assert inside.all()
    assert np.array_equal(exported, logits)
    for mine, theirs in zip(committed.values(), activations, strict=True):
        assert np.array_equal(mine, theirs)
    assert decode(encode(circuit)).nodes[4].name == "product"
    assert encode(decode(encode(circuit))) == encode(circuit)


WRONG = {
    "two names for one axis": {"a_axes": (0, 0, 2)},
    "an axis too few": {"a_axes": (0, 1)},
    "sizes that differ": {"a_axes": (0, 2, 1)},
    "a sum over one operand's axis": {"a_axes": (0, 1, 3), "b_axes": (0, 1, 2)},
    "another shape": {"shape": (2, 3, 5)},
    "no axes": {"shape": ()},
    "a zero that is too large": {"a_zero": 2**16},
    "a negative label": {"b_axes": (0, 1, -1)},
    "a label without a letter": {"a_axes": (0, 1, 30), "b_axes": (0, 1, 30), "shape": (2, 3)},
    "factors of another length": {"factor": np.ones(3, np.int32)},
    "an accumulator that could wrap": {"factor": np.full(2, 2**15, np.int32)},
    "a table that is not there": {"table": 2},
    "a later node": {"b": 5},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_refused(change):
    node, operands, table = product_of("elementwise")
    with pytest.raises(InputError):
        circuit_of(replace(node, **change), operands, table)


def test_an_accumulator_outside_the_table_has_no_answer():
    node, operands, _ = product_of("elementwise")
    circuit = circuit_of(node, operands, Table("small", 9, ((-256, 0),)))
    for evaluate in (evaluate_reference, Evaluator(circuit)):
        arguments = (circuit, IMAGES) if evaluate is evaluate_reference else (IMAGES,)
        with pytest.raises(InputError, match="outside table"):
            evaluate(*arguments)


@pytest.mark.parametrize("zero", [255, 40_000, 65_535])
def test_a_zero_beyond_its_operand_is_exact(zero):
    """Differences are larger than any number of the operand; floats must still hold the sums."""
    node = replace(product_of("elementwise")[0], a_zero=zero, b_zero=7)
    a, b = IMAGES, IMAGES[::-1]
    expected = multiply(node, a.astype(np.int64), b.astype(np.int64))
    assert np.array_equal(accumulators(node, a, b), expected)
