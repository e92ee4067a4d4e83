"""Folding what does not depend on the image: shape arithmetic and rearranged weights.

Only operators whose result is exact or one IEEE operation an element are folded, by onnx's own
reference implementation: constants are the same on every machine.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from wmproof.circuit.ir import TENSOR_LIMIT
from wmproof.errors import InputError

FOLDABLE = frozenset(
    {
        "Add",
        "And",
        "Cast",
        "Ceil",
        "Clip",
        "Concat",
        "Constant",
        "ConstantOfShape",
        "Div",
        "Equal",
        "Expand",
        "Flatten",
        "Floor",
        "Gather",
        "GatherND",
        "Greater",
        "GreaterOrEqual",
        "Identity",
        "Less",
        "LessOrEqual",
        "Max",
        "Min",
        "Mod",
        "Mul",
        "Neg",
        "Not",
        "Or",
        "Pad",
        "Range",
        "Reciprocal",
        "Relu",
        "Reshape",
        "Shape",
        "Size",
        "Slice",
        "Split",
        "Sqrt",
        "Squeeze",
        "Sub",
        "Tile",
        "Transpose",
        "Unsqueeze",
        "Where",
    }
)
_SMALL = 64  # elements of a constant that is itself a shape


def fold(node: onnx.NodeProto, inputs: list[NDArray[Any] | None], opset: int) -> list[NDArray[Any]]:
    """Outputs of a node all of whose inputs are constants; raises `InputError` if it cannot."""
    if node.op_type not in FOLDABLE:
        raise InputError("is computed from constants by an operator that is not folded")
    names = [
        name if value is not None else "" for name, value in zip(node.input, inputs, strict=True)
    ]
    feeds = {name: value for name, value in zip(names, inputs, strict=True) if value is not None}
    graph = helper.make_graph(
        [node],
        "constant",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
            for name, v in feeds.items()
        ],
        [helper.make_empty_tensor_value_info(name) for name in node.output],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    _check_size(model, feeds)
    try:
        return [np.asarray(v) for v in ReferenceEvaluator(model).run(None, feeds)]
    except Exception as error:
        # onnx's evaluator raises whatever its operator raises.
        raise InputError(f"cannot be folded ({error})") from None


def _check_size(model: onnx.ModelProto, feeds: dict[str, NDArray[Any]]) -> None:
    """Refuse a large result before it is made: a few numbers can ask for any size."""
    shapes = [numpy_helper.from_array(v, n) for n, v in feeds.items() if v.size <= _SMALL]
    asked = onnx.ModelProto()
    asked.CopyFrom(model)
    asked.graph.initializer.extend(shapes)
    try:
        inferred = shape_inference.infer_shapes(asked).graph.output
    except Exception as error:  # as below
        raise InputError(f"cannot be folded ({error})") from None
    for value in inferred:
        kind = value.type.tensor_type
        dims = [dim.dim_value for dim in kind.shape.dim]
        known = kind.HasField("shape") and all(d.HasField("dim_value") for d in kind.shape.dim)
        if not known or math.prod(dims) > TENSOR_LIMIT:
            size = f"of shape {dims}" if known else "of a size that is not known"
            raise InputError(f"makes a constant {size}; 2^28 elements are the most")
