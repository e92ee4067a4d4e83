"""Folding what does not depend on the image: shape arithmetic and rearranged weights.

Only operators whose result is exact or one IEEE operation an element are folded, by onnx's own
reference implementation: constants are the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from wmproof.circuit.frontend.arguments import Arguments, batch_dependent
from wmproof.circuit.frontend.rounded_constants import SUMMED, summed
from wmproof.circuit.frontend.values import Constant
from wmproof.circuit.ir import TENSOR_LIMIT, Shape
from wmproof.errors import InputError

_EXACT = """
Abs Add And Cast Ceil Clip Concat Constant ConstantOfShape DepthToSpace Div Equal Expand EyeLike
Flatten Floor Gather GatherElements GatherND Greater GreaterOrEqual Identity Less LessOrEqual Max
Min Mod Mul Neg NonZero Not Or Pad Range Reciprocal ReduceMax ReduceMin Relu Reshape Round
ScatterElements ScatterND Shape Sign Size Slice SpaceToDepth Split Sqrt Squeeze Sub Tile Transpose
Trilu Unsqueeze Where Xor
"""
FOLDABLE = frozenset(_EXACT.split())
Array = NDArray[Any]
_SMALL = 64  # elements of a constant that is itself a shape


def fold(node: onnx.NodeProto, inputs: list[NDArray[Any] | None], opset: int) -> list[NDArray[Any]]:
    """Outputs of a node all of whose inputs are constants.

    Parameters
    ----------
    inputs : list of array or None
        None where an input is left out.

    Raises
    ------
    InputError
        The operator is not one that is folded, or fails on these inputs.
    """
    if node.op_type in SUMMED:
        return summed(node, inputs)
    if node.op_type not in FOLDABLE:
        raise InputError("is computed from constants by an operator that is not folded")
    names = [
        name if value is not None else "" for name, value in zip(node.input, inputs, strict=True)
    ]
    feeds = {name: value for name, value in zip(names, inputs, strict=True) if value is not None}
    _check_one_result(node, inputs)
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


# Which inputs these move; the number of images may pass through them on its way to a shape.
_MOVED = {
    "Cast": (0,),
    "Gather": (0,),
    "Slice": (0,),
    "Squeeze": (0,),
    "Unsqueeze": (0,),
    "Identity": (0,),
    "Reshape": (0,),
    "Where": (1, 2),
}


def fold_counts(node: onnx.NodeProto, inputs: list[Constant | None], opset: int) -> list[Constant]:
    """As `fold`, for constants some of whose elements count images: offsets + counts * N.

    InputError if an output depends on the number of images in another way.
    """
    kind = node.op_type
    given = [v for v in inputs if v is not None]
    moved = range(len(inputs)) if kind == "Concat" else _MOVED.get(kind, ())
    counting = [i for i, v in enumerate(inputs) if v is not None and v.counts is not None]
    whole = kind != "Cast" or _cast_target(node) in {6, 7}
    if whole and set(counting) <= set(moved):
        return _linear(node, inputs, opset, moved)
    if kind in {"Add", "Sub"}:
        return _linear(node, inputs, opset, range(2))
    if kind in {"Mul", "Div"} and len(counting) == 1 and (kind == "Mul" or counting == [0]):
        result = _linear(node, inputs, opset, counting)
        other = given[1 - counting[0]].array
        parts = (given[0].array, _counts(given[0]))
        if kind == "Div" and any((part % other).any() for part in parts):
            raise batch_dependent()
        return result
    if kind == "Equal":
        return [Constant(_never_equal(*given))]
    if kind in {"Shape", "Size"}:
        return [Constant(array) for array in fold(node, [given[0].array], opset)]
    if kind == "Range" and counting == [1]:
        start, end, step = (v.array.reshape(()) for v in given)
        if start == 0 == end and step == 1 and (_counts(given[1]) == 1).all():
            return [Constant(np.zeros(1, np.int64), None, 0, 1)]
    if kind in {"ConstantOfShape", "Expand"}:
        return [_repeated(node, inputs, opset)]
    raise batch_dependent()


_BY_ELEMENT = frozenset({"Add", "Sub", "Mul", "Div", "Where", "Equal", "Not", "And", "Or", "Cast"})


def fold_repeated(
    node: onnx.NodeProto, inputs: list[Constant | None], opset: int
) -> list[Constant]:
    """As `fold`, where an input has a copy, or a step of a ramp, for each image.

    InputError if an output would not consist of one copy for each image.
    """
    given = [v for v in inputs if v is not None]
    sides = [i for i, v in enumerate(given) if v.batch is not None]
    value = given[sides[0]]
    batch, array = value.batch or 0, value.array
    if node.op_type == "Reshape" and sides == [0]:
        return [_reshaped(node, value, given[1], opset)]
    if any(v.counts is not None for v in given):
        raise batch_dependent()
    result = fold(node, [None if v is None else v.array for v in inputs], opset)[0]
    if node.op_type == "Identity":
        return [value]
    if node.op_type == "Unsqueeze" and sides == [0]:
        axes = sorted(int(a) % result.ndim for a in _axes(node, given))
        rest = [axis for axis in range(result.ndim) if axis not in axes]
        return [replace(value, array=result, batch=rest[batch])]
    place = batch + result.ndim - array.ndim
    alike = all(_same_copies(v, value, place - result.ndim) for v in given)
    if not alike or node.op_type not in _BY_ELEMENT:
        raise batch_dependent()
    if not value.ramp:
        return [Constant(result, None, place)]
    ramps = {
        "Add": lambda other: value.ramp,
        "Mul": lambda other: value.ramp * int(other.array.max()),
    }
    other = given[1 - sides[0]] if len(given) == 2 and len(sides) == 1 else value
    single = node.op_type == "Add" or other.array.size == 1
    if array.dtype.kind != "i" or other is value or node.op_type not in ramps or not single:
        raise batch_dependent()
    return [Constant(result, None, place, ramps[node.op_type](other))]


def _same_copies(one: Constant, value: Constant, place: int) -> bool:
    """Whether an operand is the same for each image along axis `place`, counted from the end."""
    shape = one.array.shape
    if one.batch is None:
        return len(shape) < -place or shape[place] == 1
    same = one.batch - one.array.ndim == place and one.ramp == value.ramp
    return same and shape[place] == value.array.shape[place]


def _reshaped(node: onnx.NodeProto, value: Constant, shape: Constant, opset: int) -> Constant:
    """Reshape of copies: what is one image's part stays together."""
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    arguments = Arguments((value, shape), attributes, opset)
    new, axis, outer = arguments.moved_shape(value.shape, value.batch or 0)
    if outer != 1 or value.ramp:
        raise batch_dependent()
    return Constant(value.array.reshape(new), None, axis)


def _cast_target(node: onnx.NodeProto) -> int:
    return int(next(a.i for a in node.attribute if a.name == "to"))


def _axes(node: onnx.NodeProto, given: list[Constant]) -> list[int]:
    numbers = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    return list(numbers.get("axes", given[1].array.reshape(-1) if len(given) > 1 else []))


def _counts(value: Constant) -> NDArray[np.int64]:
    return np.zeros(value.array.shape, np.int64) if value.counts is None else value.counts


def _linear(
    node: onnx.NodeProto, inputs: list[Constant | None], opset: int, moved: Iterable[int]
) -> list[Constant]:
    """Fold offsets and counts on their own: what the operator does to both is linear."""
    plain = [None if v is None else v.array for v in inputs]
    slopes = [
        v if v is None or i not in set(moved) else _counts(v).astype(v.array.dtype)
        for i, v in enumerate(inputs)
    ]
    counts = [v.array if isinstance(v, Constant) else v for v in slopes]
    results = zip(fold(node, plain, opset), fold(node, counts, opset), strict=True)
    return [Constant(a, b.astype(np.int64) if b.any() else None) for a, b in results]


def _never_equal(a: Constant, b: Constant) -> NDArray[np.bool_]:
    """Which elements are equal, if that is the same for every number of images."""
    offset, slope = a.array - b.array, _counts(a) - _counts(b)
    number = np.where(slope != 0, -offset // np.where(slope, slope, 1), 0)
    if ((slope != 0) & (number >= 1) & (number * slope == -offset)).any():
        raise batch_dependent()
    return np.asarray((slope == 0) & (offset == 0))


def _repeated(node: onnx.NodeProto, inputs: list[Constant | None], opset: int) -> Constant:
    """A constant with a copy for each image along one axis."""
    place = 0 if node.op_type == "ConstantOfShape" else 1
    shape = inputs[place]
    if shape is None or shape.counts is None or np.count_nonzero(shape.counts) != 1:
        raise batch_dependent()
    axis = int(np.flatnonzero(shape.counts)[0])
    if shape.array[axis] != 0 or shape.counts[axis] != 1:
        raise batch_dependent()
    arrays = [None if v is None else v.array for v in inputs]
    single = shape.array.copy()
    single[axis] = 1
    arrays[place] = single
    made = fold(node, arrays, opset)[0]
    # Expand aligns axes from the right; the source must have one element there.
    batch = axis + made.ndim - len(single)
    if made.shape[batch] != 1:
        raise batch_dependent()
    return Constant(made, None, batch)


def _check_one_result(node: onnx.NodeProto, inputs: list[NDArray[Any] | None]) -> None:
    """Refuse what NumPy and ONNX Runtime read, round or wrap differently."""
    arrays = [v for v in inputs if v is not None and v.size]
    if any(v.dtype.kind in "OSU" for v in arrays):
        raise InputError("computes with texts")  # 1_000 is 1 in C
    if node.op_type == "Squeeze" and any(v is not None and not v.size for v in inputs[1:]):
        raise InputError("squeezes no axis, which to a runtime are all")
    whole = node.op_type in {"Div", "Mod"} and arrays[0].dtype.kind in "iu"
    if whole and (any((v < 0).any() for v in arrays) or not arrays[-1].all()):
        raise InputError("divides negative integers, or by zero")
    if node.op_type == "Range" and not all(_is_whole(v) for v in arrays):
        raise InputError("counts in fractions, of which runtimes add up one after the other")
    if node.op_type in {"Add", "Sub", "Mul", "Div"} and any(v.dtype.kind == "V" for v in arrays):
        raise InputError(f"computes constants in {arrays[0].dtype}, which rounds")
    if node.op_type in {"ScatterND", "ScatterElements"} and arrays:
        _check_places(node, arrays)
    if node.op_type in {"Shape", "Slice", "Unsqueeze"}:
        _check_ends(node, inputs)
    if node.op_type == "Cast" and arrays:
        _check_cast(arrays[0], helper.tensor_dtype_to_np_dtype(_cast_target(node)))


def _check_places(node: onnx.NodeProto, arrays: list[NDArray[Any]]) -> None:
    """Refuse to write twice into one place: nobody says in which order."""
    shape, places = arrays[0].shape, arrays[1]
    if node.op_type == "ScatterND":
        depth = places.shape[-1]
        rows = places.reshape(-1, depth) % np.array(shape[:depth])
    else:
        axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
        own = np.indices(places.shape)
        own[axis] = places % shape[axis]
        rows = own.reshape(places.ndim, -1).T
    if len(np.unique(rows, axis=0)) != len(rows):
        raise InputError("writes twice into one place")


def _check_ends(node: onnx.NodeProto, inputs: list[NDArray[Any] | None]) -> None:
    """Refuse ends beyond an axis, and axes out of order, which a runtime reads otherwise."""
    given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    data, *numbers = (np.zeros(()) if v is None else v for v in inputs)
    if node.op_type == "Shape":
        wrong = min(given.get("start", 0), given.get("end", 0)) < -data.ndim
    elif node.op_type == "Unsqueeze":
        axes = given.get("axes", [0])
        wrong = len(axes) > 1 and (axes != sorted(axes) or min(axes) < 0)
    else:
        wrong = len(numbers) == 4 and _goes_back_beyond(data.shape, *numbers)
    if wrong:
        raise InputError("names ends beyond an axis, or axes out of order")


def _goes_back_beyond(shape: Shape, starts: Array, ends: Array, axes: Array, steps: Array) -> bool:
    """Whether a slice backwards starts before an axis, or ends behind it."""
    sizes = np.array(shape)[axes if axes.ndim else slice(len(starts))]
    return bool(((steps < 0) & ((starts < -sizes) | (ends >= sizes))).any())


def _is_whole(number: NDArray[Any]) -> bool:
    return number.dtype.kind in "iu" or bool(
        ((number == np.round(number)) & (np.abs(number) < 2**24)).all()
    )


def _check_cast(array: NDArray[Any], target: np.dtype[Any]) -> None:
    values = array.astype(np.float32) if array.dtype.kind == "V" else array  # of bfloat16
    limits = np.iinfo(target) if values.dtype.kind == "f" and target.kind in "iu" else None
    if limits and not ((values > limits.min - 1) & (values < limits.max)).all():
        raise InputError(f"casts a number beyond the range of {target}")
    if array.dtype.name.startswith("float8") and target.kind == "b":
        raise InputError(f"casts {array.dtype} to {target}, where a runtime takes -0 for true")
    if target.kind == "V" and target.itemsize == 1:
        raise InputError(f"casts to {target}, in which no constant is read")
    if target.kind in "fV" and target.itemsize < 4:
        once, twice = array.astype(target), array.astype(np.float32).astype(target)
        if once.tobytes() != twice.tobytes():  # a runtime goes by way of float32
            raise InputError(f"casts {array.dtype} to {target}, which rounds once or twice")


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
