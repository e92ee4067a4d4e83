"""Reading an ONNX file: every way in which it is not a usable classifier is its own error."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnx import inliner, numpy_helper, shape_inference

from wmproof._files import read_file
from wmproof.circuit.ir import Shape
from wmproof.errors import InputError
from wmproof.models.onnx_checks import check_model

_PIXEL_TYPES = {
    onnx.TensorProto.UINT8,
    onnx.TensorProto.FLOAT,
    onnx.TensorProto.DOUBLE,
    onnx.TensorProto.FLOAT16,
}

_LIMIT = 2**31 - 1  # where protocol buffers end


@dataclass(frozen=True, eq=False)
class OnnxGraph:
    """The parts of a checked ONNX model that the translation needs."""

    nodes: tuple[onnx.NodeProto, ...]
    constants: dict[str, NDArray[Any]]
    input_name: str
    input_shape: Shape
    takes_bytes: bool
    output_name: str
    opset: int


def read_model(source: Path | bytes) -> onnx.ModelProto:
    """Parse an ONNX file or its bytes, which must be the whole model.

    Raises
    ------
    InputError
        If it is missing, truncated, not an ONNX model or of too many operators.
    """
    where = str(source) if isinstance(source, Path) else "ONNX model"
    try:
        data = read_file(source, limit=_LIMIT) if isinstance(source, Path) else source
        model = onnx.load_from_string(data)
    except (DecodeError, onnx.checker.ValidationError, ValueError, TypeError) as error:
        raise _not_onnx(where, error) from None
    if not model.graph.node or not model.opset_import:
        raise _not_onnx(where, ValueError("it has no nodes"))
    check_model(model, where)
    return model


def _not_onnx(where: str, error: Exception) -> InputError:
    reason = " ".join(str(error).split())[:200]
    return InputError(
        f"is not a complete ONNX model ({reason})",
        where=where,
        remedy="Export the model again, for example with torch.onnx.export",
    )


def open_graph(model: onnx.ModelProto) -> OnnxGraph:
    """Check a model and take it apart; raises `InputError` for anything unusable."""
    if model.functions:
        model = inliner.inline_local_functions(model)
    _check(model)
    graph = model.graph
    constants = {tensor.name: _array(tensor) for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise InputError(
            f"has {len(inputs)} inputs and {len(graph.output)} outputs, not one of each",
            where="ONNX model",
        )
    opsets = {opset.domain: opset.version for opset in model.opset_import}
    kind = inputs[0].type.tensor_type.elem_type
    if kind not in _PIXEL_TYPES:
        raise InputError(
            f"takes elements of ONNX type {kind}, not uint8 or float pixels",
            where=f"input {inputs[0].name}",
        )
    return OnnxGraph(
        tuple(graph.node),
        constants,
        inputs[0].name,
        _input_shape(inputs[0]),
        kind == onnx.TensorProto.UINT8,
        graph.output[0].name,
        opsets.get("", opsets.get("ai.onnx", 1)),
    )


def _check(model: onnx.ModelProto) -> None:
    try:
        onnx.checker.check_model(model)
        shape_inference.infer_shapes(model, strict_mode=True)
    except (
        onnx.checker.ValidationError,
        shape_inference.InferenceError,
        ValueError,
        RuntimeError,
    ) as error:
        raise InputError(
            f"does not pass ONNX's own checks ({' '.join(str(error).split())[:300]})",
            where="ONNX model",
        ) from None


def _array(tensor: onnx.TensorProto) -> NDArray[Any]:
    try:
        array = numpy_helper.to_array(tensor)
    except Exception as error:  # onnx raises whatever its decoding meets
        raise InputError(
            f"cannot be decoded ({' '.join(str(error).split())[:200]})",
            where=f"initializer {tensor.name}",
        ) from None
    check_finite(array, f"initializer {tensor.name}")
    return array


def check_finite(array: NDArray[Any], where: str) -> None:
    """Raise `InputError` if a float tensor has NaN or infinite entries."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise InputError(
            f"has {bad} NaN or infinite values of {array.size}",
            where=where,
            remedy="The training diverged or the file is damaged",
        )


def _input_shape(value: onnx.ValueInfoProto) -> Shape:
    dims = value.type.tensor_type.shape.dim
    names = [dim.dim_param or dim.dim_value for dim in dims]
    if len(dims) != 4:
        raise InputError(
            f"has shape {names}; a classifier of images takes (N, C, H, W)",
            where=f"input {value.name}",
        )
    shape = tuple(dim.dim_value for dim in dims[1:])
    if min(shape) < 1:
        raise InputError(
            f"has the dynamic shape {names}; only the batch may be open",
            where=f"input {value.name}",
            remedy="Export the model with fixed channels, height and width",
        )
    return shape
