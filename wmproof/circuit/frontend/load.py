"""Taking an ONNX model apart: every way in which it is not a usable classifier is its own error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper, shape_inference

from wmproof.circuit.ir import Shape
from wmproof.core.reading import Reading
from wmproof.errors import InputError
from wmproof.models.ending import Ending, find_ending
from wmproof.models.file import ModelSource, is_large, model_file
from wmproof.models.interface import Interface, find_interface, refused_element
from wmproof.models.onnx_file import choose_output
from wmproof.models.strict import check_flags, check_one_reading

_PIXEL_TYPES = {
    onnx.TensorProto.UINT8,
    onnx.TensorProto.FLOAT,
    onnx.TensorProto.FLOAT16,
    onnx.TensorProto.DOUBLE,
}


@dataclass(frozen=True, eq=False)
class OnnxGraph:
    """The parts of a checked ONNX model that the translation needs.

    Nodes on which the answer does not depend are not in it.

    Parameters
    ----------
    nodes : tuple of NodeProto
        In evaluation order.
    constants : dict of str to array
    interface : Interface
        How pictures enter.
    reading : Reading
        What pictures become, and all else that the file does not say.
    element : int
        ONNX type of a pixel.
    opset : int
        Version of the operator set.
    """

    nodes: tuple[onnx.NodeProto, ...]
    constants: dict[str, NDArray[Any]]
    input_name: str
    interface: Interface
    reading: Reading
    element: int
    output_name: str
    opset: int
    ending: Ending


def open_graph(source: ModelSource, reading: Reading, known: Shape | None = None) -> OnnxGraph:
    """Check a model and take it apart.

    Parameters
    ----------
    source : ModelFile, Path or bytes
    known : tuple of int, optional
        Shape of the pictures that are to go in.

    Raises
    ------
    InputError
        The file is unusable in any of the ways that there are.
    """
    file = model_file(source)
    check_one_reading(file.model)
    model = file.inlined
    check_flags(model)
    initialised = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in initialised]
    for entry in inputs:
        _check_element(entry)
    if len(inputs) != 1:
        raise InputError(f"takes {len(inputs)} inputs instead of one", where=file.where)
    output = choose_output([value.name for value in model.graph.output], reading, file.where)
    interface = _interface(inputs[0], reading, known)
    nodes, used = _what_answers(model.graph, inputs[0].name, output)
    ending = find_ending(model, output)
    _check(_alone(model, nodes, used, interface, output))
    constants = {
        t.name: _array(t, file.outside.get(t.name))
        for t in model.graph.initializer
        if t.name in used
    }
    opsets = {opset.domain: opset.version for opset in model.opset_import}
    return OnnxGraph(
        tuple(nodes),
        constants,
        inputs[0].name,
        interface,
        reading,
        inputs[0].type.tensor_type.elem_type,
        output,
        opsets.get("", opsets.get("ai.onnx", 1)),
        ending,
    )


def _check_element(entry: onnx.ValueInfoProto) -> None:
    kind = entry.type.tensor_type.elem_type
    if kind not in _PIXEL_TYPES:
        names = {number: name.lower() for name, number in onnx.TensorProto.DataType.items()}
        raise refused_element(f"tensor({names.get(kind, kind)})", f"input {entry.name}")


def _interface(entry: onnx.ValueInfoProto, reading: Reading, known: Shape | None) -> Interface:
    where, kind = f"input {entry.name}", entry.type.tensor_type.elem_type
    declared = [d.dim_value if d.dim_value > 0 else None for d in entry.type.tensor_type.shape.dim]
    found = find_interface(declared, reading, known, where)
    found.check(reading, np.uint8 if kind == onnx.TensorProto.UINT8 else np.float32, where)
    return found


def _what_answers(
    graph: onnx.GraphProto, entry: str, output: str
) -> tuple[list[onnx.NodeProto], set[str]]:
    """The nodes that an output depends on, in order, and the names of all tensors among them."""
    used, nodes = {output}, []
    for node in reversed(graph.node):
        if used.intersection(node.output):
            nodes.append(node)
            used.update(names_read(node))
    if entry not in used:
        raise InputError("the output does not depend on the image", where="ONNX model")
    return nodes[::-1], used


def _alone(
    model: onnx.ModelProto,
    nodes: list[onnx.NodeProto],
    used: set[str],
    interface: Interface,
    output: str,
) -> bytes:
    """A model of these nodes alone, with the input of one shape and one output.

    Large weights are inputs: checks look at their types and shapes only.
    """
    given = model.graph
    result = onnx.ModelProto(ir_version=model.ir_version)
    result.opset_import.extend(model.opset_import)
    graph = result.graph
    graph.name = given.name
    graph.node.extend(nodes)
    weights = [t for t in given.initializer if t.name in used]
    graph.input.extend(v for v in given.input if v.name in used - {t.name for t in weights})
    for tensor in weights:
        if is_large(tensor):
            info = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            graph.input.append(info)
        else:
            graph.initializer.append(tensor)
    sizes = graph.input[0].type.tensor_type.shape.dim
    for size, own in zip(list(sizes)[1:], interface.sizes, strict=True):
        size.Clear()
        size.dim_value = own
    answer = next(value for value in given.output if value.name == output)
    graph.output.add().CopyFrom(answer)
    if answer.type.HasField("tensor_type") and not answer.type.tensor_type.HasField("shape"):
        graph.output[0].ClearField("type")
    found = result if graph.output[0].HasField("type") else _inferred(result)
    written: bytes = found.SerializeToString()
    return written


def _inferred(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the type and shape of an output that comes without."""
    try:
        return shape_inference.infer_shapes(model)
    except (shape_inference.InferenceError, ValueError, RuntimeError) as error:
        raise _unchecked(error) from None


def names_read(node: onnx.NodeProto) -> Iterator[str]:
    """The tensors that a node reads, those read in its subgraphs too."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from names_read(inner)
            yield from (value.name for value in graph.output)


def _check(model: bytes) -> None:
    try:
        # With the check of types that comes with it.
        onnx.checker.check_model(model, full_check=True)
    except (
        onnx.checker.ValidationError,
        shape_inference.InferenceError,
        ValueError,
        RuntimeError,
    ) as error:
        raise _unchecked(error) from None


def _unchecked(error: Exception) -> InputError:
    reason = " ".join(str(error).split())[:300]
    return InputError(f"does not pass ONNX's own checks ({reason})", where="ONNX model")


def _array(tensor: onnx.TensorProto, outside: NDArray[Any] | None) -> NDArray[Any]:
    try:
        array = numpy_helper.to_array(tensor) if outside is None else outside
    except Exception as error:  # onnx raises whatever its decoding meets
        raise InputError(
            f"cannot be decoded ({' '.join(str(error).split())[:200]})",
            where=f"initializer {tensor.name}",
        ) from None
    check_finite(array, f"initializer {tensor.name}")
    return array


def check_finite(array: NDArray[Any], where: str) -> None:
    """Look for numbers that are none.

    Parameters
    ----------
    where : str
        Names the tensor in errors.

    Raises
    ------
    InputError
        There are NaN or infinite entries.
    """
    if array.dtype.kind == "V":  # bfloat16 and narrower ones
        array = array.astype(np.float32)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise InputError(
            f"has {bad} NaN or infinite values of {array.size}",
            where=where,
            remedy="The training diverged or the file is damaged",
        )
