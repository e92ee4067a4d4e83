"""Files that would mean one network to a runtime and another to a claim: prove, pverify."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from wmproof.circuit.compile import compile_model
from wmproof.circuit.evaluate import classify
from wmproof.core.policy import Policy
from wmproof.errors import InputError
from wmproof.models.base import fit_images
from wmproof.pverify.claim_file import encode_claim, parse_claim
from wmproof.pverify.prover import prove_claim
from wmproof.pverify.verifier import verify_claim

POLICY = Policy(strength=24, tolerance=0.1, security=16, accept_chosen_labels=True)
Change = Callable[[onnx.ModelProto, onnx.ModelProto], None]


def _constant(model: onnx.ModelProto, name: str, value: np.ndarray) -> str:
    model.graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def _end(model: onnx.ModelProto, nodes: list[onnx.NodeProto], name: str) -> None:
    """`nodes` behind the output, and `name` as the output."""
    model.graph.node.extend(nodes)
    model.graph.output[0].name = name


def two_models(marked: onnx.ModelProto, innocent: onnx.ModelProto) -> None:
    """ONNX Runtime runs the innocent branch, and whoever inlines functions the marked one."""
    rename = {n: f"other_{n}" for node in innocent.graph.node for n in (*node.input, *node.output)}
    rename[innocent.graph.input[0].name] = marked.graph.input[0].name
    for tensor in innocent.graph.initializer:
        _constant(marked, rename[tensor.name], numpy_helper.to_array(tensor))
    for node in innocent.graph.node:
        node.input[:] = [rename[n] for n in node.input]
        node.output[:] = [rename[n] for n in node.output]
        marked.graph.node.append(node)
    ours, theirs = marked.graph.output[0].name, rename[innocent.graph.output[0].name]
    yes = _constant(marked, "yes", np.array(False))
    _end(marked, [helper.make_node("Where", [yes, ours, theirs], ["chosen"])], "chosen")
    first = helper.make_node("Identity", ["p"], ["r"])
    opset = helper.make_opsetid("", marked.opset_import[0].version)
    marked.functions.append(
        helper.make_function("", "Where", ["c", "p", "q"], ["r"], [first], [opset])
    )


def saturated(kind: str) -> Change:
    def change(marked: onnx.ModelProto, innocent: onnx.ModelProto) -> None:
        logits = marked.graph.output[0].name
        _end(marked, [helper.make_node(kind, [logits], ["scores"])], "scores")

    return change


def mixed_maximum(marked: onnx.ModelProto, innocent: onnx.ModelProto) -> None:
    """Pixels through a sigmoid beside pixels as they are, in one maximum before the network."""
    image = marked.graph.input[0].name
    first = next(node for node in marked.graph.node if image in node.input)
    assert first.op_type == "Cast"
    floats = first.output[0]
    for node in marked.graph.node:
        node.input[:] = ["largest" if n == floats else n for n in node.input]
    small = _constant(marked, "small", np.float32(0.01))
    new = [
        helper.make_node("Mul", [floats, small], ["less"]),
        helper.make_node("Sigmoid", ["less"], ["left"]),
        helper.make_node("Concat", ["left", floats], ["both"], axis=2),
        helper.make_node("MaxPool", ["both"], ["largest"], kernel_shape=[9, 1]),
    ]
    place = list(marked.graph.node).index(first) + 1
    rest = list(marked.graph.node)
    del marked.graph.node[:]
    marked.graph.node.extend([*rest[:place], *new, *rest[place:]])


def rounded(marked: onnx.ModelProto, innocent: onnx.ModelProto) -> None:
    """Logits plus 1e11 minus 1e11: all are equal in float32."""
    big, logits = _constant(marked, "big", np.float32(1e11)), marked.graph.output[0].name
    new = [
        helper.make_node("Add", [logits, big], ["more"]),
        helper.make_node("Sub", ["more", big], ["again"]),
    ]
    _end(marked, new, "again")


REFUSED: dict[str, tuple[Change, str]] = {
    "two models": (two_models, "domain of built-in operators"),
    "sigmoid": (saturated("Sigmoid"), "ends in Sigmoid"),
    "tanh": (saturated("Tanh"), "ends in Tanh"),
    "mixed maximum": (mixed_maximum, "on different scales"),
    "rounding": (rounded, "adds a constant"),
}


def _files(case, change: Change) -> bytes:
    marked, innocent = onnx.load(case.marked), onnx.load(case.unmarked)
    del marked.graph.value_info[:]
    change(marked, innocent)
    return bytes(marked.SerializeToString())


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name_on_both_sides(case, name, tmp_path):
    change, words = REFUSED[name]
    path = tmp_path / "crafted.onnx"
    path.write_bytes(_files(case, change))
    with pytest.raises(InputError, match=words):
        prove_claim(path, case.key, case.public, POLICY)
    # Somebody else's prover may have made a claim about the file: here, with its digest in front.
    claim = claim_about(path, case.claim)
    with pytest.raises(InputError, match=words):
        verify_claim(path, case.public, claim, POLICY)


def claim_about(path: Path, claim: bytes) -> bytes:
    header, argument = parse_claim(claim)
    digest = hashlib.sha256(path.read_bytes()).digest()
    return encode_claim(replace(header, model_digest=digest), argument)


@pytest.mark.parametrize("ending", ["Softmax", "LogSoftmax"])
def test_what_does_not_change_the_answer_is_proved(case, ending, tmp_path):
    path = tmp_path / "ended.onnx"
    path.write_bytes(_files(case, saturated(ending)))
    claim = prove_claim(path, case.key, case.public, POLICY)
    verify_claim(path, case.public, claim, POLICY)


def rescaled(marked: onnx.ModelProto, innocent: onnx.ModelProto) -> None:
    """A third of each hidden layer's units times 1000, their successors' columns by 1/1000."""
    dense = [node for node in marked.graph.node if node.op_type == "Gemm"]
    tensors = {tensor.name: tensor for tensor in marked.graph.initializer}
    for before, after in pairwise(dense):
        units = slice(None, None, 3)
        for node, names in ((before, before.input[1:]), (after, after.input[1:2])):
            assert {a.name: a.i for a in node.attribute}.get("transB") == 1
            for name in names:
                array = numpy_helper.to_array(tensors[name]).copy()
                if node is before:
                    array[units] *= 1000
                else:
                    array[:, units] /= 1000
                tensors[name].CopyFrom(numpy_helper.from_array(array, name))


def test_rescaled_weights_are_proved_with_the_same_hits(case, tmp_path):
    path = tmp_path / "rescaled.onnx"
    path.write_bytes(_files(case, rescaled))
    claim = prove_claim(path, case.key, case.public, POLICY)
    verify_claim(path, case.public, claim, POLICY)
    circuits = [compile_model(p, _opened(case)).circuit for p in (path, case.marked)]
    hidden = fit_images(case.key.to_embed().images, circuits[0].input_shape)
    new, old = (classify(circuit, hidden) for circuit in circuits)
    assert (new == old).all()


def _opened(case):
    return fit_images(case.public.opened.triggers.images, (1, 8, 8))
