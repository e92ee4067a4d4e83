"""Einsum of one or two operands: a transposition, a matrix along axes, or a product of tensors."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from wmproof.circuit.frontend.arguments import Arguments, batch_dependent, floats
from wmproof.circuit.frontend.builder import Builder
from wmproof.circuit.frontend.linear_operators import along_axis
from wmproof.circuit.frontend.shape_operators import reshaped, transposed
from wmproof.circuit.frontend.values import Constant, Folded, Tensor
from wmproof.errors import InputError


def einsum(builder: Builder, arguments: Arguments) -> Tensor:
    """Einsum in which every label stands once in each operand, the batch's first in all.

    InputError if the equation names an axis twice, sums or multiplies in a way that is not
    handled, or is for other shapes.
    """
    terms, result = _labels(arguments)
    images = result[0]
    constant = [isinstance(value, Constant) for value in arguments.inputs]
    for labels, fixed in zip(terms, constant, strict=True):
        if images in labels[0 if fixed else 1 :] or (not fixed and labels[0] != images):
            raise batch_dependent()
    if len(terms) == 1:
        return _arranged(builder, arguments.tensor(0), terms[0], result)
    if any(constant):
        side = constant.index(True)
        array = floats(arguments.constant(side))
        return _by_constant(
            builder, arguments.tensor(1 - side), terms[1 - side], (array, terms[side]), result
        )
    return _of_tensors(builder, arguments, terms, result)


def of_parts(arguments: Arguments, folded: Folded) -> tuple[Arguments, int]:
    """The same for one image's parts, with a label for the images; the axis that they are in.

    Returns
    -------
    arguments : Arguments
    axis : int
    """
    terms, result = _labels(arguments)
    if any(isinstance(value, Constant) for value in arguments.inputs):
        raise batch_dependent()
    label = terms[0][folded.axis]
    # Under another label, the images of one operand would meet all those of the other.
    if any(term.find(label) != folded.axis for term in terms) or label not in result:
        raise batch_dependent()
    free = next(c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in "".join((*terms, result)))
    equation = ",".join(free + term for term in terms) + "->" + free + result
    changed = replace(arguments, attributes=arguments.attributes | {"equation": equation})
    return changed, result.index(label)


def _labels(arguments: Arguments) -> tuple[list[str], str]:
    """The labels of each operand and of the result."""
    equation = arguments.attributes["equation"]
    text = (equation.decode() if isinstance(equation, bytes) else equation).replace(" ", "")
    left, arrow, result = text.partition("->")
    terms = left.split(",")
    every = [*terms, result]
    if not arrow or not 1 <= len(terms) <= 2 or not all(t.isalpha() and t.isascii() for t in every):
        raise InputError(f"has the equation {text!r}; one or two operands and a result are handled")
    if any(len(set(term)) != len(term) for term in every) or not set(result) <= set("".join(terms)):
        raise InputError(f"has the equation {text!r}, which names an axis twice or not at all")
    for term, value in zip(terms, arguments.inputs, strict=True):
        if value is None or len(term) != len(value.shape):
            raise InputError(f"has the equation {text!r} for other shapes")
    return terms, result


def _arranged(builder: Builder, value: Tensor, labels: str, result: str) -> Tensor:
    if sorted(labels) != sorted(result):
        raise InputError(f"sums over axes of one operand, {labels} to {result}")
    return transposed(builder, value, tuple(labels.index(label) for label in result))


def _by_constant(
    builder: Builder,
    value: Tensor,
    labels: str,
    other: tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]], str],
    result: str,
) -> Tensor:
    """A matrix: the axes that are summed over become one, the last."""
    array, own = other
    summed = [label for label in labels if label not in result]
    new = [label for label in own if label not in labels]
    if set(summed) | set(new) != set(own) or set(new) - set(result):
        raise InputError(f"multiplies {labels} by a constant {own} axis by axis to {result}")
    sizes = dict(zip(own, array.shape, strict=True))
    if any(value.shape[labels.index(label)] != sizes[label] for label in summed):
        raise InputError(f"multiplies {value.shape} by a constant {array.shape}")
    kept = [label for label in labels if label not in summed]
    moved = transposed(builder, value, tuple(labels.index(c) for c in (*kept, *summed)))
    lead = moved.shape[: len(kept)]
    flat = reshaped(builder, moved, (*lead, math.prod(sizes[c] for c in summed)))
    matrix = array.transpose([own.index(c) for c in (*new, *summed)])
    matrix = matrix.reshape(math.prod(sizes[c] for c in new), -1)
    made = along_axis(builder, flat, len(lead) - 1, matrix, np.zeros(len(matrix)))
    wide = reshaped(builder, made, (*lead, *(sizes[c] for c in new)))
    return transposed(builder, wide, tuple([*kept, *new].index(c) for c in result))


def _of_tensors(builder: Builder, arguments: Arguments, terms: list[str], result: str) -> Tensor:
    """A product of tensors, summed over what the result does not have."""
    order = {label: i for i, label in enumerate(result[1:])}
    summed = sorted(set("".join(terms)) - set(result))
    order |= {label: len(result) - 1 + i for i, label in enumerate(summed)}
    values = [arguments.tensor(i) for i in (0, 1)]
    sizes: dict[str, int] = {}
    for value, term in zip(values, terms, strict=True):
        for label, size in zip(term, value.shape, strict=True):
            if sizes.setdefault(label, size) != size:
                raise InputError(f"has axes of {sizes[label]} and {size} elements for {label}")
    axes = [tuple(order[label] for label in term[1:]) for term in terms]
    shape = tuple(sizes[label] for label in result[1:])
    return builder.product(values[0], values[1], (axes[0], axes[1]), shape)
