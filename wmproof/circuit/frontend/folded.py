"""Tensors in which the images are not the first axis, or share one with windows or heads.

Whatever does not work across the images works on one image's part alone: that part is a tensor
with an axis more, and the operator's own function takes it, its axes counted one further.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from wmproof.circuit.frontend.arguments import Arguments, batch_dependent, normal_axis
from wmproof.circuit.frontend.builder import Builder
from wmproof.circuit.frontend.einsum import of_parts
from wmproof.circuit.frontend.shape_operators import reshaped, sliced_axes, transposed
from wmproof.circuit.frontend.values import Affine, Bytes, Constant, Folded, Padded, Value
from wmproof.errors import InputError

Operator = Callable[[Builder, Arguments], Value | list[Value]]
_AXES = {
    "BatchNormalization": 1,
    "Gather": 0,
    "Concat": 0,
    "Split": 0,
    "Softmax": -1,
    "LayerNormalization": -1,
}
# Elements meet those at their own place, or nothing else.
_NAMES = """
Add Sub Mul Div Pow Sum Neg Relu Clip LeakyRelu PRelu HardSigmoid HardSwish Sigmoid Tanh Gelu Swish
Elu Selu Celu Mish Softplus Identity Dropout Cast
"""
_ELEMENTWISE = frozenset(_NAMES.split())


def starts_folding(operator: str, arguments: Arguments) -> bool:
    """Whether the images leave the first axis, or others join it."""
    value = arguments.inputs[0]
    if not isinstance(value, Bytes | Affine | Padded):
        return False
    rank = len(value.shape)
    match operator:
        case "Transpose":
            return bool(arguments.ints("perm", tuple(range(rank))[::-1])[0] != 0)
        case "Reshape":
            shape, axis, _ = arguments.moved_shape(value.shape, 0)
            return bool(axis != 0 or shape[0] != 1)
        case "Flatten":
            return normal_axis(arguments.integer("axis", 1), rank + 1) not in {0, 1}
        case "Unsqueeze":
            axes = arguments.named_axes(1) or ()
            return 0 in {normal_axis(axis, rank + len(axes)) for axis in axes}
        case "Squeeze":
            return arguments.batch == 1 and 0 in (arguments.axes(1, rank) or ())
        case "Gather":
            return arguments.batch == 1 and not normal_axis(arguments.integer("axis", 0), rank)
        case _:
            return False


def fold_out(
    builder: Builder, operator: str, arguments: Arguments, function: Operator | None
) -> Value | list[Value]:
    """The result of an operator some of whose inputs are `Folded`, or become so.

    InputError if the operator works along the images, or is not known for such tensors.
    """
    if arguments.batch != 1:
        return _fold_out(builder, operator, arguments, function)
    inputs = tuple(_alone(builder, value) for value in arguments.inputs)
    result = _fold_out(builder, operator, replace(arguments, inputs=inputs), function)
    if isinstance(result, list):
        return [value for part in result if (value := _alone(builder, part)) is not None]
    return _alone(builder, result) or result


def _alone(builder: Builder, value: Value | None) -> Value | None:
    """Where there is one image only, any axis may be the images': it counts as the first one."""
    return _one(_again(builder, value.inner, 0)) if isinstance(value, Folded) else value


def _fold_out(
    builder: Builder, operator: str, arguments: Arguments, function: Operator | None
) -> Value | list[Value]:
    main = next(v for v in arguments.inputs if isinstance(v, Folded | Bytes | Affine | Padded))
    folded = _folded(builder, main)
    if operator in {"Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Expand"}:
        return _moved(builder, operator, arguments, folded)
    if function is None:
        raise InputError("works on a tensor whose batch is not its first axis")
    if operator in _ELEMENTWISE and len(arguments.inputs) > 1:
        return _elementwise(builder, arguments, function)
    if operator == "MatMul":
        return _matmul(builder, arguments, function)
    if operator == "Einsum":
        parts, (axis, outer) = _aligned(builder, arguments)
        lifted, place = of_parts(arguments, folded)
        if axis != folded.axis:
            raise batch_dependent()
        result = function(builder, replace(lifted, inputs=tuple(parts)))
        return _again(builder, result, place, outer)
    if operator == "Gemm":
        if folded.axis or len(folded.shape) != 2:
            raise batch_dependent()
        return _again(builder, function(builder, _with_inner(arguments, folded)), 0, folded.outer)
    if operator in _ELEMENTWISE:
        inner = _with_inner(arguments, folded)
        return _again(builder, function(builder, inner), folded.axis, folded.outer)
    return _along(builder, operator, arguments, folded, function)


def _folded(builder: Builder, value: Value | None) -> Folded:
    if isinstance(value, Folded):
        return value
    if not isinstance(value, Bytes | Affine | Padded):
        raise InputError("mixes tensors whose batch lies in different axes")
    plain = builder.bytes(value) if isinstance(value, Padded) else value
    inner = reshaped(builder, plain, (1, *plain.shape))
    return Folded(inner if isinstance(inner, Affine) else builder.bytes(inner), 0)


def _again(
    builder: Builder, result: Value | list[Value], axis: int, outer: int = 1
) -> Value | list[Value]:
    """A result on one image's part; a tensor in its own right where the images are in front."""
    if isinstance(result, list):
        return [_one(_again(builder, part, axis, outer)) for part in result]
    if isinstance(result, Padded):
        result = builder.bytes(result)
    if not isinstance(result, Bytes | Affine):
        raise InputError("makes no tensor of something whose batch is not its first axis")
    if axis == 0 and result.shape[1] == outer == 1 and len(result.shape) > 2:
        return reshaped(builder, result, (1, *result.shape[2:]))
    return Folded(result, axis, outer)


def _with_inner(arguments: Arguments, *folded: Folded) -> Arguments:
    """The arguments with one image's parts as the first inputs."""
    inner = tuple(value.inner for value in folded)
    return replace(arguments, inputs=(*inner, *arguments.inputs[len(inner) :]))


def _moved(builder: Builder, operator: str, arguments: Arguments, value: Folded) -> Value:
    """Reshape and its kin, and Transpose."""
    shape, axis, outer = value.shape, value.axis, value.outer
    rank = len(shape)
    match operator:
        case "Transpose":
            order = arguments.ints("perm", tuple(range(rank))[::-1])
            turned = transposed(builder, value.inner, (0, *(a + 1 for a in order)))
            return _one(_again(builder, turned, order.index(axis), value.outer))
        case "Reshape":
            new, place, outer = arguments.moved_shape(shape, axis, outer)
        case "Flatten":
            cut = normal_axis(arguments.integer("axis", 1), rank + 1)
            new, place = (math.prod(shape[:cut]), math.prod(shape[cut:])), int(cut <= axis)
            outer = math.prod(shape[:axis]) * outer // math.prod(new[:place])
        case "Squeeze":
            axes = arguments.axes(1, rank)
            together = axis in (axes or ()) and arguments.batch != 1
            if not axes or together or any(shape[a] != 1 for a in axes):
                raise InputError(f"squeezes axes {axes} of {shape}, whose images are in {axis}")
            new = tuple(size for a, size in enumerate(shape) if a not in axes)
            place = axis - sum(a < axis for a in axes)
        case "Unsqueeze":
            named = arguments.named_axes(1) or ()
            axes = arguments.axes(1, rank + len(named)) or ()
            rest = [a for a in range(rank + len(axes)) if a not in axes]
            new = tuple(shape[rest.index(a)] if a in rest else 1 for a in range(rank + len(axes)))
            place = rest[axis]
        case _:
            return _expanded(builder, arguments, value)
    return _one(_again(builder, reshaped(builder, value.inner, (1, *new)), place, outer))


def _one(result: Value | list[Value]) -> Value:
    if isinstance(result, list):
        raise InputError("makes several tensors")
    return result


def _expanded(builder: Builder, arguments: Arguments, value: Folded) -> Value:
    wide = arguments.wide_shape(value.shape, value.axis)
    if wide != value.shape:
        raise InputError(f"widens a tensor {value.shape} to {wide}")
    return value


def _aligned(builder: Builder, arguments: Arguments) -> tuple[list[Value], tuple[int, int]]:
    """Operands with as many axes each, and the axis of the images and `outer`, one for all."""
    values = [value for value in arguments.inputs if value is not None]
    rank = max(len(v.shape) for v in values)
    parts: list[Value] = []
    places = set()
    for value in values:
        if isinstance(value, Constant):
            parts.append(value)
            continue
        found = _folded(builder, value)
        missing = rank - len(found.shape)
        places.add((found.axis + missing, found.shape[found.axis], found.outer))
        inner = found.inner
        if missing:
            inner = reshaped(builder, inner, (1, *(1 for _ in range(missing)), *found.shape))  # type: ignore[assignment]
        parts.append(inner)
    if arguments.batch == 1:
        return parts, (0, 1)
    if len(places) != 1:
        raise InputError("mixes tensors whose batch lies in different axes")
    axis, _, outer = places.pop()
    return parts, (axis, outer)


def _elementwise(builder: Builder, arguments: Arguments, function: Operator) -> Value | list[Value]:
    """Operands that broadcast to each other; a constant must not tell images apart."""
    parts, (axis, outer) = _aligned(builder, arguments)
    rank = max(len(value.shape) for value in arguments.inputs if value is not None)
    ready = iter(
        _for_each_part(arguments, part, (axis, outer), rank) if isinstance(part, Constant) else part
        for part in parts
    )
    # What is left out stays so: a Clip without its first bound has its second one in place.
    inputs = tuple(None if value is None else next(ready) for value in arguments.inputs)
    return _again(builder, function(builder, replace(arguments, inputs=inputs)), axis, outer)


def _for_each_part(
    arguments: Arguments, constant: Constant, place: tuple[int, int], rank: int
) -> Constant:
    """An operand as one image's part meets it: the images have one for all, or a copy each."""
    axis, outer = place
    size = (1,) * (rank - constant.array.ndim) + constant.array.shape
    copies = constant.batch is not None and constant.batch + rank - constant.array.ndim == axis
    if constant.counts is not None or constant.ramp or (constant.batch is not None and not copies):
        raise batch_dependent()
    if (copies and outer != 1) or (not copies and size[axis] != 1 and arguments.batch != 1):
        raise batch_dependent()
    return Constant(constant.array)


def _matmul(builder: Builder, arguments: Arguments, function: Operator) -> Value | list[Value]:
    parts, (axis, outer) = _aligned(builder, arguments)
    rank = max(len(p.shape) for p in parts if not isinstance(p, Constant)) - 1
    constant = isinstance(parts[1], Constant)
    # Rows may be those of several images where the other matrix is a constant.
    together = axis >= rank - (1 if constant else 2) and arguments.batch != 1
    if together or isinstance(parts[0], Constant):
        raise batch_dependent()
    return _again(builder, function(builder, replace(arguments, inputs=tuple(parts))), axis, outer)


def _own_places(
    builder: Builder, arguments: Arguments, value: Folded, index: Constant, function: Operator
) -> Value | list[Value]:
    """Gather of the images' axis by places that step from image to image: each its own.

    One image alone has all places.
    """
    shape, axis = value.shape, normal_axis(arguments.integer("axis", 0), len(value.shape))
    part, array = shape[value.axis], index.array
    inside = array.size and 0 <= array.min() <= array.max() < part
    steps = index.ramp == part and axis == value.axis and value.outer == 1 and inside
    if not steps and arguments.batch != 1:
        raise batch_dependent()
    changed = replace(
        arguments,
        inputs=(value.inner, Constant(array.reshape(-1))),
        attributes=arguments.attributes | {"axis": axis + 1},
    )
    taken = _one(function(builder, changed))
    new = (*shape[:axis], *array.shape, *shape[axis + 1 :])
    if not isinstance(taken, Bytes | Affine):
        raise batch_dependent()
    return _again(builder, reshaped(builder, taken, (1, *new)), axis + (index.batch or 0))


def _along(
    builder: Builder, operator: str, arguments: Arguments, value: Folded, function: Operator
) -> Value | list[Value]:
    """Operators along axes that are not the images'."""
    rank, place = len(value.shape), value.axis
    changed = arguments
    index = arguments.inputs[1] if operator == "Gather" else None
    if isinstance(index, Constant):
        axis = normal_axis(arguments.integer("axis", 0), rank)
        if arguments.batch == 1 or axis == place or index.batch is not None:
            return _own_places(builder, arguments, value, index, function)
    if operator in _AXES:
        axis = normal_axis(arguments.integer("axis", _AXES[operator]), rank)
        axes = tuple(range(axis, rank)) if operator == "LayerNormalization" else (axis,)
        changed = replace(arguments, attributes=arguments.attributes | {"axis": axis + 1})
    elif operator.startswith(("Reduce", "_")):
        axes = arguments.axes(1, rank) or ()
        lifted = {"axes": tuple(a + 1 for a in axes)}
        if operator.startswith("_") and arguments.has(1):
            _expanded(builder, arguments, value)
        changed = replace(arguments, inputs=(None,), attributes=arguments.attributes | lifted)
        if not arguments.integer("keepdims", 1):
            place -= sum(a < place for a in axes)
    elif operator == "Slice":
        axes = tuple(normal_axis(int(a), rank) for a in sliced_axes(arguments))
        inputs = [*arguments.inputs, None, None][: max(4, len(arguments.inputs))]
        if arguments.has(1):
            inputs[3] = Constant(np.array([a + 1 for a in axes]))
        lifted = {"axes": tuple(a + 1 for a in axes)}
        changed = replace(arguments, inputs=tuple(inputs), attributes=arguments.attributes | lifted)
    else:
        raise InputError("works on a tensor whose batch is not its first axis")
    if not axes or (value.axis in axes and arguments.batch != 1):
        raise batch_dependent()
    if operator == "Gather":
        places = arguments.constant(1)
        if places.ndim > 1:
            raise InputError("gathers along several axes at once")
        place -= int(places.ndim == 0 and axes[0] < place)
    if operator == "Concat":
        parts, (place, outer) = _aligned(builder, arguments)
        if arguments.batch == 1:
            parts = [Constant(v.array[None]) if isinstance(v, Constant) else v for v in parts]
        elif any(isinstance(part, Constant) for part in parts):
            raise batch_dependent()
        return _again(
            builder, function(builder, replace(changed, inputs=tuple(parts))), place, outer
        )
    return _again(builder, function(builder, _with_inner(changed, value)), place, value.outer)
