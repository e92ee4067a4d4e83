"""ONNX models that this package writes itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


def written(
    nodes: Sequence[NodeProto],
    ends: Mapping[str, tuple[Any, Sequence[Any]]],
    constants: Mapping[str, Any] | None = None,
    *,
    name: str = "graph",
    opset: int = 17,
) -> ModelProto:
    """Write a model of one input and one output.

    Parameters
    ----------
    ends : mapping of str to (TensorProto.DataType, sequence of int or str)
        The input, then the output: type and shape of each, "N" for an open batch.
    constants : mapping of str to ndarray, optional
        By the names under which nodes read them.
    """
    from onnx import helper, numpy_helper

    taken, given = (helper.make_tensor_value_info(end, *kind) for end, kind in ends.items())
    stored = [numpy_helper.from_array(np.asarray(v), key) for key, v in (constants or {}).items()]
    graph = helper.make_graph(nodes, name, [taken], [given], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
